// SPDX-License-Identifier: GPL-2.0-only
/* The processes of a test. */
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "selftest.h"

pid_t start_child(void)
{
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child < 0)
		FAIL("fork: %s", strerror(errno));
	/* A test that fails leaves nobody. */
	if (!child)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return child;
}

void end_child(pid_t child)
{
	int status;

	EXPECT_RESULT(waitpid(child, &status, 0), child);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		FAIL("a child ended with status %#x", status);
}

void kill_child(pid_t child)
{
	int status;

	EXPECT_RESULT(kill(child, SIGKILL), 0);
	EXPECT_RESULT(waitpid(child, &status, 0), child);
	if (!WIFSIGNALED(status))
		FAIL("a child ended by itself with status %#x", status);
}

void close_files(void)
{
	EXPECT_RESULT(syscall(SYS_close_range, 3, ~0U, 0), 0);
}

void become_user(uid_t user)
{
	EXPECT_RESULT(setgroups(0, NULL), 0);
	EXPECT_RESULT(setresgid(user, user, user), 0);
	EXPECT_RESULT(setresuid(user, user, user), 0);
}
