// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: ep00, control transfers by offset.
 *
 * The device's ep00 takes any request but one to an interface or endpoint that
 * somebody else has claimed. An interface's ep00 claims it, and takes requests
 * to it and its endpoints alone. Three requests change what usbcore knows and
 * go through it: SET_CONFIGURATION, SET_INTERFACE, CLEAR_FEATURE(ENDPOINT_HALT)
 * (USB 2.0 9.4).
 */
#include <linux/module.h>
#include <linux/pm_runtime.h>
#include <linux/uio.h>

#include "usbfs2.h"

static bool has_endpoint(const struct usb_host_interface *setting, u8 address)
{
	unsigned int i;

	for (i = 0; i < setting->desc.bNumEndpoints; i++)
		if (setting->endpoint[i].desc.bEndpointAddress == address)
			return true;
	return false;
}

/* In any of its settings: what it says may count once that is selected. */
static struct usb_interface *interface_of_endpoint(struct usb_device *udev,
						   u8 address)
{
	const struct usb_host_config *config = udev->actconfig;
	struct usb_interface *intf;
	unsigned int i, j;

	for (i = 0; i < config->desc.bNumInterfaces; i++)
		if (has_endpoint(config->interface[i]->cur_altsetting, address))
			return config->interface[i];
	for (i = 0; i < config->desc.bNumInterfaces; i++) {
		intf = config->interface[i];
		for (j = 0; j < intf->num_altsetting; j++)
			if (has_endpoint(&intf->altsetting[j], address))
				return intf;
	}
	return NULL;
}

/* Printer class 4.2.1: GET_DEVICE_ID has the interface in the high byte. */
static bool is_printer_id(struct usb_device *udev,
			  const struct usb_ctrlrequest *setup)
{
	const struct usb_host_interface *setting;
	const u16 index = le16_to_cpu(setup->wIndex);

	if (setup->bRequestType != (USB_DIR_IN | USB_TYPE_CLASS |
				    USB_RECIP_INTERFACE) || setup->bRequest)
		return false;
	setting = usb_find_alt_setting(udev->actconfig, index >> 8, index & 0xff);
	return setting && setting->desc.bInterfaceClass == USB_CLASS_PRINTER;
}

/* Device lock held. The interface a request is for; NULL: none of them. */
static struct usb_interface *target_of(struct usb_device *udev,
				       const struct usb_ctrlrequest *setup)
{
	const u16 index = le16_to_cpu(setup->wIndex);

	if (!udev->actconfig)
		return NULL;
	switch (setup->bRequestType & USB_RECIP_MASK) {
	case USB_RECIP_INTERFACE:
		if (is_printer_id(udev, setup))
			return usb_ifnum_to_if(udev, index >> 8);
		return usb_ifnum_to_if(udev, index & 0xff);
	case USB_RECIP_ENDPOINT:
		return interface_of_endpoint(udev, index & 0xff);
	}
	return NULL;
}

/*
 * USB 2.0 9.3.4: the other bits of an endpoint's wIndex are zero. A device may
 * ignore them and so find an endpoint that was not looked for.
 */
static bool is_wrong_index(const struct usb_ctrlrequest *setup)
{
	const u16 known = USB_ENDPOINT_DIR_MASK | USB_ENDPOINT_NUMBER_MASK;

	return (setup->bRequestType & USB_RECIP_MASK) == USB_RECIP_ENDPOINT &&
	       (setup->bRequestType & USB_TYPE_MASK) != USB_TYPE_VENDOR &&
	       (le16_to_cpu(setup->wIndex) & ~known);
}

static bool is_request(const struct usb_ctrlrequest *setup, u8 request_type,
		       u8 request)
{
	return setup->bRequestType == request_type && setup->bRequest == request;
}

/* Device lock held. Whether the file may send it; EPERM, EBUSY, ENODEV. */
static int check(struct usbfs2_pipe *pipe, struct usb_interface *target,
		 const struct usb_ctrlrequest *setup)
{
	struct usbfs2_claim *claim = pipe->hold.claim;

	if (claim) {
		if (READ_ONCE(pipe->state) == USBFS2_GONE)
			return -ENODEV;
		return target == claim->intf ? 0 : -EPERM;
	}
	return target ? usbfs2_claim_check(pipe->dev, target, false) : 0;
}

static int clear_halt(struct usbfs2_device *dev, u8 address)
{
	struct usbfs2_pipe *opener;
	int ret;

	/* An open endpoint is recovered whole: its queue must be empty. */
	mutex_lock(&dev->claim_mutex);
	opener = usbfs2_device_endpoint(dev, address)->opener;
	/* But an isochronous one has no halt: what is queued goes on. */
	if (opener && opener->type == USB_ENDPOINT_XFER_ISOC)
		opener = NULL;
	if (opener)
		kref_get(&opener->ref);
	mutex_unlock(&dev->claim_mutex);
	if (opener) {
		ret = usbfs2_pipe_recover(opener);
		usbfs2_pipe_put(opener);
		return ret;
	}
	return usbfs2_clear_halt(dev, address);
}

/* Whether usbcore must know, and so does it for us. */
static bool usbcore_does(const struct usb_ctrlrequest *setup)
{
	if (is_request(setup, USB_RECIP_DEVICE, USB_REQ_SET_CONFIGURATION) ||
	    is_request(setup, USB_RECIP_INTERFACE, USB_REQ_SET_INTERFACE))
		return true;
	/* It keeps no toggle for endpoint 0. */
	return is_request(setup, USB_RECIP_ENDPOINT, USB_REQ_CLEAR_FEATURE) &&
	       le16_to_cpu(setup->wValue) == USB_ENDPOINT_HALT &&
	       (le16_to_cpu(setup->wIndex) & USB_ENDPOINT_NUMBER_MASK);
}

/* Device lock held. */
static int route(struct usbfs2_device *dev, const struct usb_ctrlrequest *setup)
{
	const u16 value = le16_to_cpu(setup->wValue);
	const u16 index = le16_to_cpu(setup->wIndex);

	switch (setup->bRequest) {
	case USB_REQ_SET_CONFIGURATION:
		return usbfs2_set_configuration(dev, value & 0xff);
	case USB_REQ_SET_INTERFACE:
		return usbfs2_set_alternate(dev, index & 0xff, value);
	default:
		return clear_halt(dev, index & 0xff);
	}
}

/*
 * Whether an interface's ep00 can tell alone that a request is its own: while
 * the claim lasts, which the pipe's state says, so does the interface. False
 * where other interfaces would have to be looked at, too.
 */
static bool is_plainly_own(const struct usbfs2_pipe *pipe,
			   const struct usb_ctrlrequest *setup)
{
	const u16 index = le16_to_cpu(setup->wIndex);
	const struct usb_host_interface *setting;
	u8 number;

	if (!pipe->hold.claim || usbcore_does(setup))
		return false;
	/* The claim keeps the interface's descriptors, all settings'. */
	setting = READ_ONCE(pipe->hold.claim->intf->cur_altsetting);
	number = setting->desc.bInterfaceNumber;
	switch (setup->bRequestType & USB_RECIP_MASK) {
	case USB_RECIP_INTERFACE:
		/* Perhaps a printer's GET_DEVICE_ID. */
		if ((setup->bRequestType & USB_TYPE_MASK) == USB_TYPE_CLASS &&
		    !setup->bRequest && index >> 8 != number)
			return false;
		return (index & 0xff) == number;
	case USB_RECIP_ENDPOINT:
		return has_endpoint(setting, index & 0xff);
	}
	return false;
}

/*
 * What an interface's ep00 sends to its own waits for nobody. Everything else
 * takes the device lock, and so waits for settings being switched, but not for
 * as long as the device takes to answer. What is checked still holds when the
 * request is submitted.
 */
int usbfs2_control_start(struct usbfs2_request *req)
{
	const struct usb_ctrlrequest *setup = &req->setup;
	struct usbfs2_pipe *pipe = req->pipe;
	struct usb_interface *target;
	int ret;

	if (is_plainly_own(pipe, setup)) {
		ret = usbfs2_request_start(req);
		/* Paused: whoever did that has the device lock. */
		if (ret != -ECANCELED)
			return ret;
	}
	ret = usbfs2_device_enter(pipe->dev);
	if (ret)
		return ret;
	target = target_of(pipe->dev->udev, setup);
	ret = check(pipe, target, setup);
	if (!ret && usbcore_does(setup))
		ret = route(pipe->dev, setup) ?: 1;
	else if (!ret)
		ret = usbfs2_request_start(req);
	usbfs2_device_leave(pipe->dev);
	return ret;
}

bool usbfs2_control_waits(const struct usbfs2_request *req)
{
	return !is_plainly_own(req->pipe, &req->setup);
}

struct usbfs2_request *usbfs2_control_request(struct usbfs2_pipe *pipe,
					      size_t length, u64 offset,
					      bool in)
{
	struct usb_device *udev = pipe->dev->udev;
	struct usb_ctrlrequest setup = {
		.bRequestType = USBFS2_SETUP_REQUEST_TYPE(offset),
		.bRequest = USBFS2_SETUP_REQUEST(offset),
		.wValue = cpu_to_le16(USBFS2_SETUP_VALUE(offset)),
		.wIndex = cpu_to_le16(USBFS2_SETUP_INDEX(offset)),
		.wLength = cpu_to_le16(length),
	};
	struct usbfs2_request *req;

	if ((offset & ~USBFS2_SETUP_MASK) || length > U16_MAX ||
	    in != !!(setup.bRequestType & USB_DIR_IN))
		return ERR_PTR(-EINVAL);
	/* None of these has a data stage, and one would get it past usbcore. */
	if (usbcore_does(&setup) && length)
		return ERR_PTR(-EINVAL);
	if (is_wrong_index(&setup))
		return ERR_PTR(-EINVAL);

	req = usbfs2_request_new(pipe, in);
	if (IS_ERR(req))
		return req;
	req->setup = setup;
	req->urb->setup_packet = (unsigned char *)&req->setup;
	/* Without a data stage the status stage is IN (USB 2.0 8.5.3). */
	req->urb->pipe = in && length ? usb_rcvctrlpipe(udev, 0) :
					usb_sndctrlpipe(udev, 0);
	return req;
}

static ssize_t transfer(struct kiocb *iocb, struct iov_iter *iter, bool in)
{
	struct usbfs2_request *req;
	ssize_t ret;

	req = usbfs2_control_request(iocb->ki_filp->private_data,
				     iov_iter_count(iter), iocb->ki_pos, in);
	if (IS_ERR(req))
		return PTR_ERR(req);
	ret = usbfs2_request_prepare(req, iocb, iter);
	if (!ret)
		ret = usbfs2_control_start(req);
	if (!ret)
		ret = usbfs2_request_wait(req, iocb, iter);
	else if (ret > 0)
		ret = 0;
	usbfs2_request_put(req);
	return ret;
}

static ssize_t usbfs2_control_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	return transfer(iocb, to, true);
}

static ssize_t usbfs2_control_write_iter(struct kiocb *iocb,
					 struct iov_iter *from)
{
	return transfer(iocb, from, false);
}

/* Device lock held, device awake. */
static int open_control(struct usbfs2_pipe *pipe,
			const struct usbfs2_node *node)
{
	struct usb_interface *intf;
	int ret;

	if (node->kind == USBFS2_DEVICE_CONTROL) {
		/* Awake for as long as the file is open. */
		pm_runtime_get_noresume(&node->dev->udev->dev);
		pipe->device_awake = true;
		return 0;
	}
	intf = usbfs2_find_interface(node);
	if (!intf)
		return -ENODEV;
	ret = usbfs2_hold_claim(&pipe->hold, node->dev, intf, false, false);
	if (ret)
		return ret;
	return usbfs2_claim_add_pipe(pipe->hold.claim, pipe);
}

static int usbfs2_control_open(struct inode *inode, struct file *file)
{
	const struct usbfs2_node *node = usbfs2_node_of(inode);
	struct usbfs2_pipe *pipe;
	int ret;

	pipe = usbfs2_pipe_new(node->dev);
	if (!pipe)
		return -ENOMEM;
	pipe->type = USB_ENDPOINT_XFER_CONTROL;
	file->private_data = pipe;

	ret = usbfs2_device_enter(node->dev);
	if (!ret) {
		ret = open_control(pipe, node);
		usbfs2_device_leave(node->dev);
	}
	if (ret)
		usbfs2_pipe_release(inode, file);
	return ret;
}

const struct file_operations usbfs2_control_fops = {
	.owner = THIS_MODULE,
	.open = usbfs2_control_open,
	.read_iter = usbfs2_control_read_iter,
	.write_iter = usbfs2_control_write_iter,
	.uring_cmd = usbfs2_compat_uring_cmd,
	.flush = usbfs2_pipe_flush,
	.release = usbfs2_pipe_release,
};
