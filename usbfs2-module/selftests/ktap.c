// SPDX-License-Identifier: GPL-2.0-only
/* Runs a table of tests and prints KTAP (Documentation/dev-tools/ktap.rst). */
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "selftest.h"

/* As kselftest.h has them. */
enum {
	KSFT_PASS = 0,
	KSFT_FAIL = 1,
	KSFT_SKIP = 4,
};

/* A test that takes longer hangs; an emulated machine is slow. */
#define TIMEOUT_S	60

/* Why a test was skipped; shared with the children. */
static char *skipped_because;
#define REASON_SIZE	4096

void fail_at(const char *file, int line, const char *format, ...)
{
	va_list arguments;

	printf("# %s:%d: ", file, line);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
	fflush(stdout);
	_exit(KSFT_FAIL);
}

void skip(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(skipped_because, REASON_SIZE, format, arguments);
	va_end(arguments);
	_exit(KSFT_SKIP);
}

static void on_alarm(int signal)
{
	/* Only so that waitpid() ends. */
}

/* The exit status of a child that runs the test. */
static int run(const struct selftest *test)
{
	pid_t child;
	int status;

	fflush(stdout);
	skipped_because[0] = '\0';
	child = fork();
	if (!child) {
		/* One group, so that its own children can be found. */
		setpgid(0, 0);
		test->run();
		fflush(stdout);
		_exit(KSFT_PASS);
	}
	if (child < 0) {
		printf("# fork: %s\n", strerror(errno));
		return KSFT_FAIL;
	}
	setpgid(child, child);
	alarm(TIMEOUT_S);
	while (waitpid(child, &status, 0) < 0) {
		printf("# hung for %d s\n", TIMEOUT_S);
		kill(-child, SIGKILL);
	}
	alarm(0);
	/* What the test has left, which may hold files of the device. */
	kill(-child, SIGKILL);
	if (WIFSIGNALED(status)) {
		printf("# ended by signal %d\n", WTERMSIG(status));
		return KSFT_FAIL;
	}
	return WEXITSTATUS(status);
}

/* What every test must leave behind. */
static int check_after(int status)
{
	unsigned int left = SOON_MS;

	bench_remove();
	while (count_live() && left--)
		usleep(1000);
	if (status != KSFT_PASS || !count_live())
		return status;
	printf("# %ld transfers were never freed\n", count_live());
	return KSFT_FAIL;
}

static bool is_selected(const char *name, int argc, char **argv)
{
	int index;

	for (index = 1; index < argc; index++)
		if (!strcmp(name, argv[index]))
			return true;
	return argc < 2;
}

int run_selftests(const struct selftest *tests, size_t count,
		  int argc, char **argv)
{
	const struct sigaction action = { .sa_handler = on_alarm };
	size_t index, selected = 0, number = 0;
	size_t passed = 0, failed = 0, skipped = 0;
	const char *missing = bench_missing();

	skipped_because = mmap(NULL, REASON_SIZE, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (skipped_because == MAP_FAILED || sigaction(SIGALRM, &action, NULL))
		return KSFT_FAIL;
	for (index = 0; index < count; index++)
		selected += is_selected(tests[index].name, argc, argv);
	printf("KTAP version 1\n");
	if (missing || !selected) {
		printf("1..0 # SKIP %s\n", missing ? missing : "no such test");
		return KSFT_SKIP;
	}
	printf("1..%zu\n", selected);
	for (index = 0; index < count; index++) {
		const char *name = tests[index].name;
		int status;

		if (!is_selected(name, argc, argv))
			continue;
		number++;
		status = check_after(run(&tests[index]));
		switch (status) {
		case KSFT_PASS:
			printf("ok %zu %s\n", number, name);
			passed++;
			break;
		case KSFT_SKIP:
			printf("ok %zu %s # SKIP %s\n", number, name,
			       skipped_because);
			skipped++;
			break;
		default:
			printf("not ok %zu %s\n", number, name);
			failed++;
		}
		fflush(stdout);
	}
	printf("# Totals: pass:%zu fail:%zu xfail:0 xpass:0 skip:%zu error:0\n",
	       passed, failed, skipped);
	if (failed)
		return KSFT_FAIL;
	return passed ? KSFT_PASS : KSFT_SKIP;
}
