// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: batches, operations on the ring of an endpoint file.
 *
 * One at a time starts transfers, so that the order of the ring is that of the
 * endpoint. It holds a mutex over that and not over the wait; the lock orders
 * what others see: a waiter is registered before its transfers start, and only
 * put to sleep after, if there is still something to wait for.
 */
#include <linux/aio.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "usbfs2.h"

/* Transfers to be cancelled before interrupts have their turn. */
#define CANCEL_BATCH	64U

static const u64 batch_flag = USBFS2_BATCH(0, 0);
static const u64 cancel_flag = USBFS2_BATCH_CANCEL(0, 0) & ~USBFS2_BATCH(0, 0);

bool usbfs2_is_batch(u64 offset)
{
	return offset & batch_flag;
}

/* What the caller wrote: read once, for it may be writing yet. */
static int start(struct usbfs2_batches *batches,
		 const struct usbfs2_transfer *transfer, bool prepared)
{
	struct usbfs2_pipe *pipe = batches->pipe;
	const bool in = pipe->address & USB_DIR_IN;
	const struct usbfs2_asked asked = {
		.address = READ_ONCE(transfer->address),
		.length = READ_ONCE(transfer->length),
		.flags = READ_ONCE(transfer->flags),
	};
	const struct mm_struct *mm = prepared ? batches->mm : current->mm;
	const fl_owner_t owner = prepared ? READ_ONCE(batches->owner) :
					    current->files;
	void __user *memory = u64_to_user_ptr(asked.address);
	struct usbfs2_request *req;
	struct iov_iter iter;
	int ret;

	if ((asked.flags & ~(in ? 0 : USBFS2_ZERO_PACKET)) ||
	    (in && !asked.length) || asked.length > USBFS2_MAX_TRANSFER ||
	    READ_ONCE(transfer->reserved))
		return -EINVAL;
	/* Disowned since it was asked: who did that waits for us, and cancels. */
	if (!owner)
		return -ENXIO;
	if (usbfs2_quick_start(batches, mm, owner, &asked))
		return 0;
	if (!prepared && !access_ok(memory, asked.length))
		return -EFAULT;
	req = usbfs2_request_new(pipe, in);
	if (IS_ERR(req))
		return PTR_ERR(req);
	req->batched = true;
	req->owner = owner;
	req->urb->transfer_flags = asked.flags ? URB_ZERO_PACKET : 0;
	if (prepared) {
		ret = usbfs2_request_mapped_memory(req, mm, asked.address,
						   asked.length);
	} else {
		iov_iter_ubuf(&iter, in ? ITER_DEST : ITER_SOURCE, memory,
			      asked.length);
		ret = usbfs2_request_memory(req, &iter, true);
	}
	if (!ret)
		ret = usbfs2_request_start(req);
	usbfs2_request_put(req);
	return ret;
}

bool usbfs2_batches_start(struct usbfs2_batches *batches, bool prepared)
{
	const u32 place = batches->started & (batches->size - 1);
	int ret;

	ret = start(batches, &batches->ring->transfers[place], prepared);
	if (ret == -ENXIO && prepared)
		return false;
	if (ret)
		usbfs2_batches_refuse(batches, ret);
	return true;
}

/* Called under ctx_lock, which completing takes too: a work item does that. */
static int cancel_wait(struct kiocb *iocb)
{
	struct usbfs2_pipe *pipe = iocb->ki_filp->private_data;
	struct usbfs2_batches *batches = pipe->batches;
	unsigned long flags;
	bool asleep = false;

	spin_lock_irqsave(&pipe->lock, flags);
	if (batches->waiter == iocb) {
		batches->unwanted = true;
		asleep = batches->asleep;
	}
	if (asleep)
		kref_get(&pipe->ref);
	spin_unlock_irqrestore(&pipe->lock, flags);
	if (asleep && !queue_work(usbfs2_workqueue, &batches->unwait))
		usbfs2_pipe_put(pipe);
	return 0;
}

void usbfs2_unwait_work(struct work_struct *work)
{
	struct usbfs2_batches *batches =
		container_of(work, struct usbfs2_batches, unwait);
	struct usbfs2_pipe *pipe = batches->pipe;
	struct usbfs2_wake wake = {};
	unsigned long flags;

	spin_lock_irqsave(&pipe->lock, flags);
	/* It may have been told since, and another one may wait. */
	if (batches->asleep && batches->unwanted)
		wake = usbfs2_batches_wake(batches);
	spin_unlock_irqrestore(&pipe->lock, flags);
	usbfs2_wake(wake);
	usbfs2_pipe_put(pipe);
}

/* Of a caller that is the registered waiter. */
static ssize_t wait(struct usbfs2_batches *batches, struct kiocb *iocb,
		    struct completion *woken)
{
	struct usbfs2_pipe *pipe = batches->pipe;
	const u32 count = batches->count;
	unsigned long flags;
	bool asleep, interrupted;

	if (!woken)
		kiocb_set_cancel_fn(iocb, cancel_wait);
	spin_lock_irqsave(&pipe->lock, flags);
	asleep = usbfs2_batches_sleep(batches);
	spin_unlock_irqrestore(&pipe->lock, flags);
	if (!asleep)
		return count;
	/* From here on a kiocb is not ours: it may be complete. */
	if (!woken)
		return -EIOCBQUEUED;

	interrupted = wait_for_completion_interruptible(woken);
	spin_lock_irqsave(&pipe->lock, flags);
	if (batches->woken == woken)
		usbfs2_batches_wake(batches);
	else
		interrupted = false;
	spin_unlock_irqrestore(&pipe->lock, flags);
	/* A restart is the system call's to make, so not for io_uring. */
	if (interrupted && !count)
		return is_sync_kiocb(iocb) ? -ERESTARTSYS : -EINTR;
	return count;
}

/* Registers the waiter, if it is to wait: 1. */
static int register_waiter(struct usbfs2_batches *batches, u32 count,
			   u32 target, bool follows, struct kiocb *iocb,
			   struct completion *woken)
{
	const struct usbfs2_ring *ring = batches->ring;
	struct usbfs2_pipe *pipe = batches->pipe;
	const u32 timeout = READ_ONCE(ring->timeout);
	const ktime_t deadline = !timeout ? KTIME_MAX :
				 ktime_add_us(ktime_get(), timeout);
	unsigned long flags;
	int ret;

	spin_lock_irqsave(&pipe->lock, flags);
	if (count > batches->size - (batches->started - batches->done) ||
	    (s32)(target - (batches->started + count)) > 0) {
		ret = -EINVAL;
	} else if ((s32)(target - batches->done) <= 0) {
		ret = 0;
	} else if (batches->waiting) {
		ret = -EBUSY;
	} else {
		ret = 1;
		batches->waiting = true;
		batches->unwanted = false;
		batches->target = target;
		batches->count = count;
		batches->seen = READ_ONCE(ring->seen);
		batches->patience = READ_ONCE(ring->patience);
		batches->deadline = deadline;
		batches->waiter = woken ? NULL : iocb;
		batches->woken = woken;
	}
	if (ret >= 0 && follows) {
		batches->owner = current->files;
		batches->mm = current->mm;
	}
	spin_unlock_irqrestore(&pipe->lock, flags);
	return ret;
}

static ssize_t start_and_wait(struct usbfs2_batches *batches,
			      struct kiocb *iocb, u32 count, u32 target)
{
	const bool later = iocb->ki_flags & IOCB_AIO_RW;
	const bool follows = count == USBFS2_BATCH_PREPARED;
	DECLARE_COMPLETION_ONSTACK(woken);
	int waits;
	u32 i;

	/* fcntl() may have set O_NONBLOCK behind ->open's back. */
	if (!later && ((iocb->ki_flags & IOCB_NOWAIT) ||
		       (iocb->ki_filp->f_flags & O_NONBLOCK)))
		return -EAGAIN;
	if (mutex_lock_interruptible(&batches->starting))
		return is_sync_kiocb(iocb) ? -ERESTARTSYS : -EINTR;
	if (follows)
		count = usbfs2_batches_prepared(batches);
	waits = register_waiter(batches, count, target, follows, iocb,
				later ? NULL : &woken);
	for (i = 0; waits >= 0 && i < count; i++)
		usbfs2_batches_start(batches, false);
	mutex_unlock(&batches->starting);
	if (waits < 0)
		return waits;
	return waits ? wait(batches, iocb, later ? NULL : &woken) : count;
}

static ssize_t cancel(struct usbfs2_batches *batches, u32 count, u32 first)
{
	struct usbfs2_pipe *pipe = batches->pipe;
	struct usbfs2_request *req, *next;
	ssize_t cancelled = 0;
	LIST_HEAD(doomed);
	unsigned long flags;
	u32 number, left;

	/* The last first, so that none starts because one before it ended. */
	number = first + count;
	while (count) {
		left = min(count, CANCEL_BATCH);
		count -= left;
		spin_lock_irqsave(&pipe->lock, flags);
		while (left--) {
			req = batches->requests[--number & (batches->size - 1)];
			if (!req || req->place != number || req->cancelled)
				continue;
			req->cancelled = true;
			usbfs2_request_block(req);
			refcount_inc(&req->ref);
			list_add_tail(&req->doomed, &doomed);
			cancelled++;
		}
		spin_unlock_irqrestore(&pipe->lock, flags);
	}
	list_for_each_entry_safe(req, next, &doomed, doomed) {
		usbfs2_request_unlink(req);
		usbfs2_request_put(req);
	}
	return cancelled;
}

ssize_t usbfs2_batch(struct kiocb *iocb, size_t length)
{
	const struct usbfs2_pipe *pipe = iocb->ki_filp->private_data;
	const u64 offset = iocb->ki_pos;
	const u32 count = (u16)(offset >> 32), number = offset;
	struct usbfs2_batches *batches;

	/* Pairs with the mmap that made it. */
	batches = smp_load_acquire(&pipe->batches);
	if (!batches || length ||
	    (offset & ~(batch_flag | cancel_flag)) >> 48)
		return -EINVAL;
	if (!(offset & cancel_flag))
		return start_and_wait(batches, iocb, count, number);
	return count > batches->size ? -EINVAL : cancel(batches, count, number);
}
