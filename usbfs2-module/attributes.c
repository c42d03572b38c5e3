// SPDX-License-Identifier: GPL-2.0-only
/* usbfs2: what the text files have in common, and configuration. */
#include <linux/ctype.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "usbfs2.h"

/* A write is one whole line, with or without its newline. */
int usbfs2_get_line(char *line, size_t size, const char __user *from,
		    size_t length)
{
	if (!length || length >= size)
		return -EINVAL;
	if (copy_from_user(line, from, length))
		return -EFAULT;
	if (line[length - 1] == '\n')
		length--;
	line[length] = '\0';
	return strlen(line) == length ? 0 : -EINVAL;
}

/* Decimal, as it is read. */
int usbfs2_get_number(unsigned int *number, const char __user *from,
		      size_t length)
{
	char line[8];
	u8 value;
	int ret;

	ret = usbfs2_get_line(line, sizeof(line), from, length);
	if (ret)
		return ret;
	if (!isdigit(line[0]) || kstrtou8(line, 10, &value))
		return -EINVAL;
	*number = value;
	return 0;
}

ssize_t usbfs2_put_number(unsigned int number, char __user *to, size_t size,
			  loff_t *position)
{
	char line[8];
	int length;

	length = scnprintf(line, sizeof(line), "%u\n", number);
	return simple_read_from_buffer(to, size, position, line, length);
}

struct usb_interface *usbfs2_find_interface(const struct usbfs2_node *node)
{
	struct usb_device *udev = node->dev->udev;

	if (READ_ONCE(node->removed) ||
	    udev->state == USB_STATE_NOTATTACHED || !udev->actconfig ||
	    udev->actconfig->desc.bConfigurationValue !=
	    node->place.configuration)
		return NULL;
	return usb_ifnum_to_if(udev, node->place.interface);
}

/* 0 when no configuration is selected. */
static ssize_t usbfs2_configuration_read(struct file *file, char __user *to,
					 size_t size, loff_t *position)
{
	struct usb_device *udev = usbfs2_node_of(file_inode(file))->dev->udev;
	unsigned int value = 0;
	int ret;

	ret = device_lock_interruptible(&udev->dev);
	if (ret)
		return ret;
	if (udev->state == USB_STATE_NOTATTACHED)
		ret = -ENODEV;
	else if (udev->actconfig)
		value = udev->actconfig->desc.bConfigurationValue;
	usb_unlock_device(udev);
	return ret ?: usbfs2_put_number(value, to, size, position);
}

static ssize_t usbfs2_configuration_write(struct file *file,
					  const char __user *from,
					  size_t length, loff_t *unused)
{
	struct usbfs2_device *dev = usbfs2_node_of(file_inode(file))->dev;
	unsigned int value;
	int ret;

	ret = usbfs2_get_number(&value, from, length);
	if (ret)
		return ret;
	ret = usbfs2_device_enter(dev);
	if (ret)
		return ret;
	ret = usbfs2_set_configuration(dev, value);
	usbfs2_device_leave(dev);
	return ret ?: length;
}

const struct file_operations usbfs2_configuration_fops = {
	.owner = THIS_MODULE,
	.read = usbfs2_configuration_read,
	.write = usbfs2_configuration_write,
	.llseek = default_llseek,
};
