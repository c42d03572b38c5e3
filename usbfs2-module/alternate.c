// SPDX-License-Identifier: GPL-2.0-only
/* usbfs2: selecting alternate settings and configurations. */
#include <linux/module.h>

#include "usbfs2.h"

int usbfs2_set_alternate(struct usbfs2_device *dev, unsigned int interface,
			 unsigned int alternate)
{
	struct usb_interface *intf;
	unsigned int before;
	int ret;

	intf = usb_ifnum_to_if(dev->udev, interface);
	if (!intf || !usb_altnum_to_altsetting(intf, alternate))
		return -EINVAL;
	ret = usbfs2_claim_check(dev, intf, true);
	if (ret)
		return ret;

	before = intf->cur_altsetting->desc.bAlternateSetting;
	usbfs2_claim_pause(dev, intf);
	ret = usb_set_interface(dev->udev, interface, alternate);
	/* Refused, it leaves the endpoints there were disabled: enable them. */
	if (ret)
		usb_set_interface(dev->udev, interface, before);
	usbfs2_claim_revalidate(dev, intf);
	usbfs2_tree_sync_interface(intf);
	if (ret && !usbfs2_device_connected(dev))
		return -ENODEV;
	return ret;
}

/* USB 2.0 9.4.7: selecting the configuration again resets its interfaces. */
static int reset_configuration(struct usbfs2_device *dev)
{
	struct usb_host_config *config = dev->udev->actconfig;
	unsigned int i;
	int ret;

	for (i = 0; i < config->desc.bNumInterfaces; i++)
		usbfs2_claim_pause(dev, config->interface[i]);
	ret = usb_reset_configuration(dev->udev);
	for (i = 0; i < config->desc.bNumInterfaces; i++) {
		usbfs2_claim_revalidate(dev, config->interface[i]);
		usbfs2_tree_sync_interface(config->interface[i]);
	}
	return ret;
}

int usbfs2_set_configuration(struct usbfs2_device *dev, unsigned int value)
{
	struct usb_host_config *config = dev->udev->actconfig;
	unsigned int i;
	int ret;

	if (config)
		for (i = 0; i < config->desc.bNumInterfaces; i++) {
			ret = usbfs2_claim_check(dev, config->interface[i],
						 false);
			if (ret)
				return ret;
		}

	if (config && config->desc.bConfigurationValue == value)
		ret = reset_configuration(dev);
	else
		ret = usb_set_configuration(dev->udev, value);
	if (ret)
		return ret == -EINVAL || usbfs2_device_connected(dev) ?
		       ret : -ENODEV;
	usbfs2_event("change %s configuration %u", dev_name(&dev->udev->dev),
		     value);
	return 0;
}

static ssize_t usbfs2_alternate_read(struct file *file, char __user *to,
				     size_t size, loff_t *position)
{
	const struct usbfs2_node *node = usbfs2_node_of(file_inode(file));
	struct usb_device *udev = node->dev->udev;
	unsigned int alternate = 0;
	struct usb_interface *intf;
	int ret;

	ret = device_lock_interruptible(&udev->dev);
	if (ret)
		return ret;
	intf = usbfs2_find_interface(node);
	if (intf)
		alternate = intf->cur_altsetting->desc.bAlternateSetting;
	else
		ret = -ENODEV;
	usb_unlock_device(udev);
	return ret ?: usbfs2_put_number(alternate, to, size, position);
}

static ssize_t usbfs2_alternate_write(struct file *file,
				      const char __user *from, size_t length,
				      loff_t *unused)
{
	const struct usbfs2_node *node = usbfs2_node_of(file_inode(file));
	unsigned int alternate;
	int ret;

	ret = usbfs2_get_number(&alternate, from, length);
	if (ret)
		return ret;
	ret = usbfs2_device_enter(node->dev);
	if (ret)
		return ret;
	if (usbfs2_find_interface(node))
		ret = usbfs2_set_alternate(node->dev, node->place.interface,
					   alternate);
	else
		ret = -ENODEV;
	usbfs2_device_leave(node->dev);
	return ret ?: length;
}

const struct file_operations usbfs2_alternate_fops = {
	.owner = THIS_MODULE,
	.read = usbfs2_alternate_read,
	.write = usbfs2_alternate_write,
	.llseek = default_llseek,
};
