// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: asynchronous reads of a user who has pinned all that he may.
 *
 * What arrived is copied by a work item, which reaches into the reader's
 * address space page by page. That space may be gone, although its mm_struct is
 * not: a command of io_uring outlives the task that submitted it. Nothing here
 * waits for user space: without FAULT_FLAG_ALLOW_RETRY a userfaultfd's memory is
 * a fault at once. Nor for the end of the address space, should we be its last
 * user, which waits for kiocbs behind us.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "usbfs2.h"

struct usbfs2_late {
	struct mm_struct *mm;		/* referenced, its memory is not */
	unsigned int at;		/* iovec, and byte of it, to go on with */
	size_t offset;
	unsigned int count;
	struct iovec iovs[];
};

struct usbfs2_late *usbfs2_late_new(const struct iov_iter *iter)
{
	const bool one = iter_is_ubuf(iter);
	struct usbfs2_late *late;
	size_t count;

	if (!one && !iter_is_iovec(iter))
		return ERR_PTR(-EINVAL);
	count = one ? 1 : iter->nr_segs;
	late = kzalloc(struct_size(late, iovs, count), GFP_KERNEL_ACCOUNT);
	if (!late)
		return ERR_PTR(-ENOMEM);
	late->mm = current->mm;
	mmgrab(late->mm);
	late->count = count;
	late->offset = one ? 0 : iter->iov_offset;
	if (one) {
		late->iovs[0].iov_base = iter->ubuf + iter->iov_offset;
		late->iovs[0].iov_len = iov_iter_count(iter);
	} else {
		memcpy(late->iovs, usbfs2_compat_iter_iov(iter),
		       count * sizeof(*late->iovs));
	}
	return late;
}

static bool put_in_page(struct usbfs2_late *late, unsigned long address,
			const void *from, size_t length)
{
	struct page *page;
	long got;

	mmap_read_lock(late->mm);
	got = usbfs2_compat_pin_remote(late->mm, address & PAGE_MASK, 1,
				       FOLL_WRITE, &page);
	mmap_read_unlock(late->mm);
	if (got != 1)
		return false;
	memcpy_to_page(page, offset_in_page(address), from, length);
	unpin_user_pages_dirty_lock(&page, 1, true);
	return true;
}

static bool put(struct usbfs2_late *late, const void *from, size_t length)
{
	while (length && late->at < late->count) {
		const struct iovec *iov = &late->iovs[late->at];
		const unsigned long address = (unsigned long)iov->iov_base +
					      late->offset;
		const size_t part = min3(length, iov->iov_len - late->offset,
					 PAGE_SIZE - offset_in_page(address));

		if (part && !put_in_page(late, address, from, part))
			return false;
		length -= part;
		from += part;
		late->offset += part;
		if (late->offset == iov->iov_len) {
			late->at++;
			late->offset = 0;
		}
	}
	return !length;
}

void usbfs2_late_free(struct usbfs2_late *late)
{
	mmdrop(late->mm);
	kfree(late);
}

static bool copy(struct usbfs2_late *late, const struct usbfs2_buffer *buffer,
		 size_t length)
{
	struct scatterlist *sg = buffer->table.sgl;
	size_t part;

	if (!sg)
		return put(late, buffer->memory, length);
	for (; length; sg = sg_next(sg), length -= part) {
		part = min_t(size_t, length, sg->length);
		if (!put(late, sg_virt(sg), part))
			return false;
	}
	return true;
}

bool usbfs2_late_copy(struct usbfs2_late *late,
		      const struct usbfs2_buffer *buffer, size_t length)
{
	bool copied;

	if (!mmget_not_zero(late->mm))
		return false;
	copied = copy(late, buffer, length);
	mmput_async(late->mm);
	return copied;
}
