// SPDX-License-Identifier: GPL-2.0-only
/* A read or a write of an endpoint is a transfer. */
#include <sys/uio.h>

#include <linux/usb/ch9.h>

#include "selftest.h"

#define MAX_PACKET	512

static void what_is_written_comes_back(void)
{
	static const size_t lengths[] = { 1, 511, 513, 4000 };
	__u8 out[4096], in[4096];
	struct bench bench;
	int from, to;
	size_t index;

	plug_loopback(&bench, false);
	from = open_bulk(&bench, DIR_IN);
	to = open_bulk(&bench, DIR_OUT);
	for (index = 0; index < ARRAY_SIZE(lengths); index++) {
		size_t length = lengths[index];

		memset(out, 'a' + index, length);
		EXPECT_RESULT(write(to, out, length), length);
		/* A short packet ends the read. */
		EXPECT_RESULT(read(from, in, sizeof(in)), length);
		EXPECT(!memcmp(in, out, length));
	}
}

static void a_mebibyte_is_one_transfer(void)
{
	const size_t length = 1 << 20;
	__u8 *bytes = malloc(length);
	struct bench bench;
	int fd;

	EXPECT(bytes);
	plug_source_sink(&bench, false);
	fd = open_bulk(&bench, DIR_IN);
	EXPECT_RESULT(read(fd, bytes, length), length);
	EXPECT(is_pattern(bytes, length, MAX_PACKET));
	/* SourceSink halts its endpoint at a byte that is not of the pattern. */
	fd = open_bulk(&bench, DIR_OUT);
	EXPECT_RESULT(write(fd, bytes, length), length);
	EXPECT_RESULT(write(fd, bytes, length), length);
}

static void vectors_are_one_transfer(void)
{
	char hello[5], world[64];
	struct iovec out[] = {
		{ .iov_base = "hello", .iov_len = 5 },
		{ .iov_base = " world", .iov_len = 6 },
	};
	struct iovec in[] = {
		{ .iov_base = hello, .iov_len = sizeof(hello) },
		{ .iov_base = world, .iov_len = sizeof(world) },
	};
	struct bench bench;

	plug_loopback(&bench, false);
	EXPECT_RESULT(writev(open_bulk(&bench, DIR_OUT), out, 2), 11);
	EXPECT_RESULT(readv(open_bulk(&bench, DIR_IN), in, 2), 11);
	EXPECT(!memcmp(hello, "hello", 5) && !memcmp(world, " world", 6));
}

static void writing_0_bytes_sends_a_zero_length_packet(void)
{
	__u8 in[4096];
	struct bench bench;
	int from, to;

	plug_loopback(&bench, false);
	from = open_bulk(&bench, DIR_IN);
	to = open_bulk(&bench, DIR_OUT);
	EXPECT_RESULT(write(to, in, 0), 0);
	EXPECT_RESULT(read(from, in, sizeof(in)), 0);
	EXPECT_RESULT(write(to, "next", 4), 4);
	EXPECT_RESULT(read(from, in, sizeof(in)), 4);
}

static void zero_packet_ends_a_write_of_whole_packets(void)
{
	__u8 bytes[4096] = { 0 };
	struct bench bench;
	int from, to;

	plug_loopback(&bench, false);
	from = open_bulk(&bench, DIR_IN);
	to = open_bulk(&bench, DIR_OUT);
	EXPECT_RESULT(pwrite(to, bytes, 2 * MAX_PACKET, USBFS2_ZERO_PACKET),
		      2 * MAX_PACKET);
	EXPECT_RESULT(read(from, bytes, sizeof(bytes)), 2 * MAX_PACKET);
	/* Without it the device's transfer goes on. */
	EXPECT_RESULT(write(to, bytes, 2 * MAX_PACKET), 2 * MAX_PACKET);
	EXPECT_RESULT(write(to, bytes, 1), 1);
	EXPECT_RESULT(read(from, bytes, sizeof(bytes)), 2 * MAX_PACKET + 1);
}

static void control_transfers_have_the_setup_packet_as_offset(void)
{
	const __u64 get_device_descriptor =
		USBFS2_SETUP(USB_DIR_IN, USB_REQ_GET_DESCRIPTOR,
			     USB_DT_DEVICE << 8, 0);
	__u8 bytes[64], expected[18];
	struct bench bench;
	int fd;

	plug_source_sink(&bench, false);
	fd = open_file(file_of(&bench, "../descriptors"), O_RDONLY);
	EXPECT_RESULT(read(fd, expected, 18), 18);
	fd = open_file(file_of(&bench, "../ep00"), O_RDWR);
	EXPECT_RESULT(pread(fd, bytes, sizeof(bytes), get_device_descriptor),
		      18);
	EXPECT(!memcmp(bytes, expected, 18));
	EXPECT_RESULT(pread(fd, bytes, 8, get_device_descriptor), 8);
}

static void fsync_returns_when_nothing_is_queued(void)
{
	struct bench bench;
	int fd;

	plug_source_sink(&bench, false);
	fd = open_bulk(&bench, DIR_OUT);
	EXPECT_RESULT(fsync(fd), 0);
}

static const struct selftest tests[] = {
	{ "what_is_written_comes_back", what_is_written_comes_back },
	{ "a_mebibyte_is_one_transfer", a_mebibyte_is_one_transfer },
	{ "vectors_are_one_transfer", vectors_are_one_transfer },
	{ "writing_0_bytes_sends_a_zero_length_packet",
	  writing_0_bytes_sends_a_zero_length_packet },
	{ "zero_packet_ends_a_write_of_whole_packets",
	  zero_packet_ends_a_write_of_whole_packets },
	{ "control_transfers_have_the_setup_packet_as_offset",
	  control_transfers_have_the_setup_packet_as_offset },
	{ "fsync_returns_when_nothing_is_queued",
	  fsync_returns_when_nothing_is_queued },
};

int main(int argc, char **argv)
{
	return run_selftests(tests, ARRAY_SIZE(tests), argc, argv);
}
