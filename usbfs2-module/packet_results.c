// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: the results of isochronous packets, and their way to the caller.
 *
 * usbcore says EXDEV of every packet at first. Whether one that still says so
 * in the end was missed or never came its turn, no controller tells: behind the
 * last one of a cancelled URB that was served, it counts as cancelled.
 */
#include <linux/uio.h>

#include "usbfs2.h"

/* What became of the packets an URB did not come to; 0: it came to all. */
static int error_of_rest(const struct usbfs2_request *req, int status)
{
	const struct usbfs2_pipe *pipe = req->pipe;

	switch (status) {
	case 0:
	case -EXDEV:
		return 0;
	case -ENOENT:
	case -ECONNRESET:
	case -ESHUTDOWN:	/* also: a new alternate setting or suspend */
		if (pipe->dev->udev->state != USB_STATE_NOTATTACHED &&
		    READ_ONCE(pipe->state) != USBFS2_GONE)
			return -ECANCELED;
		return -ENODEV;
	case -ENODEV:
	case -ECANCELED:	/* from here on: never submitted */
	case -ENOMEM:
	case -ENOSPC:
	case -EINVAL:
		return status;
	default:
		return -EPROTO;
	}
}

static int packet_error(int status)
{
	switch (status) {
	case 0:
	case -EXDEV:
	case -EOVERFLOW:
	case -EILSEQ:
		return status;
	default:
		/* The controller's memory was too slow, among others. */
		return -EPROTO;
	}
}

/* How many packets from the first on the URB came to. */
static unsigned int served(const struct urb *urb, int rest)
{
	unsigned int count = urb->number_of_packets;

	if (!rest)
		return count;
	/* A device that is gone no longer answers, however that is told. */
	while (count && (urb->iso_frame_desc[count - 1].status == -EXDEV ||
			 (rest == -ENODEV &&
			  urb->iso_frame_desc[count - 1].status)))
		count--;
	return count;
}

ssize_t usbfs2_packets_result(struct usbfs2_request *req)
{
	struct usbfs2_packets *packets = req->packets;
	struct usbfs2_status *status = packets->statuses;
	unsigned int i, k, count, done = 0, errors = 0;
	int rest, error, failure = 0;
	ssize_t bytes = 0;

	for (i = 0; i < packets->urb_count; i++) {
		const struct urb *urb = packets->urbs[i];

		rest = error_of_rest(req, urb->status);
		failure = failure ?: rest;
		count = served(urb, rest);
		done += count;
		for (k = 0; k < urb->number_of_packets; k++, status++) {
			const struct usb_iso_packet_descriptor *packet =
				&urb->iso_frame_desc[k];

			error = k < count ? packet_error(packet->status) : rest;
			status->status = error;
			/* Of what was sent, EHCI need not keep the count. */
			if (error)
				errors++;
			else if (req->in)
				status->length = min(packet->actual_length,
						     packet->length);
			else
				status->length = packet->length;
			bytes += status->length;
		}
	}
	status->length = packets->urbs[0]->start_frame;
	status->status = errors;
	return done ? bytes : failure;
}

/* Where a reader's bytes go. */
struct sink {
	struct iov_iter *iter;		/* NULL: to place */
	struct usbfs2_user_place place;
};

static bool put(struct sink *sink, const void *from, size_t length)
{
	if (sink->iter)
		return copy_to_iter(from, length, sink->iter) == length;
	usbfs2_user_pages_put(&sink->place, from, length);
	return true;
}

static void skip(struct sink *sink, size_t length)
{
	if (sink->iter)
		iov_iter_advance(sink->iter, length);
	else
		usbfs2_user_pages_skip(&sink->place, length);
}

/* Packets as long as their slots go together. */
static bool put_packets(const struct usbfs2_request *req, struct sink *sink)
{
	const struct usbfs2_status *status = req->packets->statuses;
	unsigned int i, k;

	for (i = 0; i < req->packets->urb_count; i++) {
		const struct urb *urb = req->packets->urbs[i];
		size_t begin = 0, end;

		for (k = 0; k < urb->number_of_packets; k++, status++) {
			const struct usb_iso_packet_descriptor *packet =
				&urb->iso_frame_desc[k];

			if (status->length == packet->length)
				continue;
			end = packet->offset + status->length;
			if (!put(sink, urb->transfer_buffer + begin,
				 end - begin))
				return false;
			begin = packet->offset + packet->length;
			skip(sink, begin - end);
		}
		end = urb->transfer_buffer_length;
		if (!put(sink, urb->transfer_buffer + begin, end - begin))
			return false;
	}
	return true;
}

void usbfs2_packets_fill(struct usbfs2_request *req)
{
	struct sink sink = { .place.piece = req->user.pieces };

	if (req->in)
		put_packets(req, &sink);
	usbfs2_user_pages_put(&sink.place, req->packets->statuses,
			      req->packets->status_size);
}

bool usbfs2_packets_to_user(struct usbfs2_request *req, struct iov_iter *to)
{
	struct sink sink = { .iter = to };

	if (req->in && !put_packets(req, &sink))
		return false;
	return !req->packets->status_to ||
	       !copy_to_user(req->packets->status_to, req->packets->statuses,
			     req->packets->status_size);
}
