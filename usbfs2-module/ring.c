// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: the ring of an endpoint file, and who waits for its results.
 *
 * A transfer of the ring is a request like any other, with a place in the ring
 * instead of a kiocb: its result goes there under pipe->lock, with the step that
 * takes it off the queue, so that done, what the waiter is told and the queue
 * never disagree. The page can be written to by anybody at any time: each field
 * is read once, and of counts none but prepared, which is checked. It is
 * cacheable in both mappings; where caches have aliases, the ring is not offered.
 *
 * A waiter is told of whole transfers once its target is reached, of a failed
 * or short one at once, and of anything at the latest when its patience ends.
 * For that there is one timer, which is set for the first of these times and
 * left alone when the wait ends before it; when it rings it looks again. A
 * stream that goes on sets it once per patience and not once per wait.
 */
#include <linux/log2.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "usbfs2.h"

enum outcome {
	NOT_DONE,
	WHOLE,
	NOTABLE,
};

static struct usbfs2_wake look(struct usbfs2_batches *batches);

static enum hrtimer_restart alarm(struct hrtimer *timer)
{
	struct usbfs2_batches *batches =
		container_of(timer, struct usbfs2_batches, alarm);
	struct usbfs2_pipe *pipe = batches->pipe;
	struct usbfs2_wake wake = {};
	unsigned long flags;
	ktime_t now;

	spin_lock_irqsave(&pipe->lock, flags);
	batches->alarm_at = KTIME_MAX;
	if (batches->asleep) {
		now = ktime_get();
		if (now >= batches->deadline ||
		    (batches->pending && now >= batches->impatient))
			wake = usbfs2_batches_wake(batches);
		else
			wake = look(batches);
	}
	spin_unlock_irqrestore(&pipe->lock, flags);
	usbfs2_wake(wake);
	return HRTIMER_NORESTART;
}

struct usbfs2_batches *usbfs2_batches_new(struct usbfs2_pipe *pipe,
					  struct usbfs2_mapping *mapping)
{
	const size_t room = (mapping->size - sizeof(struct usbfs2_ring)) /
			    sizeof(struct usbfs2_transfer);
	struct usbfs2_batches *batches;

	batches = kzalloc(sizeof(*batches), GFP_KERNEL_ACCOUNT);
	if (!batches)
		return ERR_PTR(-ENOMEM);
	batches->pipe = pipe;
	batches->size = rounddown_pow_of_two(min_t(size_t, room,
						   USBFS2_RING_MOST));
	mutex_init(&batches->starting);
	INIT_WORK(&batches->unwait, usbfs2_unwait_work);
	INIT_WORK(&batches->follow, usbfs2_follow_work);
	batches->alarm_at = KTIME_MAX;
	usbfs2_compat_hrtimer_setup(&batches->alarm, alarm, CLOCK_MONOTONIC,
				    HRTIMER_MODE_ABS_SOFT);
	batches->requests = kvcalloc(batches->size, sizeof(*batches->requests),
				     GFP_KERNEL_ACCOUNT);
	batches->outcomes = kvzalloc(batches->size, GFP_KERNEL_ACCOUNT);
	batches->ring = vmap(mapping->pages, mapping->size / PAGE_SIZE, VM_MAP,
			     PAGE_KERNEL);
	refcount_inc(&mapping->ref);
	batches->mapping = mapping;
	if (!batches->requests || !batches->outcomes || !batches->ring) {
		usbfs2_batches_stop(batches);
		usbfs2_batches_free(batches);
		return ERR_PTR(-ENOMEM);
	}
	batches->ring->size = batches->size;
	return batches;
}

void usbfs2_batches_stop(struct usbfs2_batches *batches)
{
	hrtimer_cancel(&batches->alarm);
	if (cancel_work_sync(&batches->follow))
		usbfs2_pipe_put(batches->pipe);
	vunmap(batches->ring);
	usbfs2_mapping_put(batches->mapping);
	kvfree(batches->requests);
	kvfree(batches->outcomes);
}

void usbfs2_batches_free(struct usbfs2_batches *batches)
{
	kfree(batches);
}

static u32 place_of(const struct usbfs2_batches *batches, u32 number)
{
	return number & (batches->size - 1);
}

void usbfs2_batches_add(struct usbfs2_batches *batches,
			struct usbfs2_request *req)
{
	req->place = batches->started++;
	batches->requests[place_of(batches, req->place)] = req;
	/* Before its result: started is never behind done. */
	WRITE_ONCE(batches->ring->started, batches->started);
}

/* Whether there is something to tell of which the waiter does not know. */
static bool has_news(const struct usbfs2_batches *batches)
{
	return (s32)(batches->done - batches->seen) > 0;
}

static bool is_ready(const struct usbfs2_batches *batches)
{
	if ((s32)(batches->target - batches->done) <= 0 ||
	    (s32)(batches->notable - batches->seen) > 0)
		return true;
	return !batches->patience && has_news(batches);
}

struct usbfs2_wake usbfs2_batches_wake(struct usbfs2_batches *batches)
{
	struct usbfs2_wake wake = {
		.iocb = batches->waiter,
		.result = batches->count,
	};

	/* On the waiter's stack; it takes the lock before it goes. */
	if (batches->woken)
		complete(batches->woken);
	batches->waiter = NULL;
	batches->woken = NULL;
	batches->waiting = false;
	batches->asleep = false;
	return wake;
}

static void set_alarm(struct usbfs2_batches *batches)
{
	ktime_t at = batches->deadline;

	if (!batches->pending && has_news(batches)) {
		batches->pending = true;
		batches->impatient = ktime_add_us(ktime_get(),
						  batches->patience);
	}
	if (batches->pending)
		at = min(at, batches->impatient);
	if (at < batches->alarm_at) {
		batches->alarm_at = at;
		hrtimer_start(&batches->alarm, at, HRTIMER_MODE_ABS_SOFT);
	}
}

/* Something ended: whether the waiter is told now. */
static struct usbfs2_wake look(struct usbfs2_batches *batches)
{
	struct usbfs2_wake nobody = {};

	if (!batches->asleep)
		return nobody;
	if (is_ready(batches))
		return usbfs2_batches_wake(batches);
	set_alarm(batches);
	return nobody;
}

bool usbfs2_batches_sleep(struct usbfs2_batches *batches)
{
	/* What is seen is old: 2^31 transfers later it must not look new. */
	if ((s32)(batches->notable - batches->seen) < 0)
		batches->notable = batches->seen;
	batches->pending = false;
	if (batches->unwanted || is_ready(batches)) {
		batches->waiter = NULL;
		batches->woken = NULL;
		batches->waiting = false;
		return false;
	}
	batches->asleep = true;
	set_alarm(batches);
	return true;
}

static void put_result(struct usbfs2_batches *batches, u32 number,
		       ssize_t result, enum outcome outcome)
{
	const u32 place = place_of(batches, number);
	struct usbfs2_transfer *transfer = &batches->ring->transfers[place];

	WRITE_ONCE(transfer->moved, max_t(ssize_t, result, 0));
	WRITE_ONCE(transfer->status, min_t(ssize_t, result, 0));
	batches->outcomes[place] = outcome;
}

static struct usbfs2_wake advance(struct usbfs2_batches *batches)
{
	u32 done = batches->done;
	u8 *outcome;

	while (done != batches->started) {
		outcome = &batches->outcomes[place_of(batches, done)];
		if (*outcome == NOT_DONE)
			break;
		done++;
		if (*outcome == NOTABLE)
			batches->notable = done;
		*outcome = NOT_DONE;
	}
	if (done != batches->done) {
		batches->done = done;
		/* Whoever sees it sees the results, too. */
		smp_store_release(&batches->ring->done, done);
		usbfs2_batches_follow(batches);
	}
	return look(batches);
}

struct usbfs2_wake usbfs2_batches_end(struct usbfs2_batches *batches,
				      struct usbfs2_request *req)
{
	const bool notable = req->result < 0 ||
			     (size_t)req->result < req->buffer.length;

	lockdep_assert_held(&batches->pipe->lock);
	batches->requests[place_of(batches, req->place)] = NULL;
	put_result(batches, req->place, req->result,
		   notable ? NOTABLE : WHOLE);
	return advance(batches);
}

void usbfs2_batches_refuse(struct usbfs2_batches *batches, int error)
{
	struct usbfs2_pipe *pipe = batches->pipe;
	struct usbfs2_wake wake;
	unsigned long flags;

	spin_lock_irqsave(&pipe->lock, flags);
	put_result(batches, batches->started++, error, NOTABLE);
	WRITE_ONCE(batches->ring->started, batches->started);
	wake = advance(batches);
	spin_unlock_irqrestore(&pipe->lock, flags);
	usbfs2_wake(wake);
}
