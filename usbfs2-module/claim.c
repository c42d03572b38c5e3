// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: who may use an interface.
 *
 * Opening an endpoint file, or an interface's ep00, binds the interface to
 * usbfs2_driver; such opens share the claim. Writing "usbfs2" to the driver
 * file takes it exclusively: from then on only a process that has a file of
 * the claim open (it wrote, inherited or received it) may open more of them.
 */
#include <linux/fdtable.h>
#include <linux/slab.h>

#include "usbfs2.h"

bool usbfs2_interface_is_ours(const struct usb_interface *intf)
{
	return intf->dev.driver == usbfs2_compat_device_driver(&usbfs2_driver);
}

static void claim_free(struct kref *ref)
{
	struct usbfs2_claim *claim = container_of(ref, struct usbfs2_claim, ref);

	usb_put_intf(claim->intf);
	usbfs2_device_put(claim->dev);
	kfree(claim->former);
	kfree(claim);
}

static void claim_put(struct usbfs2_claim *claim)
{
	kref_put(&claim->ref, claim_free);
}

static struct usbfs2_claim *claim_new(struct usbfs2_device *dev,
				      struct usb_interface *intf)
{
	struct usbfs2_claim *claim;

	claim = kzalloc(sizeof(*claim), GFP_KERNEL_ACCOUNT);
	if (!claim)
		return NULL;
	kref_init(&claim->ref);
	INIT_LIST_HEAD(&claim->link);
	INIT_LIST_HEAD(&claim->pipes);
	INIT_WORK(&claim->giveback, usbfs2_giveback_work);
	claim->dev = usbfs2_device_get(dev);
	claim->intf = usb_get_intf(intf);
	return claim;
}

static struct usbfs2_claim *find_claim(struct usbfs2_device *dev,
				       const struct usb_interface *intf)
{
	struct usbfs2_claim *claim;

	lockdep_assert_held(&dev->claim_mutex);
	list_for_each_entry(claim, &dev->claims, link)
		if (claim->intf == intf)
			return claim;
	return NULL;
}

static int file_holds(const void *claim, struct file *file, unsigned int fd)
{
	const struct usbfs2_pipe *pipe = file->private_data;

	if (file->f_op == &usbfs2_data_fops ||
	    file->f_op == &usbfs2_armed_fops ||
	    file->f_op == &usbfs2_control_fops)
		return pipe->hold.claim == claim;
	if (file->f_op == &usbfs2_driver_fops)
		return usbfs2_driver_file_claim(file) == claim;
	return 0;
}

static bool caller_holds(const struct usbfs2_claim *claim)
{
	return iterate_fd(current->files, 0, file_holds, claim);
}

static int bind_claim(struct usbfs2_claim *claim)
{
	int ret;

	ret = usb_driver_claim_interface(&usbfs2_driver, claim->intf, claim);
	if (ret)
		return ret;
	kref_get(&claim->ref);
	mutex_lock(&claim->dev->claim_mutex);
	list_add_tail(&claim->link, &claim->dev->claims);
	mutex_unlock(&claim->dev->claim_mutex);
	return 0;
}

static int new_claim(struct usbfs2_claim **result, struct usbfs2_device *dev,
		     struct usb_interface *intf, bool detach)
{
	struct usbfs2_claim *claim;
	int ret;

	claim = claim_new(dev, intf);
	if (!claim)
		return -ENOMEM;
	if (detach) {
		ret = usbfs2_detach_former(claim);
		if (ret)
			goto put;
	}
	ret = bind_claim(claim);
	if (ret) {
		/* Under the device lock, but by any driver that matches. */
		if (claim->former && device_attach(&intf->dev) < 0)
			dev_warn(&intf->dev, "usbfs2: %s was not bound again\n",
				 claim->former);
		goto put;
	}
	*result = claim;
	return 0;

put:
	claim_put(claim);
	return ret;
}

int usbfs2_hold_claim(struct usbfs2_hold *hold, struct usbfs2_device *dev,
		      struct usb_interface *intf, bool exclusive, bool detach)
{
	struct usbfs2_claim *claim;
	int ret;

	mutex_lock(&dev->claim_mutex);
	claim = find_claim(dev, intf);
	if (claim) {
		if ((exclusive || claim->exclusive) && claim->users &&
		    !caller_holds(claim)) {
			mutex_unlock(&dev->claim_mutex);
			return -EBUSY;
		}
		kref_get(&claim->ref);
	}
	mutex_unlock(&dev->claim_mutex);

	if (!claim) {
		ret = new_claim(&claim, dev, intf, detach);
		if (ret)
			return ret;
	}

	mutex_lock(&dev->claim_mutex);
	claim->users++;
	if (exclusive)
		claim->exclusive++;
	mutex_unlock(&dev->claim_mutex);
	hold->exclusive = exclusive;
	WRITE_ONCE(hold->claim, claim);

	ret = usbfs2_claim_wake(claim);
	hold->complete = !ret;
	return ret;
}

void usbfs2_hold_drop(struct usbfs2_hold *hold)
{
	struct usbfs2_claim *claim = hold->claim;
	bool last, was_awake = false;

	if (!claim)
		return;
	WRITE_ONCE(hold->claim, NULL);

	mutex_lock(&claim->dev->claim_mutex);
	if (hold->exclusive)
		claim->exclusive--;
	last = !--claim->users;
	if (last) {
		was_awake = claim->awake;
		claim->awake = false;
	}
	mutex_unlock(&claim->dev->claim_mutex);
	if (was_awake)
		usb_autopm_put_interface(claim->intf);

	if (last) {
		/*
		 * Binding the former driver may take waits that a task being
		 * killed cannot do, so a work item does it; waiting for that
		 * makes it true that after close, or after the process is
		 * gone, the driver is back.
		 */
		queue_work(usbfs2_workqueue, &claim->giveback);
		flush_work(&claim->giveback);
	}
	claim_put(claim);
}

int usbfs2_claim_add_pipe(struct usbfs2_claim *claim, struct usbfs2_pipe *pipe)
{
	struct usbfs2_device *dev = claim->dev;
	int ret = 0;

	mutex_lock(&dev->claim_mutex);
	if (pipe->endpoint && pipe->endpoint->opener) {
		ret = -EBUSY;
	} else {
		if (pipe->endpoint)
			pipe->endpoint->opener = pipe;
		list_add_tail(&pipe->claim_link, &claim->pipes);
		usbfs2_claim_wakeup_needed(claim);
	}
	mutex_unlock(&dev->claim_mutex);
	return ret;
}

static void forget_opener(struct usbfs2_pipe *pipe)
{
	if (pipe->endpoint && pipe->endpoint->opener == pipe)
		pipe->endpoint->opener = NULL;
}

void usbfs2_claim_remove_pipe(struct usbfs2_claim *claim,
			      struct usbfs2_pipe *pipe)
{
	mutex_lock(&claim->dev->claim_mutex);
	list_del_init(&pipe->claim_link);
	usbfs2_claim_wakeup_needed(claim);
	forget_opener(pipe);
	mutex_unlock(&claim->dev->claim_mutex);
}

int usbfs2_claim_check(struct usbfs2_device *dev, struct usb_interface *intf,
		       bool needed)
{
	const struct usbfs2_claim *claim;
	int ret = 0;

	mutex_lock(&dev->claim_mutex);
	claim = find_claim(dev, intf);
	if (claim && claim->users)
		ret = caller_holds(claim) ? 0 : -EBUSY;
	else if (!claim && intf->dev.driver)
		ret = -EBUSY;
	else if (needed)
		ret = -EPERM;
	mutex_unlock(&dev->claim_mutex);
	return ret;
}

void usbfs2_claim_forget(struct usbfs2_device *dev, struct usb_interface *intf)
{
	struct usbfs2_claim *claim;

	mutex_lock(&dev->claim_mutex);
	claim = find_claim(dev, intf);
	if (claim) {
		kfree(claim->former);
		claim->former = NULL;
	}
	mutex_unlock(&dev->claim_mutex);
}

static void pause_pipes(struct usbfs2_claim *claim,
			enum usbfs2_pipe_state state)
{
	struct usbfs2_pipe *pipe;

	lockdep_assert_held(&claim->dev->claim_mutex);
	/* All of them stop before any is waited for. */
	list_for_each_entry(pipe, &claim->pipes, claim_link)
		usbfs2_pipe_halt(pipe, state);
	list_for_each_entry(pipe, &claim->pipes, claim_link)
		usbfs2_pipe_wait_idle(pipe);
}

void usbfs2_claim_pause(struct usbfs2_device *dev, struct usb_interface *intf)
{
	struct usbfs2_claim *claim;

	mutex_lock(&dev->claim_mutex);
	claim = find_claim(dev, intf);
	if (claim)
		pause_pipes(claim, USBFS2_PAUSED);
	mutex_unlock(&dev->claim_mutex);
}

void usbfs2_claim_restart(struct usbfs2_device *dev, struct usb_interface *intf)
{
	struct usbfs2_claim *claim;
	struct usbfs2_pipe *pipe;

	mutex_lock(&dev->claim_mutex);
	claim = find_claim(dev, intf);
	if (claim)
		list_for_each_entry(pipe, &claim->pipes, claim_link)
			usbfs2_pipe_run(pipe);
	mutex_unlock(&dev->claim_mutex);
}

static bool still_there(const struct usbfs2_pipe *pipe,
			const struct usb_interface *intf)
{
	const struct usb_endpoint_descriptor *descriptor;
	const struct usb_host_endpoint *endpoint;

	descriptor = usbfs2_find_endpoint(intf, pipe->address);
	if (!descriptor)
		return false;
	if (usb_endpoint_xfer_isoc(descriptor) &&
	    usbfs2_interval_bytes(pipe->dev->udev, descriptor) !=
	    pipe->interval_bytes)
		return false;
	/* Not enabled when the device refused the setting or configuration. */
	endpoint = container_of(descriptor, struct usb_host_endpoint, desc);
	return endpoint->enabled && usb_endpoint_type(descriptor) == pipe->type &&
	       usb_endpoint_maxp(descriptor) == pipe->max_packet &&
	       descriptor->bInterval == pipe->interval;
}

void usbfs2_claim_revalidate(struct usbfs2_device *dev,
			     struct usb_interface *intf)
{
	struct usbfs2_claim *claim;
	struct usbfs2_pipe *pipe;

	mutex_lock(&dev->claim_mutex);
	claim = find_claim(dev, intf);
	if (claim)
		list_for_each_entry(pipe, &claim->pipes, claim_link) {
			if (!pipe->endpoint) {
				usbfs2_pipe_run(pipe);
			} else if (still_there(pipe, intf)) {
				usbfs2_armed_interrupt(pipe);
				usbfs2_pipe_forgive(pipe);
			} else {
				usbfs2_pipe_halt(pipe, USBFS2_GONE);
				forget_opener(pipe);
			}
		}
	mutex_unlock(&dev->claim_mutex);
}

/* Unbound, by whomever, or unplugged. */
void usbfs2_disconnect(struct usb_interface *intf)
{
	struct usbfs2_claim *claim = usb_get_intfdata(intf);
	struct usbfs2_pipe *pipe;

	mutex_lock(&claim->dev->claim_mutex);
	claim->lost = true;
	list_del_init(&claim->link);
	pause_pipes(claim, USBFS2_GONE);
	/* The endpoints are free for the next claim; the files only say ENODEV. */
	list_for_each_entry(pipe, &claim->pipes, claim_link)
		forget_opener(pipe);
	mutex_unlock(&claim->dev->claim_mutex);
	claim_put(claim);
}
