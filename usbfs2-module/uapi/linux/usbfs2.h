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

/*
 * mmap(2) of an endpoint file that is not isochronous, MAP_SHARED:
 *
 * At offset 0: buffers. Each mmap is a new allocation, all zero. A transfer
 * whose memory lies in one such mapping is not copied and pins nothing. A
 * mapping stays as it is until all of it is unmapped: no part of it can be
 * unmapped, protected or moved, and a child does not inherit it.
 *
 * At USBFS2_RING_OFFSET: the ring, of which a file has one at most, readable
 * and writable. It is a struct usbfs2_ring with as many transfers as fit in the
 * mapping, rounded down to a power of two.
 */
#define USBFS2_RING_OFFSET	0x100000000ULL
#define USBFS2_RING_MOST	4096

struct usbfs2_transfer {
	__u64 address;		/* in: memory, best of a mapping of the file */
	__u32 length;		/* in: bytes */
	__u32 flags;		/* in: USBFS2_ZERO_PACKET or 0 */
	__s32 moved;		/* out: bytes */
	__s32 status;		/* out: 0 or a negative errno */
	__u64 reserved;		/* in: 0 */
};

/*
 * Written by the kernel: size, a power of two; started, how many transfers were
 * taken from the ring so far, modulo 2^32; done, how many of those have their
 * result, from the first on without a gap.
 *
 * By the caller, read when a batch begins: seen, how many results it has looked
 * at; patience, in microseconds, see USBFS2_BATCH(); timeout, microseconds a
 * batch waits at most, 0 for as long as it takes. And, read at any time,
 * prepared: how many transfers it has put into the ring, see
 * USBFS2_BATCH_PREPARED.
 */
struct usbfs2_ring {
	__u32 size;
	__u32 started;
	__u32 done;
	__u32 seen;
	__u32 patience;
	__u32 timeout;
	__u32 prepared;
	__u32 reserved[9];
	struct usbfs2_transfer transfers[];
};

/*
 * A batch is a read of 0 bytes (OUT: a write) at this offset, synchronous or as
 * Linux AIO. It starts the next count transfers: number n (from 0 on) is
 * transfers[n % size]. Then it waits until done reaches target, which may not be
 * beyond what is started; if it has been reached, not at all. The wait ends
 * earlier when a result not seen yet is an error or a short read, or patience
 * microseconds after the first result not seen yet. So a caller with a deep
 * queue is woken once for many whole transfers, and a quiet device keeps none
 * from it.
 *
 * The result is the number of transfers started, always count. One that could
 * not be started has its errno in its place in the ring: each has exactly one
 * result. EINVAL, with nothing started: more than the ring has room for, or a
 * target beyond them. EBUSY, likewise: another batch is waiting.
 *
 * io_cancel, a signal and the end of the AIO context end the wait alone; the
 * transfers go on.
 */
#define USBFS2_BATCH(count, target)					\
	(_BITULL(62) | (__u64)(__u16)(count) << 32 | (__u32)(target))
/*
 * The count that stands for all transfers the caller has prepared and that are
 * not started. With it, no batch is needed while transfers are under way: when
 * the last of them ends, those prepared meanwhile are started, for the process
 * that made the last such batch, as far as their memory lies in its mappings of
 * the file. Store prepared, then look whether done equals started, in this
 * order: if so, nobody but a batch starts them.
 */
#define USBFS2_BATCH_PREPARED	0xffff
/*
 * Cancels those of count transfers from number first on that are under way. Each
 * still has its result. The result is how many it cancelled.
 */
#define USBFS2_BATCH_CANCEL(count, first)				\
	(_BITULL(61) | USBFS2_BATCH(count, first))

/*
 * io_uring, from Linux 6.7 on: IORING_OP_URING_CMD with one of these as cmd_op,
 * on any endpoint file that is not armed. sqe->cmd begins with a struct
 * usbfs2_command.
 *
 * TRANSFER: length bytes at sqe->addr. With IORING_URING_CMD_FIXED they lie in
 * the registered buffer sqe->buf_index (not of an isochronous endpoint).
 * VECTORED: as preadv(2) and pwritev(2), length iovecs at sqe->addr.
 * CANCEL: cancels this ring's commands on the file whose user_data is
 * sqe->addr. Each still completes, once. The result is how many there were;
 * ENOENT: none. IORING_OP_ASYNC_CANCEL and linked timeouts know no commands.
 *
 * cqe->res is what the read or write would return. With IORING_SETUP_CQE32,
 * big_cqe[0] is a struct usbfs2_status: bytes moved, and 0 or what ended the
 * transfer, even if bytes came before. Of an isochronous operation it is what a
 * last status would be: the start frame, and how many packets have an error.
 */
#define USBFS2_URING_TRANSFER	1
#define USBFS2_URING_VECTORED	2
#define USBFS2_URING_CANCEL	3

struct usbfs2_command {
	__u64 offset;		/* flags or a setup packet, as above */
	__u32 length;
	__u32 reserved;		/* 0 */
};

#endif /* _UAPI_LINUX_USBFS2_H */
