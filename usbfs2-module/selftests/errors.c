// SPDX-License-Identifier: GPL-2.0-only
/* The table of errnos of README.md, as far as a device is not to blame. */
#include <sys/mman.h>

#include <linux/usb/ch9.h>

#include "selftest.h"

static void einval_for_flags_that_do_not_fit(void)
{
	__u8 bytes[512];
	struct bench bench;
	int fd;

	plug_source_sink(&bench, false);
	fd = open_bulk(&bench, DIR_IN);
	EXPECT_ERRNO(pread(fd, bytes, sizeof(bytes), USBFS2_ZERO_PACKET),
		     EINVAL);
	EXPECT_ERRNO(pread(fd, bytes, sizeof(bytes), USBFS2_ISO_STATUS),
		     EINVAL);
	fd = open_bulk(&bench, DIR_OUT);
	EXPECT_ERRNO(pwrite(fd, bytes, sizeof(bytes), 1LL << 20), EINVAL);
}

static void einval_for_a_setup_packet_that_is_none(void)
{
	__u8 bytes[64];
	struct bench bench;
	int fd;

	plug_source_sink(&bench, false);
	fd = open_file(file_of(&bench, "../ep00"), O_RDWR);
	/* Bits above bmRequestType. */
	EXPECT_ERRNO(pread(fd, bytes, sizeof(bytes),
			   1LL << 48 | USBFS2_SETUP(0x80, 6, 0x0100, 0)),
		     EINVAL);
	/* A read of what goes out, a write of what comes in. */
	EXPECT_ERRNO(pread(fd, bytes, 1, USBFS2_SETUP(0x40, 1, 0, 0)), EINVAL);
	EXPECT_ERRNO(pwrite(fd, bytes, 1, USBFS2_SETUP(0xc0, 1, 0, 0)), EINVAL);
	/* More than wLength can say. */
	EXPECT_ERRNO(pread(fd, calloc(1, 0x10000), 0x10000,
			   USBFS2_SETUP(0x80, 6, 0x0100, 0)), EINVAL);
}

static void epipe_for_a_request_that_is_not_known(void)
{
	struct bench bench;
	__u8 bytes[8];
	int fd;

	plug_source_sink(&bench, false);
	fd = open_file(file_of(&bench, "../ep00"), O_RDWR);
	EXPECT_ERRNO(pread(fd, bytes, sizeof(bytes),
			   USBFS2_SETUP(0xc0, 0xee, 0, 0)), EPIPE);
	/* A halt of endpoint 0 ends with the next request. */
	EXPECT_RESULT(pread(fd, bytes, sizeof(bytes),
			    USBFS2_SETUP(0x80, USB_REQ_GET_DESCRIPTOR,
					 USB_DT_DEVICE << 8, 0)), 8);
}

static void ebadf_in_the_other_direction(void)
{
	__u8 bytes[8] = { 0 };
	struct bench bench;

	plug_source_sink(&bench, false);
	EXPECT_ERRNO(write(open_bulk(&bench, DIR_IN), bytes, 1), EBADF);
	EXPECT_ERRNO(read(open_bulk(&bench, DIR_OUT), bytes, 1), EBADF);
}

static void eperm_without_the_claim(void)
{
	struct bench bench;

	plug_source_sink(&bench, false);
	EXPECT_ERRNO(put_text(file_of(&bench, "alternate"), "0"), EPERM);
}

static void ebusy_for_requests_to_what_others_have(void)
{
	__u8 bytes[2];
	struct bench bench;
	pid_t child;

	plug_source_sink(&bench, false);
	claim(&bench);
	child = start_child();
	if (!child) {
		int fd;

		close_files();
		fd = open_file(file_of(&bench, "../ep00"), O_RDWR);
		EXPECT_ERRNO(pread(fd, bytes, 2,
				   USBFS2_SETUP(0x81, USB_REQ_GET_STATUS, 0,
						0)), EBUSY);
		/* The device is nobody's. */
		EXPECT_RESULT(pread(fd, bytes, 2,
				    USBFS2_SETUP(0x80, USB_REQ_GET_STATUS, 0,
						 0)), 2);
		_exit(0);
	}
	end_child(child);
}

static void einval_for_text_that_is_no_setting(void)
{
	static const char *const texts[] = { "x", "-1", "1 1", "256" };
	struct bench bench;
	size_t index;

	plug_source_sink(&bench, false);
	claim(&bench);
	for (index = 0; index < ARRAY_SIZE(texts); index++)
		EXPECT_ERRNO(put_text(file_of(&bench, "alternate"),
				      texts[index]), EINVAL);
	EXPECT_ERRNO(put_text(file_of(&bench, "driver"), "nobody"), EINVAL);
}

static void efault_for_memory_that_is_not_there(void)
{
	void *memory = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	struct bench bench;

	EXPECT(memory != MAP_FAILED);
	plug_source_sink(&bench, false);
	EXPECT_ERRNO(write(open_bulk(&bench, DIR_OUT), memory, 512), EFAULT);
	EXPECT_ERRNO(read(open_bulk(&bench, DIR_IN), memory, 512), EFAULT);
}

static const struct selftest tests[] = {
	{ "einval_for_flags_that_do_not_fit",
	  einval_for_flags_that_do_not_fit },
	{ "einval_for_a_setup_packet_that_is_none",
	  einval_for_a_setup_packet_that_is_none },
	{ "epipe_for_a_request_that_is_not_known",
	  epipe_for_a_request_that_is_not_known },
	{ "ebadf_in_the_other_direction", ebadf_in_the_other_direction },
	{ "eperm_without_the_claim", eperm_without_the_claim },
	{ "ebusy_for_requests_to_what_others_have",
	  ebusy_for_requests_to_what_others_have },
	{ "einval_for_text_that_is_no_setting",
	  einval_for_text_that_is_no_setting },
	{ "efault_for_memory_that_is_not_there",
	  efault_for_memory_that_is_not_there },
};

int main(int argc, char **argv)
{
	return run_selftests(tests, ARRAY_SIZE(tests), argc, argv);
}
