/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the selftests share: a table of tests that is run with KTAP output, and
 * the bench: a gadget of the kernel's on dummy_hcd, and its files.
 */
#ifndef _USBFS2_SELFTEST_H
#define _USBFS2_SELFTEST_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <linux/usbfs2.h>

/* ---- ktap.c ---- */

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

/* One behaviour. The function returns if the module behaves so. */
struct selftest {
	const char *name;
	void (*run)(void);
};

/*
 * Runs each in a child of its own, one after the other, and prints KTAP. With
 * arguments, those that are named. Returns the exit status of the program, as
 * kselftest has them: 0, 1 or, if all were skipped, 4.
 */
int run_selftests(const struct selftest *tests, size_t count,
		  int argc, char **argv);

/* Both end the test, in whichever of its processes. */
[[gnu::noreturn, gnu::format(printf, 3, 4)]]
void fail_at(const char *file, int line, const char *format, ...);
[[gnu::noreturn, gnu::format(printf, 1, 2)]]
void skip(const char *format, ...);

#define FAIL(...)	fail_at(__FILE__, __LINE__, __VA_ARGS__)

#define EXPECT(condition)						\
	do {								\
		if (!(condition))					\
			FAIL("%s", #condition);				\
	} while (0)

/* For calls that return what they did, or -1. */
#define EXPECT_RESULT(call, expected)					\
	do {								\
		long long expected_ = (expected), result_ = (call);	\
		if (result_ != expected_)				\
			FAIL("%s: %lld (%s) instead of %lld", #call,	\
			     result_, result_ < 0 ? strerror(errno) :	\
			     "no error", expected_);			\
	} while (0)

#define EXPECT_ERRNO(call, expected)					\
	do {								\
		long long result_ = (call);				\
		if (result_ >= 0)					\
			FAIL("%s: %lld instead of %s", #call, result_,	\
			     #expected);				\
		if (errno != (expected))				\
			FAIL("%s: %s instead of %s", #call,		\
			     strerror(errno), #expected);		\
	} while (0)

/* What comes by itself, but later. */
#define EXPECT_SOON(condition)						\
	do {								\
		unsigned int left_ = SOON_MS;				\
		while (!(condition)) {					\
			if (!left_--)					\
				FAIL("not within %u ms: %s", SOON_MS,	\
				     #condition);			\
			usleep(1000);					\
		}							\
	} while (0)
#define SOON_MS	20000U

/* ---- bench.c ---- */

/* Where the file system is mounted, for these processes alone. */
#define MOUNT	"/mnt"

/* A plugged device with one interface. */
struct bench {
	char name[32];			/* "1-1" */
	char device[PATH_MAX];		/* MOUNT "/1-1" */
	char interface[PATH_MAX];	/* MOUNT "/1-1/1.0" */
	char sysfs[PATH_MAX];
};

/* Skips the program's tests if the kernel lacks something; before any test. */
const char *bench_missing(void);

/*
 * The kernel's SourceSink: each byte it sends or expects is its offset in its
 * packet modulo 63. The kernel's Loopback: it sends what it received, so that
 * a read waits for a write; at most 4096 bytes a transfer, which a short packet
 * ends. No driver knows these; with_usbtest: the kernel's usbtest does, and is
 * bound to the interface.
 */
void plug_source_sink(struct bench *bench, bool with_usbtest);
void plug_loopback(struct bench *bench, bool with_usbtest);
/* What SourceSink sends in packets of max_packet bytes. */
bool is_pattern(const __u8 *bytes, size_t length, size_t max_packet);

void unplug(const struct bench *bench);
void plug_again(struct bench *bench);
/* After every test, however it ended. */
void bench_remove(void);

enum direction { DIR_OUT, DIR_IN };

/* The path of a file below the interface: "driver". A few may be in use. */
const char *file_of(const struct bench *bench, const char *name);
/* That of its bulk endpoint, or of the isochronous one of setting 1. */
const char *bulk_endpoint(const struct bench *bench, enum direction direction);
const char *iso_endpoint(const struct bench *bench, enum direction direction);
/* These fail the test if open() does. */
int open_file(const char *path, int flags);
int open_bulk(const struct bench *bench, enum direction direction);

/* The driver bound to the interface, "" if there is none. */
const char *bound_driver(const struct bench *bench);
/* Claims the interface until the file is closed. */
int claim(const struct bench *bench);
/* One write() of a text. */
ssize_t put_text(const char *path, const char *text);
/* SET_FEATURE(ENDPOINT_HALT), USB 2.0 9.4.9. */
void halt_endpoint(const struct bench *bench, const char *endpoint);
/* posix_fadvise(), which recovers an endpoint. */
void recover(int fd);
/* Transfers that the module has not freed. */
long count_live(void);

/* ---- process.c ---- */

/* A forked child, in which this is 0. */
pid_t start_child(void);
/* Waits for a child that is to end with exit(0). */
void end_child(pid_t child);
/* SIGKILL, and waits. */
void kill_child(pid_t child);
/* Closes all but stdin, stdout and stderr, as who has never had them. */
void close_files(void);
/* From now on a user without rights. */
void become_user(uid_t user);

#endif /* _USBFS2_SELFTEST_H */
