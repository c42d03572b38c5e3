// SPDX-License-Identifier: GPL-2.0-only
/* Who has an interface, and who has it afterwards. */
#include "selftest.h"

static void opening_an_endpoint_claims(void)
{
	struct bench bench;
	int fd;

	plug_source_sink(&bench, false);
	EXPECT(!strcmp(bound_driver(&bench), ""));
	fd = open_bulk(&bench, DIR_IN);
	EXPECT(!strcmp(bound_driver(&bench), "usbfs2"));
	close(fd);
	EXPECT(!strcmp(bound_driver(&bench), ""));
}

static void an_endpoint_has_one_opener(void)
{
	struct bench bench;
	int fd;

	plug_source_sink(&bench, false);
	fd = open_bulk(&bench, DIR_IN);
	EXPECT_ERRNO(open(bulk_endpoint(&bench, DIR_IN), O_RDONLY), EBUSY);
	/* The other one shares the claim. */
	open_bulk(&bench, DIR_OUT);
	close(fd);
	open_bulk(&bench, DIR_IN);
}

static void a_kernel_driver_keeps_its_interface(void)
{
	struct bench bench;

	plug_source_sink(&bench, true);
	EXPECT_ERRNO(open(bulk_endpoint(&bench, DIR_IN), O_RDONLY), EBUSY);
	EXPECT(!strcmp(bound_driver(&bench), "usbtest"));
}

static void the_driver_file_detaches_and_gives_back(void)
{
	struct bench bench;
	char text[16];
	int fd;

	plug_source_sink(&bench, true);
	fd = claim(&bench);
	EXPECT(!strcmp(bound_driver(&bench), "usbfs2"));
	EXPECT_RESULT(pread(fd, text, sizeof(text), 0), 7);
	EXPECT(!memcmp(text, "usbfs2\n", 7));
	open_bulk(&bench, DIR_IN);
	close(fd);
	/* The endpoint still holds the claim. */
	EXPECT(!strcmp(bound_driver(&bench), "usbfs2"));
	close_files();
	EXPECT(!strcmp(bound_driver(&bench), "usbtest"));
}

static void kill_9_gives_back(void)
{
	struct bench bench;
	pid_t child;

	plug_source_sink(&bench, true);
	child = start_child();
	if (!child) {
		claim(&bench);
		pause();
	}
	EXPECT_SOON(!strcmp(bound_driver(&bench), "usbfs2"));
	kill_child(child);
	EXPECT(!strcmp(bound_driver(&bench), "usbtest"));
}

static void an_exclusive_claim_is_that_of_its_processes(void)
{
	struct bench bench;
	pid_t child;

	plug_source_sink(&bench, false);
	claim(&bench);
	child = start_child();
	if (!child) {
		/* Who inherits a file of the claim is one of them. */
		close(open_bulk(&bench, DIR_IN));
		close_files();
		EXPECT_ERRNO(open(bulk_endpoint(&bench, DIR_IN), O_RDONLY),
			     EBUSY);
		EXPECT_ERRNO(put_text(file_of(&bench, "driver"), "usbfs2"),
			     EBUSY);
		_exit(0);
	}
	end_child(child);
}

static void none_detaches_and_probe_binds(void)
{
	struct bench bench;

	plug_source_sink(&bench, true);
	EXPECT_RESULT(put_text(file_of(&bench, "driver"), "none"), 4);
	EXPECT(!strcmp(bound_driver(&bench), ""));
	EXPECT_RESULT(put_text(file_of(&bench, "driver"), "probe"), 5);
	EXPECT(!strcmp(bound_driver(&bench), "usbtest"));
}

static const struct selftest tests[] = {
	{ "opening_an_endpoint_claims", opening_an_endpoint_claims },
	{ "an_endpoint_has_one_opener", an_endpoint_has_one_opener },
	{ "a_kernel_driver_keeps_its_interface",
	  a_kernel_driver_keeps_its_interface },
	{ "the_driver_file_detaches_and_gives_back",
	  the_driver_file_detaches_and_gives_back },
	{ "kill_9_gives_back", kill_9_gives_back },
	{ "an_exclusive_claim_is_that_of_its_processes",
	  an_exclusive_claim_is_that_of_its_processes },
	{ "none_detaches_and_probe_binds", none_detaches_and_probe_binds },
};

int main(int argc, char **argv)
{
	return run_selftests(tests, ARRAY_SIZE(tests), argc, argv);
}
