// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: prepared transfers of a ring that start without a system call.
 *
 * A program puts a transfer into its ring and need not say so while others are
 * under way: when the last of them ends, a work item starts what was prepared
 * meanwhile. That has no process, so it takes memory of mappings only, which is
 * charged already, as the process that last started transfers by a batch: when
 * that closes the file it is nobody, and nothing starts any more.
 *
 * The program stores prepared, then looks whether all that is started is done;
 * we store done, then look at prepared, with a full barrier between at both
 * ends. So one of the two sees that there is something to start.
 */
#include <linux/workqueue.h>

#include "usbfs2.h"

void usbfs2_batches_follow(struct usbfs2_batches *batches)
{
	struct usbfs2_pipe *pipe = batches->pipe;

	lockdep_assert_held(&pipe->lock);
	if (batches->done != batches->started || !batches->owner)
		return;
	/* Between storing done and reading prepared. */
	smp_mb();
	if (!usbfs2_batches_prepared(batches))
		return;
	kref_get(&pipe->ref);
	/* Not the last reference: whose result this is has one. */
	if (!queue_work(usbfs2_workqueue, &batches->follow))
		usbfs2_pipe_put(pipe);
}

u32 usbfs2_batches_prepared(const struct usbfs2_batches *batches)
{
	const u32 under_way = batches->started - READ_ONCE(batches->done);
	const s32 count = READ_ONCE(batches->ring->prepared) - batches->started;

	return clamp_t(s32, count, 0, batches->size - under_way);
}

static bool has_owner(struct usbfs2_batches *batches)
{
	struct usbfs2_pipe *pipe = batches->pipe;
	unsigned long flags;
	bool has;

	spin_lock_irqsave(&pipe->lock, flags);
	has = batches->owner;
	spin_unlock_irqrestore(&pipe->lock, flags);
	return has;
}

void usbfs2_follow_work(struct work_struct *work)
{
	struct usbfs2_batches *batches =
		container_of(work, struct usbfs2_batches, follow);
	struct usbfs2_pipe *pipe = batches->pipe;
	u32 count;

	mutex_lock(&batches->starting);
	for (count = usbfs2_batches_prepared(batches); count; count--) {
		if (!has_owner(batches))
			break;
		/* What lies elsewhere is left to the next batch. */
		if (!usbfs2_batches_start(batches, true))
			break;
	}
	mutex_unlock(&batches->starting);
	usbfs2_pipe_put(pipe);
}

void usbfs2_batches_disown(struct usbfs2_batches *batches, fl_owner_t owner)
{
	struct usbfs2_pipe *pipe = batches->pipe;
	unsigned long flags;

	spin_lock_irqsave(&pipe->lock, flags);
	if (!owner || batches->owner == owner)
		WRITE_ONCE(batches->owner, NULL);
	spin_unlock_irqrestore(&pipe->lock, flags);
	/* Who was starting some has done it, and finds no owner from here on. */
	mutex_lock(&batches->starting);
	mutex_unlock(&batches->starting);
}
