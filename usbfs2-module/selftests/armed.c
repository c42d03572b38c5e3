// SPDX-License-Identifier: GPL-2.0-only
/* Endpoints opened with O_NONBLOCK: the kernel keeps transfers queued. */
#include <poll.h>
#include <sys/epoll.h>

#include "queue.h"

static int open_armed(const struct bench *bench, enum direction direction)
{
	const int flags = direction == DIR_IN ? O_RDONLY : O_WRONLY;

	return open_file(bulk_endpoint(bench, direction), flags | O_NONBLOCK);
}

/* Waits for an event of epoll's. */
static void expect_event(int epoll, int fd, __u32 events)
{
	struct epoll_event event = { 0 };

	EXPECT_RESULT(epoll_wait(epoll, &event, 1, SOON_MS), 1);
	EXPECT_RESULT(event.data.fd, fd);
	EXPECT_RESULT(event.events & events, events);
}

static int watch(int fd, __u32 events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	EXPECT(epoll >= 0);
	EXPECT_RESULT(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
	return epoll;
}

static void epoll_says_when_there_is_a_packet(void)
{
	struct epoll_event event;
	struct bench bench;
	char bytes[512];
	int from, to, epoll, round;

	plug_loopback(&bench, false);
	from = open_armed(&bench, DIR_IN);
	to = open_bulk(&bench, DIR_OUT);
	epoll = watch(from, EPOLLIN);
	EXPECT_RESULT(epoll_wait(epoll, &event, 1, 0), 0);
	EXPECT_ERRNO(read(from, bytes, sizeof(bytes)), EAGAIN);
	for (round = 1; round < 5; round++) {
		EXPECT_RESULT(write(to, "packet", round), round);
		expect_event(epoll, from, EPOLLIN);
		EXPECT_RESULT(read(from, bytes, sizeof(bytes)), round);
		EXPECT(!memcmp(bytes, "packet", round));
		EXPECT_RESULT(epoll_wait(epoll, &event, 1, 0), 0);
	}
}

static void nobody_who_reads_late_loses_a_packet(void)
{
	struct pollfd readable = { .events = POLLIN };
	struct bench bench;
	__u32 number, got;
	int to;

	plug_loopback(&bench, false);
	readable.fd = open_armed(&bench, DIR_IN);
	to = open_bulk(&bench, DIR_OUT);
	/* The first operation arms it. */
	EXPECT_RESULT(poll(&readable, 1, 0), 0);
	for (number = 0; number < 24; number++)
		EXPECT_RESULT(write(to, &number, sizeof(number)),
			      sizeof(number));
	for (number = 0; number < 24; number++) {
		EXPECT_RESULT(poll(&readable, 1, SOON_MS), 1);
		EXPECT_RESULT(read(readable.fd, &got, sizeof(got)),
			      sizeof(got));
		EXPECT_RESULT(got, number);
	}
	EXPECT_ERRNO(read(readable.fd, &got, sizeof(got)), EAGAIN);
}

static void an_armed_write_is_queued(void)
{
	struct pollfd writable = { .events = POLLOUT };
	char bytes[512];
	struct bench bench;
	int from;

	plug_loopback(&bench, false);
	writable.fd = open_armed(&bench, DIR_OUT);
	from = open_bulk(&bench, DIR_IN);
	EXPECT_RESULT(poll(&writable, 1, SOON_MS), 1);
	EXPECT_RESULT(write(writable.fd, "queued", 6), 6);
	EXPECT_RESULT(read(from, bytes, sizeof(bytes)), 6);
	EXPECT_RESULT(fsync(writable.fd), 0);
}

static void poll_says_when_the_device_is_gone(void)
{
	struct bench bench;
	char bytes[512];
	int fd, epoll;

	plug_loopback(&bench, false);
	fd = open_armed(&bench, DIR_IN);
	EXPECT_ERRNO(read(fd, bytes, sizeof(bytes)), EAGAIN);
	epoll = watch(fd, EPOLLIN);
	unplug(&bench);
	expect_event(epoll, fd, EPOLLHUP);
	EXPECT_ERRNO(read(fd, bytes, sizeof(bytes)), ENODEV);
}

static void aio_is_not_for_armed_files(void)
{
	struct queue queue;
	struct bench bench;
	long result;
	int fd;

	plug_loopback(&bench, false);
	queue_open(&queue);
	fd = open_armed(&bench, DIR_IN);
	EXPECT_ERRNO(read(fd, queue.memory[0], 512), EAGAIN);
	queue_start(&queue, 0, fd, IOCB_CMD_PREAD, 512);
	EXPECT_RESULT(queue_next(&queue, &result), 0);
	EXPECT_RESULT(result, -EINVAL);
	queue_close(&queue);
}

static void close_leaves_nothing_queued(void)
{
	struct bench bench;
	char bytes[512];
	int fd;

	plug_loopback(&bench, true);
	fd = claim(&bench);
	EXPECT_ERRNO(read(open_armed(&bench, DIR_IN), bytes, sizeof(bytes)),
		     EAGAIN);
	EXPECT(count_live() > 0);
	close(fd);
	close_files();
	EXPECT_RESULT(count_live(), 0);
	EXPECT(!strcmp(bound_driver(&bench), "usbtest"));
}

static const struct selftest tests[] = {
	{ "epoll_says_when_there_is_a_packet",
	  epoll_says_when_there_is_a_packet },
	{ "nobody_who_reads_late_loses_a_packet",
	  nobody_who_reads_late_loses_a_packet },
	{ "an_armed_write_is_queued", an_armed_write_is_queued },
	{ "poll_says_when_the_device_is_gone",
	  poll_says_when_the_device_is_gone },
	{ "aio_is_not_for_armed_files", aio_is_not_for_armed_files },
	{ "close_leaves_nothing_queued", close_leaves_nothing_queued },
};

int main(int argc, char **argv)
{
	return run_selftests(tests, ARRAY_SIZE(tests), argc, argv);
}
