// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: which directories and files there are.
 *
 * The tree follows usbcore: a directory for each device, below it one for each
 * interface of the active configuration, below that a file for each endpoint
 * of the current alternate setting. Files that stay keep their inode, so an
 * owner set on one survives what happens beside it.
 */
#include <linux/slab.h>

#include "usbfs2.h"

/* The tree's shape and the list of devices; see the lock order in usbfs2.h. */
DEFINE_MUTEX(usbfs2_tree_mutex);
LIST_HEAD(usbfs2_devices);

static struct usbfs2_node *usbfs2_root;	/* P: tree_mutex; NULL: not mounted */

static struct usbfs2_device *find_device(const struct usb_device *udev)
{
	struct usbfs2_device *dev;

	lockdep_assert_held(&usbfs2_tree_mutex);
	list_for_each_entry(dev, &usbfs2_devices, link)
		if (dev->udev == udev)
			return dev;
	return NULL;
}

static struct usbfs2_node *find_child(struct usbfs2_node *parent,
				      enum usbfs2_kind kind,
				      struct usbfs2_place place)
{
	struct usbfs2_node *child;

	list_for_each_entry(child, &parent->children, sibling)
		if (child->kind == kind &&
		    child->place.interface == place.interface &&
		    child->place.address == place.address)
			return child;
	return NULL;
}

static struct usbfs2_place place_of(const struct usb_interface *intf)
{
	struct usb_device *udev = interface_to_usbdev((struct usb_interface *)intf);
	struct usbfs2_place place = {};

	if (udev->actconfig)
		place.configuration = udev->actconfig->desc.bConfigurationValue;
	place.interface = intf->cur_altsetting->desc.bInterfaceNumber;
	return place;
}

/* True once it is there: memory may be short. */
static bool has_file(struct usbfs2_node *dir, enum usbfs2_kind kind,
		     struct usbfs2_place place, const char *name)
{
	return find_child(dir, kind, place) ||
	       usbfs2_node_add(dir, kind, dir->dev, place, name);
}

/* False when memory is short; whoever comes next adds what is missing. */
static bool sync_endpoints(struct usbfs2_node *dir,
			   const struct usb_interface *intf)
{
	const struct usb_host_interface *setting = intf->cur_altsetting;
	struct usbfs2_place place = dir->place;
	struct usbfs2_node *child, *next;
	bool whole = true;
	char name[8];
	unsigned int i;

	list_for_each_entry_safe(child, next, &dir->children, sibling)
		if (child->kind == USBFS2_DATA &&
		    !usbfs2_find_endpoint(intf, child->place.address))
			usbfs2_node_remove(child);

	for (i = 0; i < setting->desc.bNumEndpoints; i++) {
		place.address = setting->endpoint[i].desc.bEndpointAddress;
		/* A descriptor may name an endpoint twice, or endpoint 0. */
		if (!(place.address & USB_ENDPOINT_NUMBER_MASK))
			continue;
		snprintf(name, sizeof(name), "ep%02x", place.address);
		if (!has_file(dir, USBFS2_DATA, place, name))
			whole = false;
	}
	dir->alternate = setting->desc.bAlternateSetting;
	return whole;
}

/* The same for all files of an interface. */
static bool sync_files(struct usbfs2_node *dir, const struct usb_interface *intf)
{
	const struct usbfs2_place place = dir->place;

	return has_file(dir, USBFS2_DRIVER, place, "driver") &
	       has_file(dir, USBFS2_ALTERNATE, place, "alternate") &
	       has_file(dir, USBFS2_INTERFACE_CONTROL, place, "ep00") &
	       sync_endpoints(dir, intf);
}

/* NULL when it was there before, or memory is short. */
static struct usbfs2_node *add_interface(struct usbfs2_device *dev,
					 const struct usb_interface *intf)
{
	struct usbfs2_place place = place_of(intf);
	char name[16];

	if (find_child(dev->dir, USBFS2_INTERFACE, place))
		return NULL;
	snprintf(name, sizeof(name), "%u.%u", place.configuration,
		 place.interface);
	return usbfs2_node_add(dev->dir, USBFS2_INTERFACE, dev, place, name);
}

void usbfs2_tree_add_interface(struct usb_interface *intf)
{
	struct usbfs2_device *dev;
	struct usbfs2_node *dir;

	mutex_lock(&usbfs2_tree_mutex);
	dev = find_device(interface_to_usbdev(intf));
	dir = dev ? add_interface(dev, intf) : NULL;
	if (dir) {
		sync_files(dir, intf);
		usbfs2_event("change %s %s add", dev->dir->name, dir->name);
	}
	mutex_unlock(&usbfs2_tree_mutex);
}

void usbfs2_tree_remove_interface(struct usb_interface *intf)
{
	struct usbfs2_device *dev;
	struct usbfs2_node *dir;

	mutex_lock(&usbfs2_tree_mutex);
	dev = find_device(interface_to_usbdev(intf));
	dir = dev ? find_child(dev->dir, USBFS2_INTERFACE, place_of(intf)) : NULL;
	if (dir) {
		/* "remove" will say it all about a device that is gone. */
		if (dev->udev->state != USB_STATE_NOTATTACHED)
			usbfs2_event("change %s %s remove", dev->dir->name,
				     dir->name);
		usbfs2_node_remove(dir);
	}
	mutex_unlock(&usbfs2_tree_mutex);
}

static void sync_interface(struct usbfs2_device *dev, struct usbfs2_node *dir,
			   const struct usb_interface *intf)
{
	const u8 before = dir->alternate;

	sync_files(dir, intf);
	if (dir->alternate != before)
		usbfs2_event("change %s %s alternate %u", dev->dir->name,
			     dir->name, dir->alternate);
}

void usbfs2_tree_sync_interface(struct usb_interface *intf)
{
	struct usbfs2_device *dev;
	struct usbfs2_node *dir;

	mutex_lock(&usbfs2_tree_mutex);
	dev = find_device(interface_to_usbdev(intf));
	dir = dev ? find_child(dev->dir, USBFS2_INTERFACE, place_of(intf)) : NULL;
	if (dir)
		sync_interface(dev, dir, intf);
	mutex_unlock(&usbfs2_tree_mutex);
}

void usbfs2_tree_driver_changed(struct usb_interface *intf, const char *driver)
{
	struct usbfs2_device *dev;
	struct usbfs2_node *dir;

	mutex_lock(&usbfs2_tree_mutex);
	dev = find_device(interface_to_usbdev(intf));
	dir = dev ? find_child(dev->dir, USBFS2_INTERFACE, place_of(intf)) : NULL;
	if (dir) {
		sync_interface(dev, dir, intf);
		if (dev->udev->state != USB_STATE_NOTATTACHED)
			usbfs2_event("change %s %s driver %s", dev->dir->name,
				     dir->name, driver);
	}
	mutex_unlock(&usbfs2_tree_mutex);
}

/*
 * A uevent, so that udev's rules can say whom the new directory belongs to. Its
 * number is no other directory's, whatever is plugged in where this device was
 * by the time somebody acts on the name.
 */
static void announce(struct usb_device *udev, unsigned long directory)
{
	char name[48], number[48];
	char *variables[3] = { name, number };

	snprintf(name, sizeof(name), "USBFS2=%s", dev_name(&udev->dev));
	snprintf(number, sizeof(number), "USBFS2_DIRECTORY=%lu", directory);
	kobject_uevent_env(&udev->dev.kobj, KOBJ_CHANGE, variables);
}

static bool add_files(struct usbfs2_device *dev)
{
	const struct usb_host_config *config = dev->udev->actconfig;
	const struct usbfs2_place place = {};
	struct usbfs2_node *interface;
	unsigned int i;

	if (!has_file(dev->dir, USBFS2_DESCRIPTORS, place, "descriptors") ||
	    (dev->udev->bos &&
	     !has_file(dev->dir, USBFS2_BOS, place, "bos")) ||
	    !has_file(dev->dir, USBFS2_CONFIGURATION, place, "configuration") ||
	    !has_file(dev->dir, USBFS2_RESET, place, "reset") ||
	    !has_file(dev->dir, USBFS2_POWER, place, "power") ||
	    !has_file(dev->dir, USBFS2_DEVICE_CONTROL, place, "ep00"))
		return false;
	for (i = 0; config && i < config->desc.bNumInterfaces; i++) {
		interface = add_interface(dev, config->interface[i]);
		if (!interface || !sync_files(interface, config->interface[i]))
			return false;
	}
	return true;
}

int usbfs2_tree_add(struct usb_device *udev)
{
	const char *name = dev_name(&udev->dev);
	const struct usbfs2_place place = {};
	struct usbfs2_device *dev;
	unsigned long directory;
	int ret = 0;

	mutex_lock(&usbfs2_tree_mutex);
	if (!usbfs2_root || udev->state == USB_STATE_NOTATTACHED ||
	    find_device(udev))
		goto out;
	ret = -ENOMEM;
	dev = usbfs2_device_new(udev);
	if (!dev)
		goto out;
	dev->dir = usbfs2_node_add(usbfs2_root, USBFS2_DEVICE, dev, place, name);
	if (!dev->dir) {
		usbfs2_device_put(dev);
		goto out;
	}
	/* A device is there with all its files, or not at all. */
	if (!add_files(dev)) {
		usbfs2_node_remove(dev->dir);
		WRITE_ONCE(dev->dir, NULL);
		usbfs2_device_put(dev);
		goto out;
	}
	list_add_tail(&dev->link, &usbfs2_devices);
	usbfs2_event("add %s", name);
	directory = dev->dir->inode->i_ino;
	mutex_unlock(&usbfs2_tree_mutex);
	/* The device lock keeps it from leaving before. */
	announce(udev, directory);
	return 0;
out:
	mutex_unlock(&usbfs2_tree_mutex);
	return ret;
}

/* The device's last words in the tree. */
static void remove_device(struct usbfs2_device *dev)
{
	lockdep_assert_held(&usbfs2_tree_mutex);
	list_del_init(&dev->link);
	usbfs2_event("remove %s", dev->dir->name);
	usbfs2_node_remove(dev->dir);
	WRITE_ONCE(dev->dir, NULL);
	usbfs2_device_put(dev);
}

void usbfs2_tree_remove(struct usb_device *udev)
{
	struct usbfs2_device *dev;

	mutex_lock(&usbfs2_tree_mutex);
	dev = find_device(udev);
	if (dev)
		remove_device(dev);
	mutex_unlock(&usbfs2_tree_mutex);
}

struct present {
	struct list_head link;
	struct usb_device *udev;
};

/* Runs under the bus's own lock, which no device lock may be taken inside. */
static int collect(struct usb_device *udev, void *data)
{
	struct list_head *all = data;
	struct present *present;

	present = kmalloc(sizeof(*present), GFP_KERNEL);
	if (!present)
		return -ENOMEM;
	present->udev = usb_get_dev(udev);
	list_add_tail(&present->link, all);
	return 0;
}

int usbfs2_tree_start(struct usbfs2_node *root)
{
	const struct usbfs2_place place = {};
	struct present *present, *next;
	LIST_HEAD(all);
	int ret = 0;

	mutex_lock(&usbfs2_tree_mutex);
	if (usbfs2_node_add(root, USBFS2_EVENTS, NULL, place, "events"))
		usbfs2_root = root;
	else
		ret = -ENOMEM;
	mutex_unlock(&usbfs2_tree_mutex);
	if (ret)
		return ret;

	ret = usb_for_each_dev(&all, collect);
	list_for_each_entry_safe(present, next, &all, link) {
		usb_lock_device(present->udev);
		/* Not without usbcore's driver: binding that announces it. */
		if (present->udev->dev.driver && !ret)
			ret = usbfs2_tree_add(present->udev);
		usb_unlock_device(present->udev);
		usb_put_dev(present->udev);
		kfree(present);
	}
	return ret;
}

void usbfs2_tree_stop(void)
{
	struct usbfs2_device *dev, *next;
	struct usbfs2_node *node, *following;

	mutex_lock(&usbfs2_tree_mutex);
	list_for_each_entry_safe(dev, next, &usbfs2_devices, link)
		remove_device(dev);
	if (usbfs2_root)
		list_for_each_entry_safe(node, following,
					 &usbfs2_root->children, sibling)
			usbfs2_node_remove(node);
	usbfs2_root = NULL;
	mutex_unlock(&usbfs2_tree_mutex);
}
