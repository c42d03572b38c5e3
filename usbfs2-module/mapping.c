// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: mmap of an endpoint file: buffers the controller works on in place.
 *
 * The pages are ordinary, cacheable kernel memory, charged to the caller's
 * memory cgroup, and usbcore maps them for DMA at each transfer. They are
 * allocated in pieces as large as can be had, so that most transfers are one
 * piece, and put into the page tables at once: no fault handler. The kernel
 * has them at another address, so there is no mmap where caches have aliases.
 *
 * A transfer finds its mapping by address in the submitter's address space and
 * holds it, so unmapping is safe at any time. The mapping has a file of its own,
 * so that the endpoint file can be closed before it: it is then memory and no
 * more. A mapping is indivisible and
 * stays where it is (may_split, mremap), or an address would mean other pages
 * to the CPU than to the controller. Where a child inherits it after all
 * (MADV_DOFORK), its transfers do not find it, and copy.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "usbfs2.h"

/* 2 MiB where a page has 4 KiB. */
#define USBFS2_LARGEST_ORDER	9U
/* Sixteen of the largest transfers. */
#define USBFS2_LARGEST_MAPPING	(16UL * USBFS2_MAX_TRANSFER)

static DEFINE_SPINLOCK(owners_lock);	/* mapping->pipe of all mappings */

static size_t pages_in(const struct usbfs2_mapping *mapping)
{
	return mapping->size / PAGE_SIZE;
}

/* A page that is mapped yet, or pinned by somebody, goes with the last of them. */
static void mapping_free(struct usbfs2_mapping *mapping)
{
	size_t i;

	for (i = 0; i < pages_in(mapping) && mapping->pages[i]; i++)
		put_page(mapping->pages[i]);
	kvfree(mapping);
}

static void free_work(struct work_struct *work)
{
	mapping_free(container_of(work, struct usbfs2_mapping, free));
}

void usbfs2_mapping_put(struct usbfs2_mapping *mapping)
{
	if (refcount_dec_and_test(&mapping->ref))
		queue_work(usbfs2_workqueue, &mapping->free);
}

/* Orders up to *order; what memory did not have once it is not asked for again. */
static struct page *alloc_run(size_t pages, unsigned int *order)
{
	const gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN;
	struct page *page;

	*order = min_t(unsigned int, *order, ilog2(pages));
	while (*order) {
		page = alloc_pages(gfp | __GFP_NORETRY, *order);
		if (page) {
			split_page(page, *order);
			return page;
		}
		--*order;
	}
	return alloc_page(gfp | __GFP_RETRY_MAYFAIL);
}

static struct usbfs2_mapping *mapping_new(size_t size)
{
	const size_t count = size / PAGE_SIZE;
	unsigned int order = USBFS2_LARGEST_ORDER;
	struct usbfs2_mapping *mapping;
	struct page *page;
	size_t at, i;

	mapping = kvzalloc(struct_size(mapping, pages, count),
			   GFP_KERNEL_ACCOUNT);
	if (!mapping)
		return ERR_PTR(-ENOMEM);
	refcount_set(&mapping->ref, 1);
	mapping->size = size;
	INIT_WORK(&mapping->free, free_work);
	for (at = 0; at < count; at += 1UL << order) {
		page = fatal_signal_pending(current) ? NULL :
		       alloc_run(count - at, &order);
		if (!page) {
			mapping_free(mapping);
			return ERR_PTR(-ENOMEM);
		}
		for (i = 0; i < 1UL << order; i++)
			mapping->pages[at + i] = page + i;
	}
	mapping->one_run = usbfs2_pages_are_one_run(mapping->pages, size);
	return mapping;
}

static int compare(const struct mm_struct *mm, unsigned long start,
		   const struct usbfs2_mapping *mapping)
{
	if (mm != mapping->mm)
		return mm < mapping->mm ? -1 : 1;
	if (start < mapping->start)
		return -1;
	return start - mapping->start >= mapping->size;
}

static void make_found(struct usbfs2_mapping *mapping, struct usbfs2_pipe *pipe,
		       const struct vm_area_struct *vma)
{
	struct rb_node **link = &pipe->mappings.rb_node, *parent = NULL;
	unsigned long flags;

	/* The caller has the file open, and nobody else knows the mapping. */
	mapping->pipe = pipe;
	mapping->mm = vma->vm_mm;
	mapping->start = vma->vm_start;
	spin_lock_irqsave(&pipe->lock, flags);
	while (*link) {
		parent = *link;
		if (compare(mapping->mm, mapping->start,
			    rb_entry(parent, struct usbfs2_mapping, node)) < 0)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&mapping->node, parent, link);
	rb_insert_color(&mapping->node, &pipe->mappings);
	spin_unlock_irqrestore(&pipe->lock, flags);
}

/* owners_lock held. */
static void make_lost(struct usbfs2_mapping *mapping)
{
	struct usbfs2_pipe *pipe = mapping->pipe;
	unsigned long flags;

	spin_lock_irqsave(&pipe->lock, flags);
	rb_erase(&mapping->node, &pipe->mappings);
	spin_unlock_irqrestore(&pipe->lock, flags);
	mapping->pipe = NULL;
}

void usbfs2_mappings_forget(struct usbfs2_pipe *pipe)
{
	struct rb_node *node;

	/* Nobody adds to them any more. */
	spin_lock(&owners_lock);
	while ((node = pipe->mappings.rb_node)) {
		make_lost(rb_entry(node, struct usbfs2_mapping, node));
		cond_resched_lock(&owners_lock);
	}
	spin_unlock(&owners_lock);
}

struct usbfs2_mapping *usbfs2_mapping_look(struct usbfs2_pipe *pipe,
					   const struct mm_struct *mm,
					   unsigned long start, size_t length)
{
	struct rb_node *node = pipe->mappings.rb_node;
	struct usbfs2_mapping *mapping;
	int order;

	while (node) {
		mapping = rb_entry(node, struct usbfs2_mapping, node);
		order = compare(mm, start, mapping);
		if (!order)
			return length <= mapping->size -
					 (start - mapping->start) ?
			       mapping : NULL;
		node = order < 0 ? node->rb_left : node->rb_right;
	}
	return NULL;
}

struct usbfs2_mapping *usbfs2_mapping_find(struct usbfs2_pipe *pipe,
					   const struct mm_struct *mm,
					   unsigned long start, size_t length)
{
	struct usbfs2_mapping *mapping;
	unsigned long flags;

	if (!READ_ONCE(pipe->mappings.rb_node))
		return NULL;
	spin_lock_irqsave(&pipe->lock, flags);
	mapping = usbfs2_mapping_look(pipe, mm, start, length);
	if (mapping)
		refcount_inc(&mapping->ref);
	spin_unlock_irqrestore(&pipe->lock, flags);
	return mapping;
}

static void mapping_open(struct vm_area_struct *vma)
{
	struct usbfs2_mapping *mapping = vma->vm_private_data;

	refcount_inc(&mapping->ref);
}

/* Of the area it was made with, or of a copy. */
static void mapping_close(struct vm_area_struct *vma)
{
	struct usbfs2_mapping *mapping = vma->vm_private_data;

	if (vma->vm_mm == mapping->mm && vma->vm_start == mapping->start) {
		spin_lock(&owners_lock);
		if (mapping->pipe)
			make_lost(mapping);
		spin_unlock(&owners_lock);
	}
	usbfs2_mapping_put(mapping);
}

static int mapping_may_split(struct vm_area_struct *vma, unsigned long address)
{
	return -EINVAL;
}

static int mapping_mremap(struct vm_area_struct *vma)
{
	return -EINVAL;
}

static const struct vm_operations_struct mapping_ops = {
	.open = mapping_open,
	.close = mapping_close,
	.may_split = mapping_may_split,
	.mremap = mapping_mremap,
};

/* What a mapping has for its file, which keeps the module, too. */
static const struct file_operations mapping_fops = {
	.owner = THIS_MODULE,
};

static int map_ring(struct usbfs2_pipe *pipe, struct usbfs2_mapping *mapping)
{
	struct usbfs2_batches *batches;

	if (READ_ONCE(pipe->batches))
		return -EBUSY;
	batches = usbfs2_batches_new(pipe, mapping);
	if (IS_ERR(batches))
		return PTR_ERR(batches);
	/* Pairs with usbfs2_batch(). */
	if (!cmpxchg_release(&pipe->batches, NULL, batches))
		return 0;
	usbfs2_batches_stop(batches);
	usbfs2_batches_free(batches);
	return -EBUSY;
}

int usbfs2_pipe_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct usbfs2_pipe *pipe = file->private_data;
	const u64 offset = (u64)vma->vm_pgoff << PAGE_SHIFT;
	const bool ring = offset == USBFS2_RING_OFFSET;
	const size_t size = vma->vm_end - vma->vm_start;
	struct usbfs2_mapping *mapping;
	unsigned long count;
	struct file *own;
	int ret;

	if (pipe->type == USB_ENDPOINT_XFER_ISOC ||
	    usbfs2_compat_dcache_is_aliasing())
		return -ENODEV;
	if ((offset && !ring) || !(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (ring && (vma->vm_flags & (VM_READ | VM_WRITE)) !=
		    (VM_READ | VM_WRITE))
		return -EACCES;
	if (size > USBFS2_LARGEST_MAPPING)
		return -ENOMEM;
	mapping = mapping_new(size);
	if (IS_ERR(mapping))
		return PTR_ERR(mapping);
	own = anon_inode_getfile("[usbfs2]", &mapping_fops, NULL, O_RDWR);
	if (IS_ERR(own)) {
		usbfs2_mapping_put(mapping);
		return PTR_ERR(own);
	}
	usbfs2_compat_vm_flags_set(vma, VM_DONTCOPY | VM_DONTEXPAND);
	count = pages_in(mapping);
	ret = vm_insert_pages(vma, vma->vm_start, mapping->pages, &count);
	if (!ret && ring)
		ret = map_ring(pipe, mapping);
	if (ret) {
		/* The area and its page tables go next. */
		fput(own);
		usbfs2_mapping_put(mapping);
		return ret;
	}
	vma->vm_private_data = mapping;
	vma->vm_ops = &mapping_ops;
	vma_set_file(vma, own);
	fput(own);
	if (!ring)
		make_found(mapping, pipe, vma);
	return 0;
}
