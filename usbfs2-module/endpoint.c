// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: the files of endpoints but the control pipes. A read or write is one
 * transfer, or a packet for each iovec on an isochronous endpoint.
 */
#include <linux/fadvise.h>
#include <linux/module.h>
#include <linux/pm_runtime.h>
#include <linux/uio.h>

#include "usbfs2.h"

/*
 * A kiocb holds the file until after it has completed, so close() would not be
 * the last to let go of it: the endpoint would stay busy for a moment, or for
 * ever if the device never answers. Cancelled, they are done soon.
 */
int usbfs2_pipe_flush(struct file *file, fl_owner_t owner)
{
	struct usbfs2_pipe *pipe = file->private_data;
	struct usbfs2_batches *batches;

	/* Pairs with the mmap that made it. */
	batches = smp_load_acquire(&pipe->batches);
	/* Or those prepared would follow those cancelled. */
	if (batches)
		usbfs2_batches_disown(batches, owner);
	usbfs2_pipe_cancel(pipe, owner);
	usbfs2_pipe_wait_owner(pipe, owner);
	return 0;
}

/* No operation is under way: each holds the file. But a ring's transfers do not. */
int usbfs2_pipe_release(struct inode *inode, struct file *file)
{
	struct usbfs2_pipe *pipe = file->private_data;

	usbfs2_mappings_forget(pipe);
	if (pipe->batches) {
		usbfs2_batches_disown(pipe->batches, NULL);
		usbfs2_pipe_cancel(pipe, NULL);
		usbfs2_pipe_wait_idle(pipe);
		usbfs2_batches_stop(pipe->batches);
	}
	if (pipe->hold.claim)
		usbfs2_claim_remove_pipe(pipe->hold.claim, pipe);
	usbfs2_hold_drop(&pipe->hold);
	if (pipe->device_awake) {
		usb_mark_last_busy(pipe->dev->udev);
		pm_runtime_put_autosuspend(&pipe->dev->udev->dev);
	}
	usbfs2_pipe_put(pipe);
	return 0;
}

const struct usb_endpoint_descriptor *
usbfs2_find_endpoint(const struct usb_interface *intf, u8 address)
{
	const struct usb_host_interface *setting = intf->cur_altsetting;
	unsigned int i;

	for (i = 0; i < setting->desc.bNumEndpoints; i++)
		if (setting->endpoint[i].desc.bEndpointAddress == address)
			return &setting->endpoint[i].desc;
	return NULL;
}

/* What is the same in each URB of a bulk or interrupt endpoint. */
static void fill_pipe(struct usbfs2_pipe *pipe)
{
	const unsigned int number = pipe->address & USB_ENDPOINT_NUMBER_MASK;
	struct usb_device *udev = pipe->dev->udev;
	const bool in = pipe->address & USB_DIR_IN;

	if (pipe->type == USB_ENDPOINT_XFER_BULK) {
		pipe->urb_pipe = in ? usb_rcvbulkpipe(udev, number) :
				      usb_sndbulkpipe(udev, number);
		return;
	}
	pipe->urb_pipe = in ? usb_rcvintpipe(udev, number) :
			      usb_sndintpipe(udev, number);
	/* USB 2.0 9.6.6: an exponent at high speed and above. */
	if (udev->speed >= USB_SPEED_HIGH)
		pipe->urb_interval =
			1 << (clamp_t(int, pipe->interval, 1, 16) - 1);
	else
		pipe->urb_interval = max_t(int, pipe->interval, 1);
}

/* Device lock held, device awake. */
static int open_data(struct usbfs2_pipe *pipe, const struct usbfs2_node *node)
{
	const struct usb_endpoint_descriptor *descriptor;
	struct usb_interface *intf;
	int ret;

	intf = usbfs2_find_interface(node);
	if (!intf)
		return -ENODEV;
	descriptor = usbfs2_find_endpoint(intf, node->place.address);
	if (!descriptor) {
		/* Another driver selected an alternate setting since. */
		usbfs2_tree_sync_interface(intf);
		return -ENODEV;
	}
	if (usb_endpoint_xfer_control(descriptor) ||
	    !usb_endpoint_maxp(descriptor))
		return -EOPNOTSUPP;

	pipe->address = descriptor->bEndpointAddress;
	pipe->type = usb_endpoint_type(descriptor);
	pipe->interval = descriptor->bInterval;
	pipe->max_packet = usb_endpoint_maxp(descriptor);
	if (usb_endpoint_xfer_isoc(descriptor))
		pipe->interval_bytes =
			usbfs2_interval_bytes(node->dev->udev, descriptor);
	/* Armed, an isochronous endpoint would lose packets. */
	if (pipe->armed && usb_endpoint_xfer_isoc(descriptor))
		return -EOPNOTSUPP;
	fill_pipe(pipe);
	pipe->endpoint = usbfs2_device_endpoint(node->dev, pipe->address);

	ret = usbfs2_hold_claim(&pipe->hold, node->dev, intf, false, false);
	if (ret)
		return ret;
	return usbfs2_claim_add_pipe(pipe->hold.claim, pipe);
}

static int usbfs2_data_open(struct inode *inode, struct file *file)
{
	const struct usbfs2_node *node = usbfs2_node_of(inode);
	struct usbfs2_pipe *pipe;
	int ret;

	pipe = usbfs2_pipe_new(node->dev);
	if (!pipe)
		return -ENOMEM;
	file->private_data = pipe;

	ret = file->f_flags & O_NONBLOCK ? usbfs2_armed_prepare(pipe) : 0;
	if (!ret)
		ret = usbfs2_device_enter(node->dev);
	if (!ret) {
		ret = open_data(pipe, node);
		/* "echo > ep02" truncates too; most often nothing is wrong. */
		if (!ret && (file->f_flags & O_TRUNC) &&
		    READ_ONCE(pipe->endpoint->failed))
			ret = usbfs2_pipe_recover(pipe);
		usbfs2_device_leave(node->dev);
	}
	if (ret)
		usbfs2_pipe_release(inode, file);
	else if (pipe->armed)
		/* The same module's: what the file holds of it stays right. */
		file->f_op = &usbfs2_armed_fops;
	return ret;
}

/* Bulk and interrupt. */
static struct usbfs2_request *one_transfer(struct usbfs2_pipe *pipe,
					   size_t length, u64 flags)
{
	const bool in = pipe->address & USB_DIR_IN;
	const u64 known = in ? 0 : USBFS2_ZERO_PACKET;
	struct usbfs2_request *req;

	if ((flags & ~known) || length > USBFS2_MAX_TRANSFER)
		return ERR_PTR(-EINVAL);
	if (in && !length)
		return NULL;
	req = usbfs2_request_new(pipe, in);
	if (!IS_ERR(req))
		req->urb->transfer_flags =
			flags & USBFS2_ZERO_PACKET ? URB_ZERO_PACKET : 0;
	return req;
}

struct usbfs2_request *usbfs2_data_request(struct usbfs2_pipe *pipe,
					   const struct iov_iter *iter,
					   u64 offset)
{
	if (pipe->type == USB_ENDPOINT_XFER_ISOC)
		return usbfs2_packets_request(pipe, iter, offset);
	return one_transfer(pipe, iov_iter_count(iter), offset);
}

static ssize_t transfer(struct kiocb *iocb, struct iov_iter *iter, bool in)
{
	struct usbfs2_pipe *pipe = iocb->ki_filp->private_data;
	struct usbfs2_request *req;
	ssize_t ret;

	if (in != !!(pipe->address & USB_DIR_IN))
		return -EINVAL;
	if (usbfs2_is_batch(iocb->ki_pos))
		return usbfs2_batch(iocb, iov_iter_count(iter));
	req = usbfs2_data_request(pipe, iter, iocb->ki_pos);
	if (!req)
		return 0;
	if (IS_ERR(req))
		return PTR_ERR(req);
	ret = usbfs2_request_prepare(req, iocb, iter);
	if (!ret)
		ret = usbfs2_request_start(req);
	if (!ret)
		ret = usbfs2_request_wait(req, iocb, iter);
	usbfs2_request_put(req);
	return ret;
}

static ssize_t usbfs2_data_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	return transfer(iocb, to, true);
}

static ssize_t usbfs2_data_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	return transfer(iocb, from, false);
}

static int usbfs2_data_fsync(struct file *file, loff_t start, loff_t end,
			     int datasync)
{
	struct usbfs2_pipe *pipe = file->private_data;

	if (pipe->address & USB_DIR_IN)
		return -EINVAL;
	/*
	 * IOCB_CMD_FSYNC, in a kernel worker: whose it is cannot be told, and
	 * nothing could end the wait or give the worker back meanwhile.
	 */
	if (current->flags & PF_KTHREAD)
		return -EOPNOTSUPP;
	return usbfs2_pipe_drain(pipe, current->files);
}

/* POSIX_FADV_DONTNEED: what is queued is not needed; start over. */
static int usbfs2_data_fadvise(struct file *file, loff_t offset, loff_t length,
			       int advice)
{
	struct usbfs2_pipe *pipe = file->private_data;
	int ret;

	if (advice != POSIX_FADV_DONTNEED)
		return -EINVAL;
	ret = usbfs2_device_enter(pipe->dev);
	if (ret)
		return ret;
	ret = usbfs2_pipe_recover(pipe);
	usbfs2_device_leave(pipe->dev);
	return ret;
}

const struct file_operations usbfs2_data_fops = {
	.owner = THIS_MODULE,
	.open = usbfs2_data_open,
	.read_iter = usbfs2_data_read_iter,
	.write_iter = usbfs2_data_write_iter,
	.uring_cmd = usbfs2_compat_uring_cmd,
	.mmap = usbfs2_pipe_mmap,
	.fsync = usbfs2_data_fsync,
	.fadvise = usbfs2_data_fadvise,
	.flush = usbfs2_pipe_flush,
	.release = usbfs2_pipe_release,
};
