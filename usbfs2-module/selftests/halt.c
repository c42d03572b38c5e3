// SPDX-License-Identifier: GPL-2.0-only
/* An endpoint that stalls stops until it is recovered. */
#include "queue.h"

/* The stall; what the device had ready before it comes first. */
static void read_to_the_stall(int fd)
{
	__u8 bytes[1024];
	unsigned int left = 1000;

	while (left-- && read(fd, bytes, sizeof(bytes)) >= 0)
		;
	if (errno != EPIPE)
		FAIL("%s instead of EPIPE", strerror(errno));
}

static void a_stalled_endpoint_stays_stopped(void)
{
	__u8 bytes[1024];
	struct bench bench;
	int fd;

	plug_source_sink(&bench, false);
	fd = open_bulk(&bench, DIR_IN);
	halt_endpoint(&bench, bulk_endpoint(&bench, DIR_IN));
	read_to_the_stall(fd);
	EXPECT_ERRNO(read(fd, bytes, sizeof(bytes)), EPIPE);
	EXPECT_ERRNO(read(fd, bytes, sizeof(bytes)), EPIPE);
	/* The other endpoint goes on. */
	memset(bytes, 0, sizeof(bytes));
	EXPECT_RESULT(write(open_bulk(&bench, DIR_OUT), bytes, 1), 1);
}

static void fadvise_recovers(void)
{
	__u8 bytes[1024];
	struct bench bench;
	int fd;

	plug_source_sink(&bench, false);
	fd = open_bulk(&bench, DIR_IN);
	halt_endpoint(&bench, bulk_endpoint(&bench, DIR_IN));
	read_to_the_stall(fd);
	recover(fd);
	EXPECT_RESULT(read(fd, bytes, sizeof(bytes)), sizeof(bytes));
	EXPECT(is_pattern(bytes, sizeof(bytes), 512));
}

static void o_trunc_recovers_after_an_error(void)
{
	__u8 bytes[1024];
	struct bench bench;
	int fd;

	plug_source_sink(&bench, false);
	fd = open_bulk(&bench, DIR_IN);
	halt_endpoint(&bench, bulk_endpoint(&bench, DIR_IN));
	read_to_the_stall(fd);
	close(fd);
	fd = open_file(bulk_endpoint(&bench, DIR_IN), O_RDONLY | O_TRUNC);
	EXPECT_RESULT(read(fd, bytes, sizeof(bytes)), sizeof(bytes));
}

/* Of those in flight one has the stall; none of those behind it is served. */
static void transfers_behind_a_stall_are_cancelled(void)
{
	unsigned int place, stalled = 0, cancelled = 0;
	struct queue queue;
	struct bench bench;
	long result;
	int fd;

	plug_loopback(&bench, false);
	queue_open(&queue);
	fd = open_bulk(&bench, DIR_IN);
	for (place = 0; place < DEPTH; place++)
		queue_start(&queue, place, fd, IOCB_CMD_PREAD, 512);
	halt_endpoint(&bench, bulk_endpoint(&bench, DIR_IN));
	for (place = 0; place < DEPTH; place++) {
		EXPECT_RESULT(queue_next(&queue, &result), place);
		stalled += result == -EPIPE;
		cancelled += result == -ECANCELED;
	}
	EXPECT_RESULT(stalled, 1);
	EXPECT_RESULT(cancelled, DEPTH - 1);
	recover(fd);
	EXPECT_RESULT(write(open_bulk(&bench, DIR_OUT), "again", 5), 5);
	EXPECT_RESULT(read(fd, queue.memory[0], 512), 5);
}

static void recovery_cancels_what_is_queued(void)
{
	struct queue queue;
	struct bench bench;
	unsigned int place;
	long result;
	int fd;

	plug_loopback(&bench, false);
	queue_open(&queue);
	fd = open_bulk(&bench, DIR_IN);
	for (place = 0; place < DEPTH; place++)
		queue_start(&queue, place, fd, IOCB_CMD_PREAD, 512);
	recover(fd);
	for (place = 0; place < DEPTH; place++) {
		EXPECT_RESULT(queue_next(&queue, &result), place);
		EXPECT_RESULT(result, -ECANCELED);
	}
}

static const struct selftest tests[] = {
	{ "a_stalled_endpoint_stays_stopped",
	  a_stalled_endpoint_stays_stopped },
	{ "fadvise_recovers", fadvise_recovers },
	{ "o_trunc_recovers_after_an_error", o_trunc_recovers_after_an_error },
	{ "transfers_behind_a_stall_are_cancelled",
	  transfers_behind_a_stall_are_cancelled },
	{ "recovery_cancels_what_is_queued", recovery_cancels_what_is_queued },
};

int main(int argc, char **argv)
{
	return run_selftests(tests, ARRAY_SIZE(tests), argc, argv);
}
