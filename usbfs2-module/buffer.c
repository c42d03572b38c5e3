// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: the memory of a transfer, as the controller takes it.
 *
 * Borrowed pages go to the controller as they are: as one piece where they lie
 * side by side, else as a list where it takes one. Otherwise the bytes are
 * copied to or from memory of our own: one piece of kmalloc memory up to
 * USBFS2_CHUNK; beyond that, where the controller takes lists, pieces of that
 * size, or single pages when memory is too fragmented, so that a large transfer
 * needs no large piece. It is charged to the caller's memory cgroup, which is
 * the limit.
 *
 * Where DMA goes by way of swiotlb, it takes so much in a piece and no more;
 * that is pipe->most_in_piece. A list's pieces are pipe->most_in_segment.
 */
#include <linux/dma-mapping.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "usbfs2.h"

#define USBFS2_CHUNK_ORDER	PAGE_ALLOC_COSTLY_ORDER
#define USBFS2_CHUNK		(PAGE_SIZE << USBFS2_CHUNK_ORDER)
/* Kept with the request. */
#define USBFS2_SMALL		4096U
/* No piece lies across one (struct device_dma_parameters' default). */
#define USBFS2_BOUNDARY_PAGES	(1UL << (32 - PAGE_SHIFT))

void usbfs2_buffer_limits(struct usbfs2_pipe *pipe)
{
	struct device *controller = pipe->dev->udev->bus->sysdev;
	size_t most = min_t(size_t, dma_max_mapping_size(controller),
			    USBFS2_MAX_TRANSFER);

	pipe->most_in_piece = most;
	/* A piece that is not the last ends with a packet, of 1024 at most. */
	most = min_t(size_t, most, dma_get_max_seg_size(controller));
	pipe->most_in_segment = max_t(size_t, rounddown(most, PAGE_SIZE),
				      PAGE_SIZE);
}

static int alloc_single(struct usbfs2_buffer *buffer)
{
	const size_t length = buffer->length;

	if (length > USBFS2_SMALL) {
		buffer->memory = kmalloc(length, GFP_KERNEL_ACCOUNT |
					 __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
		return buffer->memory ? 0 : -ENOMEM;
	}
	if (length > buffer->small_size) {
		const size_t size = roundup_pow_of_two(length);
		void *small = kmalloc(size, GFP_KERNEL_ACCOUNT);

		if (!small)
			return -ENOMEM;
		kfree(buffer->small);
		buffer->small = small;
		buffer->small_size = size;
	}
	buffer->memory = buffer->small;
	return 0;
}

static void free_pieces(struct usbfs2_buffer *buffer)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sg(buffer->table.sgl, sg, buffer->table.orig_nents, i)
		if (sg_page(sg))
			__free_pages(sg_page(sg),
				     get_order(PAGE_ALIGN(sg->length)));
	sg_free_table(&buffer->table);
}

static int alloc_pieces(struct usbfs2_buffer *buffer, unsigned int order,
			gfp_t effort)
{
	size_t size = PAGE_SIZE << order, left = buffer->length;
	struct scatterlist *sg;
	struct page *page;
	unsigned int i;

	if (sg_alloc_table(&buffer->table, DIV_ROUND_UP(left, size),
			   GFP_KERNEL_ACCOUNT))
		return -ENOMEM;
	for_each_sg(buffer->table.sgl, sg, buffer->table.orig_nents, i) {
		size_t length = min(left, size);

		page = alloc_pages(GFP_KERNEL_ACCOUNT | __GFP_NOWARN | effort,
				   get_order(length));
		if (!page) {
			free_pieces(buffer);
			return -ENOMEM;
		}
		sg_set_page(sg, page, length, 0);
		left -= length;
	}
	return 0;
}

static bool may_scatter(const struct usbfs2_pipe *pipe, size_t pieces)
{
	return pipe->type == USB_ENDPOINT_XFER_BULK &&
	       pieces <= pipe->dev->udev->bus->sg_tablesize;
}

/*
 * Every piece but the last must be a multiple of the packet size, or the
 * controller would have to cut a packet in two.
 */
static bool may_end_piece(const struct usbfs2_pipe *pipe, size_t length)
{
	return pipe->dev->udev->bus->no_sg_constraint ||
	       (pipe->max_packet && length % pipe->max_packet == 0);
}

int usbfs2_buffer_alloc(struct usbfs2_buffer *buffer, size_t length,
			const struct usbfs2_pipe *pipe)
{
	buffer->length = length;
	if (!length)
		return 0;
	if (length > USBFS2_CHUNK && may_end_piece(pipe, PAGE_SIZE)) {
		if (pipe->most_in_segment >= USBFS2_CHUNK &&
		    may_scatter(pipe, DIV_ROUND_UP(length, USBFS2_CHUNK)) &&
		    !alloc_pieces(buffer, USBFS2_CHUNK_ORDER, __GFP_NORETRY))
			return 0;
		if (may_scatter(pipe, DIV_ROUND_UP(length, PAGE_SIZE)) &&
		    !alloc_pieces(buffer, 0, __GFP_RETRY_MAYFAIL))
			return 0;
	}
	return alloc_single(buffer);
}

/* Pages that a piece begins with, most bytes of it; the first from offset on. */
static size_t take_run(struct page *const *pages, size_t offset, size_t most)
{
	const unsigned long first = page_to_pfn(pages[0]);
	size_t length = PAGE_SIZE - offset, i;

	for (i = 1; length < most; i++, length += PAGE_SIZE)
		if (page_to_pfn(pages[i]) != first + i ||
		    (first + i) % USBFS2_BOUNDARY_PAGES == 0)
			break;
	return min(length, most);
}

bool usbfs2_pages_are_one_run(struct page *const *pages, size_t length)
{
	return take_run(pages, 0, length) == length;
}

static int borrow_list(struct usbfs2_buffer *buffer,
		       const struct usbfs2_pipe *pipe,
		       struct page *const *pages, size_t offset)
{
	size_t left, at, run, pieces = 0;
	struct scatterlist *sg;

	for (left = buffer->length, at = offset; left; left -= run, at += run) {
		run = take_run(pages + at / PAGE_SIZE, offset_in_page(at),
			       min(left, pipe->most_in_segment));
		if (run < left && !may_end_piece(pipe, run))
			return -ENXIO;
		pieces++;
	}
	if (!may_scatter(pipe, pieces))
		return -ENXIO;
	if (sg_alloc_table(&buffer->table, pieces, GFP_KERNEL_ACCOUNT))
		return -ENOMEM;
	sg = buffer->table.sgl;
	for (left = buffer->length, at = offset; left; left -= run, at += run) {
		run = take_run(pages + at / PAGE_SIZE, offset_in_page(at),
			       min(left, pipe->most_in_segment));
		sg_set_page(sg, pages[at / PAGE_SIZE], run, offset_in_page(at));
		sg = sg_next(sg);
	}
	return 0;
}

bool usbfs2_buffer_may_borrow(const struct usbfs2_pipe *pipe, size_t offset,
			      size_t length)
{
	const size_t pages = DIV_ROUND_UP(offset + length, PAGE_SIZE);

	return pages == 1 || (may_scatter(pipe, pages) &&
			      may_end_piece(pipe, PAGE_SIZE - offset) &&
			      may_end_piece(pipe, PAGE_SIZE));
}

int usbfs2_buffer_borrow(struct usbfs2_buffer *buffer, size_t length,
			 const struct usbfs2_pipe *pipe,
			 struct page *const *pages, size_t offset)
{
	const size_t alignment = dma_get_cache_alignment();
	int ret;

	/* What a cache line holds besides would be lost with DMA into it. */
	if ((pipe->address & USB_DIR_IN) && ((offset | length) % alignment))
		return -ENXIO;
	buffer->length = length;
	if (length <= pipe->most_in_piece && !PageHighMem(pages[0]) &&
	    take_run(pages, offset, length) == length) {
		buffer->memory = page_address(pages[0]) + offset;
	} else {
		ret = borrow_list(buffer, pipe, pages, offset);
		if (ret)
			return ret;
	}
	buffer->borrowed = true;
	return 0;
}

void usbfs2_buffer_drop(struct usbfs2_buffer *buffer)
{
	if (buffer->table.sgl) {
		if (buffer->borrowed)
			sg_free_table(&buffer->table);
		else
			free_pieces(buffer);
	} else if (!buffer->borrowed && buffer->memory != buffer->small) {
		kfree(buffer->memory);
	}
	buffer->memory = NULL;
	buffer->borrowed = false;
}

void usbfs2_buffer_free(struct usbfs2_buffer *buffer)
{
	usbfs2_buffer_drop(buffer);
	kfree(buffer->small);
}

void usbfs2_buffer_to_urb(struct usbfs2_buffer *buffer, struct urb *urb)
{
	urb->transfer_buffer_length = buffer->length;
	urb->transfer_buffer = buffer->memory;
	urb->sg = buffer->table.sgl;
	urb->num_sgs = buffer->table.sgl ? buffer->table.orig_nents : 0;
	/* usbcore sets it for a list alone, and EHCI and UHCI go by it. */
	urb->num_mapped_sgs = 0;
}

bool usbfs2_buffer_from_iter(struct usbfs2_buffer *buffer,
			     struct iov_iter *from)
{
	struct scatterlist *sg = buffer->table.sgl;
	size_t left = buffer->length;

	if (!sg)
		return copy_from_iter_full(buffer->memory, left, from);
	for (; left; sg = sg_next(sg)) {
		if (!copy_from_iter_full(sg_virt(sg), sg->length, from))
			return false;
		left -= sg->length;
	}
	return true;
}

bool usbfs2_buffer_to_iter(struct usbfs2_buffer *buffer, size_t length,
			   struct iov_iter *to)
{
	struct scatterlist *sg = buffer->table.sgl;

	if (!sg)
		return copy_to_iter(buffer->memory, length, to) == length;
	for (; length; sg = sg_next(sg)) {
		size_t part = min_t(size_t, length, sg->length);

		if (copy_to_iter(sg_virt(sg), part, to) != part)
			return false;
		length -= part;
	}
	return true;
}
