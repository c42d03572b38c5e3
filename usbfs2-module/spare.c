// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: requests and their URBs, kept for the next transfer.
 *
 * Making a request and an URB costs about as much as a small transfer, so that
 * a pipe keeps some of those that are over, the last one first: it is in the
 * cache yet. A small copy buffer stays with them.
 */
#include <linux/slab.h>

#include "usbfs2.h"

/* Half a megabyte at most, if each has its buffer; few queues are deeper. */
#define USBFS2_SPARES	128U

static void request_free(struct usbfs2_request *req)
{
	usbfs2_buffer_free(&req->buffer);
	usb_free_urb(req->urb);
	usbfs2_packets_free(req->packets);
	kfree(req);
}

void usbfs2_spare_free(struct usbfs2_pipe *pipe)
{
	struct usbfs2_request *req;
	struct hlist_node *next;

	hlist_for_each_entry_safe(req, next, &pipe->spare, spare)
		request_free(req);
}

/* What the transfer had to itself. May sleep where user->may_sleep says so. */
static void drop_memory(struct usbfs2_request *req)
{
	usbfs2_buffer_drop(&req->buffer);
	if (req->mapping) {
		usbfs2_mapping_put(req->mapping);
		req->mapping = NULL;
	}
	if (req->user.pages)
		usbfs2_user_pages_release(&req->user);
	if (req->late) {
		usbfs2_late_free(req->late);
		req->late = NULL;
	}
}

/* pipe->lock held. Whether it is kept: then it needs to be freed no more. */
static bool keep(struct usbfs2_pipe *pipe, struct usbfs2_request *req)
{
	if (!req->urb || pipe->spares >= USBFS2_SPARES)
		return false;
	pipe->spares++;
	hlist_add_head(&req->spare, &pipe->spare);
	return true;
}

static void request_over(struct usbfs2_request *req)
{
	struct usbfs2_pipe *pipe = req->pipe;
	unsigned long flags;
	bool kept;

	drop_memory(req);
	spin_lock_irqsave(&pipe->lock, flags);
	kept = keep(pipe, req);
	spin_unlock_irqrestore(&pipe->lock, flags);
	if (!kept)
		request_free(req);
	atomic_long_dec(&usbfs2_live_requests);
	usbfs2_pipe_put(pipe);
}

void usbfs2_request_lighten(struct usbfs2_request *req)
{
	if (!req->packets && !(req->user.pages && req->user.may_sleep))
		drop_memory(req);
}

bool usbfs2_request_put_light(struct usbfs2_request *req)
{
	lockdep_assert_held(&req->pipe->lock);
	/* Off the queue, it gets no new holder. */
	if (refcount_read(&req->ref) != 1 || req->mapping || req->user.pages ||
	    req->buffer.memory || req->buffer.table.sgl ||
	    !keep(req->pipe, req))
		return false;
	atomic_long_dec(&usbfs2_live_requests);
	return true;
}

static void release_work(struct work_struct *work)
{
	request_over(container_of(work, struct usbfs2_request, release));
}

void usbfs2_request_put(struct usbfs2_request *req)
{
	if (!refcount_dec_and_test(&req->ref))
		return;
	if (req->user.pages && req->user.may_sleep) {
		INIT_WORK(&req->release, release_work);
		queue_work(usbfs2_workqueue, &req->release);
		return;
	}
	request_over(req);
}

static void init(struct usbfs2_request *req, struct usbfs2_pipe *pipe, bool in)
{
	atomic_long_inc(&usbfs2_live_requests);
	INIT_LIST_HEAD(&req->link);
	refcount_set(&req->ref, 1);
	kref_get(&pipe->ref);
	req->pipe = pipe;
	req->in = in;
	req->owner = current->files;
}

struct usbfs2_request *usbfs2_request_bare(struct usbfs2_pipe *pipe, bool in)
{
	struct usbfs2_request *req;

	req = kzalloc(sizeof(*req), GFP_KERNEL_ACCOUNT);
	if (!req)
		return ERR_PTR(-ENOMEM);
	init(req, pipe, in);
	return req;
}

void usbfs2_spare_take(struct usbfs2_request *req)
{
	struct usbfs2_pipe *pipe = req->pipe;
	struct urb *urb = req->urb;

	lockdep_assert_held(&pipe->lock);
	hlist_del(&req->spare);
	pipe->spares--;
	atomic_long_inc(&usbfs2_live_requests);
	refcount_set(&req->ref, 1);
	kref_get(&pipe->ref);
	req->cancelled = false;
	req->culprit = false;
	req->batched = false;
	req->quick = false;
	req->iocb = NULL;
	req->uring = NULL;
	/* By whoever cancelled it, all of whom let go of it. */
	if (atomic_read(&urb->reject))
		usb_unblock_urb(urb);
}

static struct usbfs2_request *take_spare(struct usbfs2_pipe *pipe)
{
	struct usbfs2_request *req;
	unsigned long flags;

	spin_lock_irqsave(&pipe->lock, flags);
	req = usbfs2_spare_first(pipe);
	if (req)
		usbfs2_spare_take(req);
	spin_unlock_irqrestore(&pipe->lock, flags);
	return req;
}

struct usbfs2_request *usbfs2_request_new(struct usbfs2_pipe *pipe, bool in)
{
	struct usbfs2_request *req;
	struct urb *urb;

	req = take_spare(pipe);
	if (req) {
		req->in = in;
		req->owner = current->files;
		return req;
	}
	req = usbfs2_request_bare(pipe, in);
	if (IS_ERR(req))
		return req;
	urb = usb_alloc_urb(0, GFP_KERNEL_ACCOUNT);
	if (!urb) {
		usbfs2_request_put(req);
		return ERR_PTR(-ENOMEM);
	}
	urb->dev = pipe->dev->udev;
	urb->pipe = pipe->urb_pipe;
	urb->interval = pipe->urb_interval;
	urb->complete = usbfs2_urb_complete;
	urb->context = req;
	req->urb = urb;
	return req;
}
