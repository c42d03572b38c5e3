// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: sleeping, waking and resetting under open files.
 *
 * A claim keeps its device awake, unless "auto" was written to the device's
 * power file. Then the device sleeps when nothing is in flight but armed reads,
 * which stop: it must be able to wake the host (USB 2.0 7.1.7.7), or it does
 * not sleep. An operation wakes it first; resumed, armed reads start again.
 *
 * Suspending by itself, usbcore does not hold the device lock. Whether a pipe
 * is idle, and that it is asleep, is decided under its lock in one go.
 */
#include <linux/module.h>
#include <linux/pm_runtime.h>

#include "usbfs2.h"

int usbfs2_claim_wake(struct usbfs2_claim *claim)
{
	struct usbfs2_device *dev = claim->dev;
	bool needed, still;

	device_lock_assert(&dev->udev->dev);
	mutex_lock(&dev->claim_mutex);
	needed = claim->users && !claim->awake && !dev->may_sleep;
	mutex_unlock(&dev->claim_mutex);
	if (!needed)
		return 0;
	if (usb_autopm_get_interface(claim->intf))
		return -ENODEV;
	mutex_lock(&dev->claim_mutex);
	/* The last user may have closed its file meanwhile. */
	still = claim->users;
	claim->awake = still;
	mutex_unlock(&dev->claim_mutex);
	if (!still)
		usb_autopm_put_interface(claim->intf);
	return 0;
}

static bool is_armed_in(const struct usbfs2_pipe *pipe)
{
	return pipe->armed && (pipe->address & USB_DIR_IN);
}

void usbfs2_claim_wakeup_needed(struct usbfs2_claim *claim)
{
	const struct usbfs2_pipe *pipe;
	bool needed = false;

	lockdep_assert_held(&claim->dev->claim_mutex);
	list_for_each_entry(pipe, &claim->pipes, claim_link)
		needed |= is_armed_in(pipe);
	/* Somebody else's interface after this, it is for them to say. */
	if (!claim->lost)
		claim->intf->needs_remote_wakeup = needed;
}

int usbfs2_pipe_wake(struct usbfs2_pipe *pipe)
{
	struct usb_interface *intf = pipe->hold.claim->intf;

	/* ->resume has the pipe running before this returns. */
	if (usb_autopm_get_interface(intf))
		return -ENODEV;
	usb_autopm_put_interface_async(intf);
	return 0;
}

/* False: it is in use. */
static bool put_to_sleep(struct usbfs2_pipe *pipe)
{
	unsigned long flags;
	bool idle;

	spin_lock_irqsave(&pipe->lock, flags);
	idle = list_empty(&pipe->queue) ||
	       (is_armed_in(pipe) && usbfs2_pipe_is_armed(pipe));
	if (idle && pipe->state == USBFS2_RUNNING)
		pipe->state = USBFS2_ASLEEP;
	spin_unlock_irqrestore(&pipe->lock, flags);
	return idle;
}

/* claim_mutex held. */
static bool put_all_to_sleep(struct usbfs2_claim *claim)
{
	struct usbfs2_pipe *pipe;
	bool idle = true;

	list_for_each_entry(pipe, &claim->pipes, claim_link)
		idle = idle && put_to_sleep(pipe);
	list_for_each_entry(pipe, &claim->pipes, claim_link)
		if (idle)
			usbfs2_pipe_cancel(pipe, NULL);
		else
			usbfs2_pipe_run(pipe);
	if (idle)
		list_for_each_entry(pipe, &claim->pipes, claim_link)
			usbfs2_pipe_wait_idle(pipe);
	return idle;
}

/* A device has one line, however many of its interfaces are claimed. */
static void report(struct usb_interface *intf, const char *what)
{
	struct usbfs2_claim *claim = usb_get_intfdata(intf);
	struct usbfs2_device *dev = claim->dev;
	bool first;

	mutex_lock(&dev->claim_mutex);
	first = list_first_entry(&dev->claims, struct usbfs2_claim, link) == claim;
	mutex_unlock(&dev->claim_mutex);
	if (first)
		usbfs2_event("%s %s", what, dev_name(&dev->udev->dev));
}

static struct usbfs2_device *device_of(struct usb_interface *intf)
{
	const struct usbfs2_claim *claim = usb_get_intfdata(intf);

	return claim->dev;
}

int usbfs2_suspend(struct usb_interface *intf, pm_message_t message)
{
	struct usbfs2_claim *claim = usb_get_intfdata(intf);
	struct usbfs2_device *dev = claim->dev;
	bool idle;

	if (PMSG_IS_AUTO(message)) {
		mutex_lock(&dev->claim_mutex);
		idle = put_all_to_sleep(claim);
		mutex_unlock(&dev->claim_mutex);
		/* The kernel tries again after the delay, if there is one. */
		if (!idle) {
			usb_mark_last_busy(dev->udev);
			return -EBUSY;
		}
	} else {
		usbfs2_claim_pause(dev, intf);
	}
	report(intf, "suspend");
	return 0;
}

int usbfs2_resume(struct usb_interface *intf)
{
	report(intf, "resume");
	usbfs2_claim_restart(device_of(intf), intf);
	return 0;
}

/* Without power, or reset, it has forgotten halts and toggles. */
int usbfs2_reset_resume(struct usb_interface *intf)
{
	report(intf, "reset");
	report(intf, "resume");
	usbfs2_claim_revalidate(device_of(intf), intf);
	return 0;
}

int usbfs2_pre_reset(struct usb_interface *intf)
{
	usbfs2_claim_pause(device_of(intf), intf);
	return 0;
}

int usbfs2_post_reset(struct usb_interface *intf)
{
	report(intf, "reset");
	usbfs2_claim_revalidate(device_of(intf), intf);
	return 0;
}

/* Device lock held, device awake. */
static int set_may_sleep(struct usbfs2_device *dev, bool may_sleep)
{
	struct usbfs2_claim *claim;
	int ret = 0;

	mutex_lock(&dev->claim_mutex);
	dev->may_sleep = may_sleep;
	list_for_each_entry(claim, &dev->claims, link)
		if (may_sleep && claim->awake) {
			claim->awake = false;
			/* Only later: ->suspend takes claim_mutex. */
			usb_autopm_put_interface_async(claim->intf);
		}
	mutex_unlock(&dev->claim_mutex);
	if (may_sleep)
		return 0;
	/* With the device lock held, claims neither come nor go. */
	list_for_each_entry(claim, &dev->claims, link)
		if (!ret)
			ret = usbfs2_claim_wake(claim);
	return ret;
}

static ssize_t usbfs2_power_read(struct file *file, char __user *to,
				 size_t size, loff_t *position)
{
	struct usbfs2_device *dev = usbfs2_node_of(file_inode(file))->dev;
	const char *word;

	mutex_lock(&dev->claim_mutex);
	word = dev->may_sleep ? "auto\n" : "on\n";
	mutex_unlock(&dev->claim_mutex);
	return simple_read_from_buffer(to, size, position, word, strlen(word));
}

static ssize_t usbfs2_power_write(struct file *file, const char __user *from,
				  size_t length, loff_t *unused)
{
	struct usbfs2_device *dev = usbfs2_node_of(file_inode(file))->dev;
	char word[8];
	int ret;

	ret = usbfs2_get_line(word, sizeof(word), from, length);
	if (ret)
		return ret;
	if (strcmp(word, "on") && strcmp(word, "auto"))
		return -EINVAL;
	ret = usbfs2_device_enter(dev);
	if (ret)
		return ret;
	ret = set_may_sleep(dev, !strcmp(word, "auto"));
	usbfs2_device_leave(dev);
	return ret ?: length;
}

const struct file_operations usbfs2_power_fops = {
	.owner = THIS_MODULE,
	.read = usbfs2_power_read,
	.write = usbfs2_power_write,
	.llseek = default_llseek,
};
