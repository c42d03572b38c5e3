// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: the life of one transfer.
 *
 * Only a Linux AIO kiocb is left queued: it comes with a cancel function that
 * io_cancel, io_destroy and exit use. Any other kiocb is waited for in the
 * caller: io_uring has no way to cancel one here, and from its worker thread
 * the interruptible wait ends with cancel, exit and kill. Its commands, which
 * have one, are in uring.c.
 *
 * An accepted request is finished exactly once, by whoever gets its URB back:
 * the completion handler (perhaps by way of verdict.c), or the submitter when
 * usb_submit_urb refused it. Of an isochronous request, which may have several
 * (stream.c), by whoever gets the last one back.
 *
 * Results reach the submitter in the order in which the controller gave the
 * URBs of the pipe back: a disk's status must not overtake its data. Most are
 * delivered in the completion handler. Once one cannot be (a large copy, a
 * verdict), those behind it queue on pipe->finished until that list is empty.
 */
#include <linux/aio.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "usbfs2.h"

/* Copying more than this is not done with interrupts off. */
#define USBFS2_ATOMIC_COPY	(32U << 10)

void usbfs2_urb_complete(struct urb *urb)
{
	usbfs2_request_given_back(urb->context, urb->status);
}

static size_t to_be_copied(const struct usbfs2_request *req)
{
	size_t bytes = req->in && req->result > 0 ? req->result : 0;

	if (!req->user.pages || req->buffer.borrowed)
		return 0;
	return req->packets ? bytes + req->packets->status_size : bytes;
}

static void deliver(struct usbfs2_request *req)
{
	if (req->user.pages && req->packets && req->result >= 0)
		usbfs2_packets_fill(req);
	else if (req->late && req->result > 0 &&
		 !usbfs2_late_copy(req->late, &req->buffer, req->result))
		req->result = -EFAULT;
	else if (!req->packets && to_be_copied(req))
		usbfs2_user_pages_fill(&req->user, &req->buffer, req->result);
	/* Somebody who waits for done has yet to copy. */
	if (req->iocb || req->batched || req->uring)
		usbfs2_request_lighten(req);
	/*
	 * Completing takes the kiocb off the list that cancel functions are
	 * called from, so only after it may the request go.
	 */
	if (req->iocb)
		req->iocb->ki_complete(req->iocb, req->result);
	else if (usbfs2_pipe_is_armed(req->pipe))
		usbfs2_armed_deliver(req);
	else if (req->uring)
		return usbfs2_uring_deliver(req);
	else if (!req->batched)
		complete(&req->done);
	usbfs2_pipe_retire(req->pipe, req);
}

static struct usbfs2_request *next_finished(struct usbfs2_pipe *pipe)
{
	struct usbfs2_request *req;
	unsigned long flags;

	spin_lock_irqsave(&pipe->lock, flags);
	req = list_first_entry_or_null(&pipe->finished, struct usbfs2_request,
				       held);
	if (req)
		list_del_init(&req->held);
	else
		/* Pairs with finish(): whoever sees it comes after the last. */
		smp_store_release(&pipe->delivering, false);
	spin_unlock_irqrestore(&pipe->lock, flags);
	return req;
}

void usbfs2_deliver_finished(struct usbfs2_pipe *pipe)
{
	struct usbfs2_request *req;

	while ((req = next_finished(pipe)))
		deliver(req);
}

void usbfs2_delivery_work(struct work_struct *work)
{
	struct usbfs2_pipe *pipe = container_of(work, struct usbfs2_pipe,
						delivery);

	usbfs2_deliver_finished(pipe);
	usbfs2_pipe_put(pipe);
}

void usbfs2_request_finish(struct usbfs2_request *req, ssize_t result)
{
	struct usbfs2_pipe *pipe = req->pipe;
	unsigned long flags;
	bool large, start;

	req->result = result;
	/* As below, and with nothing to be copied. */
	if (req->quick && !smp_load_acquire(&pipe->delivering)) {
		usbfs2_quick_end(req);
		return;
	}
	large = to_be_copied(req) > USBFS2_ATOMIC_COPY || req->late;
	/*
	 * No lock, although others change delivering: a controller gives the
	 * URBs of an endpoint back one after the other, so what the handler of
	 * an earlier one queued is seen here.
	 */
	if (!large && !smp_load_acquire(&pipe->delivering)) {
		deliver(req);
		return;
	}

	spin_lock_irqsave(&pipe->lock, flags);
	/* Its URB is back: nobody need unlink it. */
	req->cancelled = true;
	list_add_tail(&req->held, &pipe->finished);
	start = !pipe->delivering;
	if (start) {
		pipe->delivering = true;
		kref_get(&pipe->ref);
	}
	spin_unlock_irqrestore(&pipe->lock, flags);
	if (start)
		queue_work(usbfs2_workqueue, &pipe->delivery);
}

void usbfs2_request_block(struct usbfs2_request *req)
{
	if (req->packets)
		usbfs2_stream_block(req);
	else
		usb_block_urb(req->urb);
}

void usbfs2_request_unlink(struct usbfs2_request *req)
{
	if (req->packets)
		usbfs2_stream_unlink(req);
	else
		usb_unlink_urb(req->urb);
}

static void unlink_work(struct work_struct *work)
{
	struct usbfs2_request *req = container_of(work, struct usbfs2_request,
						  unlink);

	usbfs2_request_unlink(req);
	usbfs2_request_put(req);
}

/*
 * Called under ctx_lock, which completing takes too, and a controller may
 * complete from inside usb_unlink_urb: a work item unlinks.
 */
static int cancel_kiocb(struct kiocb *iocb)
{
	struct usbfs2_request *req = iocb->private;
	struct usbfs2_pipe *pipe = req->pipe;
	unsigned long flags;
	bool unlink;

	spin_lock_irqsave(&pipe->lock, flags);
	unlink = !req->cancelled;
	if (unlink) {
		req->cancelled = true;
		usbfs2_request_block(req);
		refcount_inc(&req->ref);
	}
	spin_unlock_irqrestore(&pipe->lock, flags);

	if (unlink)
		queue_work(usbfs2_workqueue, &req->unlink);
	return 0;
}

static void cancel_and_wait(struct usbfs2_request *req)
{
	struct usbfs2_pipe *pipe = req->pipe;
	unsigned long flags;
	bool unlink;

	spin_lock_irqsave(&pipe->lock, flags);
	unlink = !req->cancelled;
	if (unlink) {
		req->cancelled = true;
		usbfs2_request_block(req);
	}
	spin_unlock_irqrestore(&pipe->lock, flags);

	if (unlink)
		usbfs2_request_unlink(req);
	wait_for_completion(&req->done);
}

int usbfs2_submit_error(const struct usbfs2_pipe *pipe, int error)
{
	if (pipe->dev->udev->state == USB_STATE_NOTATTACHED ||
	    READ_ONCE(pipe->state) == USBFS2_GONE || READ_ONCE(pipe->unplugged))
		return -ENODEV;

	switch (error) {
	case -EPERM:		/* blocked: cancelled before it started */
	case -EHOSTUNREACH:	/* the system is going to sleep */
		return -ECANCELED;
	case -ENODEV:
	case -ENOENT:		/* no such endpoint any more */
	case -ESHUTDOWN:
		return -ENODEV;
	case -ENOMEM:
	case -EAGAIN:		/* no room to map it for the controller */
		return -ENOMEM;
	case -ENOSPC:		/* none in its schedule: no bandwidth left */
		return -ENOSPC;
	case -EPIPE:		/* some controllers answer for a halted one */
		return -EPIPE;
	default:
		return -EINVAL;
	}
}

int usbfs2_request_find_memory(struct usbfs2_request *req,
			       struct iov_iter *iter, bool later)
{
	if (!req->packets)
		return usbfs2_request_memory(req, iter, later);
	if (!req->in && !usbfs2_packets_from_iter(req, iter))
		return -EFAULT;
	return later ? usbfs2_packets_pin(req, iter) : 0;
}

int usbfs2_request_prepare(struct usbfs2_request *req, struct kiocb *iocb,
			   struct iov_iter *iter)
{
	const bool later = iocb->ki_flags & IOCB_AIO_RW;

	/* fcntl() may have set O_NONBLOCK behind ->open's back. */
	if (!later && ((iocb->ki_flags & IOCB_NOWAIT) ||
		       (iocb->ki_filp->f_flags & O_NONBLOCK)))
		return -EAGAIN;
	if (later) {
		req->iocb = iocb;
		INIT_WORK(&req->unlink, unlink_work);
	} else {
		init_completion(&req->done);
	}
	return usbfs2_request_find_memory(req, iter, later);
}

int usbfs2_request_start(struct usbfs2_request *req)
{
	int ret;

	ret = usbfs2_pipe_accept(req->pipe, req);
	if (ret)
		return ret;
	if (req->iocb) {
		req->iocb->private = req;
		kiocb_set_cancel_fn(req->iocb, cancel_kiocb);
	}
	if (req->packets) {
		usbfs2_stream_send(req);
		return 0;
	}
	/*
	 * From here on a kiocb left queued is not ours: it may be complete.
	 * NOIO: a reset or suspend waits for this request, and freeing memory
	 * may wait for that.
	 */
	ret = usb_submit_urb(req->urb, GFP_NOIO);
	if (ret)
		usbfs2_request_finish(req, usbfs2_submit_error(req->pipe, ret));
	return 0;
}

/* How late a signal may be seen while work for io_uring is waiting, too. */
#define USBFS2_SIGNAL_LATE	(HZ / 50)

/*
 * Whether a signal came first. Work that io_uring has for the task when it
 * returns looks like one, and must not cost a transfer; a worker of io_uring's
 * is cancelled so.
 */
static bool wait_interrupted(struct usbfs2_request *req)
{
	long left;

	while (wait_for_completion_interruptible(&req->done)) {
		if (task_sigpending(current) || current->flags & PF_IO_WORKER)
			return true;
		left = wait_for_completion_killable_timeout(&req->done,
							    USBFS2_SIGNAL_LATE);
		if (left)
			return left < 0;
	}
	return false;
}

ssize_t usbfs2_request_wait(struct usbfs2_request *req, struct kiocb *iocb,
			    struct iov_iter *iter)
{
	bool interrupted;
	ssize_t ret;

	if (req->iocb)
		return -EIOCBQUEUED;
	interrupted = wait_interrupted(req);
	if (interrupted)
		cancel_and_wait(req);

	ret = req->result;
	if (ret >= 0 && req->packets) {
		if (!usbfs2_packets_to_user(req, iter))
			ret = -EFAULT;
	} else if (ret > 0 && req->in && !req->buffer.borrowed &&
	    !usbfs2_buffer_to_iter(&req->buffer, ret, iter))
		ret = -EFAULT;
	/*
	 * A restart is the system call's to make, so not for io_uring. Nor for
	 * a control transfer: the device may have done what was asked.
	 */
	if (interrupted && ret == -ECANCELED)
		ret = req->pipe->endpoint && is_sync_kiocb(iocb) ?
		      -ERESTARTSYS : -EINTR;
	return ret;
}
