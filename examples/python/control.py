#!/usr/bin/env python3
"""Reads a device's strings with os.pread on its control pipe.

    control.py /dev/usbfs2/1-1

The offset of a read is the set-up packet (USB 2.0 9.3), its length is wLength.
"""

import os
import sys

GET_DESCRIPTOR = 6
DEVICE, STRING = 1, 3
US_ENGLISH = 0x0409


def control_in(ep00, request_type, request, value, index, length):
    """One control transfer from the device; returns what it sent."""
    offset = request_type << 40 | request << 32 | value << 16 | index
    return os.pread(ep00, length, offset)


def string(ep00, index):
    """String descriptor `index` (USB 2.0 9.6.7), empty if the device has none."""
    if index == 0:
        return ""
    descriptor = control_in(ep00, 0x80, GET_DESCRIPTOR, STRING << 8 | index, US_ENGLISH, 255)
    return descriptor[2:descriptor[0]].decode("utf-16-le")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    ep00 = os.open(os.path.join(sys.argv[1], "ep00"), os.O_RDWR)
    try:
        device = control_in(ep00, 0x80, GET_DESCRIPTOR, DEVICE << 8, 0, 18)
        vendor, product = (int.from_bytes(device[at:at + 2], "little") for at in (8, 10))
        print(f"{vendor:04x}:{product:04x}")
        for name, at in (("manufacturer", 14), ("product", 15), ("serial number", 16)):
            print(f"{name}: {string(ep00, device[at])}")
    finally:
        os.close(ep00)


if __name__ == "__main__":
    main()
