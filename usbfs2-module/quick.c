// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: a ring's transfer in mapped memory, from its place to the controller
 * and back, with the lock taken once each way.
 *
 * It is what rings are for, so what spare.c, memory.c and pipe.c do one after
 * the other for any request is done here at once for this one, as long as all
 * of it is simple: the pipe runs, a request is to spare, the memory is one piece.
 * Otherwise nothing is done, and the caller goes the long way.
 *
 * Such a request is the queue's alone. Whoever starts it needs no reference: once
 * the URB is submitted the request is not touched, and one that is refused stays
 * on the queue until it is finished here.
 */
#include <linux/dma-mapping.h>

#include "usbfs2.h"

/* pipe->lock held. The memory as one piece; false: the controller takes it not. */
static bool borrow(struct usbfs2_request *req, struct usbfs2_mapping *mapping,
		   unsigned long start, size_t length)
{
	const size_t alignment = dma_get_cache_alignment();
	const struct usbfs2_pipe *pipe = req->pipe;
	const size_t at = start - mapping->start;
	struct page *page = mapping->pages[at / PAGE_SIZE];

	if (length > pipe->most_in_piece || PageHighMem(page) ||
	    ((pipe->address & USB_DIR_IN) && (at | length) % alignment) ||
	    !(mapping->one_run || offset_in_page(at) + length <= PAGE_SIZE))
		return false;
	req->buffer.length = length;
	req->buffer.memory = page_address(page) + offset_in_page(at);
	req->buffer.borrowed = true;
	return true;
}

/* pipe->lock held. NULL: it is not as simple as that. */
static struct usbfs2_request *take(struct usbfs2_pipe *pipe,
				   const struct mm_struct *mm,
				   unsigned long start, size_t length)
{
	struct usbfs2_mapping *mapping;
	struct usbfs2_request *req;

	if (pipe->state != USBFS2_RUNNING || !length)
		return NULL;
	mapping = usbfs2_mapping_look(pipe, mm, start, length);
	req = usbfs2_spare_first(pipe);
	if (!mapping || !req || !borrow(req, mapping, start, length))
		return NULL;
	refcount_inc(&mapping->ref);
	req->mapping = mapping;
	usbfs2_spare_take(req);
	return req;
}

bool usbfs2_quick_start(struct usbfs2_batches *batches,
			const struct mm_struct *mm, fl_owner_t owner,
			const struct usbfs2_asked *asked)
{
	struct usbfs2_pipe *pipe = batches->pipe;
	struct usbfs2_request *req;
	unsigned long flags;
	struct urb *urb;
	int ret;

	spin_lock_irqsave(&pipe->lock, flags);
	req = take(pipe, mm, asked->address, asked->length);
	if (!req) {
		spin_unlock_irqrestore(&pipe->lock, flags);
		return false;
	}
	req->in = pipe->address & USB_DIR_IN;
	req->owner = owner;
	req->batched = true;
	req->quick = true;
	urb = req->urb;
	urb->transfer_flags = asked->flags ? URB_ZERO_PACKET : 0;
	usbfs2_buffer_to_urb(&req->buffer, urb);
	usbfs2_pipe_enqueue(pipe, req);
	spin_unlock_irqrestore(&pipe->lock, flags);

	if (READ_ONCE(pipe->dev->may_sleep))
		usb_mark_last_busy(pipe->dev->udev);
	/* NOIO: as in usbfs2_request_start(). */
	ret = usb_submit_urb(urb, GFP_NOIO);
	if (ret)
		usbfs2_request_finish(req, usbfs2_submit_error(pipe, ret));
	return true;
}

void usbfs2_quick_end(struct usbfs2_request *req)
{
	struct usbfs2_mapping *mapping = req->mapping;

	req->mapping = NULL;
	req->buffer.memory = NULL;
	req->buffer.borrowed = false;
	usbfs2_pipe_retire(req->pipe, req);
	usbfs2_mapping_put(mapping);
}
