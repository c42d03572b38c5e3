// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: descriptors and bos, as the device sent them.
 *
 * A file shows what usbcore had when it was opened. Lengths are usbcore's,
 * which it cut down to what really arrived.
 */
#include <linux/module.h>
#include <linux/slab.h>

#include "usbfs2.h"

struct snapshot {
	size_t length;
	u8 bytes[];
};

static struct snapshot *snapshot_new(size_t size)
{
	return kvzalloc(struct_size_t(struct snapshot, bytes, size),
			GFP_KERNEL_ACCOUNT);
}

static void append(struct snapshot *snapshot, const void *bytes, size_t length)
{
	memcpy(snapshot->bytes + snapshot->length, bytes, length);
	snapshot->length += length;
}

/* The device descriptor, then every configuration. */
static struct snapshot *read_descriptors(struct usb_device *udev)
{
	const unsigned int count = udev->config && udev->rawdescriptors ?
				   udev->descriptor.bNumConfigurations : 0;
	size_t size = sizeof(udev->descriptor);
	struct snapshot *snapshot;
	unsigned int i;

	for (i = 0; i < count; i++)
		size += le16_to_cpu(udev->config[i].desc.wTotalLength);
	snapshot = snapshot_new(size);
	if (!snapshot)
		return NULL;
	append(snapshot, &udev->descriptor, sizeof(udev->descriptor));
	for (i = 0; i < count; i++)
		if (udev->rawdescriptors[i])
			append(snapshot, udev->rawdescriptors[i],
			       le16_to_cpu(udev->config[i].desc.wTotalLength));
	return snapshot;
}

static struct snapshot *read_bos(struct usb_device *udev)
{
	const struct usb_bos_descriptor *bos = udev->bos ? udev->bos->desc : NULL;
	size_t length = bos ? le16_to_cpu(bos->wTotalLength) : 0;
	struct snapshot *snapshot;

	snapshot = snapshot_new(length);
	if (snapshot)
		append(snapshot, bos, length);
	return snapshot;
}

static int usbfs2_descriptors_open(struct inode *inode, struct file *file)
{
	const struct usbfs2_node *node = usbfs2_node_of(inode);
	struct usb_device *udev = node->dev->udev;
	struct snapshot *snapshot;
	int ret;

	ret = device_lock_interruptible(&udev->dev);
	if (ret)
		return ret;
	snapshot = node->kind == USBFS2_BOS ? read_bos(udev) :
					      read_descriptors(udev);
	usb_unlock_device(udev);
	if (!snapshot)
		return -ENOMEM;
	file->private_data = snapshot;
	return 0;
}

static ssize_t usbfs2_descriptors_read(struct file *file, char __user *to,
				       size_t size, loff_t *position)
{
	const struct snapshot *snapshot = file->private_data;

	return simple_read_from_buffer(to, size, position, snapshot->bytes,
				       snapshot->length);
}

static int usbfs2_descriptors_release(struct inode *inode, struct file *file)
{
	kvfree(file->private_data);
	return 0;
}

const struct file_operations usbfs2_descriptors_fops = {
	.owner = THIS_MODULE,
	.open = usbfs2_descriptors_open,
	.read = usbfs2_descriptors_read,
	.release = usbfs2_descriptors_release,
	.llseek = default_llseek,
};
