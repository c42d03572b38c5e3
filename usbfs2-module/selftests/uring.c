// SPDX-License-Identifier: GPL-2.0-only
/* io_uring's READ and WRITE, which a worker runs to completion. */
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "selftest.h"

#define ENTRIES	8

struct ring {
	int fd;
	struct io_uring_params params;
	__u8 *queues;
	struct io_uring_sqe *sqes;
	__u8 memory[ENTRIES][512];
};

static unsigned int *field(struct ring *ring, unsigned int offset)
{
	return (unsigned int *)(ring->queues + offset);
}

static void ring_open(struct ring *ring)
{
	size_t size;

	memset(ring, 0, sizeof(*ring));
	ring->fd = syscall(SYS_io_uring_setup, ENTRIES, &ring->params);
	if (ring->fd < 0)
		skip("no io_uring: %s", strerror(errno));
	if (!(ring->params.features & IORING_FEAT_SINGLE_MMAP))
		skip("this io_uring is too old");
	size = ring->params.cq_off.cqes +
	       ring->params.cq_entries * sizeof(struct io_uring_cqe);
	ring->queues = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			    ring->fd, IORING_OFF_SQ_RING);
	ring->sqes = mmap(NULL, ENTRIES * sizeof(*ring->sqes),
			  PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
			  IORING_OFF_SQES);
	EXPECT(ring->queues != MAP_FAILED && ring->sqes != MAP_FAILED);
}

static void ring_start(struct ring *ring, const struct io_uring_sqe *sqe)
{
	unsigned int *tail = field(ring, ring->params.sq_off.tail);
	unsigned int place = *tail % ENTRIES;

	ring->sqes[place] = *sqe;
	field(ring, ring->params.sq_off.array)[place] = place;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	EXPECT_RESULT(syscall(SYS_io_uring_enter, ring->fd, 1, 0, 0, NULL, 0),
		      1);
}

static void ring_transfer(struct ring *ring, int opcode, int fd,
			  unsigned int place, size_t length)
{
	const struct io_uring_sqe sqe = {
		.opcode = opcode,
		.fd = fd,
		.addr = (uintptr_t)ring->memory[place],
		.len = length,
		.user_data = place,
	};

	ring_start(ring, &sqe);
}

static unsigned int ring_next(struct ring *ring, int *result)
{
	unsigned int *head = field(ring, ring->params.cq_off.head);
	struct io_uring_cqe *cqe;
	unsigned int mask;

	EXPECT_RESULT(syscall(SYS_io_uring_enter, ring->fd, 0, 1,
			      IORING_ENTER_GETEVENTS, NULL, 0), 0);
	mask = *field(ring, ring->params.cq_off.ring_mask);
	cqe = (void *)field(ring, ring->params.cq_off.cqes);
	cqe += *head & mask;
	*result = cqe->res;
	mask = cqe->user_data;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return mask;
}

static void a_write_and_a_read_run_to_completion(void)
{
	struct bench bench;
	struct ring ring;
	int from, to, result;

	plug_loopback(&bench, false);
	from = open_bulk(&bench, DIR_IN);
	to = open_bulk(&bench, DIR_OUT);
	ring_open(&ring);
	memcpy(ring.memory[1], "hello", 5);
	ring_transfer(&ring, IORING_OP_READ, from, 0, 512);
	ring_transfer(&ring, IORING_OP_WRITE, to, 1, 5);
	EXPECT(ring_next(&ring, &result) < 2);
	EXPECT_RESULT(result, 5);
	EXPECT(ring_next(&ring, &result) < 2);
	EXPECT_RESULT(result, 5);
	EXPECT(!memcmp(ring.memory[0], "hello", 5));
}

static void a_read_that_waits_is_cancelled(void)
{
	struct io_uring_sqe cancel = {
		.opcode = IORING_OP_ASYNC_CANCEL,
		.addr = 0,
		.user_data = ENTRIES,
	};
	struct bench bench;
	struct ring ring;
	int from, result;

	plug_loopback(&bench, false);
	from = open_bulk(&bench, DIR_IN);
	ring_open(&ring);
	ring_transfer(&ring, IORING_OP_READ, from, 0, 512);
	EXPECT_SOON(count_live() == 1);
	ring_start(&ring, &cancel);
	while (ring_next(&ring, &result))
		;
	/* io_uring says EINTR of an operation that it interrupted. */
	EXPECT(result == -ECANCELED || result == -EINTR);
	EXPECT_SOON(count_live() == 0);
}

static void kill_9_with_reads_waiting(void)
{
	struct bench bench;
	struct ring ring;
	pid_t child;

	plug_loopback(&bench, true);
	child = start_child();
	if (!child) {
		unsigned int place;
		int from;

		claim(&bench);
		from = open_bulk(&bench, DIR_IN);
		ring_open(&ring);
		for (place = 0; place < ENTRIES; place++)
			ring_transfer(&ring, IORING_OP_READ, from, place, 512);
		pause();
	}
	EXPECT_SOON(count_live() == ENTRIES);
	kill_child(child);
	EXPECT_SOON(count_live() == 0);
	EXPECT_SOON(!strcmp(bound_driver(&bench), "usbtest"));
}

static const struct selftest tests[] = {
	{ "a_write_and_a_read_run_to_completion",
	  a_write_and_a_read_run_to_completion },
	{ "a_read_that_waits_is_cancelled", a_read_that_waits_is_cancelled },
	{ "kill_9_with_reads_waiting", kill_9_with_reads_waiting },
};

int main(int argc, char **argv)
{
	return run_selftests(tests, ARRAY_SIZE(tests), argc, argv);
}
