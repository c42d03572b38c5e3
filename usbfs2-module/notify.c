// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: what usbcore and other actors do to devices.
 *
 * Devices come and go through the usb notifier. Interfaces (somebody else's
 * SET_CONFIGURATION) and drivers bound or unbound raise none there, so they
 * come through the bus notifier. All callbacks hold the device lock.
 */
#include <linux/device.h>

#include "usbfs2.h"

static int usbfs2_usb_notify(struct notifier_block *nb, unsigned long action,
			     void *data)
{
	struct usb_device *udev = data;

	if (action == USB_DEVICE_ADD) {
		if (usbfs2_tree_add(udev))
			dev_warn(&udev->dev,
				 "usbfs2: no memory for its files: plug it in again\n");
	} else if (action == USB_DEVICE_REMOVE) {
		usbfs2_tree_remove(udev);
	}
	return NOTIFY_OK;
}

static int usbfs2_bus_notify(struct notifier_block *nb, unsigned long action,
			     void *data)
{
	struct device *device = data;
	struct usb_interface *intf;

	/* usbcore keeps its device types to itself, but not their names. */
	if (!device->type || !device->type->name ||
	    strcmp(device->type->name, "usb_interface"))
		return NOTIFY_DONE;
	intf = to_usb_interface(device);

	switch (action) {
	case BUS_NOTIFY_ADD_DEVICE:
		usbfs2_tree_add_interface(intf);
		break;
	case BUS_NOTIFY_DEL_DEVICE:
		usbfs2_tree_remove_interface(intf);
		break;
	case BUS_NOTIFY_BOUND_DRIVER:
		usbfs2_tree_driver_changed(intf, device->driver->name);
		break;
	case BUS_NOTIFY_UNBOUND_DRIVER:
		usbfs2_tree_driver_changed(intf, "none");
		break;
	}
	return NOTIFY_OK;
}

static struct notifier_block usbfs2_usb_block = {
	.notifier_call = usbfs2_usb_notify,
};

static struct notifier_block usbfs2_bus_block = {
	.notifier_call = usbfs2_bus_notify,
};

int usbfs2_notify_start(void)
{
	/* usb_bus_type is not exported; our driver sits on it. */
	struct device_driver *driver = usbfs2_compat_device_driver(&usbfs2_driver);
	int ret;

	ret = bus_register_notifier(driver->bus, &usbfs2_bus_block);
	if (ret)
		return ret;
	usb_register_notify(&usbfs2_usb_block);
	return 0;
}

void usbfs2_notify_stop(void)
{
	struct device_driver *driver = usbfs2_compat_device_driver(&usbfs2_driver);

	usb_unregister_notify(&usbfs2_usb_block);
	bus_unregister_notifier(driver->bus, &usbfs2_bus_block);
}
