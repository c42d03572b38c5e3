// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: pinned memory of the caller.
 *
 * A read that is still under way when io_submit() returns must find its way
 * into memory of a process that is not running when the device answers. Its
 * pages are pinned before the transfer starts: the controller works on them in
 * place where it can, or the completion handler copies into them.
 *
 * FOLL_LONGTERM, because a device may take any time to answer. So the pages
 * count towards RLIMIT_MEMLOCK of the user, with those of io_uring and others
 * (user->locked_vm). Beyond it nothing is pinned: late_copy.c.
 */
#include <linux/bvec.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "usbfs2.h"

/* The caller's memory, one range after the other. */
struct ranges {
	const struct iovec *iov;	/* NULL: the one range below */
	unsigned long count;
	struct iovec one;
	size_t skip;			/* of the first */
};

static void range_at_address(struct ranges *ranges, void __user *start,
			     size_t length)
{
	ranges->one.iov_base = start;
	ranges->one.iov_len = length;
	ranges->iov = &ranges->one;
	ranges->count = 1;
	ranges->skip = 0;
}

static int ranges_of(const struct iov_iter *iter, struct ranges *ranges)
{
	if (iter_is_ubuf(iter)) {
		range_at_address(ranges, iter->ubuf + iter->iov_offset,
				 iter->count);
		return 0;
	}
	if (!iter_is_iovec(iter))
		return -EINVAL;
	ranges->skip = iter->iov_offset;
	ranges->iov = usbfs2_compat_iter_iov(iter);
	ranges->count = iter->nr_segs;
	return 0;
}

/*
 * Takes the next range of what is left of the transfer, and those that follow
 * it without a gap: hundreds of packets may share a page. 0: there is none.
 */
static size_t take_range(struct ranges *ranges, size_t left,
			 unsigned long *start)
{
	size_t length = 0, part;
	unsigned long at;

	for (; ranges->count && length < left; ranges->iov++, ranges->count--) {
		at = (unsigned long)ranges->iov->iov_base + ranges->skip;
		part = min(ranges->iov->iov_len - ranges->skip, left - length);
		if (part && length && at != *start + length)
			break;
		if (!length)
			*start = at;
		length += part;
		ranges->skip = 0;
	}
	return length;
}

static size_t pages_in(unsigned long start, size_t length)
{
	return DIV_ROUND_UP(offset_in_page(start) + length, PAGE_SIZE);
}

static size_t count_pages(struct ranges ranges, size_t left)
{
	unsigned long start;
	size_t part, pages = 0;

	while ((part = take_range(&ranges, left, &start))) {
		pages += pages_in(start, part);
		left -= part;
	}
	return pages;
}

/* EDQUOT: beyond the limit. */
static int charge(struct usbfs2_user_pages *user, unsigned long pages)
{
	const unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	struct user_struct *payer = current_user();
	long now = atomic_long_read(&payer->locked_vm);

	do {
		if (now + pages > limit && !capable(CAP_IPC_LOCK))
			return -EDQUOT;
	} while (!atomic_long_try_cmpxchg(&payer->locked_vm, &now,
					  now + pages));
	user->payer = get_uid(payer);
	user->charged = pages;
	return 0;
}

static void uncharge(struct usbfs2_user_pages *user)
{
	atomic_long_sub(user->charged, &user->payer->locked_vm);
	free_uid(user->payer);
}

/* Pins one range and describes it in user->pieces. */
static int pin_range(struct usbfs2_user_pages *user, unsigned long start,
		     size_t length)
{
	const unsigned int flags = FOLL_LONGTERM |
				   (user->written ? FOLL_WRITE : 0);
	size_t wanted = pages_in(start, length), done = 0;
	struct page **pages = user->pages + user->count;
	size_t offset = offset_in_page(start);
	int got;

	while (done < wanted) {
		got = pin_user_pages_fast((start & PAGE_MASK) + done * PAGE_SIZE,
					  wanted - done,
					  flags, pages + done);
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
		if (user->written && !PageAnon(pages[done]))
			user->may_sleep = true;
	}
	return 0;
}

/* Room for so many pages. */
static int make_room(struct usbfs2_user_pages *user, size_t count)
{
	if (count <= ARRAY_SIZE(user->few_pages)) {
		user->pages = user->few_pages;
		user->pieces = user->few_pieces;
		return 0;
	}
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
	return 0;
}

static int pin(struct usbfs2_user_pages *user, struct ranges ranges,
	       size_t left)
{
	size_t count = count_pages(ranges, left), part;
	unsigned long start;
	int ret;

	if (!count)
		return 0;
	ret = charge(user, count);
	if (ret)
		return ret;
	ret = make_room(user, count);
	if (ret) {
		uncharge(user);
		return ret;
	}
	while ((part = take_range(&ranges, left, &start))) {
		ret = pin_range(user, start, part);
		if (ret)
			return ret;
		left -= part;
	}
	return 0;
}

int usbfs2_user_pages_pin(struct usbfs2_user_pages *user,
			  const struct iov_iter *iter)
{
	struct ranges ranges;
	int ret;

	ret = ranges_of(iter, &ranges);
	if (ret)
		return ret;
	user->written = true;
	return pin(user, ranges, iov_iter_count(iter));
}

int usbfs2_user_pages_pin_at(struct usbfs2_user_pages *user,
			     void __user *start, size_t length, bool written)
{
	struct ranges ranges;

	range_at_address(&ranges, start, length);
	user->written = written;
	return pin(user, ranges, length);
}

int usbfs2_user_pages_registered(struct usbfs2_user_pages *user,
				 const struct iov_iter *iter)
{
	const struct bvec_iter start = {
		.bi_size = iov_iter_count(iter),
		.bi_bvec_done = iter->iov_offset,
	};
	struct bvec_iter at;
	struct bio_vec piece;
	size_t count = 0;
	int ret;

	for_each_bvec(piece, iter->bvec, at, start)
		count++;
	ret = make_room(user, count);
	if (ret)
		return ret;
	user->registered = true;
	for_each_bvec(piece, iter->bvec, at, start) {
		user->pages[user->count++] = piece.bv_page;
		user->pieces[user->piece_count++] = piece;
	}
	return 0;
}

bool usbfs2_user_pages_are_one_range(const struct usbfs2_user_pages *user)
{
	const struct bio_vec *piece = user->pieces;
	unsigned int i;

	for (i = 1; i < user->piece_count; i++, piece++)
		if (piece->bv_offset + piece->bv_len != PAGE_SIZE ||
		    piece[1].bv_offset)
			return false;
	return true;
}

/* Up to length bytes of the piece at place. */
static size_t take_piece(struct usbfs2_user_place *place, size_t length)
{
	size_t part = min(length, place->piece->bv_len - place->offset);

	place->offset += part;
	if (place->offset == place->piece->bv_len) {
		place->piece++;
		place->offset = 0;
	}
	return part;
}

void usbfs2_user_pages_put(struct usbfs2_user_place *place, const void *from,
			   size_t length)
{
	size_t part;

	for (; length; length -= part, from += part) {
		const struct bio_vec *piece = place->piece;
		size_t offset = piece->bv_offset + place->offset;

		part = take_piece(place, length);
		memcpy_to_page(piece->bv_page, offset, from, part);
	}
}

void usbfs2_user_pages_skip(struct usbfs2_user_place *place, size_t length)
{
	while (length)
		length -= take_piece(place, length);
}

void usbfs2_user_pages_fill(struct usbfs2_user_pages *user,
			    struct usbfs2_buffer *buffer, size_t length)
{
	struct usbfs2_user_place place = { .piece = user->pieces };
	struct scatterlist *sg = buffer->table.sgl;
	size_t part;

	if (!sg) {
		usbfs2_user_pages_put(&place, buffer->memory, length);
		return;
	}
	for (; length; sg = sg_next(sg), length -= part) {
		part = min_t(size_t, length, sg->length);
		usbfs2_user_pages_put(&place, sg_virt(sg), part);
	}
}

void usbfs2_user_pages_release(struct usbfs2_user_pages *user)
{
	unsigned int i;

	if (user->registered) {
		/* Neither pinned nor charged. */
	} else if (!user->written) {
		unpin_user_pages(user->pages, user->count);
	} else if (user->may_sleep) {
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
	if (!user->registered)
		uncharge(user);
	user->registered = false;
	user->pages = NULL;
	user->count = 0;
	user->piece_count = 0;
	user->may_sleep = false;
}
