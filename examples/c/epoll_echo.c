// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Sends standard input to an OUT endpoint and prints what comes from an IN endpoint, in one epoll loop.
 *
 *     cc -o epoll_echo epoll_echo.c
 *     epoll_echo /dev/usbfs2/1-1/1.0/ep01 /dev/usbfs2/1-1/1.0/ep81 <FILE
 *
 * O_NONBLOCK arms an endpoint: the kernel reads ahead, or queues what is written. Ends once as many bytes came back as
 * were sent.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int open_armed(int epoll, const char *path, int mode)
{
	struct epoll_event event = { .events = mode == O_RDONLY ? EPOLLIN : EPOLLOUT };

	event.data.fd = open(path, mode | O_NONBLOCK);
	if (event.data.fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, event.data.fd, &event))
		fail(path);
	return event.data.fd;
}

/* Takes what waits. Returns its length. */
static size_t receive(int in)
{
	char data[4096];
	ssize_t length = read(in, data, sizeof(data));

	if (length < 0) {
		if (errno == EAGAIN)
			return 0;
		fail("read");
	}
	fwrite(data, 1, length, stdout);
	return length;
}

int main(int count, char **arguments)
{
	size_t sent = 0, received = 0, from = 0, until = 0;
	struct epoll_event events[2];
	int epoll, out, in, more = 1;
	char data[4096];

	if (count != 3) {
		fprintf(stderr, "usage: %s OUT-ENDPOINT IN-ENDPOINT <FILE\n", arguments[0]);
		return 2;
	}
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		fail("epoll");
	out = open_armed(epoll, arguments[1], O_WRONLY);
	in = open_armed(epoll, arguments[2], O_RDONLY);

	while (more || received < sent) {
		int ready = epoll_wait(epoll, events, 2, -1);

		if (ready < 0)
			fail("epoll_wait");
		for (int i = 0; i < ready; i++) {
			ssize_t length;

			if (events[i].data.fd == in) {
				received += receive(in);
				continue;
			}
			if (from == until) {
				length = read(STDIN_FILENO, data, sizeof(data));
				if (length < 0)
					fail("standard input");
				from = 0;
				until = length;
			}
			if (from == until) {
				/* Nothing more to send: do not ask for room any longer. */
				more = 0;
				if (epoll_ctl(epoll, EPOLL_CTL_DEL, out, NULL))
					fail("epoll_ctl");
				continue;
			}
			/* Less than it was given, if there is room for no more; errors of earlier writes come here. */
			length = write(out, data + from, until - from);
			if (length < 0) {
				if (errno != EAGAIN)
					fail("write");
				continue;
			}
			from += length;
			sent += length;
		}
	}
	if (fsync(out) || close(out))
		fail("the last writes");
	fprintf(stderr, "%zu bytes sent, %zu received\n", sent, received);
	return 0;
}
