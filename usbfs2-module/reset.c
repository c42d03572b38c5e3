// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: the reset file of a device.
 *
 * "1" resets the port (USB 2.0 7.1.7.5). The device gets its address, its
 * configuration and its alternate settings back, so open files stay valid.
 * Interfaces that are in use by others would be reset with the rest: EBUSY.
 */
#include <linux/module.h>

#include "usbfs2.h"

static bool has_claim(struct usbfs2_device *dev)
{
	bool has;

	mutex_lock(&dev->claim_mutex);
	has = !list_empty(&dev->claims);
	mutex_unlock(&dev->claim_mutex);
	return has;
}

/* Device lock held, device awake. */
static int reset_device(struct usbfs2_device *dev)
{
	struct usb_device *udev = dev->udev;
	struct usb_host_config *config = udev->actconfig;
	bool claimed;
	unsigned int i;
	int ret;

	for (i = 0; config && i < config->desc.bNumInterfaces; i++) {
		ret = usbfs2_claim_check(dev, config->interface[i], false);
		if (ret)
			return ret;
	}
	claimed = has_claim(dev);
	/* Its ->pre_reset and ->post_reset callbacks reach our pipes. */
	ret = usb_reset_device(udev);
	/* What came back is another device: it is about to be announced. */
	if (ret)
		return usbfs2_device_connected(dev) && ret != -ENODEV ? -EIO :
									-ENODEV;
	if (!claimed)
		usbfs2_event("reset %s", dev_name(&udev->dev));
	return 0;
}

static ssize_t usbfs2_reset_write(struct file *file, const char __user *from,
				  size_t length, loff_t *unused)
{
	struct usbfs2_device *dev = usbfs2_node_of(file_inode(file))->dev;
	unsigned int value;
	int ret;

	ret = usbfs2_get_number(&value, from, length);
	if (ret)
		return ret;
	if (value != 1)
		return -EINVAL;
	ret = usbfs2_device_enter(dev);
	if (ret)
		return ret;
	ret = reset_device(dev);
	usbfs2_device_leave(dev);
	return ret ?: length;
}

const struct file_operations usbfs2_reset_fops = {
	.owner = THIS_MODULE,
	.write = usbfs2_reset_write,
	.llseek = noop_llseek,
};
