// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: armed endpoints, the files of an open with O_NONBLOCK.
 *
 * IN: USBFS2_ARMED_TRANSFERS of one packet each are with the device or wait
 * to be read; each one that was read is replaced. So nothing is dropped: who
 * does not read has the device wait (NAK). A packet a transfer, because a
 * longer one would keep whole packets back until a short one came.
 *
 * OUT: see armed_write.c.
 *
 * io_uring tries an open with O_NONBLOCK of its own first and takes that off
 * f_flags when ->open has succeeded, so ->open cannot know. The first operation
 * does: if f_flags has O_NONBLOCK then, the file is armed, for good; otherwise
 * it is as if opened without. Until then nothing is queued.
 *
 * No kiocb is ever left queued here, and no transfer belongs to a process.
 */
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "usbfs2.h"

static void refill_work(struct work_struct *work);

int usbfs2_armed_prepare(struct usbfs2_pipe *pipe)
{
	struct usbfs2_armed *armed;

	armed = kzalloc(sizeof(*armed), GFP_KERNEL_ACCOUNT);
	if (!armed)
		return -ENOMEM;
	mutex_init(&armed->user);
	mutex_init(&armed->filling);
	init_waitqueue_head(&armed->wait);
	INIT_LIST_HEAD(&armed->ready);
	INIT_WORK(&armed->refill, refill_work);
	armed->pipe = pipe;
	pipe->armed = armed;
	return 0;
}

/* The first operation on the file decides. */
bool usbfs2_armed_decide(const struct file *file)
{
	struct usbfs2_pipe *pipe = file->private_data;
	struct usbfs2_armed *armed = pipe->armed;
	enum usbfs2_armed_mode mode;

	if (READ_ONCE(armed->mode) == USBFS2_UNDECIDED) {
		mode = file->f_flags & O_NONBLOCK ? USBFS2_ARMED :
						    USBFS2_NOT_ARMED;
		cmpxchg(&armed->mode, USBFS2_UNDECIDED, mode);
	}
	return usbfs2_pipe_is_armed(pipe);
}

bool usbfs2_armed_nowait(struct kiocb *iocb)
{
	return (iocb->ki_flags & IOCB_NOWAIT) ||
	       (iocb->ki_filp->f_flags & O_NONBLOCK);
}

/* A restart is the system call's to make, so not for io_uring. */
int usbfs2_armed_interrupted(struct kiocb *iocb, int ret)
{
	if (ret != -ERESTARTSYS && ret != -EINTR)
		return ret;
	return is_sync_kiocb(iocb) ? -ERESTARTSYS : -EINTR;
}

/* Others hold it while they copy, for as long as their memory faults. */
int usbfs2_armed_lock(struct usbfs2_armed *armed, struct kiocb *iocb)
{
	if (usbfs2_armed_nowait(iocb))
		return mutex_trylock(&armed->user) ? 0 : -EAGAIN;
	return usbfs2_armed_interrupted(iocb,
				mutex_lock_interruptible(&armed->user));
}

int usbfs2_armed_take_error(struct usbfs2_pipe *pipe)
{
	unsigned long flags;
	int error = 0;

	spin_lock_irqsave(&pipe->lock, flags);
	swap(error, pipe->armed->error);
	spin_unlock_irqrestore(&pipe->lock, flags);
	return error;
}

/* pipe->lock held. Only the first is owed: others follow from it. */
static void owe(struct usbfs2_armed *armed, int error)
{
	if (!armed->error)
		armed->error = error;
}

void usbfs2_armed_interrupt(struct usbfs2_pipe *pipe)
{
	unsigned long flags;

	if (!usbfs2_pipe_is_armed(pipe))
		return;
	spin_lock_irqsave(&pipe->lock, flags);
	owe(pipe->armed, -ECANCELED);
	spin_unlock_irqrestore(&pipe->lock, flags);
	wake_up_interruptible(&pipe->armed->wait);
}

static bool may_start(struct usbfs2_pipe *pipe)
{
	struct usbfs2_armed *armed = pipe->armed;
	unsigned long flags;
	bool may;

	spin_lock_irqsave(&pipe->lock, flags);
	/* Not before an error was told: what comes then follows it. */
	may = !armed->closing && !armed->error &&
	      armed->count < USBFS2_ARMED_TRANSFERS;
	if (may)
		armed->count++;
	spin_unlock_irqrestore(&pipe->lock, flags);
	return may;
}

struct usbfs2_request *usbfs2_armed_request(struct usbfs2_pipe *pipe,
					    size_t length)
{
	struct usbfs2_request *req;
	int ret;

	req = usbfs2_request_new(pipe, pipe->address & USB_DIR_IN);
	if (IS_ERR(req))
		return req;
	req->owner = NULL;
	ret = usbfs2_buffer_alloc(&req->buffer, length, pipe);
	if (ret) {
		usbfs2_request_put(req);
		return ERR_PTR(ret);
	}
	usbfs2_buffer_to_urb(&req->buffer, req->urb);
	req->urb->transfer_flags = 0;
	return req;
}

static int start_one(struct usbfs2_pipe *pipe)
{
	struct usbfs2_request *req;
	int ret;

	req = usbfs2_armed_request(pipe, pipe->max_packet);
	if (IS_ERR(req))
		return PTR_ERR(req);
	ret = usbfs2_request_start(req);
	/* Started, it is ours until it was read or failed. */
	if (ret)
		usbfs2_request_put(req);
	return ret;
}

/* No memory of the caller's is touched: it takes no longer than it must. */
static void fill(struct usbfs2_pipe *pipe)
{
	struct usbfs2_armed *armed = pipe->armed;
	unsigned long flags;
	int ret;

	mutex_lock(&armed->filling);
	while (may_start(pipe)) {
		ret = start_one(pipe);
		if (!ret)
			continue;
		spin_lock_irqsave(&pipe->lock, flags);
		armed->count--;
		/* Paused: usbfs2_armed_changed() comes when that is over. */
		if (ret != -ECANCELED)
			owe(armed, ret);
		spin_unlock_irqrestore(&pipe->lock, flags);
		wake_up_interruptible(&armed->wait);
		break;
	}
	mutex_unlock(&armed->filling);
}

static void refill_work(struct work_struct *work)
{
	struct usbfs2_armed *armed = container_of(work, struct usbfs2_armed,
						  refill);
	struct usbfs2_pipe *pipe = armed->pipe;

	if (pipe->address & USB_DIR_IN)
		fill(pipe);
	wake_up_interruptible(&armed->wait);
	usbfs2_pipe_put(pipe);
}

void usbfs2_armed_changed(struct usbfs2_pipe *pipe)
{
	if (!usbfs2_pipe_is_armed(pipe))
		return;
	kref_get(&pipe->ref);
	if (!queue_work(usbfs2_workqueue, &pipe->armed->refill))
		usbfs2_pipe_put(pipe);
}

/*
 * A cancelled read has lost nothing, a write its bytes. Of those behind an
 * error that is all there is to tell, and it may have been told already.
 */
static bool is_news(const struct usbfs2_request *req)
{
	if (req->result != -ECANCELED)
		return req->result < 0;
	return !req->in && req->number >= req->pipe->stopped_at;
}

void usbfs2_armed_deliver(struct usbfs2_request *req)
{
	struct usbfs2_pipe *pipe = req->pipe;
	struct usbfs2_armed *armed = pipe->armed;
	const size_t length = req->urb->transfer_buffer_length;
	const bool keep = req->in && req->result >= 0;
	unsigned long flags;

	spin_lock_irqsave(&pipe->lock, flags);
	if (keep) {
		list_add_tail(&req->held, &armed->ready);
	} else {
		armed->count--;
		if (!req->in)
			armed->bytes -= length;
		if (is_news(req))
			owe(armed, req->result);
		if (!req->in && req->result >= 0 &&
		    (req->culprit || req->result < length)) {
			owe(armed, pipe->error ?: -ECANCELED);
			pipe->error = 0;
		}
	}
	spin_unlock_irqrestore(&pipe->lock, flags);
	wake_up_interruptible(&armed->wait);
	if (keep)
		usb_mark_last_busy(pipe->dev->udev);
	else
		usbfs2_request_put(req);
}

static struct usbfs2_request *first_ready(struct usbfs2_pipe *pipe)
{
	struct usbfs2_request *req;
	unsigned long flags;

	spin_lock_irqsave(&pipe->lock, flags);
	req = list_first_entry_or_null(&pipe->armed->ready,
				       struct usbfs2_request, held);
	spin_unlock_irqrestore(&pipe->lock, flags);
	return req;
}

static void drop_ready(struct usbfs2_pipe *pipe, struct usbfs2_request *req)
{
	unsigned long flags;

	spin_lock_irqsave(&pipe->lock, flags);
	list_del_init(&req->held);
	pipe->armed->count--;
	pipe->armed->taken = 0;
	spin_unlock_irqrestore(&pipe->lock, flags);
	usbfs2_request_put(req);
}

/*
 * armed->user held. What waits, as one read gives it: of an interrupt endpoint
 * one transfer, of a bulk endpoint as many as follow each other up to a short
 * one. What did not fit stays. EAGAIN when none waits.
 */
static ssize_t take(struct usbfs2_pipe *pipe, struct iov_iter *to)
{
	struct usbfs2_armed *armed = pipe->armed;
	struct usbfs2_request *req;
	size_t part, left, done = 0;
	bool whole, any = false;

	do {
		req = first_ready(pipe);
		if (!req)
			break;
		left = req->result - armed->taken;
		part = min(left, iov_iter_count(to));
		if (copy_to_iter(req->urb->transfer_buffer + armed->taken,
				 part, to) != part)
			return done ?: -EFAULT;
		any = true;
		done += part;
		if (part < left) {
			armed->taken += part;
			break;
		}
		whole = req->result == pipe->max_packet;
		drop_ready(pipe, req);
	} while (whole && pipe->type == USB_ENDPOINT_XFER_BULK &&
		 iov_iter_count(to));
	return any ? done : -EAGAIN;
}

/* The error, once there are no bytes left that came before it. */
static int next_error(struct usbfs2_pipe *pipe)
{
	struct usbfs2_armed *armed = pipe->armed;
	unsigned long flags;
	int error = 0;

	spin_lock_irqsave(&pipe->lock, flags);
	if (list_empty(&armed->ready))
		swap(error, armed->error);
	spin_unlock_irqrestore(&pipe->lock, flags);
	return error;
}

static bool readable(struct usbfs2_pipe *pipe)
{
	return !list_empty_careful(&pipe->armed->ready) ||
	       READ_ONCE(pipe->armed->error);
}

static ssize_t armed_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct usbfs2_pipe *pipe = iocb->ki_filp->private_data;
	struct usbfs2_armed *armed = pipe->armed;
	ssize_t ret;

	if (!(pipe->address & USB_DIR_IN) || iocb->ki_pos)
		return -EINVAL;
	if (!iov_iter_count(to))
		return 0;
	do {
		fill(pipe);
		ret = usbfs2_armed_lock(armed, iocb);
		if (ret)
			return ret;
		ret = take(pipe, to);
		if (ret == -EAGAIN)
			ret = next_error(pipe) ?: -EAGAIN;
		mutex_unlock(&armed->user);
		if (ret != -EAGAIN || usbfs2_armed_nowait(iocb))
			break;
		ret = wait_event_interruptible(armed->wait, readable(pipe));
		if (ret)
			return usbfs2_armed_interrupted(iocb, ret);
	} while (true);
	/* In the place of those that were read. */
	if (ret >= 0)
		fill(pipe);
	return ret;
}

static ssize_t usbfs2_armed_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	if (!usbfs2_armed_decide(iocb->ki_filp))
		return usbfs2_data_fops.read_iter(iocb, to);
	/* Linux AIO has queues of its own; what waits here is for poll. */
	if (iocb->ki_flags & IOCB_AIO_RW)
		return -EINVAL;
	return armed_read(iocb, to);
}

static ssize_t usbfs2_armed_write_iter(struct kiocb *iocb,
				       struct iov_iter *from)
{
	if (!usbfs2_armed_decide(iocb->ki_filp))
		return usbfs2_data_fops.write_iter(iocb, from);
	if (iocb->ki_flags & IOCB_AIO_RW)
		return -EINVAL;
	return usbfs2_armed_write(iocb, from);
}

static __poll_t usbfs2_armed_poll(struct file *file, poll_table *wait)
{
	struct usbfs2_pipe *pipe = file->private_data;
	struct usbfs2_armed *armed = pipe->armed;
	const bool in = pipe->address & USB_DIR_IN;
	const __poll_t ready = in ? EPOLLIN | EPOLLRDNORM :
				    EPOLLOUT | EPOLLWRNORM;
	enum usbfs2_pipe_state state;
	__poll_t mask = 0;

	/* What is said of a file that cannot be polled. */
	if (!usbfs2_armed_decide(file))
		return DEFAULT_POLLMASK;
	poll_wait(file, &armed->wait, wait);
	if (in)
		fill(pipe);
	if (in ? readable(pipe) : usbfs2_armed_writable(pipe))
		mask |= ready;
	state = READ_ONCE(pipe->state);
	/* Of a write's, not before the end of a switch. */
	if ((READ_ONCE(armed->error) && (in || state != USBFS2_PAUSED)) ||
	    state == USBFS2_STOPPED)
		mask |= ready | EPOLLERR;
	if (state == USBFS2_GONE || READ_ONCE(pipe->unplugged) ||
	    pipe->dev->udev->state == USB_STATE_NOTATTACHED)
		mask |= ready | EPOLLERR | EPOLLHUP;
	return mask;
}

static int usbfs2_armed_fsync(struct file *file, loff_t start, loff_t end,
			      int datasync)
{
	struct usbfs2_pipe *pipe = file->private_data;

	if (!usbfs2_armed_decide(file))
		return usbfs2_data_fops.fsync(file, start, end, datasync);
	if (pipe->address & USB_DIR_IN)
		return -EINVAL;
	/* IOCB_CMD_FSYNC: no signal would reach the kernel's worker. */
	if (current->flags & PF_KTHREAD)
		return -EOPNOTSUPP;
	return usbfs2_armed_drain(pipe);
}

static int usbfs2_armed_fadvise(struct file *file, loff_t offset,
				loff_t length, int advice)
{
	/* What has come before can still be read. */
	return usbfs2_data_fops.fadvise(file, offset, length, advice);
}

/* The transfers are the file's, not the process's. */
static int usbfs2_armed_flush(struct file *file, fl_owner_t owner)
{
	struct usbfs2_pipe *pipe = file->private_data;

	if (!usbfs2_pipe_is_armed(pipe))
		return usbfs2_pipe_flush(file, owner);
	if ((pipe->address & USB_DIR_IN) || file_count(file) > 1)
		return 0;
	return usbfs2_armed_last_words(pipe);
}

static int usbfs2_armed_release(struct inode *inode, struct file *file)
{
	struct usbfs2_pipe *pipe = file->private_data;
	struct usbfs2_armed *armed = pipe->armed;
	struct usbfs2_request *req;
	unsigned long flags;

	/* A refill may be under way, or follow: nothing starts after this. */
	mutex_lock(&armed->filling);
	spin_lock_irqsave(&pipe->lock, flags);
	armed->closing = true;
	spin_unlock_irqrestore(&pipe->lock, flags);
	mutex_unlock(&armed->filling);

	usbfs2_pipe_cancel(pipe, NULL);
	usbfs2_pipe_wait_idle(pipe);
	while ((req = first_ready(pipe)))
		drop_ready(pipe, req);
	return usbfs2_pipe_release(inode, file);
}

const struct file_operations usbfs2_armed_fops = {
	.owner = THIS_MODULE,
	.read_iter = usbfs2_armed_read_iter,
	.write_iter = usbfs2_armed_write_iter,
	.uring_cmd = usbfs2_compat_uring_cmd,
	.poll = usbfs2_armed_poll,
	.fsync = usbfs2_armed_fsync,
	.fadvise = usbfs2_armed_fadvise,
	.flush = usbfs2_armed_flush,
	.release = usbfs2_armed_release,
};
