// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: the state of an open endpoint and the operations queued on it.
 * The states, and what they answer, are in usbfs2.h.
 */
#include <linux/slab.h>

#include "usbfs2.h"

/* Requests to be looked at before interrupts have their turn. */
#define CANCEL_BATCH	64

struct usbfs2_pipe *usbfs2_pipe_new(struct usbfs2_device *dev)
{
	struct usbfs2_pipe *pipe;

	pipe = kzalloc(sizeof(*pipe), GFP_KERNEL_ACCOUNT);
	if (!pipe)
		return NULL;
	kref_init(&pipe->ref);
	pipe->dev = usbfs2_device_get(dev);
	INIT_LIST_HEAD(&pipe->claim_link);
	spin_lock_init(&pipe->lock);
	pipe->state = USBFS2_RUNNING;
	INIT_LIST_HEAD(&pipe->queue);
	INIT_LIST_HEAD(&pipe->held);
	INIT_LIST_HEAD(&pipe->finished);
	INIT_LIST_HEAD(&pipe->unsent);
	INIT_HLIST_HEAD(&pipe->spare);
	pipe->mappings = RB_ROOT;
	usbfs2_buffer_limits(pipe);
	init_waitqueue_head(&pipe->drained);
	INIT_WORK(&pipe->verdict, usbfs2_verdict_work);
	INIT_WORK(&pipe->delivery, usbfs2_delivery_work);
	INIT_WORK(&pipe->resend, usbfs2_resend_work);
	return pipe;
}

static void pipe_free(struct kref *ref)
{
	struct usbfs2_pipe *pipe = container_of(ref, struct usbfs2_pipe, ref);

	if (pipe->batches)
		usbfs2_batches_free(pipe->batches);
	usbfs2_spare_free(pipe);
	usbfs2_device_put(pipe->dev);
	kfree(pipe->armed);
	kfree(pipe);
}

void usbfs2_pipe_put(struct usbfs2_pipe *pipe)
{
	kref_put(&pipe->ref, pipe_free);
}

static int answer(struct usbfs2_pipe *pipe)
{
	int error;

	switch (pipe->state) {
	case USBFS2_RUNNING:
		return 0;
	case USBFS2_ASLEEP:
		return -EHOSTDOWN;
	case USBFS2_PAUSED:
		return -ECANCELED;
	case USBFS2_STOPPED:
		if (pipe->judging)
			return -EINPROGRESS;
		if (pipe->dev->udev->state == USB_STATE_NOTATTACHED ||
		    pipe->unplugged)
			return -ENODEV;
		error = pipe->error ?: -EPIPE;
		pipe->error = 0;
		return error;
	case USBFS2_GONE:
		break;
	}
	return -ENODEV;
}

void usbfs2_pipe_enqueue(struct usbfs2_pipe *pipe, struct usbfs2_request *req)
{
	lockdep_assert_held(&pipe->lock);
	req->number = pipe->accepted++;
	list_add_tail(&req->link, &pipe->queue);
	if (req->batched)
		usbfs2_batches_add(pipe->batches, req);
}

static int accept(struct usbfs2_pipe *pipe, struct usbfs2_request *req)
{
	unsigned long flags;
	int ret;

	spin_lock_irqsave(&pipe->lock, flags);
	/* A command of io_uring can be cancelled before. */
	ret = req->cancelled ? -ECANCELED : answer(pipe);
	if (!ret) {
		refcount_inc(&req->ref);
		usbfs2_pipe_enqueue(pipe, req);
	}
	spin_unlock_irqrestore(&pipe->lock, flags);
	return ret;
}

int usbfs2_pipe_accept(struct usbfs2_pipe *pipe, struct usbfs2_request *req)
{
	int ret;

	while ((ret = accept(pipe, req)) == -EHOSTDOWN || ret == -EINPROGRESS) {
		if (ret == -EINPROGRESS) {
			/* A hub's answer away: stopped, or unplugged. */
			wait_event(pipe->drained, !READ_ONCE(pipe->judging));
			continue;
		}
		/*
		 * On the queue, it keeps the device awake. But reads ahead are
		 * no use of it: they stop for its sleep.
		 */
		if (req->in && usbfs2_pipe_is_armed(pipe))
			return -ECANCELED;
		ret = usbfs2_pipe_wake(pipe);
		if (ret)
			break;
	}
	if (!ret && READ_ONCE(pipe->dev->may_sleep))
		usb_mark_last_busy(pipe->dev->udev);
	return ret;
}

void usbfs2_pipe_retire(struct usbfs2_pipe *pipe, struct usbfs2_request *req)
{
	struct usbfs2_wake wake = {};
	unsigned long flags;
	bool was_last;

	spin_lock_irqsave(&pipe->lock, flags);
	list_del_init(&req->link);
	if (req->batched)
		wake = usbfs2_batches_end(pipe->batches, req);
	was_last = usbfs2_request_put_light(req);
	spin_unlock_irqrestore(&pipe->lock, flags);
	usbfs2_wake(wake);
	if (wq_has_sleeper(&pipe->drained))
		wake_up_all(&pipe->drained);
	if (was_last)
		usbfs2_pipe_put(pipe);
	else
		usbfs2_request_put(req);
}

/* Which requests to cancel, and which were found. */
struct doom {
	bool (*wanted)(const struct usbfs2_request *req, const void *what);
	const void *what;
	u64 limit;			/* accepted before that many */
	struct list_head list;
	unsigned int count;
};

/*
 * pipe->lock held. Looks at a few requests before *at, the last ones first, for
 * those to be cancelled; false at the first of the queue. *at is referenced,
 * NULL: behind the last.
 */
static bool doom_some(struct usbfs2_pipe *pipe, struct doom *doom,
		      struct usbfs2_request **at)
{
	struct usbfs2_request *req, *before = *at;
	struct list_head *link = &pipe->queue;
	unsigned int left = CANCEL_BATCH;

	/* Complete since, it is on no queue: from the last on, once more. */
	if (before && !list_empty(&before->link))
		link = &before->link;
	for (link = link->prev; link != &pipe->queue; link = link->prev) {
		req = list_entry(link, struct usbfs2_request, link);
		if (!left--) {
			req = list_next_entry(req, link);
			refcount_inc(&req->ref);
			*at = req;
			return true;
		}
		if (req->cancelled || req->number >= doom->limit ||
		    !doom->wanted(req, doom->what))
			continue;
		req->cancelled = true;
		usbfs2_request_block(req);
		refcount_inc(&req->ref);
		list_add_tail(&req->doomed, &doom->list);
		doom->count++;
	}
	*at = NULL;
	return false;
}

unsigned int
usbfs2_pipe_cancel_those(struct usbfs2_pipe *pipe,
			 bool (*wanted)(const struct usbfs2_request *req,
					const void *what),
			 const void *what)
{
	struct doom doom = { .wanted = wanted, .what = what };
	struct usbfs2_request *req, *next, *before, *at = NULL;
	unsigned long flags;
	bool more;

	INIT_LIST_HEAD(&doom.list);
	/* The last first, so that none starts because one before it ended. */
	do {
		before = at;
		spin_lock_irqsave(&pipe->lock, flags);
		if (!before)
			doom.limit = pipe->accepted;
		more = doom_some(pipe, &doom, &at);
		spin_unlock_irqrestore(&pipe->lock, flags);
		if (before)
			usbfs2_request_put(before);
	} while (more);

	list_for_each_entry_safe(req, next, &doom.list, doomed) {
		usbfs2_request_unlink(req);
		usbfs2_request_put(req);
	}
	return doom.count;
}

static bool is_owned(const struct usbfs2_request *req, const void *owner)
{
	return !owner || req->owner == owner;
}

void usbfs2_pipe_cancel(struct usbfs2_pipe *pipe, fl_owner_t owner)
{
	usbfs2_pipe_cancel_those(pipe, is_owned, owner);
}

void usbfs2_pipe_halt(struct usbfs2_pipe *pipe, enum usbfs2_pipe_state state)
{
	unsigned long flags;

	spin_lock_irqsave(&pipe->lock, flags);
	if (state > pipe->state)
		pipe->state = state;
	spin_unlock_irqrestore(&pipe->lock, flags);
	usbfs2_pipe_cancel(pipe, NULL);
	usbfs2_armed_changed(pipe);
}

static bool is_idle(struct usbfs2_pipe *pipe)
{
	unsigned long flags;
	bool idle;

	spin_lock_irqsave(&pipe->lock, flags);
	idle = list_empty(&pipe->queue);
	spin_unlock_irqrestore(&pipe->lock, flags);
	return idle;
}

void usbfs2_pipe_wait_idle(struct usbfs2_pipe *pipe)
{
	wait_event(pipe->drained, is_idle(pipe));
}

void usbfs2_pipe_run(struct usbfs2_pipe *pipe)
{
	unsigned long flags;

	spin_lock_irqsave(&pipe->lock, flags);
	if (pipe->state == USBFS2_PAUSED || pipe->state == USBFS2_ASLEEP)
		pipe->state = USBFS2_RUNNING;
	spin_unlock_irqrestore(&pipe->lock, flags);
	usbfs2_armed_changed(pipe);
}

void usbfs2_pipe_forgive(struct usbfs2_pipe *pipe)
{
	unsigned long flags;

	spin_lock_irqsave(&pipe->lock, flags);
	if (pipe->state != USBFS2_GONE) {
		pipe->state = USBFS2_RUNNING;
		pipe->error = 0;
		pipe->unplugged = false;
		WRITE_ONCE(pipe->endpoint->failed, false);
	}
	spin_unlock_irqrestore(&pipe->lock, flags);
	usbfs2_armed_changed(pipe);
}

/* USB 2.0 5.8.5: both ends' data toggles restart with the halt cleared. */
int usbfs2_clear_halt(struct usbfs2_device *dev, u8 address)
{
	unsigned int number = address & USB_ENDPOINT_NUMBER_MASK;
	struct usb_device *udev = dev->udev;
	int ret;

	if (address & USB_DIR_IN)
		ret = usb_clear_halt(udev, usb_rcvbulkpipe(udev, number));
	else
		ret = usb_clear_halt(udev, usb_sndbulkpipe(udev, number));
	if (ret < 0 && !usbfs2_device_connected(dev))
		return -ENODEV;
	return min(ret, 0);
}

static void not_recovered(struct usbfs2_pipe *pipe, int error)
{
	unsigned long flags;

	if (error == -ENODEV) {
		spin_lock_irqsave(&pipe->lock, flags);
		pipe->unplugged = true;
		spin_unlock_irqrestore(&pipe->lock, flags);
	}
	usbfs2_pipe_halt(pipe, USBFS2_STOPPED);
}

int usbfs2_pipe_recover(struct usbfs2_pipe *pipe)
{
	/* It has no halt, and so nothing to be stopped by. */
	const bool isochronous = pipe->type == USB_ENDPOINT_XFER_ISOC;
	unsigned long flags;
	bool gone;
	int ret;

	device_lock_assert(&pipe->dev->udev->dev);
	spin_lock_irqsave(&pipe->lock, flags);
	gone = pipe->state == USBFS2_GONE;
	if (!gone)
		pipe->state = USBFS2_PAUSED;
	spin_unlock_irqrestore(&pipe->lock, flags);
	if (gone)
		return -ENODEV;

	usbfs2_pipe_cancel(pipe, NULL);
	ret = wait_event_interruptible(pipe->drained, is_idle(pipe));
	if (!ret && !isochronous)
		ret = usbfs2_clear_halt(pipe->dev, pipe->address);
	if (!ret && usbfs2_pipe_is_armed(pipe))
		usbfs2_armed_take_error(pipe);
	if (!ret || isochronous)
		usbfs2_pipe_forgive(pipe);
	else
		not_recovered(pipe, ret);
	return ret;
}

static bool is_drained(struct usbfs2_pipe *pipe, fl_owner_t owner, u64 before)
{
	const struct usbfs2_request *req;
	unsigned long flags;
	bool drained = true;

	spin_lock_irqsave(&pipe->lock, flags);
	list_for_each_entry(req, &pipe->queue, link) {
		if (req->number >= before)
			break;
		if (req->owner == owner) {
			drained = false;
			break;
		}
	}
	spin_unlock_irqrestore(&pipe->lock, flags);
	return drained;
}

void usbfs2_pipe_wait_owner(struct usbfs2_pipe *pipe, fl_owner_t owner)
{
	wait_event(pipe->drained, is_drained(pipe, owner, U64_MAX));
}

int usbfs2_pipe_drain(struct usbfs2_pipe *pipe, fl_owner_t owner)
{
	unsigned long flags;
	u64 before;

	spin_lock_irqsave(&pipe->lock, flags);
	before = pipe->accepted;
	spin_unlock_irqrestore(&pipe->lock, flags);
	return wait_event_interruptible(pipe->drained,
					is_drained(pipe, owner, before));
}
