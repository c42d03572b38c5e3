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
	struct usb_device *hub = udev->parent;
	struct usbfs2_device *dev;
	unsigned int i;

	dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	if (!dev)
		return NULL;
	kref_init(&dev->ref);
	INIT_LIST_HEAD(&dev->link);
	INIT_LIST_HEAD(&dev->claims);
	mutex_init(&dev->claim_mutex);
	dev->udev = usb_get_dev(udev);
	/* While udev is there, they are; a reference to it does not keep them. */
	for (i = 0; hub && i < ARRAY_SIZE(dev->hubs); i++, hub = hub->parent)
		dev->hubs[i] = usb_get_dev(hub);
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
	unsigned int i;

	usb_put_dev(dev->udev);
	for (i = 0; i < ARRAY_SIZE(dev->hubs); i++)
		usb_put_dev(dev->hubs[i]);
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

enum port_says {
	PORT_CONNECTED,
	PORT_EMPTY,
	PORT_SILENT,
};

static enum port_says ask_port(struct usb_device *hub, u8 port)
{
	struct usb_port_status status;
	int ret;

	if (hub->state == USB_STATE_NOTATTACHED)
		return PORT_EMPTY;
	/* The extended status answers another request (USB 3.1 10.16.2.6). */
	ret = usb_control_msg_recv(hub, 0, USB_REQ_GET_STATUS,
				   USB_DIR_IN | USB_RT_PORT, 0, port, &status,
				   offsetof(struct usb_port_status,
					    dwExtPortStatus),
				   USBFS2_HUB_TIMEOUT_MS, GFP_NOIO);
	if (ret)
		return ret == -ENODEV ? PORT_EMPTY : PORT_SILENT;
	if (!(le16_to_cpu(status.wPortStatus) & USB_PORT_STAT_CONNECTION) ||
	    (le16_to_cpu(status.wPortChange) & USB_PORT_STAT_C_CONNECTION))
		return PORT_EMPTY;
	return PORT_CONNECTED;
}

bool usbfs2_device_connected(struct usbfs2_device *dev)
{
	struct usb_device *child = dev->udev;
	enum port_says says;
	unsigned int i;

	if (child->state == USB_STATE_NOTATTACHED)
		return false;
	for (i = 0; i < ARRAY_SIZE(dev->hubs) && dev->hubs[i]; i++) {
		says = ask_port(dev->hubs[i], child->portnum);
		if (says != PORT_SILENT)
			return says == PORT_CONNECTED;
		/* A hub that was pulled out answers nothing: ask for it. */
		child = dev->hubs[i];
	}
	return true;
}
