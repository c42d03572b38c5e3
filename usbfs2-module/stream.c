// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: the URBs of an isochronous endpoint, in their order.
 *
 * Requests may be queued at any depth, but a controller's schedule reaches so
 * far and no further, and refuses what lies beyond. Then what is not sent yet
 * waits on pipe->unsent for one of those that were to come back. One at a time
 * submits (pipe->sending), so that requests are not mixed up; who comes
 * meanwhile says that another try is worth it (pipe->room). So that one sleeps
 * for memory only while the controller has nothing of the endpoint's. Who may
 * not sleep leaves that to a work item (pipe->resend).
 *
 * A cancelled request goes off the list at once, in no more time than that
 * takes: packets->next then says how many of its URBs were sent.
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

/* Memory may be had by who sleeps for it. */
static bool is_short_of_memory(int error)
{
	return error == -ENOMEM || error == -EAGAIN;
}

/*
 * pipe->lock held. Whether the URB, not taken for lack of room, goes back to
 * the head of those that wait.
 */
static bool hold_back(struct usbfs2_request *req, int error, bool resend)
{
	struct usbfs2_packets *packets = req->packets;
	struct usbfs2_pipe *pipe = req->pipe;

	if (!is_full(error) || req->cancelled)
		return false;
	if (!pipe->sent && !pipe->room && !resend)
		return false;
	packets->next--;
	if (list_empty(&packets->unsent))
		list_add(&packets->unsent, &pipe->unsent);
	return true;
}

/*
 * NULL: no more for now. The request gets one more reference. alone: of the
 * endpoint's, the controller has no other.
 */
static struct urb *next_urb(struct usbfs2_pipe *pipe, bool *alone)
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
		*alone = !pipe->sent++;
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
	bool waits = false, resend = false;
	unsigned long flags;
	int ret;

	ret = usb_submit_urb(urb, gfp);

	spin_lock_irqsave(&pipe->lock, flags);
	if (ret) {
		pipe->sent--;
		/* Nobody comes back with room: somebody must try again. */
		resend = is_short_of_memory(ret) && !pipe->sent &&
			 !pipe->room && !gfpflags_allow_blocking(gfp);
		waits = hold_back(req, ret, resend);
		/* There was no room, and nobody wants it any more. */
		if (!waits && is_full(ret) && req->cancelled)
			ret = -EPERM;
	}
	if (!waits)
		pipe->room = true;
	spin_unlock_irqrestore(&pipe->lock, flags);
	if (ret && !waits) {
		/* EXDEV: its frames are over, so it was served. */
		if (ret == -EXDEV) {
			urb->status = ret;
		} else {
			urb->status = usbfs2_submit_error(pipe, ret);
			urb->start_frame = -1;
		}
		urbs_back(req, 1);
	}
	if (waits && resend) {
		kref_get(&pipe->ref);
		if (!queue_work(usbfs2_workqueue, &pipe->resend))
			usbfs2_pipe_put(pipe);
	}
	usbfs2_request_put(req);
}

/* The caller keeps the pipe. */
static void send(struct usbfs2_pipe *pipe, gfp_t gfp)
{
	unsigned long flags;
	bool busy, alone;
	struct urb *urb;

	spin_lock_irqsave(&pipe->lock, flags);
	pipe->room = true;
	busy = pipe->sending;
	pipe->sending = true;
	spin_unlock_irqrestore(&pipe->lock, flags);
	while (!busy && (urb = next_urb(pipe, &alone)))
		submit(urb, alone ? gfp : GFP_ATOMIC);
}

void usbfs2_resend_work(struct work_struct *work)
{
	struct usbfs2_pipe *pipe = container_of(work, struct usbfs2_pipe,
						resend);

	send(pipe, GFP_NOIO);
	usbfs2_pipe_put(pipe);
}

void usbfs2_stream_send(struct usbfs2_request *req)
{
	struct usbfs2_pipe *pipe = req->pipe;
	unsigned long flags;

	/* Cancelled already, it ends in usbfs2_stream_unlink(). */
	spin_lock_irqsave(&pipe->lock, flags);
	if (!req->cancelled)
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
	struct usbfs2_packets *packets = req->packets;

	lockdep_assert_held(&req->pipe->lock);
	list_del_init(&packets->unsent);
	/* Somebody may be submitting that one; those before it are submitted. */
	if (packets->next)
		usb_block_urb(packets->urbs[packets->next - 1]);
}

/*
 * Those before their turn are back; the others as the controller likes. No
 * lock: nobody sends more of it.
 */
void usbfs2_stream_unlink(struct usbfs2_request *req)
{
	struct usbfs2_packets *packets = req->packets;
	const unsigned int sent = packets->next;
	unsigned int i;

	/* The last first, so that none starts because one before it ended. */
	for (i = sent; i > 0; i--)
		usb_unlink_urb(packets->urbs[i - 1]);
	for (i = sent; i < packets->urb_count; i++)
		packets->urbs[i]->status = -ECONNRESET;
	if (sent < packets->urb_count)
		urbs_back(req, packets->urb_count - sent);
}
