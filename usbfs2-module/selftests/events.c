// SPDX-License-Identifier: GPL-2.0-only
/* The file that tells what comes, goes and changes. */
#include <poll.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "selftest.h"

static int open_events(void)
{
	return open_file(MOUNT "/events", O_RDONLY | O_NONBLOCK);
}

static bool has_line(const char *text, const char *line)
{
	const size_t length = strlen(line);
	const char *at = text;

	while ((at = strstr(at, line))) {
		if ((at == text || at[-1] == '\n') && at[length] == '\n')
			return true;
		at++;
	}
	return false;
}

/* Waits for a line. */
[[gnu::format(printf, 2, 3)]]
static void expect_line(int fd, const char *format, ...)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	char line[128], text[4096];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	do {
		ssize_t length;

		if (poll(&readable, 1, SOON_MS) != 1)
			FAIL("no line \"%s\"", line);
		length = read(fd, text, sizeof(text) - 1);
		EXPECT(length > 0);
		text[length] = '\0';
	} while (!has_line(text, line));
}

/* To the end of what there is. */
static void catch_up(int fd)
{
	char text[4096];

	while (read(fd, text, sizeof(text)) > 0)
		;
	EXPECT(errno == EAGAIN);
}

static void a_new_reader_is_told_what_is_there(void)
{
	struct bench bench;

	plug_source_sink(&bench, false);
	expect_line(open_events(), "add %s", bench.name);
}

static void plugging_and_unplugging(void)
{
	struct bench bench;
	int fd;

	plug_source_sink(&bench, false);
	fd = open_events();
	catch_up(fd);
	unplug(&bench);
	expect_line(fd, "remove %s", bench.name);
	plug_again(&bench);
	expect_line(fd, "add %s", bench.name);
}

static void a_driver_comes_and_goes(void)
{
	struct bench bench;
	int fd;

	plug_source_sink(&bench, true);
	fd = open_events();
	catch_up(fd);
	put_text(file_of(&bench, "driver"), "none");
	expect_line(fd, "change %s 1.0 driver none", bench.name);
	put_text(file_of(&bench, "driver"), "probe");
	expect_line(fd, "change %s 1.0 driver usbtest", bench.name);
}

static void an_owner_changes(void)
{
	struct bench bench;
	int fd;

	plug_source_sink(&bench, false);
	fd = open_events();
	catch_up(fd);
	EXPECT_RESULT(chown(bench.interface, 1001, 1001), 0);
	expect_line(fd, "access %s 1.0", bench.name);
}

static void poll_says_when_there_is_a_line(void)
{
	struct pollfd readable = { .events = POLLIN };
	struct bench bench;

	plug_source_sink(&bench, false);
	readable.fd = open_events();
	EXPECT_RESULT(poll(&readable, 1, 0), 1);
	catch_up(readable.fd);
	EXPECT_RESULT(poll(&readable, 1, 0), 0);
	unplug(&bench);
	EXPECT_RESULT(poll(&readable, 1, SOON_MS), 1);
}

static const struct selftest tests[] = {
	{ "a_new_reader_is_told_what_is_there",
	  a_new_reader_is_told_what_is_there },
	{ "plugging_and_unplugging", plugging_and_unplugging },
	{ "a_driver_comes_and_goes", a_driver_comes_and_goes },
	{ "an_owner_changes", an_owner_changes },
	{ "poll_says_when_there_is_a_line", poll_says_when_there_is_a_line },
};

int main(int argc, char **argv)
{
	return run_selftests(tests, ARRAY_SIZE(tests), argc, argv);
}
