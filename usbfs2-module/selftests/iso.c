// SPDX-License-Identifier: GPL-2.0-only
/* Isochronous endpoints: an iovec is a packet, with a status of its own. */
#include <sys/uio.h>

#include "queue.h"

#define PACKETS		16
#define PACKET		64	/* as plug_source_sink() has it */

/* An operation: packets, and their statuses with one for all. */
struct packets {
	__u8 bytes[PACKETS][PACKET];
	struct usbfs2_status statuses[PACKETS + 1];
	struct iovec vectors[PACKETS + 1];
};

static void prepare(struct packets *packets)
{
	unsigned int index, offset;

	memset(packets, 0, sizeof(*packets));
	for (index = 0; index < PACKETS; index++) {
		for (offset = 0; offset < PACKET; offset++)
			packets->bytes[index][offset] = offset % 63;
		packets->vectors[index].iov_base = packets->bytes[index];
		packets->vectors[index].iov_len = PACKET;
	}
	packets->vectors[PACKETS].iov_base = packets->statuses;
	packets->vectors[PACKETS].iov_len = sizeof(packets->statuses);
}

static void clear(struct packets *packets)
{
	memset(packets->bytes, 0, sizeof(packets->bytes));
}

static int open_iso(struct bench *bench, enum direction direction)
{
	plug_source_sink(bench, false);
	claim(bench);
	if (put_text(file_of(bench, "alternate"), "1") < 0)
		skip("this dummy_hcd carries no isochronous transfers");
	return open_file(iso_endpoint(bench, direction),
			 direction == DIR_IN ? O_RDONLY : O_WRONLY);
}

/*
 * The result is the bytes of the packets whose status is 0, and those have
 * them. A busy machine may miss some. Returns how many there were.
 */
static unsigned int check(const struct packets *packets, long result)
{
	unsigned int index, moved = 0;

	for (index = 0; index < PACKETS; index++) {
		const struct usbfs2_status *status = &packets->statuses[index];

		if (status->status) {
			EXPECT_RESULT(status->status, -EXDEV);
			EXPECT_RESULT(status->length, 0);
			continue;
		}
		EXPECT_RESULT(status->length, PACKET);
		EXPECT(is_pattern(packets->bytes[index], PACKET, PACKET));
		moved++;
	}
	EXPECT_RESULT(result, moved * PACKET);
	EXPECT_RESULT(packets->statuses[PACKETS].status, PACKETS - moved);
	return moved;
}

static void packets_are_read_with_their_statuses(void)
{
	unsigned int round, moved = 0;
	struct packets packets;
	struct bench bench;
	int fd;

	fd = open_iso(&bench, DIR_IN);
	for (round = 0; round < 4; round++) {
		prepare(&packets);
		clear(&packets);
		moved += check(&packets, preadv(fd, packets.vectors,
						PACKETS + 1,
						USBFS2_ISO_STATUS));
	}
	EXPECT(moved > 0);
}

static void packets_are_written_with_their_statuses(void)
{
	struct packets packets;
	struct bench bench;
	int fd;

	fd = open_iso(&bench, DIR_OUT);
	prepare(&packets);
	EXPECT(check(&packets, pwritev(fd, packets.vectors, PACKETS + 1,
				       USBFS2_ISO_STATUS)) > 0);
}

static void a_read_is_one_packet(void)
{
	__u8 bytes[PACKET];
	struct bench bench;
	int fd;

	fd = open_iso(&bench, DIR_IN);
	/* 0 if it was missed. */
	EXPECT_SOON(read(fd, bytes, sizeof(bytes)) == PACKET);
	EXPECT(is_pattern(bytes, sizeof(bytes), PACKET));
}

static void a_packet_over_the_limit_is_emsgsize(void)
{
	__u8 bytes[PACKET + 1];
	struct bench bench;
	int fd;

	fd = open_iso(&bench, DIR_IN);
	EXPECT_ERRNO(read(fd, bytes, sizeof(bytes)), EMSGSIZE);
}

static void cancelled_packets_have_their_status(void)
{
	static struct packets packets[DEPTH];
	unsigned int place, index;
	struct queue queue;
	struct bench bench;
	long result;
	int fd;

	fd = open_iso(&bench, DIR_IN);
	queue_open(&queue);
	for (place = 0; place < DEPTH; place++) {
		struct iocb *operation = &queue.operations[place];

		prepare(&packets[place]);
		clear(&packets[place]);
		operation->aio_data = place;
		operation->aio_fildes = fd;
		operation->aio_lio_opcode = IOCB_CMD_PREADV;
		operation->aio_buf = (uintptr_t)packets[place].vectors;
		operation->aio_nbytes = PACKETS + 1;
		operation->aio_offset = USBFS2_ISO_STATUS;
		EXPECT_RESULT(syscall(SYS_io_submit, queue.context, 1,
				      &operation), 1);
	}
	/* The first is done; this cancels those in flight and behind. */
	EXPECT_RESULT(queue_next(&queue, &result), 0);
	check(&packets[0], result);
	recover(fd);
	for (place = 1; place < DEPTH; place++) {
		bool ended = false;

		EXPECT_RESULT(queue_next(&queue, &result), place);
		if (result < 0) {
			EXPECT_RESULT(result, -ECANCELED);
			continue;
		}
		/* What came before the end is there, and nothing after it. */
		for (index = 0; index < PACKETS; index++) {
			int status = packets[place].statuses[index].status;

			if (status == -ECANCELED)
				ended = true;
			else
				EXPECT(!ended);
		}
	}
}

static const struct selftest tests[] = {
	{ "packets_are_read_with_their_statuses",
	  packets_are_read_with_their_statuses },
	{ "packets_are_written_with_their_statuses",
	  packets_are_written_with_their_statuses },
	{ "a_read_is_one_packet", a_read_is_one_packet },
	{ "a_packet_over_the_limit_is_emsgsize",
	  a_packet_over_the_limit_is_emsgsize },
	{ "cancelled_packets_have_their_status",
	  cancelled_packets_have_their_status },
};

int main(int argc, char **argv)
{
	return run_selftests(tests, ARRAY_SIZE(tests), argc, argv);
}
