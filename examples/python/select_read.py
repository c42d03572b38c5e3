#!/usr/bin/env python3
"""Reads from several endpoints as they have something to say, with select and nothing else.

    select_read.py /dev/usbfs2/1-1/1.0/ep81 [MORE...]

O_NONBLOCK arms an endpoint: the kernel reads ahead, select() says when something waits, and nothing is lost meanwhile.
Ends when every device was unplugged.
"""

import errno
import os
import select
import sys


def receive(path, file):
    """Prints what waits at one endpoint. False when it is over."""
    try:
        data = os.read(file, 4096)
    except BlockingIOError:
        return True
    except OSError as error:
        print(f"{path}: {error.strerror}", flush=True)
        if error.errno == errno.ENODEV:
            return False
        # A stall, or the like: start over. The error came after everything that was sent before it.
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        return True
    print(f"{path}: {data.hex(' ')}", flush=True)
    return True


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    files = {os.open(path, os.O_RDONLY | os.O_NONBLOCK): path for path in sys.argv[1:]}
    while files:
        readable, _, _ = select.select(files, [], [])
        for file in readable:
            if not receive(files[file], file):
                os.close(file)
                del files[file]


if __name__ == "__main__":
    main()
