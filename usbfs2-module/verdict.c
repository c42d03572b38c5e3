// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: from what became of an URB to the result of the operation.
 *
 * A stall, bus error or babble stops the pipe: a stream must not go on with a
 * hole in it. Bytes that arrived before the error are delivered first; the
 * error is then owed to the next operation. Operations behind it are cancelled
 * here, in the completion handler, because a controller does not touch the
 * next URB of an endpoint before the handler of a failed one returns.
 *
 * A pulled cable looks like a bus error on some controllers until the hub is
 * asked, which takes a work item. Until that verdict is in, the requests that
 * ended because of the error, and those behind them, are held.
 */
#include "usbfs2.h"

enum outcome {
	DONE,
	CANCELLED,
	UNPLUGGED,
	FAILED,		/* stops the pipe */
	SUSPECT,	/* stops the pipe; perhaps unplugged */
};

static enum outcome outcome_of(int status, const struct usb_device *udev,
			       int *error)
{
	bool attached = udev->state != USB_STATE_NOTATTACHED;

	*error = 0;
	switch (status) {
	case 0:
		return DONE;
	case -ENODEV:
		*error = -ENODEV;
		return UNPLUGGED;
	case -ENOENT:
	case -ECONNRESET:
	case -ESHUTDOWN:	/* also: a new alternate setting or suspend */
		*error = attached ? -ECANCELED : -ENODEV;
		return attached ? CANCELLED : UNPLUGGED;
	case -EPIPE:
	case -EOVERFLOW:
		*error = status;
		return FAILED;
	case -EILSEQ:
		*error = status;
		break;
	default:
		/* Timeouts and overruns of the controller among them. */
		*error = -EPROTO;
		break;
	}
	if (attached)
		return SUSPECT;
	*error = -ENODEV;
	return UNPLUGGED;
}

/*
 * A packet that failed or met a stall brought nothing, and a short one would
 * have ended the transfer: what came before is whole packets. QEMU's UHCI counts
 * one byte of the failed packet all the same.
 */
static void forget_failed_packet(const struct usbfs2_request *req)
{
	const struct usbfs2_pipe *pipe = req->pipe;

	if (pipe->endpoint)
		req->urb->actual_length -= req->urb->actual_length %
					   pipe->max_packet;
}

static size_t bytes_of(const struct usbfs2_request *req)
{
	/* Never more than there is room for, whatever a controller says. */
	size_t bytes = min_t(size_t, req->urb->actual_length,
			     req->buffer.length);

	/* Some count what did fit of the packet that did not. */
	if (req->error == -EOVERFLOW && req->pipe->endpoint)
		bytes -= bytes % req->pipe->max_packet;
	return bytes;
}

/*
 * Those that came before the error were given back before it. No lock: only
 * completion handlers write stopped_at, and an endpoint's run one by one.
 */
static bool is_behind_error(const struct usbfs2_request *req)
{
	return req->number < req->pipe->stopped_at;
}

/*
 * pipe->lock held. Bytes first, except in a control transfer, which succeeds
 * as a whole or not at all.
 */
static ssize_t result_of(struct usbfs2_request *req)
{
	struct usbfs2_pipe *pipe = req->pipe;
	size_t bytes = bytes_of(req);
	bool gone;

	if (!pipe->endpoint)
		return req->error ?: bytes;
	if (req->culprit) {
		if (!bytes)
			return req->error;
		pipe->error = req->error;
		return bytes;
	}
	gone = pipe->state == USBFS2_GONE;
	/* Even a success would leave a hole before it. */
	if (is_behind_error(req))
		return gone || pipe->unplugged || req->error == -ENODEV ?
		       -ENODEV : -ECANCELED;
	if (bytes || !req->error)
		return bytes;
	return gone ? -ENODEV : req->error;
}

void usbfs2_request_given_back(struct usbfs2_request *req, int status)
{
	struct usbfs2_pipe *pipe = req->pipe;
	bool stop = false, judge = false, hold;
	enum outcome outcome;
	unsigned long flags;
	ssize_t result = 0;

	outcome = outcome_of(status, pipe->dev->udev, &req->error);
	if (outcome != DONE && outcome != CANCELLED && status != -EOVERFLOW)
		forget_failed_packet(req);
	if (outcome == DONE && !is_behind_error(req) &&
	    /* Pairs with the verdict: once over, its requests are in line. */
	    !smp_load_acquire(&pipe->judging)) {
		if (pipe->endpoint && READ_ONCE(pipe->endpoint->failed))
			WRITE_ONCE(pipe->endpoint->failed, false);
		usbfs2_request_finish(req, bytes_of(req));
		return;
	}

	spin_lock_irqsave(&pipe->lock, flags);
	/* Its URB is back: nobody need unlink it. */
	req->cancelled = true;
	if (pipe->endpoint && pipe->state == USBFS2_RUNNING &&
	    (outcome == FAILED || outcome == SUSPECT)) {
		pipe->state = USBFS2_STOPPED;
		pipe->stopped_at = pipe->accepted;
		pipe->error = 0;
		pipe->unplugged = false;
		req->culprit = true;
		stop = true;
	}
	hold = outcome == SUSPECT || pipe->judging;
	if (hold) {
		list_add_tail(&req->held, &pipe->held);
		judge = !pipe->judging;
		pipe->judging = true;
	} else {
		result = result_of(req);
	}
	if (judge)
		kref_get(&pipe->ref);
	spin_unlock_irqrestore(&pipe->lock, flags);

	if (stop) {
		WRITE_ONCE(pipe->endpoint->failed, true);
		usbfs2_pipe_cancel(pipe, NULL);
	}
	/* A held request may be finished and gone as soon as this is queued. */
	if (judge)
		queue_work(usbfs2_workqueue, &pipe->verdict);
	if (!hold)
		usbfs2_request_finish(req, result);
}

void usbfs2_verdict_work(struct work_struct *work)
{
	struct usbfs2_pipe *pipe = container_of(work, struct usbfs2_pipe,
						verdict);
	struct usbfs2_request *req;
	bool connected, start;
	unsigned long flags;

	connected = usbfs2_device_connected(pipe->dev);

	spin_lock_irqsave(&pipe->lock, flags);
	if (!connected)
		WRITE_ONCE(pipe->unplugged, true);
	list_for_each_entry(req, &pipe->held, held) {
		if (!connected && req->error)
			req->error = -ENODEV;
		req->result = result_of(req);
	}
	list_splice_tail_init(&pipe->held, &pipe->finished);
	start = !pipe->delivering;
	pipe->delivering = true;
	/* Whoever sees that judging is over also sees to queue behind these. */
	smp_store_release(&pipe->judging, false);
	spin_unlock_irqrestore(&pipe->lock, flags);
	/* Those that want to submit: see usbfs2_pipe_accept(). */
	wake_up_all(&pipe->drained);

	if (start)
		usbfs2_deliver_finished(pipe);
	usbfs2_pipe_put(pipe);
}
