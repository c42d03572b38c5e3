// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: where a transfer's bytes are while it is under way: in a mapping of
 * the file, in the caller's own pages, or in a copy.
 */
#include <linux/uio.h>

#include "usbfs2.h"

/* See memory_in_place(). */
#define USBFS2_LEAST_IN_PLACE	512U
#define USBFS2_WORTH_A_PIN	2048U

/* The address of memory that is one range; 0: it is not. */
static unsigned long one_range(const struct iov_iter *iter)
{
	if (iter_is_ubuf(iter))
		return (unsigned long)iter->ubuf + iter->iov_offset;
	if (iter_is_iovec(iter) && iter->nr_segs == 1)
		return (unsigned long)usbfs2_compat_iter_iov(iter)->iov_base +
		       iter->iov_offset;
	return 0;
}

/* ENXIO: it is in no mapping, or not as the controller could take it. */
static int memory_in_mapping(struct usbfs2_request *req,
			     const struct mm_struct *mm, unsigned long start,
			     size_t length)
{
	struct usbfs2_mapping *mapping;
	unsigned long at;
	int ret;

	mapping = usbfs2_mapping_find(req->pipe, mm, start, length);
	if (!mapping)
		return -ENXIO;
	at = start - mapping->start;
	ret = usbfs2_buffer_borrow(&req->buffer, length, req->pipe,
				   mapping->pages + at / PAGE_SIZE,
				   offset_in_page(at));
	if (ret)
		usbfs2_mapping_put(mapping);
	else
		req->mapping = mapping;
	return ret;
}

static int memory_to_copy(struct usbfs2_request *req, struct iov_iter *iter,
			  bool later)
{
	int ret;

	ret = usbfs2_buffer_alloc(&req->buffer, iov_iter_count(iter),
				  req->pipe);
	if (ret)
		return ret;
	if (!req->in)
		return usbfs2_buffer_from_iter(&req->buffer, iter) ? 0 :
								     -EFAULT;
	if (!later)
		return 0;
	ret = usbfs2_user_pages_pin(&req->user, iter);
	if (ret != -EDQUOT)
		return ret;
	/* A ring's transfer may outlive the address space. */
	if (!req->iocb && !req->uring)
		return -ENOMEM;
	req->late = usbfs2_late_new(iter);
	ret = PTR_ERR_OR_ZERO(req->late);
	if (ret)
		req->late = NULL;
	return ret;
}

/*
 * Pinning costs about as much as copying 2 KiB for each page, whatever of it is
 * used; but an asynchronous read pins in any case. The smallest are copied all
 * the same: two of them in a cache line could not be in flight at once.
 * ENXIO: it is to be copied.
 */
static int memory_in_place(struct usbfs2_request *req, unsigned long start,
			   size_t length, bool later)
{
	const size_t offset = offset_in_page(start);
	const size_t pages = DIV_ROUND_UP(offset + length, PAGE_SIZE);
	const bool pinned = later && req->in;
	int ret;

	/* Control transfers are few and small. */
	if (!req->pipe->endpoint || length < USBFS2_LEAST_IN_PLACE ||
	    (!pinned && length < pages * USBFS2_WORTH_A_PIN) ||
	    !usbfs2_buffer_may_borrow(req->pipe, offset, length))
		return -ENXIO;
	ret = usbfs2_user_pages_pin_at(&req->user, (void __user *)start, length,
				       req->in);
	if (!ret)
		ret = usbfs2_buffer_borrow(&req->buffer, length, req->pipe,
					   req->user.pages, offset);
	if (!ret)
		return 0;
	if (req->user.pages)
		usbfs2_user_pages_release(&req->user);
	/* Not all memory can be pinned for long; copying will tell. */
	return -ENXIO;
}

/* A buffer registered with io_uring, which keeps it as long as the command. */
static int memory_registered(struct usbfs2_request *req, struct iov_iter *iter)
{
	const size_t length = iov_iter_count(iter);
	int ret;

	ret = usbfs2_user_pages_registered(&req->user, iter);
	if (ret)
		return ret;
	ret = -ENXIO;
	if (req->pipe->endpoint && usbfs2_user_pages_are_one_range(&req->user))
		ret = usbfs2_buffer_borrow(&req->buffer, length, req->pipe,
					   req->user.pages,
					   req->user.pieces->bv_offset);
	if (ret != -ENXIO)
		return ret;
	ret = usbfs2_buffer_alloc(&req->buffer, length, req->pipe);
	if (!ret && !req->in && !usbfs2_buffer_from_iter(&req->buffer, iter))
		ret = -EFAULT;
	return ret;
}

int usbfs2_request_memory(struct usbfs2_request *req, struct iov_iter *iter,
			  bool later)
{
	const unsigned long start = one_range(iter);
	const size_t length = iov_iter_count(iter);
	int ret = -ENXIO;

	req->buffer.length = length;
	if (length && later && iov_iter_is_bvec(iter))
		ret = memory_registered(req, iter);
	if (length && start)
		ret = memory_in_mapping(req, current->mm, start, length);
	if (ret == -ENXIO && length && start)
		ret = memory_in_place(req, start, length, later);
	if (ret == -ENXIO && length)
		ret = memory_to_copy(req, iter, later);
	else if (!length)
		ret = 0;
	usbfs2_buffer_to_urb(&req->buffer, req->urb);
	return ret;
}

int usbfs2_request_mapped_memory(struct usbfs2_request *req,
				 const struct mm_struct *mm,
				 unsigned long start, size_t length)
{
	int ret = 0;

	req->buffer.length = length;
	if (length)
		ret = memory_in_mapping(req, mm, start, length);
	usbfs2_buffer_to_urb(&req->buffer, req->urb);
	return ret;
}
