// SPDX-License-Identifier: GPL-2.0-only
/* Mapped buffers, and the ring whose transfers are started in batches. */
#include <sys/mman.h>

#include "queue.h"

#define LENGTH	4096
#define PLACES	8

/* An endpoint's file, its ring and a mapping with a buffer for each place. */
struct rig {
	int fd;
	struct usbfs2_ring *ring;
	size_t ring_size;
	__u8 *memory;
};

static __u8 *map_buffers(int fd, size_t length)
{
	__u8 *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED,
			    fd, 0);

	if (memory == MAP_FAILED)
		FAIL("mmap of %zu bytes: %s", length, strerror(errno));
	return memory;
}

static void open_rig(struct rig *rig, const char *path)
{
	rig->fd = open_file(path, O_RDWR);
	rig->memory = map_buffers(rig->fd, PLACES * LENGTH);
	rig->ring_size = sizeof(struct usbfs2_ring) +
			 PLACES * sizeof(struct usbfs2_transfer);
	rig->ring = mmap(NULL, rig->ring_size, PROT_READ | PROT_WRITE,
			 MAP_SHARED, rig->fd, USBFS2_RING_OFFSET);
	if (rig->ring == MAP_FAILED)
		FAIL("mmap of the ring: %s", strerror(errno));
	EXPECT(rig->ring->size >= PLACES);
}

static struct usbfs2_transfer *transfer(struct rig *rig, unsigned int number)
{
	return &rig->ring->transfers[number % rig->ring->size];
}

/* Puts a transfer of length bytes at a place of the mapping into the ring. */
static void prepare(struct rig *rig, unsigned int number, __u32 length)
{
	*transfer(rig, number) = (struct usbfs2_transfer) {
		.address = (uintptr_t)rig->memory + number % PLACES * LENGTH,
		.length = length,
		.moved = -1,
		.status = 1,
	};
}

static void expect_result(struct rig *rig, unsigned int number, int moved,
			  int status)
{
	EXPECT_RESULT(transfer(rig, number)->moved, moved);
	EXPECT_RESULT(transfer(rig, number)->status, status);
}

static ssize_t read_batch(struct rig *rig, __u16 count, __u32 target)
{
	return pread(rig->fd, NULL, 0, USBFS2_BATCH(count, target));
}

static void a_transfer_into_mapped_memory(void)
{
	struct bench bench;
	__u8 *memory;
	int fd;

	plug_source_sink(&bench, false);
	fd = open_bulk(&bench, DIR_IN);
	/* An IN endpoint's may be for reading alone. */
	memory = mmap(NULL, LENGTH, PROT_READ, MAP_SHARED, fd, 0);
	EXPECT(memory != MAP_FAILED);
	EXPECT_RESULT(read(fd, memory, LENGTH), LENGTH);
	EXPECT(is_pattern(memory, LENGTH, 512));
	EXPECT_RESULT(munmap(memory, LENGTH), 0);
	fd = open_file(bulk_endpoint(&bench, DIR_OUT), O_RDWR);
	memory = map_buffers(fd, LENGTH);
	EXPECT_RESULT(write(fd, memory, 1), 1);
}

static void mapped_memory_is_new_and_zero(void)
{
	struct bench bench;
	__u8 *first, *second;
	int fd;

	plug_source_sink(&bench, false);
	fd = open_file(bulk_endpoint(&bench, DIR_IN), O_RDWR);
	first = map_buffers(fd, LENGTH);
	EXPECT_RESULT(read(fd, first, LENGTH), LENGTH);
	EXPECT(is_pattern(first, LENGTH, 512));
	second = map_buffers(fd, LENGTH);
	EXPECT_RESULT(second[1] | second[LENGTH - 1], 0);
}

static void memory_unmapped_in_the_middle_is_kept(void)
{
	struct queue queue;
	struct bench bench;
	__u8 *memory;
	long result;
	int fd;

	plug_loopback(&bench, false);
	fd = open_file(bulk_endpoint(&bench, DIR_IN), O_RDWR);
	memory = map_buffers(fd, LENGTH);
	queue_open(&queue);
	queue_start_at(&queue, 0, fd, IOCB_CMD_PREAD, memory, LENGTH);
	EXPECT_RESULT(munmap(memory, LENGTH), 0);
	EXPECT_RESULT(write(open_bulk(&bench, DIR_OUT), "lost", 4), 4);
	EXPECT_RESULT(queue_next(&queue, &result), 0);
	EXPECT_RESULT(result, 4);
}

static void a_child_does_not_inherit_a_mapping(void)
{
	struct bench bench;
	__u8 *memory;
	pid_t child;
	int fd;

	plug_source_sink(&bench, false);
	fd = open_file(bulk_endpoint(&bench, DIR_IN), O_RDWR);
	memory = map_buffers(fd, LENGTH);
	child = start_child();
	if (!child) {
		EXPECT_ERRNO(msync(memory, LENGTH, MS_ASYNC), ENOMEM);
		_exit(0);
	}
	end_child(child);
	memory[0] = 1;
}

static void a_batch_is_one_call_for_many_transfers(void)
{
	struct bench bench;
	unsigned int number;
	struct rig rig;

	plug_source_sink(&bench, false);
	open_rig(&rig, bulk_endpoint(&bench, DIR_IN));
	for (number = 0; number < PLACES; number++)
		prepare(&rig, number, LENGTH);
	EXPECT_RESULT(read_batch(&rig, PLACES, PLACES), PLACES);
	EXPECT_RESULT(rig.ring->done, PLACES);
	for (number = 0; number < PLACES; number++) {
		expect_result(&rig, number, LENGTH, 0);
		EXPECT(is_pattern(rig.memory + number * LENGTH, LENGTH, 512));
	}
}

static void a_short_read_ends_the_wait(void)
{
	struct bench bench;
	unsigned int number;
	struct rig rig;
	int to;

	plug_loopback(&bench, false);
	open_rig(&rig, bulk_endpoint(&bench, DIR_IN));
	to = open_bulk(&bench, DIR_OUT);
	for (number = 0; number < PLACES; number++)
		prepare(&rig, number, LENGTH);
	EXPECT_RESULT(read_batch(&rig, PLACES, 0), PLACES);
	EXPECT_RESULT(write(to, "first", 5), 5);
	EXPECT_RESULT(read_batch(&rig, 0, PLACES), 0);
	EXPECT_RESULT(rig.ring->done, 1);
	expect_result(&rig, 0, 5, 0);
	EXPECT(!memcmp(rig.memory, "first", 5));
	/* Those behind it go on. */
	rig.ring->seen = 1;
	EXPECT_RESULT(write(to, "second", 6), 6);
	EXPECT_RESULT(read_batch(&rig, 0, PLACES), 0);
	expect_result(&rig, 1, 6, 0);
}

static void the_wait_has_a_timeout(void)
{
	struct bench bench;
	struct rig rig;

	plug_loopback(&bench, false);
	open_rig(&rig, bulk_endpoint(&bench, DIR_IN));
	prepare(&rig, 0, LENGTH);
	rig.ring->timeout = 10000;
	EXPECT_RESULT(read_batch(&rig, 1, 1), 1);
	EXPECT_RESULT(rig.ring->done, 0);
	EXPECT_RESULT(count_live(), 1);
}

static void cancelled_transfers_have_a_result_each(void)
{
	struct bench bench;
	unsigned int number;
	struct rig rig;

	plug_loopback(&bench, false);
	open_rig(&rig, bulk_endpoint(&bench, DIR_IN));
	for (number = 0; number < PLACES; number++)
		prepare(&rig, number, LENGTH);
	EXPECT_RESULT(read_batch(&rig, PLACES, 0), PLACES);
	EXPECT_RESULT(pread(rig.fd, NULL, 0, USBFS2_BATCH_CANCEL(PLACES, 0)),
		      PLACES);
	for (number = 0; number < PLACES; number++) {
		rig.ring->seen = number;
		EXPECT_RESULT(read_batch(&rig, 0, number + 1), 0);
		expect_result(&rig, number, 0, -ECANCELED);
	}
	EXPECT_RESULT(pread(rig.fd, NULL, 0, USBFS2_BATCH_CANCEL(PLACES, 0)),
		      0);
}

static void what_cannot_be_started_has_its_error_in_its_place(void)
{
	struct bench bench;
	struct rig rig;

	plug_source_sink(&bench, false);
	open_rig(&rig, bulk_endpoint(&bench, DIR_IN));
	prepare(&rig, 0, LENGTH);
	transfer(&rig, 0)->flags = 1U << 31;
	prepare(&rig, 1, LENGTH);
	EXPECT_RESULT(read_batch(&rig, 2, 2), 2);
	expect_result(&rig, 0, 0, -EINVAL);
	rig.ring->seen = 1;
	EXPECT_RESULT(read_batch(&rig, 0, 2), 0);
	expect_result(&rig, 1, LENGTH, 0);
}

static void more_than_the_ring_has_room_for_is_einval(void)
{
	struct bench bench;
	struct rig rig;

	plug_loopback(&bench, false);
	open_rig(&rig, bulk_endpoint(&bench, DIR_IN));
	EXPECT_ERRNO(read_batch(&rig, rig.ring->size + 1, 0), EINVAL);
	EXPECT_ERRNO(read_batch(&rig, 0, 1), EINVAL);
	EXPECT_RESULT(rig.ring->started, 0);
}

static void kill_9_with_a_batch_in_flight(void)
{
	struct bench bench;
	unsigned int number;
	struct rig rig;
	pid_t child;

	plug_loopback(&bench, true);
	child = start_child();
	if (!child) {
		claim(&bench);
		open_rig(&rig, bulk_endpoint(&bench, DIR_IN));
		for (number = 0; number < PLACES; number++)
			prepare(&rig, number, LENGTH);
		read_batch(&rig, PLACES, PLACES);
	}
	EXPECT_SOON(count_live() == PLACES);
	kill_child(child);
	EXPECT_SOON(!strcmp(bound_driver(&bench), "usbtest"));
}

static const struct selftest tests[] = {
	{ "a_transfer_into_mapped_memory", a_transfer_into_mapped_memory },
	{ "mapped_memory_is_new_and_zero", mapped_memory_is_new_and_zero },
	{ "memory_unmapped_in_the_middle_is_kept",
	  memory_unmapped_in_the_middle_is_kept },
	{ "a_child_does_not_inherit_a_mapping",
	  a_child_does_not_inherit_a_mapping },
	{ "a_batch_is_one_call_for_many_transfers",
	  a_batch_is_one_call_for_many_transfers },
	{ "a_short_read_ends_the_wait", a_short_read_ends_the_wait },
	{ "the_wait_has_a_timeout", the_wait_has_a_timeout },
	{ "cancelled_transfers_have_a_result_each",
	  cancelled_transfers_have_a_result_each },
	{ "what_cannot_be_started_has_its_error_in_its_place",
	  what_cannot_be_started_has_its_error_in_its_place },
	{ "more_than_the_ring_has_room_for_is_einval",
	  more_than_the_ring_has_room_for_is_einval },
	{ "kill_9_with_a_batch_in_flight", kill_9_with_a_batch_in_flight },
};

int main(int argc, char **argv)
{
	return run_selftests(tests, ARRAY_SIZE(tests), argc, argv);
}
