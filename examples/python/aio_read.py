#!/usr/bin/env python3
"""Keeps several reads queued on an endpoint with Linux AIO, through ctypes and nothing else.

    aio_read.py /dev/usbfs2/1-1/1.0/ep81 [TRANSFERS [DEPTH [LENGTH]]]

Prints how much came, then queues DEPTH more reads, cancels each and tells what became of them.
"""

import ctypes
import errno
import os
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
# System call numbers of x86-64; asm-generic machines (arm64, riscv64) have 0, 1, 2, 3 and 4.
NUMBERS = (206, 207, 209, 210, 208) if os.uname().machine == "x86_64" else (0, 1, 2, 3, 4)
IO_SETUP, IO_DESTROY, IO_SUBMIT, IO_CANCEL, IO_GETEVENTS = NUMBERS
IOCB_CMD_PREAD = 0


class Iocb(ctypes.Structure):
    """struct iocb of linux/aio_abi.h, little-endian."""

    _fields_ = [
        ("data", ctypes.c_uint64), ("key", ctypes.c_uint32), ("rw_flags", ctypes.c_int32),
        ("opcode", ctypes.c_uint16), ("priority", ctypes.c_int16), ("file", ctypes.c_uint32),
        ("buffer", ctypes.c_uint64), ("length", ctypes.c_uint64), ("offset", ctypes.c_int64),
        ("reserved", ctypes.c_uint64), ("flags", ctypes.c_uint32), ("event_fd", ctypes.c_uint32),
    ]


class IoEvent(ctypes.Structure):
    """struct io_event of linux/aio_abi.h."""

    _fields_ = [
        ("data", ctypes.c_uint64), ("iocb", ctypes.c_uint64),
        ("result", ctypes.c_int64), ("result2", ctypes.c_int64),
    ]


def call(number, *arguments):
    """One system call; raises OSError."""
    result = LIBC.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


class Queue:
    """Reads in flight on one file. Each slot owns its iocb and buffer until its event is taken."""

    def __init__(self, file, depth, length):
        self.context = ctypes.c_ulong(0)
        call(IO_SETUP, ctypes.c_long(depth), ctypes.byref(self.context))
        self.buffers = [ctypes.create_string_buffer(length) for _ in range(depth)]
        self.iocbs = [
            Iocb(data=slot, opcode=IOCB_CMD_PREAD, file=file, buffer=ctypes.addressof(buffer), length=length)
            for slot, buffer in enumerate(self.buffers)
        ]

    def submit(self, slot):
        """Queues the read of `slot`."""
        call(IO_SUBMIT, self.context, ctypes.c_long(1), (ctypes.c_void_p * 1)(ctypes.addressof(self.iocbs[slot])))

    def cancel(self, slot):
        """Asks to cancel `slot`. Its event comes all the same: ECANCELED, or the bytes if it was too late."""
        try:
            call(IO_CANCEL, self.context, ctypes.byref(self.iocbs[slot]), ctypes.byref(IoEvent()))
        except OSError as error:
            if error.errno not in (errno.EINPROGRESS, errno.EINVAL):
                raise

    def wait(self):
        """Waits for events; yields the slot and the result of each: bytes, or a negative errno."""
        events = (IoEvent * len(self.iocbs))()
        count = call(IO_GETEVENTS, self.context, ctypes.c_long(1), ctypes.c_long(len(events)), events, None)
        for event in events[:count]:
            yield event.data, event.result

    def close(self):
        """Cancels what is in flight and waits for it, so that the buffers may go."""
        call(IO_DESTROY, self.context)


def main():
    if not 2 <= len(sys.argv) <= 5:
        sys.exit(__doc__)
    transfers, depth, length = (
        int(sys.argv[at]) if len(sys.argv) > at else default for at, default in ((2, 256), (3, 8), (4, 4096))
    )
    file = os.open(sys.argv[1], os.O_RDONLY)
    queue = Queue(file, depth, length)
    received, started, done = 0, 0, 0
    while started < min(depth, transfers):
        queue.submit(started)
        started += 1
    while done < transfers:
        for slot, result in queue.wait():
            if result < 0:
                sys.exit(f"transfer {done}: {os.strerror(-result)}")
            received += result
            done += 1
            if started < transfers:
                queue.submit(slot)
                started += 1
    print(f"{done} transfers, {received} bytes")

    for slot in range(depth):
        queue.submit(slot)
    for slot in range(depth):
        queue.cancel(slot)
    outcomes = {}
    while len(outcomes) < depth:
        for slot, result in queue.wait():
            if slot in outcomes:
                sys.exit(f"read {slot} completed twice")
            outcomes[slot] = result
    cancelled = sum(result == -errno.ECANCELED for result in outcomes.values())
    finished = sum(result >= 0 for result in outcomes.values())
    print(f"{cancelled} cancelled, {finished} finished first, {depth - cancelled - finished} failed")
    queue.close()
    os.close(file)


if __name__ == "__main__":
    main()
