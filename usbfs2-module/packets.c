// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: a request of an isochronous endpoint, out of the caller's iovecs.
 *
 * Each iovec is a packet. A controller takes the memory of an URB in one piece
 * only, and memory that has been in use for a while has few large ones; besides,
 * its schedule holds so many frames and no more. So a request is as many URBs
 * as it takes to need no large piece: they follow each other without a gap.
 */
#include <linux/slab.h>
#include <linux/uio.h>

#include "usbfs2.h"

/* Pieces of this size the kernel always finds. */
#define USBFS2_URB_BYTES	(PAGE_SIZE << PAGE_ALLOC_COSTLY_ORDER)
/* What EHCI and UHCI can plan ahead is 1024 frames, perhaps 256. */
#define USBFS2_URB_FRAMES	128U

#define USBFS2_FRAME_SHIFT	32
#define USBFS2_FRAME_MASK	0x7fffffffULL

/* The caller's iovecs. */
struct slots {
	const struct iovec *iov;
	struct iovec one;
	unsigned int count;
	const struct iovec *status;	/* NULL: not wanted */
};

static int find_slots(struct slots *slots, const struct iov_iter *iter,
		      bool wants_status)
{
	size_t size;

	slots->status = NULL;
	if (iter_is_ubuf(iter)) {
		slots->one.iov_base = iter->ubuf + iter->iov_offset;
		slots->one.iov_len = iov_iter_count(iter);
		slots->iov = &slots->one;
		slots->count = 1;
	} else if (iter_is_iovec(iter) && !iter->iov_offset &&
		   iter->nr_segs <= USBFS2_MAX_PACKETS) {
		slots->iov = usbfs2_compat_iter_iov(iter);
		slots->count = iter->nr_segs;
	} else {
		/* io_uring's registered buffers do not say where packets end. */
		return -EINVAL;
	}
	if (wants_status && slots->count) {
		slots->status = &slots->iov[--slots->count];
		size = slots->count * sizeof(struct usbfs2_status);
		if (slots->status->iov_len != size &&
		    slots->status->iov_len != size + sizeof(struct usbfs2_status))
			return -EINVAL;
	}
	return slots->count ? 0 : -EINVAL;
}

u32 usbfs2_interval_bytes(const struct usb_device *udev,
			  const struct usb_endpoint_descriptor *descriptor)
{
	const struct usb_host_endpoint *endpoint =
		container_of(descriptor, struct usb_host_endpoint, desc);
	const struct usb_ss_ep_comp_descriptor *companion =
		&endpoint->ss_ep_comp;
	u32 most = usb_endpoint_maxp(descriptor), wanted;

	if (udev->speed == USB_SPEED_HIGH)
		return most * usb_endpoint_maxp_mult(descriptor);
	if (udev->speed < USB_SPEED_SUPER)
		return most;
	/* USB 3.2 9.6.7, 9.6.8 */
	if (udev->speed >= USB_SPEED_SUPER_PLUS &&
	    USB_SS_SSP_ISOC_COMP(companion->bmAttributes))
		return le32_to_cpu(endpoint->ssp_isoc_ep_comp.dwBytesPerInterval);
	most *= (companion->bMaxBurst + 1) * USB_SS_MULT(companion->bmAttributes);
	wanted = le16_to_cpu(companion->wBytesPerInterval);
	return wanted && wanted < most ? wanted : most;
}

/* USB 2.0 9.6.6: an exponent at every speed. In frames, or microframes. */
static unsigned int interval_of(const struct usbfs2_pipe *pipe)
{
	return 1U << (clamp_t(unsigned int, pipe->interval, 1, 16) - 1);
}

static unsigned int most_in_urb(const struct usbfs2_pipe *pipe)
{
	unsigned int intervals = USBFS2_URB_FRAMES;

	if (pipe->dev->udev->speed >= USB_SPEED_HIGH)
		intervals *= 8;
	intervals /= interval_of(pipe);
	return clamp(intervals, 1U, USBFS2_URB_FRAMES);
}

/* How many packets from first on make an URB, and their bytes. */
static unsigned int cut(const struct slots *slots, unsigned int first,
			unsigned int most, size_t *bytes)
{
	unsigned int end = min(first + most, slots->count), i;

	*bytes = 0;
	for (i = first; i < end; i++) {
		size_t length = slots->iov[i].iov_len;

		if (i > first && *bytes + length > USBFS2_URB_BYTES)
			break;
		*bytes += length;
	}
	return i - first;
}

static struct urb *urb_new(struct usbfs2_request *req,
			   const struct slots *slots, unsigned int first,
			   unsigned int count, size_t bytes)
{
	const unsigned int number = req->pipe->address &
				    USB_ENDPOINT_NUMBER_MASK;
	struct usb_device *udev = req->pipe->dev->udev;
	unsigned int i, offset = 0;
	struct urb *urb;

	urb = usb_alloc_urb(count, GFP_KERNEL_ACCOUNT);
	if (!urb)
		return NULL;
	if (bytes) {
		urb->transfer_buffer = kmalloc(bytes, GFP_KERNEL_ACCOUNT |
					       __GFP_RETRY_MAYFAIL |
					       __GFP_NOWARN);
		if (!urb->transfer_buffer) {
			usb_free_urb(urb);
			return NULL;
		}
	}
	urb->transfer_flags = URB_FREE_BUFFER | URB_ISO_ASAP;
	urb->transfer_buffer_length = bytes;
	urb->dev = udev;
	urb->pipe = req->in ? usb_rcvisocpipe(udev, number) :
			      usb_sndisocpipe(udev, number);
	urb->interval = interval_of(req->pipe);
	urb->complete = usbfs2_stream_given_back;
	urb->context = req;
	urb->number_of_packets = count;
	for (i = 0; i < count; i++) {
		struct usb_iso_packet_descriptor *packet =
			&urb->iso_frame_desc[i];

		packet->offset = offset;
		packet->length = slots->iov[first + i].iov_len;
		packet->actual_length = 0;
		packet->status = -EXDEV;
		offset += packet->length;
	}
	return urb;
}

static struct usbfs2_packets *packets_new(unsigned int count,
					  unsigned int urb_count)
{
	struct usbfs2_packets *packets;
	size_t size;

	size = struct_size(packets, urbs, urb_count);
	packets = kzalloc(size + (count + 1) * sizeof(*packets->statuses),
			  GFP_KERNEL_ACCOUNT);
	if (!packets)
		return NULL;
	INIT_LIST_HEAD(&packets->unsent);
	atomic_set(&packets->not_back, urb_count);
	packets->count = count;
	packets->urb_count = urb_count;
	packets->statuses = (void *)packets + size;
	return packets;
}

static int add_urbs(struct usbfs2_request *req, const struct slots *slots)
{
	const unsigned int most = most_in_urb(req->pipe);
	unsigned int first, count, urb_count = 0, i;
	size_t bytes;

	for (first = 0; first < slots->count; first += count, urb_count++)
		count = cut(slots, first, most, &bytes);
	req->packets = packets_new(slots->count, urb_count);
	if (!req->packets)
		return -ENOMEM;
	if (slots->status) {
		req->packets->status_to = slots->status->iov_base;
		req->packets->status_size = slots->status->iov_len;
	}
	for (i = 0, first = 0; i < urb_count; i++, first += count) {
		count = cut(slots, first, most, &bytes);
		req->packets->urbs[i] = urb_new(req, slots, first, count,
						bytes);
		if (!req->packets->urbs[i])
			return -ENOMEM;
	}
	return 0;
}

struct usbfs2_request *usbfs2_packets_request(struct usbfs2_pipe *pipe,
					      const struct iov_iter *iter,
					      u64 flags)
{
	const u64 frame = (flags >> USBFS2_FRAME_SHIFT) & USBFS2_FRAME_MASK;
	const u64 known = USBFS2_ISO_STATUS | USBFS2_ISO_START |
			  USBFS2_FRAME_MASK << USBFS2_FRAME_SHIFT;
	struct usbfs2_request *req;
	struct slots slots;
	size_t length = 0;
	unsigned int i;
	int ret;

	if ((flags & ~known) || (frame && !(flags & USBFS2_ISO_START)))
		return ERR_PTR(-EINVAL);
	ret = find_slots(&slots, iter, flags & USBFS2_ISO_STATUS);
	if (ret)
		return ERR_PTR(ret);
	for (i = 0; i < slots.count; i++) {
		if (slots.iov[i].iov_len > pipe->interval_bytes)
			return ERR_PTR(-EMSGSIZE);
		length += slots.iov[i].iov_len;
	}
	if (length > USBFS2_MAX_TRANSFER)
		return ERR_PTR(-EINVAL);

	req = usbfs2_request_bare(pipe, pipe->address & USB_DIR_IN);
	if (IS_ERR(req))
		return req;
	ret = add_urbs(req, &slots);
	if (ret) {
		usbfs2_request_put(req);
		return ERR_PTR(ret);
	}
	if (flags & USBFS2_ISO_START) {
		req->packets->urbs[0]->transfer_flags &= ~URB_ISO_ASAP;
		req->packets->urbs[0]->start_frame = frame;
	}
	return req;
}

void usbfs2_packets_free(struct usbfs2_packets *packets)
{
	unsigned int i;

	if (!packets)
		return;
	for (i = 0; i < packets->urb_count; i++)
		usb_free_urb(packets->urbs[i]);
	kfree(packets);
}

bool usbfs2_packets_from_iter(struct usbfs2_request *req, struct iov_iter *from)
{
	unsigned int i;

	for (i = 0; i < req->packets->urb_count; i++) {
		const struct urb *urb = req->packets->urbs[i];

		if (!copy_from_iter_full(urb->transfer_buffer,
					 urb->transfer_buffer_length, from))
			return false;
	}
	return true;
}

int usbfs2_packets_pin(struct usbfs2_request *req, const struct iov_iter *iter)
{
	int ret = 0;

	/* The statuses are the last iovec of a reader. */
	if (req->in)
		ret = usbfs2_user_pages_pin(&req->user, iter);
	else if (req->packets->status_to)
		ret = usbfs2_user_pages_pin_at(&req->user,
					       req->packets->status_to,
					       req->packets->status_size, true);
	return ret == -EDQUOT ? -ENOMEM : ret;
}
