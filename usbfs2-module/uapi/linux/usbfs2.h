/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * usbfs2: USB endpoints as files. What a program needs besides read(2),
 * write(2) and Linux AIO; README.md is the manual.
 */
#ifndef _UAPI_LINUX_USBFS2_H
#define _UAPI_LINUX_USBFS2_H

#include <linux/const.h>
#include <linux/types.h>

/* f_type of statfs(2): "usb2" */
#define USBFS2_MAGIC 0x75736232

/*
 * pread(2) and pwrite(2) on ep00: the offset is the first six bytes of the
 * setup packet (USB 2.0 9.3), the length of the call is wLength.
 */
#define USBFS2_SETUP(request_type, request, value, index)	\
	(((__u64)(__u8)(request_type) << 40) |			\
	 ((__u64)(__u8)(request) << 32) |			\
	 ((__u64)(__u16)(value) << 16) |			\
	 (__u64)(__u16)(index))

#define USBFS2_SETUP_REQUEST_TYPE(offset)	((__u8)((__u64)(offset) >> 40))
#define USBFS2_SETUP_REQUEST(offset)		((__u8)((__u64)(offset) >> 32))
#define USBFS2_SETUP_VALUE(offset)		((__u16)((__u64)(offset) >> 16))
#define USBFS2_SETUP_INDEX(offset)		((__u16)(__u64)(offset))

/* Every other bit of an ep00 offset must be zero. */
#define USBFS2_SETUP_MASK	0x0000ffffffffffffULL

/*
 * The offset of an operation on any other endpoint is a set of flags. A flag
 * the kernel does not know, or that does not fit the endpoint, is EINVAL.
 */

/* OUT: end a transfer of whole packets with a zero-length packet. */
#define USBFS2_ZERO_PACKET	_BITULL(0)

/*
 * Isochronous: each iovec of the operation is a packet, at most 1024 of them
 * (UIO_MAXIOV), this one included:
 *
 * The last iovec is no packet but memory for a struct usbfs2_status for each,
 * or for each and one more: that has the start frame for its length, -1 where
 * the first packet was not sent for want of memory or bandwidth, and how many
 * packets have an error for its status. The kernel writes to it, whether
 * the operation reads or writes, and only if that does not fail as a whole.
 */
#define USBFS2_ISO_STATUS	_BITULL(1)
/*
 * Start in this frame (microframe, where the controller counts those) instead
 * of as soon as possible behind what is queued.
 */
#define USBFS2_ISO_START	_BITULL(2)
#define USBFS2_ISO_FRAME(frame)	(((__u64)(frame) & 0x7fffffff) << 32)

/*
 * The result of one part of an operation that carries several: bytes moved
 * and 0 or a negative errno.
 */
struct usbfs2_status {
	__s32 length;
	__s32 status;
};

#endif /* _UAPI_LINUX_USBFS2_H */
