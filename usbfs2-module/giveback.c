// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: taking an interface from a kernel driver and giving it back.
 *
 * A driver such as cdc_acm holds several interfaces and leaves all of them
 * when one is taken, so those are remembered and offered to it as well.
 */
#include <linux/device.h>
#include <linux/slab.h>

#include "usbfs2.h"

/* The interfaces, but for one, that a driver is bound to. */
static u32 interfaces_of(struct usb_device *udev,
			 const struct device_driver *driver,
			 const struct usb_interface *except)
{
	const struct usb_interface *intf;
	u32 interfaces = 0;
	unsigned int i;
	u8 number;

	if (!udev->actconfig)
		return 0;
	for (i = 0; i < udev->actconfig->desc.bNumInterfaces; i++) {
		intf = udev->actconfig->interface[i];
		number = intf->cur_altsetting->desc.bInterfaceNumber;
		if (intf != except && intf->dev.driver == driver && number < 32)
			interfaces |= BIT(number);
	}
	return interfaces;
}

int usbfs2_detach_former(struct usbfs2_claim *claim)
{
	struct usb_interface *intf = claim->intf;
	struct usb_device *udev = claim->dev->udev;
	struct device_driver *driver = intf->dev.driver;
	u32 before;

	if (!driver)
		return 0;
	/* Another user-space program, not a driver that can come back. */
	if (!strcmp(driver->name, "usbfs"))
		return -EBUSY;
	claim->former = kstrdup(driver->name, GFP_KERNEL_ACCOUNT);
	if (!claim->former)
		return -ENOMEM;

	before = interfaces_of(udev, driver, intf);
	usb_driver_release_interface(to_usb_driver(driver), intf);
	if (intf->dev.driver)
		return -EBUSY;
	claim->siblings = before & ~interfaces_of(udev, driver, intf);
	return 0;
}

struct attachment {
	struct usb_interface *intf;
	const char *driver;
};

/*
 * The bus's list holds a reference to the driver while this runs, and
 * unregistering a driver waits for it to be dropped.
 */
static int attach_if_named(struct device_driver *driver, void *data)
{
	struct attachment *attachment = data;
	struct usb_interface *intf = attachment->intf;
	int ret;

	if (strcmp(driver->name, attachment->driver))
		return 0;
	ret = device_driver_attach(driver, &intf->dev);
	if (ret)
		dev_dbg(&intf->dev, "%s did not bind again: %d\n", driver->name,
			ret);
	return 1;
}

static void attach(struct usb_interface *intf, const char *driver)
{
	struct attachment attachment = {
		.intf = intf,
		.driver = driver,
	};

	bus_for_each_drv(intf->dev.bus, NULL, &attachment, attach_if_named);
}

static struct usb_interface *get_interface(struct usb_device *udev,
					   unsigned int number)
{
	struct usb_interface *intf;

	usb_lock_device(udev);
	intf = usb_get_intf(usb_ifnum_to_if(udev, number));
	usb_unlock_device(udev);
	return intf;
}

static void attach_all(struct usbfs2_claim *claim, const char *driver)
{
	unsigned long siblings = claim->siblings;
	struct usb_interface *intf;
	unsigned int number;

	attach(claim->intf, driver);
	for_each_set_bit(number, &siblings, 32) {
		intf = get_interface(claim->dev->udev, number);
		if (!intf)
			continue;
		attach(intf, driver);
		usb_put_intf(intf);
	}
}

void usbfs2_giveback_work(struct work_struct *work)
{
	struct usbfs2_claim *claim = container_of(work, struct usbfs2_claim,
						  giveback);
	struct usbfs2_device *dev = claim->dev;
	char *former = NULL;
	bool idle;

	usb_lock_device(dev->udev);
	mutex_lock(&dev->claim_mutex);
	/* Somebody may have claimed it again, or the device may be gone. */
	idle = !claim->users && !claim->lost;
	if (idle) {
		former = claim->former;
		claim->former = NULL;
	}
	mutex_unlock(&dev->claim_mutex);
	if (idle)
		usb_driver_release_interface(&usbfs2_driver, claim->intf);
	usb_unlock_device(dev->udev);

	/* Takes the device lock itself. */
	if (former)
		attach_all(claim, former);
	kfree(former);
}
