// SPDX-License-Identifier: GPL-2.0-only
/* Users who were given a part of a device, and have no more than that. */
#include <sys/socket.h>
#include <sys/stat.h>

#include <linux/usb/ch9.h>

#include "selftest.h"

#define ALICE	1001
#define BOB	1002

static const __u64 get_device_status =
	USBFS2_SETUP(USB_DIR_IN, USB_REQ_GET_STATUS, 0, 0);
static const __u64 get_interface_status =
	USBFS2_SETUP(USB_DIR_IN | USB_RECIP_INTERFACE, USB_REQ_GET_STATUS, 0, 0);

static void files_are_roots_alone(void)
{
	struct bench bench;
	pid_t child;

	plug_source_sink(&bench, false);
	child = start_child();
	if (!child) {
		become_user(ALICE);
		EXPECT_ERRNO(open(bulk_endpoint(&bench, DIR_IN), O_RDONLY),
			     EACCES);
		EXPECT_ERRNO(open(file_of(&bench, "ep00"), O_RDWR), EACCES);
		EXPECT_ERRNO(open(file_of(&bench, "driver"), O_RDWR), EACCES);
		_exit(0);
	}
	end_child(child);
}

static void chown_of_an_interface_gives_that(void)
{
	__u8 bytes[1024];
	struct bench bench;
	pid_t child;

	plug_source_sink(&bench, true);
	EXPECT_RESULT(chown(bench.interface, ALICE, ALICE), 0);
	child = start_child();
	if (!child) {
		int fd;

		become_user(ALICE);
		claim(&bench);
		EXPECT_RESULT(read(open_bulk(&bench, DIR_IN), bytes,
				   sizeof(bytes)), sizeof(bytes));
		fd = open_file(file_of(&bench, "ep00"), O_RDWR);
		EXPECT_RESULT(pread(fd, bytes, 2, get_interface_status), 2);
		/* Not the device. */
		EXPECT_ERRNO(pread(fd, bytes, 2, get_device_status), EPERM);
		EXPECT_ERRNO(open(file_of(&bench, "../ep00"), O_RDWR), EACCES);
		EXPECT_ERRNO(open(file_of(&bench, "../configuration"), O_RDWR),
			     EACCES);
		_exit(0);
	}
	end_child(child);
	EXPECT_SOON(!strcmp(bound_driver(&bench), "usbtest"));
}

static void endpoints_made_later_are_the_owners_too(void)
{
	struct bench bench;
	struct stat about;

	plug_source_sink(&bench, false);
	EXPECT_RESULT(chown(bench.device, ALICE, ALICE), 0);
	claim(&bench);
	/* The files of setting 0 are made anew. */
	EXPECT_RESULT(put_text(file_of(&bench, "alternate"), "0"), 1);
	EXPECT_RESULT(stat(bulk_endpoint(&bench, DIR_IN), &about), 0);
	EXPECT_RESULT(about.st_uid, ALICE);
	/* Those of the next device there are not. */
	close_files();
	unplug(&bench);
	plug_again(&bench);
	EXPECT_RESULT(stat(bulk_endpoint(&bench, DIR_IN), &about), 0);
	EXPECT_RESULT(about.st_uid, 0);
}

static void chmod_of_an_interface_reaches_its_endpoints(void)
{
	struct bench bench;
	struct stat about;

	plug_source_sink(&bench, false);
	EXPECT_RESULT(chown(bench.interface, 0, BOB), 0);
	EXPECT_RESULT(chmod(bench.interface, 0775), 0);
	EXPECT_RESULT(stat(bulk_endpoint(&bench, DIR_IN), &about), 0);
	EXPECT_RESULT(about.st_gid, BOB);
	EXPECT_RESULT(about.st_mode & 0777, 0660);
}

/* Sends a file to whoever has the other end. */
static void send_file(int socket, int fd)
{
	char room[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec byte = { .iov_base = "f", .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &byte,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = sizeof(room),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	EXPECT_RESULT(sendmsg(socket, &message, 0), 1);
}

static int receive_file(int socket)
{
	char room[CMSG_SPACE(sizeof(int))];
	char byte;
	struct iovec vector = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = sizeof(room),
	};
	int fd;

	EXPECT_RESULT(recvmsg(socket, &message, 0), 1);
	EXPECT(CMSG_FIRSTHDR(&message));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

static void a_file_that_is_sent_gives_that_endpoint(void)
{
	__u8 bytes[1024];
	struct bench bench;
	int sockets[2], fd;
	pid_t child;

	plug_source_sink(&bench, false);
	EXPECT_RESULT(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	child = start_child();
	if (!child) {
		become_user(ALICE);
		fd = receive_file(sockets[1]);
		EXPECT_RESULT(read(fd, bytes, sizeof(bytes)), sizeof(bytes));
		/* That alone, and in that direction. */
		EXPECT_ERRNO(write(fd, bytes, 1), EBADF);
		EXPECT_ERRNO(open(bulk_endpoint(&bench, DIR_OUT), O_WRONLY),
			     EACCES);
		_exit(0);
	}
	fd = open_bulk(&bench, DIR_IN);
	send_file(sockets[0], fd);
	/* The sender's close is not the receiver's. */
	close(fd);
	end_child(child);
	/* The last of its files went with the receiver. */
	EXPECT_SOON(!strcmp(bound_driver(&bench), ""));
}

static const struct selftest tests[] = {
	{ "files_are_roots_alone", files_are_roots_alone },
	{ "chown_of_an_interface_gives_that",
	  chown_of_an_interface_gives_that },
	{ "endpoints_made_later_are_the_owners_too",
	  endpoints_made_later_are_the_owners_too },
	{ "chmod_of_an_interface_reaches_its_endpoints",
	  chmod_of_an_interface_reaches_its_endpoints },
	{ "a_file_that_is_sent_gives_that_endpoint",
	  a_file_that_is_sent_gives_that_endpoint },
};

int main(int argc, char **argv)
{
	return run_selftests(tests, ARRAY_SIZE(tests), argc, argv);
}
