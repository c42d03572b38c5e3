// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: the URBs of an isochronous endpoint, in their order.
 *
 * Requests may be queued at any depth, but a controller's schedule reaches so
 * far and no further, and refuses what lies beyond. Then what is not sent yet
 * waits on pipe->unsent for one of those that were to come back. One at a time
 * submits (pipe->sending), so that requests are not mixed up; who comes
 * meanwhile says that another try is worth it (pipe->room).
 *
 * An URB is back when the controller gave it back, did not take it, or when its
 * request was cancelled before its turn. The last one ends the request: a
 * packet that failed fails nothing else.
 */
#include "usbfs2.h"

static void urbs_back(struct usbfs2_request *req, unsigned int count)
{
	if (atomic_sub_and_test(count, &req->packets->not_back))
		usbfs2_request_finish(req, usbfs2_packets_result(req));
}

/* Room comes with those that the controller has. */
static bool is_full(int error)
{
	return error == -EFBIG || error == -ENOMEM || error == -EAGAIN ||
	       error == -ENOSPC;
}

/*
 * pipe->lock held. Whether the URB, not taken for lack of room, goes back to
 * the head of those that wait.
 */
static bool hold_back(struct usbfs2_request *req, int error)
{
	struct usbfs2_packets *packets = req->packets;
	struct usbfs2_pipe *pipe = req->pipe;

	if (!is_full(error) || req->cancelled || (!pipe->sent && !pipe->room))
		return false;
	packets->next--;
	if (list_empty(&packets->unsent))
		list_add(&packets->unsent, &pipe->unsent);
	return true;
}

/* NULL: no more for now. The request gets one more reference. */
static struct urb *next_urb(struct usbfs2_pipe *pipe)
{
	struct usbfs2_packets *packets;
	struct usbfs2_request *req;
	struct urb *urb = NULL;
	unsigned long flags;

	spin_lock_irqsave(&pipe->lock, flags);
	packets = list_first_entry_or_null(&pipe->unsent, struct usbfs2_packets,
					   unsent);
	if (packets && pipe->room) {
		urb = packets->urbs[packets->next++];
		if (packets->next == packets->urb_count)
			list_del_init(&packets->unsent);
		req = urb->context;
		refcount_inc(&req->ref);
		pipe->sent++;
		pipe->room = false;
	} else {
		pipe->sending = false;
	}
	spin_unlock_irqrestore(&pipe->lock, flags);
	return urb;
}

static void submit(struct urb *urb, gfp_t gfp)
{
	struct usbfs2_request *req = urb->context;
	struct usbfs2_pipe *pipe = req->pipe;
	unsigned long flags;
	bool waits = false;
	int ret;

	ret = usb_submit_urb(urb, gfp);

	spin_lock_irqsave(&pipe->lock, flags);
	if (ret) {
		pipe->sent--;
		waits = hold_back(req, ret);
		/* There was no room, and nobody wants it any more. */
		if (!waits && is_full(ret) && req->cancelled)
			ret = -EPERM;
	}
	if (!waits)
		pipe->room = true;
	spin_unlock_irqrestore(&pipe->lock, flags);
	if (ret && !waits) {
		/* EXDEV: its frames are over, so it was served. */
		urb->status = ret == -EXDEV ?
			      ret : usbfs2_submit_error(pipe, ret);
		urbs_back(req, 1);
	}
	usbfs2_request_put(req);
}

/* The caller keeps the pipe. */
static void send(struct usbfs2_pipe *pipe, gfp_t gfp)
{
	unsigned long flags;
	struct urb *urb;
	bool busy;

	spin_lock_irqsave(&pipe->lock, flags);
	pipe->room = true;
	busy = pipe->sending;
	pipe->sending = true;
	spin_unlock_irqrestore(&pipe->lock, flags);
	while (!busy && (urb = next_urb(pipe)))
		submit(urb, gfp);
}

void usbfs2_stream_send(struct usbfs2_request *req)
{
	struct usbfs2_pipe *pipe = req->pipe;
	unsigned long flags;

	/* Cancelled already, its URBs are blocked: they come back at once. */
	spin_lock_irqsave(&pipe->lock, flags);
	list_add_tail(&req->packets->unsent, &pipe->unsent);
	spin_unlock_irqrestore(&pipe->lock, flags);
	/* NOIO: as in usbfs2_request_start(). */
	send(pipe, GFP_NOIO);
}

void usbfs2_stream_given_back(struct urb *urb)
{
	struct usbfs2_request *req = urb->context;
	struct usbfs2_pipe *pipe = req->pipe;
	unsigned long flags;
	bool more;

	spin_lock_irqsave(&pipe->lock, flags);
	pipe->sent--;
	pipe->room = true;
	more = !list_empty(&pipe->unsent);
	spin_unlock_irqrestore(&pipe->lock, flags);
	if (more)
		kref_get(&pipe->ref);
	/* First: what cannot be sent any more ends in send(). */
	urbs_back(req, 1);
	if (more) {
		send(pipe, GFP_ATOMIC);
		usbfs2_pipe_put(pipe);
	}
}

void usbfs2_stream_block(struct usbfs2_request *req)
{
	unsigned int i;

	lockdep_assert_held(&req->pipe->lock);
	for (i = 0; i < req->packets->urb_count; i++)
		usb_block_urb(req->packets->urbs[i]);
}

/* Those before their turn are back; the others as the controller likes. */
void usbfs2_stream_unlink(struct usbfs2_request *req)
{
	struct usbfs2_packets *packets = req->packets;
	struct usbfs2_pipe *pipe = req->pipe;
	unsigned int first, i, left = 0;
	unsigned long flags;

	spin_lock_irqsave(&pipe->lock, flags);
	first = packets->next;
	if (!list_empty(&packets->unsent)) {
		list_del_init(&packets->unsent);
		left = packets->urb_count - first;
		packets->next = packets->urb_count;
	}
	spin_unlock_irqrestore(&pipe->lock, flags);

	/* The last first, so that none starts because one before it ended. */
	for (i = first; i > 0; i--)
		usb_unlink_urb(packets->urbs[i - 1]);
	for (i = 0; i < left; i++)
		packets->urbs[first + i]->status = -ECONNRESET;
	if (left)
		urbs_back(req, left);
}
