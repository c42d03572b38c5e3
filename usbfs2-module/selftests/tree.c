// SPDX-License-Identifier: GPL-2.0-only
/* The mounted tree: what is in it, and whom it belongs to. */
#include <dirent.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "selftest.h"

static void magic_number(void)
{
	struct statfs about;

	EXPECT_RESULT(statfs(MOUNT, &about), 0);
	EXPECT(about.f_type == USBFS2_MAGIC);
}

static void files_of_a_device(void)
{
	static const char *const names[] = {
		"../descriptors", "../configuration", "../ep00",
		"driver", "alternate", "ep00",
	};
	struct bench bench;
	struct stat about;
	size_t index;

	plug_source_sink(&bench, false);
	for (index = 0; index < ARRAY_SIZE(names); index++)
		if (access(file_of(&bench, names[index]), F_OK))
			FAIL("no %s in %s", names[index], bench.interface);
	EXPECT_RESULT(stat(bulk_endpoint(&bench, DIR_IN), &about), 0);
	EXPECT(S_ISFIFO(about.st_mode));
}

static void descriptors_are_those_of_sysfs(void)
{
	char ours[4096], theirs[4096], path[PATH_MAX + 16];
	struct bench bench;
	ssize_t length;
	int fd;

	plug_source_sink(&bench, false);
	fd = open_file(file_of(&bench, "../descriptors"), O_RDONLY);
	length = read(fd, ours, sizeof(ours));
	snprintf(path, sizeof(path), "%s/descriptors", bench.sysfs);
	fd = open_file(path, O_RDONLY);
	EXPECT_RESULT(read(fd, theirs, sizeof(theirs)), length);
	EXPECT(length > 18 && !memcmp(ours, theirs, length));
}

static void a_device_that_leaves_takes_its_directory(void)
{
	struct bench bench;

	plug_source_sink(&bench, false);
	unplug(&bench);
	EXPECT_SOON(access(bench.device, F_OK) && errno == ENOENT);
	plug_again(&bench);
}

static void expect_access(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
	struct stat about;

	EXPECT_RESULT(stat(path, &about), 0);
	if (about.st_uid != uid || about.st_gid != gid ||
	    (about.st_mode & 07777) != mode)
		FAIL("%s belongs to %u:%u, mode %o", path, about.st_uid,
		     about.st_gid, about.st_mode & 07777);
}

static void mount_options_reach_every_file(void)
{
	struct bench bench;

	plug_source_sink(&bench, false);
	EXPECT_RESULT(mount("usbfs2", MOUNT, "usbfs2", MS_REMOUNT,
			    "uid=1001,gid=1002,mode=0640,dmode=0750"), 0);
	expect_access(bench.device, 1001, 1002, 0750);
	expect_access(bench.interface, 1001, 1002, 0750);
	expect_access(bulk_endpoint(&bench, DIR_IN), 1001, 1002, 0640);
	unplug(&bench);
	/* What comes later, too. */
	plug_again(&bench);
	expect_access(bulk_endpoint(&bench, DIR_OUT), 1001, 1002, 0640);
	EXPECT_RESULT(mount("usbfs2", MOUNT, "usbfs2", MS_REMOUNT,
			    "uid=0,gid=0,mode=0600,dmode=0755"), 0);
	expect_access(bulk_endpoint(&bench, DIR_OUT), 0, 0, 0600);
}

static void unknown_mount_options_are_refused(void)
{
	EXPECT_ERRNO(mount("usbfs2", MOUNT, "usbfs2", MS_REMOUNT, "colour=red"),
		     EINVAL);
	EXPECT_ERRNO(mount("usbfs2", MOUNT, "usbfs2", MS_REMOUNT, "mode=9"),
		     EINVAL);
}

static void setting_1_has_other_files(void)
{
	struct bench bench;
	char text[8];
	int fd;

	plug_source_sink(&bench, false);
	claim(&bench);
	if (put_text(file_of(&bench, "alternate"), "1") < 0)
		skip("this dummy_hcd has no endpoints for setting 1");
	fd = open_file(file_of(&bench, "alternate"), O_RDONLY);
	EXPECT_RESULT(read(fd, text, sizeof(text)), 2);
	EXPECT(!memcmp(text, "1\n", 2));
	iso_endpoint(&bench, DIR_IN);
	EXPECT_RESULT(put_text(file_of(&bench, "alternate"), "0"), 1);
	bulk_endpoint(&bench, DIR_IN);
}

static const struct selftest tests[] = {
	{ "magic_number", magic_number },
	{ "files_of_a_device", files_of_a_device },
	{ "descriptors_are_those_of_sysfs", descriptors_are_those_of_sysfs },
	{ "a_device_that_leaves_takes_its_directory",
	  a_device_that_leaves_takes_its_directory },
	{ "mount_options_reach_every_file", mount_options_reach_every_file },
	{ "unknown_mount_options_are_refused",
	  unknown_mount_options_are_refused },
	{ "setting_1_has_other_files", setting_1_has_other_files },
};

int main(int argc, char **argv)
{
	return run_selftests(tests, ARRAY_SIZE(tests), argc, argv);
}
