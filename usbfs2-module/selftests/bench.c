// SPDX-License-Identifier: GPL-2.0-only
/* A gadget of the kernel's, composed in configfs, on dummy_hcd. */
#include <dirent.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "selftest.h"

#define CONFIGFS	"/sys/kernel/config"
#define GADGET		CONFIGFS "/usb_gadget/usbfs2-selftest"
#define CONFIGURATION	GADGET "/configs/c.1"
#define UDC		"dummy_udc.0"
#define HCD		"/sys/devices/platform/dummy_hcd.0"

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static void load(const char *module)
{
	char command[64];

	/* Built in, loaded by hand, or not there: what is missing shows. */
	snprintf(command, sizeof(command), "modprobe -q %s", module);
	if (system(command))
		return;
}

const char *bench_missing(void)
{
	if (geteuid())
		return "run as root";
	/* What is mounted here goes with these processes. */
	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return "no mount namespaces (CONFIG_NAMESPACES)";
	if (mount("usbfs2", MOUNT, "usbfs2", 0, NULL)) {
		load("usbfs2");
		if (mount("usbfs2", MOUNT, "usbfs2", 0, NULL))
			return "usbfs2 cannot be mounted: is it loaded?";
	}
	if (!exists(HCD))
		load("dummy_hcd");
	if (!exists("/sys/class/udc/" UDC))
		return "no dummy_hcd (CONFIG_USB_DUMMY_HCD)";
	if (!exists(CONFIGFS "/usb_gadget")) {
		load("libcomposite");
		mount("none", CONFIGFS, "configfs", 0, NULL);
	}
	if (!exists(CONFIGFS "/usb_gadget"))
		return "no gadgets in configfs (CONFIG_USB_CONFIGFS)";
	bench_remove();
	return NULL;
}

ssize_t put_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t result;
	int error;

	if (fd < 0)
		return -1;
	result = write(fd, text, strlen(text));
	error = errno;
	close(fd);
	errno = error;
	return result;
}

static void set(const char *path, const char *text)
{
	if (put_text(path, text) < 0)
		FAIL("%s: %s", path, strerror(errno));
}

static void make_directory(const char *path)
{
	if (mkdir(path, 0755))
		FAIL("%s: %s", path, strerror(errno));
}

/* The number of the root hub, "1", or "". */
static const char *bus_number(void)
{
	static char number[16];
	struct dirent *entry;
	DIR *directory = opendir(HCD);

	number[0] = '\0';
	while (directory && (entry = readdir(directory)))
		if (sscanf(entry->d_name, "usb%15[0-9]", number) == 1)
			break;
	if (directory)
		closedir(directory);
	return number;
}

/* The device at the root hub is there, and so are its files. */
static bool is_there(struct bench *bench)
{
	const char *bus = bus_number();
	char driver[PATH_MAX];

	snprintf(bench->name, sizeof(bench->name), "%s-1", bus);
	snprintf(bench->sysfs, sizeof(bench->sysfs), HCD "/usb%s/%s", bus,
		 bench->name);
	snprintf(bench->device, sizeof(bench->device), MOUNT "/%s",
		 bench->name);
	snprintf(bench->interface, sizeof(bench->interface), MOUNT "/%s/1.0",
		 bench->name);
	snprintf(driver, sizeof(driver), MOUNT "/%s/1.0/driver", bench->name);
	return bus[0] && exists(bench->sysfs) && exists(driver);
}

static void plug(struct bench *bench, const char *kind, bool with_usbtest,
		 const char *const (*attributes)[2])
{
	char function[] = GADGET "/functions/SourceSink.0";
	char path[PATH_MAX];

	if (with_usbtest)
		load("usbtest");
	snprintf(function, sizeof(function), GADGET "/functions/%s.0", kind);
	make_directory(GADGET);
	/* Gadget Zero, which usbtest knows, or one that nobody does. */
	set(GADGET "/idVendor", with_usbtest ? "0x0525" : "0x1d6b");
	set(GADGET "/idProduct", with_usbtest ? "0xa4a0" : "0x0104");
	make_directory(GADGET "/strings/0x409");
	set(GADGET "/strings/0x409/serialnumber", "selftest");
	make_directory(CONFIGURATION);
	if (mkdir(function, 0755))
		skip("no function %s (CONFIG_USB_CONFIGFS_F_LB_SS): %s", kind,
		     strerror(errno));
	for (; (*attributes)[0]; attributes++) {
		snprintf(path, sizeof(path), "%s/%s", function,
			 (*attributes)[0]);
		set(path, (*attributes)[1]);
	}
	EXPECT_RESULT(symlink(function, CONFIGURATION "/function"), 0);
	plug_again(bench);
	if (!with_usbtest)
		return;
	if (!exists("/sys/bus/usb/drivers/usbtest"))
		skip("no usbtest (CONFIG_USB_TEST)");
	EXPECT_SOON(!strcmp(bound_driver(bench), "usbtest"));
}

void plug_source_sink(struct bench *bench, bool with_usbtest)
{
	static const char *const attributes[][2] = {
		{ "pattern", "1" },
		{ "bulk_buflen", "4096" },
		{ "bulk_qlen", "16" },
		/* A packet of 64 bytes a millisecond, at high speed. */
		{ "isoc_interval", "4" },
		{ "isoc_maxpacket", "64" },
		{ "iso_qlen", "16" },
		{ NULL, NULL },
	};

	plug(bench, "SourceSink", with_usbtest, attributes);
}

void plug_loopback(struct bench *bench, bool with_usbtest)
{
	static const char *const attributes[][2] = {
		{ "bulk_buflen", "4096" },
		{ "qlen", "32" },
		{ NULL, NULL },
	};

	plug(bench, "Loopback", with_usbtest, attributes);
}

bool is_pattern(const __u8 *bytes, size_t length, size_t max_packet)
{
	size_t index;

	for (index = 0; index < length; index++)
		if (bytes[index] != index % max_packet % 63)
			return false;
	return true;
}

void unplug(const struct bench *bench)
{
	set(GADGET "/UDC", "\n");
	EXPECT_SOON(!exists(bench->sysfs));
}

void plug_again(struct bench *bench)
{
	set(GADGET "/UDC", UDC);
	EXPECT_SOON(is_there(bench));
}

void bench_remove(void)
{
	/* Each undoes what may not have been done. */
	put_text(GADGET "/UDC", "\n");
	unlink(CONFIGURATION "/function");
	rmdir(CONFIGURATION);
	rmdir(GADGET "/functions/SourceSink.0");
	rmdir(GADGET "/functions/Loopback.0");
	rmdir(GADGET "/strings/0x409");
	rmdir(GADGET);
}
