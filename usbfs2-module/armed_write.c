// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: writing to armed OUT endpoints.
 *
 * A write is copied, queued and done: what becomes of it is told by the next
 * write, by fsync, or by close. The queue has USBFS2_ARMED_TRANSFERS and, of a
 * bulk endpoint, USBFS2_ARMED_BYTES. A longer bulk write is cut between packets,
 * which nobody sees on the wire, and the caller writes the rest.
 */
#include <linux/uio.h>

#include "usbfs2.h"

/* How long close() waits for the device to take what is queued. */
#define USBFS2_LAST_WORDS	HZ

/* pipe->lock held. How much of a write there is room for; EAGAIN for none. */
static ssize_t room(const struct usbfs2_pipe *pipe, size_t length)
{
	const struct usbfs2_armed *armed = pipe->armed;
	size_t left;

	if (pipe->state == USBFS2_PAUSED)
		return -EAGAIN;
	if (armed->count >= USBFS2_ARMED_TRANSFERS)
		return -EAGAIN;
	/* A report is a transfer, whole. */
	if (pipe->type == USB_ENDPOINT_XFER_INT)
		return length <= USBFS2_ARMED_BYTES ? length : -EMSGSIZE;
	left = USBFS2_ARMED_BYTES - armed->bytes;
	if (length <= left)
		return length;
	left -= left % pipe->max_packet;
	return left ?: -EAGAIN;
}

/*
 * pipe->lock held. What a switch cancels is told once, at its end, when all of
 * it is known: until then nothing is told, and there is no room.
 */
static bool may_tell(const struct usbfs2_pipe *pipe)
{
	return pipe->armed->error && pipe->state != USBFS2_PAUSED;
}

/* The error that is owed comes first. */
static ssize_t reserve(struct usbfs2_pipe *pipe, size_t length)
{
	unsigned long flags;
	ssize_t ret;

	spin_lock_irqsave(&pipe->lock, flags);
	if (may_tell(pipe)) {
		ret = pipe->armed->error;
		pipe->armed->error = 0;
	} else {
		ret = room(pipe, length);
	}
	if (ret >= 0) {
		pipe->armed->count++;
		pipe->armed->bytes += ret;
	}
	spin_unlock_irqrestore(&pipe->lock, flags);
	return ret;
}

static void give_up(struct usbfs2_pipe *pipe, size_t length)
{
	unsigned long flags;

	spin_lock_irqsave(&pipe->lock, flags);
	pipe->armed->count--;
	pipe->armed->bytes -= length;
	spin_unlock_irqrestore(&pipe->lock, flags);
	wake_up_interruptible(&pipe->armed->wait);
}

bool usbfs2_armed_writable(struct usbfs2_pipe *pipe)
{
	unsigned long flags;
	bool writable;

	spin_lock_irqsave(&pipe->lock, flags);
	writable = may_tell(pipe) ||
		   room(pipe, pipe->max_packet) == pipe->max_packet;
	spin_unlock_irqrestore(&pipe->lock, flags);
	return writable;
}

/* Copies length bytes and starts their transfer. */
static int queue(struct usbfs2_pipe *pipe, struct iov_iter *from,
		 size_t length, u64 flags)
{
	struct usbfs2_request *req;
	int ret;

	req = usbfs2_armed_request(pipe, length);
	if (IS_ERR(req))
		return PTR_ERR(req);
	if (flags & USBFS2_ZERO_PACKET)
		req->urb->transfer_flags = URB_ZERO_PACKET;
	ret = usbfs2_buffer_from_iter(&req->buffer, from) ? 0 : -EFAULT;
	if (!ret)
		ret = usbfs2_request_start(req);
	if (ret)
		usbfs2_request_put(req);
	return ret;
}

/* armed->user held: writes are queued in the order of the calls. */
static ssize_t write_some(struct usbfs2_pipe *pipe, struct iov_iter *from,
			  u64 flags)
{
	const size_t length = iov_iter_count(from);
	ssize_t some;
	int ret;

	some = reserve(pipe, length);
	if (some < 0)
		return some;
	if (some < length)
		flags = 0;
	ret = queue(pipe, from, some, flags);
	if (!ret)
		return some;
	give_up(pipe, some);
	if (ret != -ECANCELED)
		return ret;
	/* A switch began meanwhile: nothing was sent. */
	iov_iter_revert(from, some);
	return -EAGAIN;
}

ssize_t usbfs2_armed_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct usbfs2_pipe *pipe = iocb->ki_filp->private_data;
	struct usbfs2_armed *armed = pipe->armed;
	ssize_t ret;

	if ((pipe->address & USB_DIR_IN) || (iocb->ki_pos & ~USBFS2_ZERO_PACKET))
		return -EINVAL;
	do {
		ret = usbfs2_armed_lock(armed, iocb);
		if (ret)
			return ret;
		ret = write_some(pipe, from, iocb->ki_pos);
		mutex_unlock(&armed->user);
		if (ret != -EAGAIN || usbfs2_armed_nowait(iocb))
			return ret;
		ret = wait_event_interruptible(armed->wait,
					       usbfs2_armed_writable(pipe));
	} while (!ret);
	return usbfs2_armed_interrupted(iocb, ret);
}

static bool is_drained(struct usbfs2_pipe *pipe)
{
	return !READ_ONCE(pipe->armed->count);
}

/* Not before the end of a switch, as may_tell() says. */
static bool is_drained_for_good(struct usbfs2_pipe *pipe)
{
	unsigned long flags;
	bool drained;

	spin_lock_irqsave(&pipe->lock, flags);
	drained = is_drained(pipe) && pipe->state != USBFS2_PAUSED;
	spin_unlock_irqrestore(&pipe->lock, flags);
	return drained;
}

int usbfs2_armed_drain(struct usbfs2_pipe *pipe)
{
	int ret;

	ret = wait_event_interruptible(pipe->armed->wait,
				       is_drained_for_good(pipe));
	return ret ?: usbfs2_armed_take_error(pipe);
}

int usbfs2_armed_last_words(struct usbfs2_pipe *pipe)
{
	wait_event_interruptible_timeout(pipe->armed->wait, is_drained(pipe),
					 USBFS2_LAST_WORDS);
	/* Cut off, what was left says ECANCELED. */
	usbfs2_pipe_cancel(pipe, NULL);
	usbfs2_pipe_wait_idle(pipe);
	return usbfs2_armed_take_error(pipe);
}
