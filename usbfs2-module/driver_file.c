// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: the driver file of an interface.
 *
 * Reading gives the bound driver's name, or nothing. Writing
 *   usbfs2  detaches the kernel driver and claims, exclusively, until this
 *           file is closed; then the driver that was detached is bound again
 *   none    detaches whatever is bound, for good
 *   probe   lets the kernel look for a driver
 */
#include <linux/module.h>
#include <linux/slab.h>

#include "usbfs2.h"

struct driver_file {
	struct mutex lock;		/* one write at a time */
	struct usbfs2_hold hold;	/* P: lock */
};

struct usbfs2_claim *usbfs2_driver_file_claim(const struct file *file)
{
	const struct driver_file *driver_file = file->private_data;

	return READ_ONCE(driver_file->hold.claim);
}

static int usbfs2_driver_open(struct inode *inode, struct file *file)
{
	struct driver_file *driver_file;

	driver_file = kzalloc(sizeof(*driver_file), GFP_KERNEL_ACCOUNT);
	if (!driver_file)
		return -ENOMEM;
	mutex_init(&driver_file->lock);
	file->private_data = driver_file;
	return 0;
}

static int usbfs2_driver_release(struct inode *inode, struct file *file)
{
	struct driver_file *driver_file = file->private_data;

	usbfs2_hold_drop(&driver_file->hold);
	kfree(driver_file);
	return 0;
}

static ssize_t usbfs2_driver_read(struct file *file, char __user *to,
				  size_t size, loff_t *position)
{
	const struct usbfs2_node *node = usbfs2_node_of(file_inode(file));
	struct usb_device *udev = node->dev->udev;
	struct usb_interface *intf;
	char name[64] = "";
	int ret;

	ret = device_lock_interruptible(&udev->dev);
	if (ret)
		return ret;
	intf = usbfs2_find_interface(node);
	if (!intf)
		ret = -ENODEV;
	else if (intf->dev.driver)
		snprintf(name, sizeof(name), "%s\n", intf->dev.driver->name);
	usb_unlock_device(udev);
	return ret ?: simple_read_from_buffer(to, size, position, name,
					      strlen(name));
}

static int claim_exclusively(struct driver_file *driver_file,
			     struct usbfs2_device *dev,
			     struct usb_interface *intf)
{
	struct usbfs2_claim *claim = driver_file->hold.claim;

	/*
	 * Said twice, it is still true; unless the claim was lost since, and
	 * somebody else may have one by now. Disconnecting, which says that it
	 * is lost, needs the device lock.
	 */
	if (claim)
		return claim->intf == intf && !READ_ONCE(claim->lost) ?
		       0 : -ENODEV;
	return usbfs2_hold_claim(&driver_file->hold, dev, intf, true, true);
}

static int detach_for_good(struct usbfs2_device *dev,
			   struct usb_interface *intf)
{
	struct device_driver *driver = intf->dev.driver;
	int ret;

	if (!driver)
		return 0;
	if (usbfs2_interface_is_ours(intf)) {
		ret = usbfs2_claim_check(dev, intf, false);
		if (!ret)
			usbfs2_claim_forget(dev, intf);
		return ret;
	}
	if (!strcmp(driver->name, "usbfs"))
		return -EBUSY;
	usb_driver_release_interface(to_usb_driver(driver), intf);
	return intf->dev.driver ? -EBUSY : 0;
}

static int probe(struct usb_interface *intf)
{
	int ret;

	if (usbfs2_interface_is_ours(intf))
		return -EBUSY;
	if (intf->dev.driver)
		return 0;
	ret = device_attach(&intf->dev);
	return min(ret, 0);
}

static ssize_t usbfs2_driver_write(struct file *file, const char __user *from,
				   size_t length, loff_t *unused)
{
	const struct usbfs2_node *node = usbfs2_node_of(file_inode(file));
	struct driver_file *driver_file = file->private_data;
	struct usb_interface *intf;
	char word[16];
	int ret;

	ret = usbfs2_get_line(word, sizeof(word), from, length);
	if (ret)
		return ret;
	if (strcmp(word, "usbfs2") && strcmp(word, "none") &&
	    strcmp(word, "probe"))
		return -EINVAL;

	ret = mutex_lock_interruptible(&driver_file->lock);
	if (ret)
		return ret;
	ret = usbfs2_device_enter(node->dev);
	if (ret)
		goto unlock;
	intf = usbfs2_find_interface(node);
	if (!intf)
		ret = -ENODEV;
	else if (!strcmp(word, "usbfs2"))
		ret = claim_exclusively(driver_file, node->dev, intf);
	else if (!strcmp(word, "none"))
		ret = detach_for_good(node->dev, intf);
	else
		ret = probe(intf);
	usbfs2_device_leave(node->dev);
	/* Claimed but not awake: back out, now that no lock is held. */
	if (ret && driver_file->hold.claim && !driver_file->hold.complete)
		usbfs2_hold_drop(&driver_file->hold);
unlock:
	mutex_unlock(&driver_file->lock);
	return ret ?: length;
}

const struct file_operations usbfs2_driver_fops = {
	.owner = THIS_MODULE,
	.open = usbfs2_driver_open,
	.release = usbfs2_driver_release,
	.read = usbfs2_driver_read,
	.write = usbfs2_driver_write,
	.llseek = default_llseek,
};
