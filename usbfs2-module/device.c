// SPDX-License-Identifier: GPL-2.0-only
/* usbfs2: a USB device in the tree; its lifetime, lock and power. */
#include <linux/pm_runtime.h>
#include <linux/slab.h>
#include <linux/usb/ch11.h>

#include "usbfs2.h"

/* A root hub answers at once; a real one within a frame or two. */
#define USBFS2_HUB_TIMEOUT_MS 500

struct usbfs2_device *usbfs2_device_new(struct usb_device *udev)
{
	struct usbfs2_device *dev;

	dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	if (!dev)
		return NULL;
	kref_init(&dev->ref);
	INIT_LIST_HEAD(&dev->link);
	INIT_LIST_HEAD(&dev->claims);
	mutex_init(&dev->claim_mutex);
	dev->udev = usb_get_dev(udev);
	dev->hub = usb_get_dev(udev->parent);
	return dev;
}

struct usbfs2_device *usbfs2_device_get(struct usbfs2_device *dev)
{
	kref_get(&dev->ref);
	return dev;
}

static void device_free(struct kref *ref)
{
	struct usbfs2_device *dev = container_of(ref, struct usbfs2_device, ref);

	usb_put_dev(dev->udev);
	usb_put_dev(dev->hub);
	kfree(dev);
}

void usbfs2_device_put(struct usbfs2_device *dev)
{
	kref_put(&dev->ref, device_free);
}

struct usbfs2_endpoint *usbfs2_device_endpoint(struct usbfs2_device *dev,
					       u8 address)
{
	unsigned int index = address & USB_ENDPOINT_NUMBER_MASK;

	if (address & USB_DIR_IN)
		index += 16;
	return &dev->endpoints[index];
}

int usbfs2_device_enter(struct usbfs2_device *dev)
{
	int ret;

	ret = device_lock_interruptible(&dev->udev->dev);
	if (ret)
		return ret;
	if (dev->udev->state == USB_STATE_NOTATTACHED ||
	    !READ_ONCE(dev->dir)) {
		ret = -ENODEV;
		goto unlock;
	}
	/* A suspended device answers nothing and is not "configured". */
	ret = pm_runtime_get_sync(&dev->udev->dev);
	if (ret < 0) {
		pm_runtime_put_noidle(&dev->udev->dev);
		ret = -ENODEV;
		goto unlock;
	}
	return 0;

unlock:
	usb_unlock_device(dev->udev);
	return ret;
}

void usbfs2_device_leave(struct usbfs2_device *dev)
{
	usb_mark_last_busy(dev->udev);
	pm_runtime_put_autosuspend(&dev->udev->dev);
	usb_unlock_device(dev->udev);
}

bool usbfs2_device_connected(struct usbfs2_device *dev)
{
	struct usb_port_status status;
	int ret;

	if (dev->udev->state == USB_STATE_NOTATTACHED)
		return false;
	if (!dev->hub)
		return true;
	/* The extended status answers another request (USB 3.1 10.16.2.6). */
	ret = usb_control_msg_recv(dev->hub, 0, USB_REQ_GET_STATUS,
				   USB_DIR_IN | USB_RT_PORT, 0,
				   dev->udev->portnum, &status,
				   offsetof(struct usb_port_status,
					    dwExtPortStatus),
				   USBFS2_HUB_TIMEOUT_MS, GFP_NOIO);
	if (ret)
		return ret != -ENODEV;
	return (le16_to_cpu(status.wPortStatus) & USB_PORT_STAT_CONNECTION) &&
	       !(le16_to_cpu(status.wPortChange) & USB_PORT_STAT_C_CONNECTION);
}
