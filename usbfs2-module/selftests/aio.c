// SPDX-License-Identifier: GPL-2.0-only
/* Transfers in flight by Linux AIO: their order, their end, each once. */
#include <poll.h>
#include <sys/eventfd.h>

#include "queue.h"

/* Reads that wait, since Loopback has nothing to send. */
static int start_reads(const struct bench *bench, struct queue *queue)
{
	int fd = open_bulk(bench, DIR_IN);
	unsigned int place;

	queue_open(queue);
	for (place = 0; place < DEPTH; place++)
		queue_start(queue, place, fd, IOCB_CMD_PREAD, 512);
	EXPECT_RESULT(count_live(), DEPTH);
	return fd;
}

static void reads_complete_in_their_order(void)
{
	struct queue queue;
	struct bench bench;
	unsigned int place;
	long result;
	int to;

	plug_loopback(&bench, false);
	start_reads(&bench, &queue);
	to = open_bulk(&bench, DIR_OUT);
	for (place = 0; place < DEPTH; place++)
		EXPECT_RESULT(write(to, &place, 1 + place % 4), 1 + place % 4);
	for (place = 0; place < DEPTH; place++) {
		EXPECT_RESULT(queue_next(&queue, &result), place);
		EXPECT_RESULT(result, 1 + place % 4);
		EXPECT_RESULT(queue.memory[place][0], place);
	}
	queue_expect_nothing(&queue);
}

static void an_eventfd_tells_of_completions(void)
{
	struct pollfd readable = { .events = POLLIN };
	struct iocb *operation;
	struct queue queue;
	struct bench bench;
	__u64 count;
	long result;

	plug_source_sink(&bench, false);
	queue_open(&queue);
	readable.fd = eventfd(0, EFD_CLOEXEC);
	operation = &queue.operations[0];
	operation->aio_fildes = open_bulk(&bench, DIR_IN);
	operation->aio_lio_opcode = IOCB_CMD_PREAD;
	operation->aio_buf = (uintptr_t)queue.memory[0];
	operation->aio_nbytes = 512;
	operation->aio_flags = IOCB_FLAG_RESFD;
	operation->aio_resfd = readable.fd;
	EXPECT_RESULT(syscall(SYS_io_submit, queue.context, 1, &operation), 1);
	EXPECT_RESULT(poll(&readable, 1, SOON_MS), 1);
	EXPECT_RESULT(read(readable.fd, &count, sizeof(count)), sizeof(count));
	EXPECT_RESULT(count, 1);
	EXPECT_RESULT(queue_next(&queue, &result), 0);
	EXPECT_RESULT(result, 512);
}

static void io_cancel_ends_that_one_alone(void)
{
	struct queue queue;
	struct bench bench;
	unsigned int place;
	long result;
	int to;

	plug_loopback(&bench, false);
	start_reads(&bench, &queue);
	EXPECT(queue_cancel(&queue, 5));
	EXPECT_RESULT(queue_next(&queue, &result), 5);
	EXPECT_RESULT(result, -ECANCELED);
	EXPECT(!queue_cancel(&queue, 5));
	queue_expect_nothing(&queue);
	to = open_bulk(&bench, DIR_OUT);
	for (place = 0; place < DEPTH; place++) {
		if (place == 5)
			continue;
		EXPECT_RESULT(write(to, "next", 4), 4);
		EXPECT_RESULT(queue_next(&queue, &result), place);
		EXPECT_RESULT(result, 4);
	}
}

/* Whoever wins, there is one completion, and no byte is lost. */
static void io_cancel_races_with_completion(void)
{
	unsigned int round, late = 0, left;
	struct queue queue;
	struct bench bench;
	int from, to;

	plug_loopback(&bench, false);
	queue_open(&queue);
	from = open_bulk(&bench, DIR_IN);
	to = open_bulk(&bench, DIR_OUT);
	for (round = 0; round < 200; round++) {
		long result, results[2];
		__u32 got;

		queue_start(&queue, 0, from, IOCB_CMD_PREAD, 512);
		memcpy(queue.memory[1], &round, sizeof(round));
		queue_start(&queue, 1, to, IOCB_CMD_PWRITE, sizeof(round));
		/* From before the device's answer to after it. */
		if (round % 10)
			usleep(round % 10 * 40);
		queue_cancel(&queue, 0);
		for (left = 2; left; left--) {
			unsigned int place = queue_next(&queue, &result);

			EXPECT(place < 2);
			results[place] = result;
		}
		queue_expect_nothing(&queue);
		EXPECT_RESULT(results[1], sizeof(round));
		if (results[0] == sizeof(round)) {
			late++;
			memcpy(&got, queue.memory[0], sizeof(got));
		} else {
			EXPECT_RESULT(results[0], -ECANCELED);
			EXPECT_RESULT(read(from, &got, sizeof(got)),
				      sizeof(got));
		}
		EXPECT_RESULT(got, round);
	}
	printf("# %u of 200 cancels came too late\n", late);
}

static void io_destroy_leaves_nothing(void)
{
	struct queue queue;
	struct bench bench;

	plug_loopback(&bench, false);
	start_reads(&bench, &queue);
	queue_close(&queue);
	EXPECT_RESULT(count_live(), 0);
}

static void close_cancels(void)
{
	struct queue queue;
	struct bench bench;
	unsigned int place;
	long result;

	plug_loopback(&bench, false);
	close(start_reads(&bench, &queue));
	for (place = 0; place < DEPTH; place++) {
		EXPECT_RESULT(queue_next(&queue, &result), place);
		EXPECT_RESULT(result, -ECANCELED);
	}
}

static void kill_9_with_transfers_in_flight(void)
{
	struct queue queue;
	struct bench bench;
	unsigned int round;
	pid_t child;

	plug_loopback(&bench, true);
	for (round = 0; round < 10; round++) {
		child = start_child();
		if (!child) {
			claim(&bench);
			start_reads(&bench, &queue);
			pause();
		}
		EXPECT_SOON(count_live() == DEPTH);
		kill_child(child);
		EXPECT_RESULT(count_live(), 0);
		EXPECT(!strcmp(bound_driver(&bench), "usbtest"));
	}
}

static void a_childs_close_leaves_its_parents_transfers(void)
{
	struct queue queue;
	struct bench bench;
	long result;
	pid_t child;

	plug_loopback(&bench, false);
	start_reads(&bench, &queue);
	child = start_child();
	if (!child) {
		close_files();
		_exit(0);
	}
	end_child(child);
	EXPECT_RESULT(count_live(), DEPTH);
	EXPECT_RESULT(write(open_bulk(&bench, DIR_OUT), "first", 5), 5);
	EXPECT_RESULT(queue_next(&queue, &result), 0);
	EXPECT_RESULT(result, 5);
}

static const struct selftest tests[] = {
	{ "reads_complete_in_their_order", reads_complete_in_their_order },
	{ "an_eventfd_tells_of_completions", an_eventfd_tells_of_completions },
	{ "io_cancel_ends_that_one_alone", io_cancel_ends_that_one_alone },
	{ "io_cancel_races_with_completion", io_cancel_races_with_completion },
	{ "io_destroy_leaves_nothing", io_destroy_leaves_nothing },
	{ "close_cancels", close_cancels },
	{ "kill_9_with_transfers_in_flight", kill_9_with_transfers_in_flight },
	{ "a_childs_close_leaves_its_parents_transfers",
	  a_childs_close_leaves_its_parents_transfers },
};

int main(int argc, char **argv)
{
	return run_selftests(tests, ARRAY_SIZE(tests), argc, argv);
}
