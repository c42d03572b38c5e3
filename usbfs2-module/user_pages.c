// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: the memory of an asynchronous reader.
 *
 * A read that is still under way when io_submit() returns must find its way
 * into memory of a process that is not running when the device answers. Its
 * pages are pinned before the transfer starts, so the completion handler can
 * copy into them: no thread has to borrow the address space. They are memory
 * that the reader has been charged for. Most are matched by bounce pages, which
 * are charged too; but an iovec of one byte pins a page as well, and no limit
 * but that on the number of iovecs applies to those.
 *
 * FOLL_LONGTERM, because a device may take any time to answer.
 */
#include <linux/bvec.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "usbfs2.h"

/* The reader's memory, one range after the other. */
struct ranges {
	const struct iovec *iov;	/* NULL: the one range below */
	unsigned long count;
	struct iovec one;
	size_t skip;			/* of the first */
};

static int ranges_of(const struct iov_iter *iter, struct ranges *ranges)
{
	ranges->skip = iter->iov_offset;
	if (iter_is_ubuf(iter)) {
		ranges->one.iov_base = iter->ubuf;
		ranges->one.iov_len = iter->iov_offset + iter->count;
		ranges->iov = &ranges->one;
		ranges->count = 1;
		return 0;
	}
	if (!iter_is_iovec(iter))
		return -EINVAL;
	ranges->iov = usbfs2_compat_iter_iov(iter);
	ranges->count = iter->nr_segs;
	return 0;
}

/* The part of a range that belongs to what is left of the transfer. */
static size_t range_at(const struct ranges *ranges, unsigned long index,
		       size_t left, unsigned long *start)
{
	size_t skip = index ? 0 : ranges->skip;
	const struct iovec *iov = &ranges->iov[index];

	*start = (unsigned long)iov->iov_base + skip;
	return min(iov->iov_len - skip, left);
}

static size_t pages_in(unsigned long start, size_t length)
{
	return DIV_ROUND_UP(offset_in_page(start) + length, PAGE_SIZE);
}

static size_t count_pages(const struct ranges *ranges, size_t length)
{
	unsigned long index, start;
	size_t part, pages = 0;

	for (index = 0; length && index < ranges->count; index++) {
		part = range_at(ranges, index, length, &start);
		if (part)
			pages += pages_in(start, part);
		length -= part;
	}
	return pages;
}

/* Pins one range and describes it in user->pieces. */
static int pin_range(struct usbfs2_user_pages *user, unsigned long start,
		     size_t length)
{
	size_t wanted = pages_in(start, length), done = 0;
	struct page **pages = user->pages + user->count;
	size_t offset = offset_in_page(start);
	int got;

	while (done < wanted) {
		got = pin_user_pages_fast((start & PAGE_MASK) + done * PAGE_SIZE,
					  wanted - done,
					  FOLL_WRITE | FOLL_LONGTERM,
					  pages + done);
		if (got <= 0)
			return got ?: -EFAULT;
		done += got;
		user->count += got;
	}
	for (done = 0; done < wanted; done++) {
		struct bio_vec *piece = &user->pieces[user->piece_count++];

		piece->bv_page = pages[done];
		piece->bv_offset = offset;
		piece->bv_len = min(length, PAGE_SIZE - offset);
		length -= piece->bv_len;
		offset = 0;
		/* Only anonymous memory is dirtied without a lock. */
		if (!PageAnon(pages[done]))
			user->may_sleep = true;
	}
	return 0;
}

int usbfs2_user_pages_pin(struct usbfs2_user_pages *user,
			  const struct iov_iter *iter)
{
	size_t left = iov_iter_count(iter), count, part;
	unsigned long index, start;
	struct ranges ranges;
	int ret;

	ret = ranges_of(iter, &ranges);
	if (ret)
		return ret;
	count = count_pages(&ranges, left);
	if (!count)
		return 0;
	if (count <= ARRAY_SIZE(user->few_pages)) {
		user->pages = user->few_pages;
		user->pieces = user->few_pieces;
	} else {
		user->pages = kvmalloc_array(count, sizeof(*user->pages),
					     GFP_KERNEL_ACCOUNT);
		user->pieces = kvmalloc_array(count, sizeof(*user->pieces),
					      GFP_KERNEL_ACCOUNT);
		if (!user->pages || !user->pieces) {
			kvfree(user->pages);
			kvfree(user->pieces);
			user->pages = NULL;
			return -ENOMEM;
		}
		user->may_sleep = is_vmalloc_addr(user->pages) ||
				  is_vmalloc_addr(user->pieces);
	}
	for (index = 0; left && index < ranges.count; index++) {
		part = range_at(&ranges, index, left, &start);
		if (part)
			ret = pin_range(user, start, part);
		if (ret)
			return ret;
		left -= part;
	}
	return 0;
}

void usbfs2_user_pages_fill(struct usbfs2_user_pages *user,
			    struct usbfs2_buffer *buffer, size_t length)
{
	struct scatterlist *sg = usbfs2_buffer_pieces(buffer);
	const struct bio_vec *piece = user->pieces;
	size_t from = 0, to = 0, part;

	while (length) {
		part = min3(length, (size_t)sg->length - from,
			    (size_t)piece->bv_len - to);
		memcpy_to_page(piece->bv_page, piece->bv_offset + to,
			       sg_virt(sg) + from, part);
		length -= part;
		from += part;
		to += part;
		if (from == sg->length) {
			sg = sg_next(sg);
			from = 0;
		}
		if (to == piece->bv_len) {
			piece++;
			to = 0;
		}
	}
}

void usbfs2_user_pages_release(struct usbfs2_user_pages *user)
{
	unsigned int i;

	if (user->may_sleep) {
		unpin_user_pages_dirty_lock(user->pages, user->count, true);
	} else {
		for (i = 0; i < user->count; i++)
			set_page_dirty(user->pages[i]);
		unpin_user_pages(user->pages, user->count);
	}
	if (user->pages != user->few_pages) {
		kvfree(user->pages);
		kvfree(user->pieces);
	}
	user->pages = NULL;
}
