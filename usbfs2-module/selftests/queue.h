/* SPDX-License-Identifier: GPL-2.0-only */
/* Linux AIO by its system calls; libc has none of them. */
#ifndef _USBFS2_QUEUE_H
#define _USBFS2_QUEUE_H

#include <linux/aio_abi.h>
#include <sys/syscall.h>
#include <time.h>

#include "selftest.h"

#define DEPTH	32

/* Operations in flight; .data of each is its place in operations. */
struct queue {
	aio_context_t context;
	struct iocb operations[DEPTH];
	__u8 memory[DEPTH][512];
	unsigned int completed[DEPTH];	/* times */
};

static inline void queue_open(struct queue *queue)
{
	memset(queue, 0, sizeof(*queue));
	EXPECT_RESULT(syscall(SYS_io_setup, DEPTH, &queue->context), 0);
}

/* Cancels, and waits for, what is in flight. */
static inline void queue_close(struct queue *queue)
{
	EXPECT_RESULT(syscall(SYS_io_destroy, queue->context), 0);
}

/* Starts a read or a write of length bytes. */
static inline void queue_start_at(struct queue *queue, unsigned int place,
				  int fd, int opcode, void *memory,
				  size_t length)
{
	struct iocb *operation = &queue->operations[place];

	memset(operation, 0, sizeof(*operation));
	operation->aio_data = place;
	operation->aio_fildes = fd;
	operation->aio_lio_opcode = opcode;
	operation->aio_buf = (uintptr_t)memory;
	operation->aio_nbytes = length;
	queue->completed[place] = 0;
	EXPECT_RESULT(syscall(SYS_io_submit, queue->context, 1, &operation), 1);
}

/* The same, of memory[place]. */
static inline void queue_start(struct queue *queue, unsigned int place, int fd,
			       int opcode, size_t length)
{
	queue_start_at(queue, place, fd, opcode, queue->memory[place], length);
}

/* The next completion; its place and result. */
static inline unsigned int queue_next(struct queue *queue, long *result)
{
	struct timespec timeout = { .tv_sec = SOON_MS / 1000 };
	struct io_event event;

	EXPECT_RESULT(syscall(SYS_io_getevents, queue->context, 1, 1, &event,
			      &timeout), 1);
	EXPECT(event.data < DEPTH);
	if (queue->completed[event.data]++)
		FAIL("operation %u completed twice", (unsigned int)event.data);
	*result = event.res;
	return event.data;
}

/* That there is none. */
static inline void queue_expect_nothing(struct queue *queue)
{
	struct timespec now = { 0 };
	struct io_event event;

	EXPECT_RESULT(syscall(SYS_io_getevents, queue->context, 1, 1, &event,
			      &now), 0);
}

/* Whether it is not too late; the completion comes in any case. */
static inline bool queue_cancel(struct queue *queue, unsigned int place)
{
	struct io_event event;

	if (!syscall(SYS_io_cancel, queue->context, &queue->operations[place],
		     &event))
		return true;
	if (errno != EINPROGRESS && errno != EINVAL && errno != EAGAIN)
		FAIL("io_cancel: %s", strerror(errno));
	return errno == EINPROGRESS;
}

#endif /* _USBFS2_QUEUE_H */
