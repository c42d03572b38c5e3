// SPDX-License-Identifier: GPL-2.0-only
/* The files of a plugged device. */
#include <dirent.h>
#include <libgen.h>

#include <linux/usb/ch9.h>

#include "selftest.h"

const char *file_of(const struct bench *bench, const char *name)
{
	/* Several at a time are in use. */
	static char paths[4][PATH_MAX];
	static unsigned int next;
	char *path = paths[next++ % ARRAY_SIZE(paths)];

	if (snprintf(path, PATH_MAX, "%s/%s", bench->interface, name) >=
	    PATH_MAX)
		FAIL("the path of %s is too long", name);
	return path;
}

/*
 * The endpoint of this type in the descriptors, whose file is there: so it is
 * of the current alternate setting. NULL if there is none.
 */
static const char *endpoint(const struct bench *bench, int type,
			    enum direction direction)
{
	unsigned char bytes[4096];
	char path[PATH_MAX + 16], name[8];
	const int bit = direction == DIR_IN ? USB_DIR_IN : USB_DIR_OUT;
	const char *file;
	ssize_t length, at;
	int fd;

	snprintf(path, sizeof(path), "%s/descriptors", bench->device);
	fd = open_file(path, O_RDONLY);
	length = read(fd, bytes, sizeof(bytes));
	close(fd);
	for (at = 0; at + 4 <= length && bytes[at] >= 2; at += bytes[at]) {
		if (bytes[at + 1] != USB_DT_ENDPOINT ||
		    (bytes[at + 3] & USB_ENDPOINT_XFERTYPE_MASK) != type ||
		    (bytes[at + 2] & USB_ENDPOINT_DIR_MASK) != bit)
			continue;
		snprintf(name, sizeof(name), "ep%02x", bytes[at + 2]);
		file = file_of(bench, name);
		if (!access(file, F_OK))
			return file;
	}
	return NULL;
}

const char *bulk_endpoint(const struct bench *bench, enum direction direction)
{
	const char *file = endpoint(bench, USB_ENDPOINT_XFER_BULK, direction);

	if (!file)
		FAIL("no bulk endpoint in %s", bench->interface);
	return file;
}

const char *iso_endpoint(const struct bench *bench, enum direction direction)
{
	const char *file = endpoint(bench, USB_ENDPOINT_XFER_ISOC, direction);

	if (!file)
		skip("this dummy_hcd carries no isochronous transfers");
	return file;
}

int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		FAIL("%s: %s", path, strerror(errno));
	return fd;
}

int open_bulk(const struct bench *bench, enum direction direction)
{
	return open_file(bulk_endpoint(bench, direction),
			 direction == DIR_IN ? O_RDONLY : O_WRONLY);
}

const char *bound_driver(const struct bench *bench)
{
	static char target[PATH_MAX];
	char link[PATH_MAX + 64];
	ssize_t length;

	snprintf(link, sizeof(link), "%s/%s:1.0/driver", bench->sysfs,
		 bench->name);
	length = readlink(link, target, sizeof(target) - 1);
	if (length < 0)
		return "";
	target[length] = '\0';
	return basename(target);
}

int claim(const struct bench *bench)
{
	int fd = open_file(file_of(bench, "driver"), O_RDWR);

	EXPECT_RESULT(write(fd, "usbfs2", 6), 6);
	return fd;
}

void halt_endpoint(const struct bench *bench, const char *endpoint)
{
	unsigned int address;
	int fd;

	EXPECT(sscanf(strrchr(endpoint, '/'), "/ep%x", &address) == 1);
	fd = open_file(file_of(bench, "ep00"), O_RDWR);
	EXPECT_RESULT(pwrite(fd, "", 0,
			     USBFS2_SETUP(USB_RECIP_ENDPOINT,
					  USB_REQ_SET_FEATURE,
					  USB_ENDPOINT_HALT, address)), 0);
	close(fd);
}

void recover(int fd)
{
	EXPECT_RESULT(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
}

long count_live(void)
{
	FILE *file = fopen("/sys/module/usbfs2/parameters/live_requests", "r");
	long count = -1;

	if (file) {
		if (fscanf(file, "%ld", &count) != 1)
			count = -1;
		fclose(file);
	}
	return count;
}
