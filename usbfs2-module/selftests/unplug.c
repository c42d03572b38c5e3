// SPDX-License-Identifier: GPL-2.0-only
/* The device goes while it is in use. */
#include "queue.h"

static void transfers_in_flight_end_with_enodev(void)
{
	struct queue queue;
	struct bench bench;
	unsigned int place;
	__u8 bytes[512];
	long result;
	int fd;

	plug_loopback(&bench, false);
	queue_open(&queue);
	fd = open_bulk(&bench, DIR_IN);
	for (place = 0; place < DEPTH; place++)
		queue_start(&queue, place, fd, IOCB_CMD_PREAD, 512);
	unplug(&bench);
	for (place = 0; place < DEPTH; place++) {
		EXPECT_RESULT(queue_next(&queue, &result), place);
		EXPECT_RESULT(result, -ENODEV);
	}
	EXPECT_ERRNO(read(fd, bytes, sizeof(bytes)), ENODEV);
	EXPECT_RESULT(close(fd), 0);
}

static void a_read_that_waits_ends_with_enodev(void)
{
	struct bench bench;
	__u8 bytes[512];
	pid_t child;

	plug_loopback(&bench, false);
	child = start_child();
	if (!child) {
		EXPECT_ERRNO(read(open_bulk(&bench, DIR_IN), bytes,
				  sizeof(bytes)), ENODEV);
		_exit(0);
	}
	EXPECT_SOON(count_live() == 1);
	unplug(&bench);
	end_child(child);
}

static void files_of_the_device_that_left_are_not_the_next_ones(void)
{
	struct bench bench;
	__u8 bytes[512];
	int data, control;

	plug_source_sink(&bench, false);
	data = open_bulk(&bench, DIR_IN);
	control = open_file(file_of(&bench, "../ep00"), O_RDWR);
	unplug(&bench);
	plug_again(&bench);
	EXPECT_ERRNO(read(data, bytes, sizeof(bytes)), ENODEV);
	EXPECT_ERRNO(pread(control, bytes, 18,
			   USBFS2_SETUP(0x80, 6, 0x0100, 0)), ENODEV);
	EXPECT_RESULT(read(open_bulk(&bench, DIR_IN), bytes, sizeof(bytes)),
		      sizeof(bytes));
}

/* Reads until the device goes. Each read has its one result. */
static void read_until_unplugged(const struct bench *bench)
{
	int fd = open_bulk(bench, DIR_IN);
	unsigned int place, left = DEPTH;
	struct queue queue;
	bool ended = false;
	__u8 bytes[512];
	long result;

	queue_open(&queue);
	for (place = 0; place < DEPTH; place++)
		queue_start(&queue, place, fd, IOCB_CMD_PREAD, 512);
	while (left) {
		place = queue_next(&queue, &result);
		if (result == 512 && !ended) {
			queue_start(&queue, place, fd, IOCB_CMD_PREAD, 512);
			continue;
		}
		/* SourceSink halts its endpoint when it is taken away. */
		EXPECT(result == 512 || result == -ENODEV || result == -EPIPE ||
		       result == -ECANCELED);
		ended = true;
		left--;
	}
	queue_expect_nothing(&queue);
	EXPECT_SOON(read(fd, bytes, sizeof(bytes)) < 0 && errno == ENODEV);
}

static void unplugging_again_and_again_under_load(void)
{
	struct bench bench;
	unsigned int round;
	pid_t child;

	plug_source_sink(&bench, false);
	for (round = 0; round < 10; round++) {
		child = start_child();
		if (!child) {
			read_until_unplugged(&bench);
			_exit(0);
		}
		EXPECT_SOON(count_live() > 0);
		usleep(round * 1000);
		unplug(&bench);
		end_child(child);
		plug_again(&bench);
	}
}

static const struct selftest tests[] = {
	{ "transfers_in_flight_end_with_enodev",
	  transfers_in_flight_end_with_enodev },
	{ "a_read_that_waits_ends_with_enodev",
	  a_read_that_waits_ends_with_enodev },
	{ "files_of_the_device_that_left_are_not_the_next_ones",
	  files_of_the_device_that_left_are_not_the_next_ones },
	{ "unplugging_again_and_again_under_load",
	  unplugging_again_and_again_under_load },
};

int main(int argc, char **argv)
{
	return run_selftests(tests, ARRAY_SIZE(tests), argc, argv);
}
