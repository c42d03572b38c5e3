// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: bounce buffers.
 *
 * One piece of kmalloc memory up to USBFS2_CHUNK; beyond that, where the host
 * controller takes scatter lists, pieces of that size, or single pages when
 * memory is too fragmented, so that a large transfer needs no large piece. The
 * pages are charged to the caller's memory cgroup, which is the limit.
 */
#include <linux/slab.h>
#include <linux/uio.h>

#include "usbfs2.h"

#define USBFS2_CHUNK_ORDER	PAGE_ALLOC_COSTLY_ORDER
#define USBFS2_CHUNK		(PAGE_SIZE << USBFS2_CHUNK_ORDER)

static int alloc_single(struct usbfs2_buffer *buffer)
{
	buffer->memory = kmalloc(buffer->length, GFP_KERNEL_ACCOUNT |
				 __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
	if (!buffer->memory)
		return -ENOMEM;
	sg_init_one(&buffer->single, buffer->memory, buffer->length);
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

/*
 * Every piece but the last must be a multiple of the packet size, or the
 * controller would have to cut a packet in two.
 */
static bool may_scatter(const struct usbfs2_pipe *pipe, size_t pieces)
{
	const struct usb_bus *bus = pipe->dev->udev->bus;

	return pipe->type == USB_ENDPOINT_XFER_BULK &&
	       pieces <= bus->sg_tablesize &&
	       (bus->no_sg_constraint || PAGE_SIZE % pipe->max_packet == 0);
}

int usbfs2_buffer_alloc(struct usbfs2_buffer *buffer, size_t length,
			const struct usbfs2_pipe *pipe)
{
	buffer->length = length;
	if (!length)
		return 0;
	if (length > USBFS2_CHUNK) {
		if (may_scatter(pipe, DIV_ROUND_UP(length, USBFS2_CHUNK)) &&
		    !alloc_pieces(buffer, USBFS2_CHUNK_ORDER, __GFP_NORETRY))
			return 0;
		if (may_scatter(pipe, DIV_ROUND_UP(length, PAGE_SIZE)) &&
		    !alloc_pieces(buffer, 0, __GFP_RETRY_MAYFAIL))
			return 0;
	}
	return alloc_single(buffer);
}

void usbfs2_buffer_free(struct usbfs2_buffer *buffer)
{
	if (buffer->table.sgl)
		free_pieces(buffer);
	else
		kfree(buffer->memory);
}

void usbfs2_buffer_to_urb(struct usbfs2_buffer *buffer, struct urb *urb)
{
	urb->transfer_buffer_length = buffer->length;
	if (buffer->table.sgl) {
		urb->sg = buffer->table.sgl;
		urb->num_sgs = buffer->table.orig_nents;
	} else {
		urb->transfer_buffer = buffer->memory;
	}
}

struct scatterlist *usbfs2_buffer_pieces(struct usbfs2_buffer *buffer)
{
	return buffer->table.sgl ?: &buffer->single;
}

bool usbfs2_buffer_from_iter(struct usbfs2_buffer *buffer,
			     struct iov_iter *from)
{
	struct scatterlist *sg = usbfs2_buffer_pieces(buffer);
	size_t left = buffer->length;

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
	struct scatterlist *sg = usbfs2_buffer_pieces(buffer);

	for (; length; sg = sg_next(sg)) {
		size_t part = min_t(size_t, length, sg->length);

		if (copy_to_iter(sg_virt(sg), part, to) != part)
			return false;
		length -= part;
	}
	return true;
}
