/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * usbfs2: the contract between the module's files.
 *
 * Objects and who keeps them alive
 *
 *   usbfs2_device   a USB device in the mounted tree. Made when the device (or
 *                   the mount) arrives; held by its inodes, claims and pipes.
 *   usbfs2_node     a file or directory. Owned by its inode; pinned in the
 *                   tree by its dentry until the tree lets go of it.
 *   usbfs2_claim    an interface bound to usbfs2_driver. Held by the binding
 *                   (until ->disconnect) and by each open file that claims.
 *   usbfs2_pipe     an open endpoint file. Held by the file and by each
 *                   request, because a request's last steps may run after the
 *                   kiocb has dropped the last reference to the file.
 *   usbfs2_armed    what the pipe of an open with O_NONBLOCK has besides. The
 *                   pipe's. It holds its transfers until they are read (IN)
 *                   or done (OUT); the file's ->release waits for the latter.
 *   usbfs2_request  a transfer. Held by pipe->queue until its result is
 *                   delivered, by the submitter while it submits or waits, by
 *                   a command of io_uring until that is done, by whoever is
 *                   cancelling it, and by whoever submits one of its URBs.
 *                   With no holder left it and its URB lie on pipe->spare for
 *                   the next one, some of them.
 *   usbfs2_mapping  pages of an mmap of an endpoint file. Held by the mapped
 *                   memory, by each transfer with memory in it, and by the ring.
 *   usbfs2_batches  the ring of an endpoint file. The pipe's; the last close
 *                   waits for its transfers and unmaps it from the kernel.
 *   usbfs2_packets  what a request of an isochronous endpoint has besides: its
 *                   URBs and the results of its packets. The request's.
 *
 * Lock order
 *
 *   device lock (udev->dev.mutex)
 *     tree_mutex          the tree's shape, the list of devices
 *       inode lock        of one directory
 *         attributes_lock who owns what: inherited by files made later
 *     dev->claim_mutex    claims of a device, their pipes and openers
 *   batches->starting     who starts transfers of a ring
 *   armed->filling        who starts reads of an armed pipe
 *     kioctx ctx_lock
 *       pipe->lock        (irq) state and queue of a pipe, its ring
 *     owners_lock         of mapping.c, outside pipe->lock
 *   events_lock           (irq) innermost
 *
 * The data path takes pipe->lock and nothing else; who starts transfers of a ring
 * holds batches->starting besides, over faults of the caller's memory, so nobody
 * waits for it but another who starts some. Of an armed pipe, armed->user (around
 * copies) and armed->filling are that file's alone. Cancelling is usb_block_urb
 * before usb_unlink_urb: an URB that was not submitted yet then never is.
 * usb_unlink_urb may call the completion handler before it returns, so no lock
 * is held around it; nor around usb_submit_urb, so that of an isochronous
 * endpoint's submitters pipe->sending names the one at work.
 *
 * "P: x" below means: protected by x.
 */
#ifndef _USBFS2_H
#define _USBFS2_H

#include <linux/bvec.h>
#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/usb.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/usbfs2.h>

#include "compat.h"

/* One transfer at most; larger is EINVAL. Memory is charged to the caller. */
#define USBFS2_MAX_TRANSFER	(64U << 20)

struct io_uring_cmd;
struct usbfs2_batches;
struct usbfs2_claim;
struct usbfs2_node;
struct usbfs2_armed;
struct usbfs2_pipe;
struct usbfs2_request;

/* ---- main.c ---- */

extern struct usb_driver usbfs2_driver;
extern struct workqueue_struct *usbfs2_workqueue;
extern atomic_long_t usbfs2_live_requests;

/* ---- device.c ---- */

/* Above a device: the root hub and five more (USB 2.0 4.1.1). */
#define USBFS2_MAX_HUBS	6

/* What outlives an open of a data endpoint. */
struct usbfs2_endpoint {
	struct usbfs2_pipe *opener;	/* P: claim_mutex */
	bool failed;			/* the last transfer ended in an error */
};

struct usbfs2_device {
	struct kref ref;
	struct list_head link;		/* P: tree_mutex */
	struct usbfs2_node *dir;	/* P: tree_mutex; NULL once removed */
	struct usb_device *udev;	/* referenced */
	struct usb_device *hubs[USBFS2_MAX_HUBS]; /* referenced; nearest first */
	struct mutex claim_mutex;	/* claims, their pipes and openers */
	struct list_head claims;	/* P: claim_mutex */
	bool may_sleep;			/* P: claim_mutex; under idle claims */
	struct usbfs2_endpoint endpoints[32];
};

struct usbfs2_device *usbfs2_device_new(struct usb_device *udev);
struct usbfs2_device *usbfs2_device_get(struct usbfs2_device *dev);
void usbfs2_device_put(struct usbfs2_device *dev);
struct usbfs2_endpoint *usbfs2_device_endpoint(struct usbfs2_device *dev,
					       u8 address);
/* Device lock, awake device; interruptible. ENODEV once out of the tree. */
int usbfs2_device_enter(struct usbfs2_device *dev);
void usbfs2_device_leave(struct usbfs2_device *dev);
/* Asks the hubs; sleeps. False when the cable of any of them was pulled. */
bool usbfs2_device_connected(struct usbfs2_device *dev);

/* ---- inode.c ---- */

enum usbfs2_kind {
	USBFS2_ROOT,
	USBFS2_EVENTS,
	USBFS2_DEVICE,
	USBFS2_DESCRIPTORS,
	USBFS2_BOS,
	USBFS2_CONFIGURATION,
	USBFS2_RESET,
	USBFS2_POWER,
	USBFS2_DEVICE_CONTROL,
	USBFS2_INTERFACE,
	USBFS2_DRIVER,
	USBFS2_ALTERNATE,
	USBFS2_INTERFACE_CONTROL,
	USBFS2_DATA,
};

/* What a directory hands down to its files. */
struct usbfs2_access {
	kuid_t uid;
	kgid_t gid;
	umode_t file_mode;
	umode_t dir_mode;
};

/* What of the device a node stands for. */
struct usbfs2_place {
	u8 configuration;		/* bConfigurationValue */
	u8 interface;			/* bInterfaceNumber */
	u8 address;			/* bEndpointAddress */
};

struct usbfs2_node {
	enum usbfs2_kind kind;
	struct usbfs2_place place;
	u8 alternate;			/* P: tree_mutex; what ep* files show */
	struct usbfs2_device *dev;	/* referenced; NULL for root and events */
	struct usbfs2_node *parent;	/* outlives its children */
	struct list_head children;	/* P: tree_mutex and attributes_lock */
	struct list_head sibling;	/* P: as parent->children */
	struct usbfs2_access access;	/* P: attributes_lock */
	bool removed;			/* P: as parent->children */
	struct dentry *dentry;
	struct inode *inode;
	char name[32];
};

/* tree_mutex held. NULL when memory is short. */
struct usbfs2_node *usbfs2_node_add(struct usbfs2_node *parent,
				    enum usbfs2_kind kind,
				    struct usbfs2_device *dev,
				    struct usbfs2_place place,
				    const char *name);
struct usbfs2_node *usbfs2_node_root(struct super_block *sb,
				     const struct usbfs2_access *access);
/* tree_mutex held. Removes the node and everything below it. */
void usbfs2_node_remove(struct usbfs2_node *node);
void usbfs2_node_free(struct usbfs2_node *node);
void usbfs2_node_access(struct usbfs2_node *node, struct usbfs2_access *access);
/* Sets owner and modes of the node and everything below it. */
void usbfs2_node_hand_down(struct usbfs2_node *node,
			   const struct usbfs2_access *access);

static inline struct usbfs2_node *usbfs2_node_of(struct inode *inode)
{
	return inode->i_private;
}

/* ---- super.c ---- */

extern struct file_system_type usbfs2_fs_type;

/* ---- tree.c ---- */

extern struct mutex usbfs2_tree_mutex;
extern struct list_head usbfs2_devices;	/* P: tree_mutex */

int usbfs2_tree_start(struct usbfs2_node *root);
void usbfs2_tree_stop(void);
/* Device lock held for all of these. */
int usbfs2_tree_add(struct usb_device *udev);
void usbfs2_tree_remove(struct usb_device *udev);
void usbfs2_tree_add_interface(struct usb_interface *intf);
void usbfs2_tree_remove_interface(struct usb_interface *intf);
/* Makes the ep* files those of the current alternate setting. */
void usbfs2_tree_sync_interface(struct usb_interface *intf);
/* That, after a driver was bound or unbound ("none"). */
void usbfs2_tree_driver_changed(struct usb_interface *intf, const char *driver);

/* ---- notify.c ---- */

int usbfs2_notify_start(void);
void usbfs2_notify_stop(void);

/* ---- events.c ---- */

extern const struct file_operations usbfs2_events_fops;

int usbfs2_events_start(void);
void usbfs2_events_stop(void);
/* One line, without its newline. Any context. */
void usbfs2_event(const char *format, ...) __printf(1, 2);

/* ---- claim.c, giveback.c ---- */

struct usbfs2_claim {
	struct kref ref;
	struct list_head link;		/* P: claim_mutex; on dev->claims */
	struct usbfs2_device *dev;	/* referenced */
	struct usb_interface *intf;	/* referenced */
	struct list_head pipes;		/* P: claim_mutex */
	unsigned int users;		/* P: claim_mutex; open files */
	unsigned int exclusive;		/* P: claim_mutex; of them: driver files */
	bool lost;			/* P: claim_mutex; unbound from us */
	bool awake;			/* P: claim_mutex; keeps the device awake */
	struct work_struct giveback;
	char *former;			/* P: claim_mutex; driver to give back to */
	u32 siblings;			/* interfaces that driver left with ours */
};

/* What an open file keeps of a claim. */
struct usbfs2_hold {
	struct usbfs2_claim *claim;
	bool exclusive;
	bool complete;			/* nothing failed after claim was set */
};

/*
 * Device lock held. With detach, a kernel driver is unbound first and gets the
 * interface back in the end. EBUSY: bound to a kernel driver, or claimed, by
 * nobody but others, and either side wants it exclusively: a caller that has a
 * file of the claim open is one of its users, whoever else is. Whatever the
 * result, the caller ends with usbfs2_hold_drop().
 */
int usbfs2_hold_claim(struct usbfs2_hold *hold, struct usbfs2_device *dev,
		      struct usb_interface *intf, bool exclusive, bool detach);
/* No lock held. The last one gives the interface back before it returns. */
void usbfs2_hold_drop(struct usbfs2_hold *hold);
/* Device lock held. EBUSY: the data endpoint has an opener. */
int usbfs2_claim_add_pipe(struct usbfs2_claim *claim, struct usbfs2_pipe *pipe);
void usbfs2_claim_remove_pipe(struct usbfs2_claim *claim,
			      struct usbfs2_pipe *pipe);
/*
 * Device lock held. 0 when the interface is free or the caller has a file of
 * the claim open, EBUSY otherwise. EPERM instead of 0 for a free interface
 * when the claim is needed.
 */
int usbfs2_claim_check(struct usbfs2_device *dev, struct usb_interface *intf,
		       bool needed);
/* Device lock held. Give the interface back to nobody. */
void usbfs2_claim_forget(struct usbfs2_device *dev, struct usb_interface *intf);
/* For each pipe of the interface's claim, if there is one. Device lock held. */
void usbfs2_claim_pause(struct usbfs2_device *dev, struct usb_interface *intf);
void usbfs2_claim_restart(struct usbfs2_device *dev, struct usb_interface *intf);
/* Endpoints that the alternate setting selected has too start afresh. */
void usbfs2_claim_revalidate(struct usbfs2_device *dev,
			     struct usb_interface *intf);
bool usbfs2_interface_is_ours(const struct usb_interface *intf);

void usbfs2_giveback_work(struct work_struct *work);
/* Device lock held. Unbinds the kernel driver and remembers it in the claim. */
int usbfs2_detach_former(struct usbfs2_claim *claim);

/* usb_driver callback; device lock held */
void usbfs2_disconnect(struct usb_interface *intf);

/* ---- power.c ---- */

/* Device lock held. Keeps the device awake for the claim's users. ENODEV. */
int usbfs2_claim_wake(struct usbfs2_claim *claim);
/* claim_mutex held. Its pipes have changed. */
void usbfs2_claim_wakeup_needed(struct usbfs2_claim *claim);
/* Wakes the device of a pipe that is asleep; sleeps. ENODEV. */
int usbfs2_pipe_wake(struct usbfs2_pipe *pipe);

/* usb_driver callbacks; device lock held, but when it suspends by itself */
int usbfs2_suspend(struct usb_interface *intf, pm_message_t message);
int usbfs2_resume(struct usb_interface *intf);
int usbfs2_reset_resume(struct usb_interface *intf);
int usbfs2_pre_reset(struct usb_interface *intf);
int usbfs2_post_reset(struct usb_interface *intf);

/* ---- alternate.c ---- */

/* Device lock held, device awake. */
int usbfs2_set_alternate(struct usbfs2_device *dev, unsigned int interface,
			 unsigned int alternate);
int usbfs2_set_configuration(struct usbfs2_device *dev, unsigned int value);

/* ---- pipe.c ---- */

/*
 * RUNNING  operations go to the device.
 * ASLEEP   the device sleeps because nobody used it: an operation wakes it.
 * PAUSED   recovery, a new alternate setting, suspend or a reset is under way:
 *          new operations complete with ECANCELED. A write to an armed
 *          endpoint finds no room until it is over.
 * STOPPED  a stall, bus error or babble happened: new operations get the error
 *          that is still owed (error), then EPIPE, until recovery; ENODEV if
 *          the device was unplugged, and while nobody knows they wait. Never
 *          of an isochronous pipe: a packet's error is its own.
 * GONE     unbound or unplugged, for good: ENODEV.
 */
enum usbfs2_pipe_state {
	USBFS2_RUNNING,
	USBFS2_ASLEEP,
	USBFS2_PAUSED,
	USBFS2_STOPPED,
	USBFS2_GONE,
};

struct usbfs2_pipe {
	struct kref ref;
	struct usbfs2_device *dev;	/* referenced */
	struct usbfs2_endpoint *endpoint; /* NULL for ep00 */
	struct usbfs2_hold hold;	/* no claim for the device's ep00 */
	struct list_head claim_link;	/* P: claim_mutex */
	bool device_awake;		/* of the device's ep00 */
	struct usbfs2_armed *armed;	/* NULL: opened without O_NONBLOCK */
	u8 address;
	u8 type;			/* USB_ENDPOINT_XFER_* */
	u8 interval;			/* bInterval */
	u16 max_packet;
	u32 interval_bytes;		/* a service interval's, isochronous */
	unsigned int urb_pipe;		/* bulk and interrupt: of each URB */
	int urb_interval;
	size_t most_in_piece;		/* see buffer.c */
	size_t most_in_segment;

	spinlock_t lock;		/* the fields below */
	enum usbfs2_pipe_state state;	/* P: lock */
	int error;			/* P: lock; owed to the next operation */
	bool judging;			/* P: lock; see verdict.c */
	bool unplugged;			/* P: lock; the verdict */
	u64 accepted;			/* P: lock; operations so far */
	u64 stopped_at;			/* P: lock; accepted when the error came */
	struct list_head queue;		/* P: lock; not complete */
	struct list_head held;		/* P: lock; awaiting the verdict */
	struct list_head finished;	/* P: lock; awaiting their delivery */
	bool delivering;		/* P: lock; somebody works on finished */
	struct list_head unsent;	/* P: lock; see stream.c, as what follows */
	unsigned int sent;		/* P: lock; URBs the controller has */
	bool sending;			/* P: lock; somebody works on unsent */
	bool room;			/* P: lock; another try is worth it */
	struct hlist_head spare;	/* P: lock; requests, see spare.c */
	unsigned int spares;		/* P: lock; how many */
	struct rb_root mappings;	/* P: lock */
	struct usbfs2_batches *batches;	/* set once; NULL: no ring yet */
	wait_queue_head_t drained;
	struct work_struct verdict;
	struct work_struct delivery;
	struct work_struct resend;
};

struct usbfs2_pipe *usbfs2_pipe_new(struct usbfs2_device *dev);
void usbfs2_pipe_put(struct usbfs2_pipe *pipe);
/* Puts the request on the queue, or says why not. */
int usbfs2_pipe_accept(struct usbfs2_pipe *pipe, struct usbfs2_request *req);
/* pipe->lock held, the pipe is running: puts it on the queue, which owns it. */
void usbfs2_pipe_enqueue(struct usbfs2_pipe *pipe, struct usbfs2_request *req);
/* The request is complete: take it off the queue. */
void usbfs2_pipe_retire(struct usbfs2_pipe *pipe, struct usbfs2_request *req);
/* Cancels what owner submitted; everything when owner is NULL. */
void usbfs2_pipe_cancel(struct usbfs2_pipe *pipe, fl_owner_t owner);
/* Cancels those that are wanted, which is asked with pipe->lock held. How many. */
unsigned int
usbfs2_pipe_cancel_those(struct usbfs2_pipe *pipe,
			 bool (*wanted)(const struct usbfs2_request *req,
					const void *what),
			 const void *what);
/*
 * New operations get state's answer from now on, queued ones are cancelled.
 * GONE stays GONE; STOPPED stays STOPPED for PAUSED.
 */
void usbfs2_pipe_halt(struct usbfs2_pipe *pipe, enum usbfs2_pipe_state state);
/* Waits until the controller has given everything back. */
void usbfs2_pipe_wait_idle(struct usbfs2_pipe *pipe);
/* The same for what owner submitted and has cancelled. */
void usbfs2_pipe_wait_owner(struct usbfs2_pipe *pipe, fl_owner_t owner);
/* PAUSED and ASLEEP become RUNNING. */
void usbfs2_pipe_run(struct usbfs2_pipe *pipe);
/* A fresh start for an endpoint whose toggle was reset. */
void usbfs2_pipe_forgive(struct usbfs2_pipe *pipe);
/*
 * Cancel what is queued, clear the halt, reset the toggle. Interruptible.
 * Device lock held, device awake: a new alternate setting or a reset would
 * free the endpoint under it.
 */
int usbfs2_pipe_recover(struct usbfs2_pipe *pipe);
/* Device lock held, device awake. For an endpoint nothing is queued on. */
int usbfs2_clear_halt(struct usbfs2_device *dev, u8 address);
/* Wait, interruptibly, for what owner submitted before the call. */
int usbfs2_pipe_drain(struct usbfs2_pipe *pipe, fl_owner_t owner);

/* ---- armed.c, armed_write.c ---- */

/* Transfers of a pipe at most; IN: those that wait to be read count too. */
#define USBFS2_ARMED_TRANSFERS	64
/* Bytes of a bulk OUT pipe's queue, and of a write to an interrupt one. */
#define USBFS2_ARMED_BYTES	(64U << 10)

/* Decided by the first operation; see armed.c. */
enum usbfs2_armed_mode {
	USBFS2_UNDECIDED,
	USBFS2_ARMED,
	USBFS2_NOT_ARMED,
};

struct usbfs2_armed {
	struct usbfs2_pipe *pipe;
	enum usbfs2_armed_mode mode;	/* changes once */
	struct mutex user;		/* one read or write at a time */
	struct mutex filling;		/* one at a time starts reads */
	wait_queue_head_t wait;
	struct list_head ready;		/* P: pipe->lock; with bytes, by ->held */
	size_t taken;			/* P: user; bytes of the first, read before */
	unsigned int count;		/* P: pipe->lock; transfers of the file */
	size_t bytes;			/* P: pipe->lock; of them, OUT */
	int error;			/* P: pipe->lock; owed, after what is ready */
	bool closing;			/* P: pipe->lock */
	struct work_struct refill;
};

static inline bool usbfs2_pipe_is_armed(const struct usbfs2_pipe *pipe)
{
	return pipe->armed && READ_ONCE(pipe->armed->mode) == USBFS2_ARMED;
}

/* The first operation on the file decides whether it is armed: is it? */
bool usbfs2_armed_decide(const struct file *file);
/* For an open with O_NONBLOCK, before anybody else knows the pipe. */
int usbfs2_armed_prepare(struct usbfs2_pipe *pipe);
/* A transfer of nobody's, with memory to copy to or from. ERR_PTR: ENOMEM. */
struct usbfs2_request *usbfs2_armed_request(struct usbfs2_pipe *pipe,
					    size_t length);
/* A transfer of an armed pipe has its result. Any context. */
void usbfs2_armed_deliver(struct usbfs2_request *req);
/* The pipe's state changed: start transfers again, or say why not. */
void usbfs2_armed_changed(struct usbfs2_pipe *pipe);
/* Tell the user, once, that there may be a hole here: ECANCELED. */
void usbfs2_armed_interrupt(struct usbfs2_pipe *pipe);
int usbfs2_armed_take_error(struct usbfs2_pipe *pipe);
bool usbfs2_armed_nowait(struct kiocb *iocb);
int usbfs2_armed_lock(struct usbfs2_armed *armed, struct kiocb *iocb);
int usbfs2_armed_interrupted(struct kiocb *iocb, int ret);
ssize_t usbfs2_armed_write(struct kiocb *iocb, struct iov_iter *from);
bool usbfs2_armed_writable(struct usbfs2_pipe *pipe);
int usbfs2_armed_drain(struct usbfs2_pipe *pipe);
/* close(): a moment for what is queued, then the error that is owed. */
int usbfs2_armed_last_words(struct usbfs2_pipe *pipe);

/* ---- packets.c ---- */

/* As many as iovecs in a call (UIO_MAXIOV). */
#define USBFS2_MAX_PACKETS	1024

struct usbfs2_packets {
	struct list_head unsent;	/* P: pipe->lock; on pipe->unsent */
	unsigned int next;		/* P: pipe->lock; URB to be submitted. Cancelled: no more */
	atomic_t not_back;		/* URBs whose result is not known */
	unsigned int count;
	void __user *status_to;		/* of whoever submits; NULL: not wanted */
	size_t status_size;
	struct usbfs2_status *statuses;	/* count and one more; behind urbs */
	unsigned int urb_count;
	struct urb *urbs[];
};

/* Bytes a service interval has room for. */
u32 usbfs2_interval_bytes(const struct usb_device *udev,
			  const struct usb_endpoint_descriptor *descriptor);
/*
 * A request with a packet for each of the caller's iovecs. flags is the offset
 * of the operation. ERR_PTR: EINVAL, EMSGSIZE, ENOMEM.
 */
struct usbfs2_request *usbfs2_packets_request(struct usbfs2_pipe *pipe,
					      const struct iov_iter *iter,
					      u64 flags);
void usbfs2_packets_free(struct usbfs2_packets *packets);
bool usbfs2_packets_from_iter(struct usbfs2_request *req,
			      struct iov_iter *from);
/* For Linux AIO, after the former. */
int usbfs2_packets_pin(struct usbfs2_request *req, const struct iov_iter *iter);

/* ---- packet_results.c ---- */

/* All URBs are back: fills in the statuses and returns the result. */
ssize_t usbfs2_packets_result(struct usbfs2_request *req);
/* Gives the submitter its bytes and statuses: pinned, or in iter and mapped. */
void usbfs2_packets_fill(struct usbfs2_request *req);
bool usbfs2_packets_to_user(struct usbfs2_request *req, struct iov_iter *to);

/* ---- stream.c ---- */

/* Accepted: submits its URBs in their turn. */
void usbfs2_stream_send(struct usbfs2_request *req);
/* pipe->lock held. */
void usbfs2_stream_block(struct usbfs2_request *req);
/* No lock held. */
void usbfs2_stream_unlink(struct usbfs2_request *req);
void usbfs2_stream_given_back(struct urb *urb);
void usbfs2_resend_work(struct work_struct *work);

/* ---- verdict.c ---- */

void usbfs2_verdict_work(struct work_struct *work);
/* An URB was given back: work out the result and finish the request. */
void usbfs2_request_given_back(struct usbfs2_request *req, int status);

/* ---- buffer.c ---- */

/* Memory the controller can reach: one piece, or a list of pieces. */
struct usbfs2_buffer {
	size_t length;
	void *memory;			/* one piece */
	struct sg_table table;		/* or many */
	bool borrowed;			/* they belong to somebody else */
	size_t small_size;
	void *small;			/* stays from transfer to transfer */
};

/* Learns what the controller takes. */
void usbfs2_buffer_limits(struct usbfs2_pipe *pipe);
int usbfs2_buffer_alloc(struct usbfs2_buffer *buffer, size_t length,
			const struct usbfs2_pipe *pipe);
/*
 * Makes it length bytes of the pages, from offset in the first one on. They
 * must stay until usbfs2_buffer_drop(). ENXIO: not as they lie in memory.
 */
int usbfs2_buffer_borrow(struct usbfs2_buffer *buffer, size_t length,
			 const struct usbfs2_pipe *pipe,
			 struct page *const *pages, size_t offset);
/* Whether they lie side by side in memory, where a controller takes a piece. */
bool usbfs2_pages_are_one_run(struct page *const *pages, size_t length);
/* Whether it is worth an attempt. */
bool usbfs2_buffer_may_borrow(const struct usbfs2_pipe *pipe, size_t offset,
			      size_t length);
/* It has no memory any more; but for free(), what is small stays for alloc(). */
void usbfs2_buffer_drop(struct usbfs2_buffer *buffer);
void usbfs2_buffer_free(struct usbfs2_buffer *buffer);
void usbfs2_buffer_to_urb(struct usbfs2_buffer *buffer, struct urb *urb);
bool usbfs2_buffer_from_iter(struct usbfs2_buffer *buffer,
			     struct iov_iter *from);
bool usbfs2_buffer_to_iter(struct usbfs2_buffer *buffer, size_t length,
			   struct iov_iter *to);

/* ---- mapping.c ---- */

struct usbfs2_mapping {
	refcount_t ref;
	struct rb_node node;		/* P: pipe->lock; on pipe->mappings */
	struct usbfs2_pipe *pipe;	/* P: owners_lock; NULL: not on them */
	const struct mm_struct *mm;	/* compared, not used */
	unsigned long start;
	size_t size;
	bool one_run;			/* side by side in memory */
	struct work_struct free;
	struct page *pages[];
};

/* The file is closed: what is mapped is memory and no more. */
void usbfs2_mappings_forget(struct usbfs2_pipe *pipe);
int usbfs2_pipe_mmap(struct file *file, struct vm_area_struct *vma);
/*
 * The caller's mapping that all of the memory is in, referenced; NULL: none.
 * It need not be mapped any more when the transfer starts.
 */
struct usbfs2_mapping *usbfs2_mapping_find(struct usbfs2_pipe *pipe,
					   const struct mm_struct *mm,
					   unsigned long start, size_t length);
/* The same with pipe->lock held, and not referenced. */
struct usbfs2_mapping *usbfs2_mapping_look(struct usbfs2_pipe *pipe,
					   const struct mm_struct *mm,
					   unsigned long start, size_t length);
/* Any context. */
void usbfs2_mapping_put(struct usbfs2_mapping *mapping);

/* ---- ring.c ---- */

/* The kernel's side of a ring: all that it believes of it is here. */
struct usbfs2_batches {
	struct usbfs2_pipe *pipe;
	struct usbfs2_mapping *mapping;	/* referenced */
	struct usbfs2_ring *ring;	/* mapped: written to by anybody */
	u32 size;			/* a power of two */
	struct mutex starting;		/* transfers start in their order */

	/* P: pipe->lock, as what follows */
	fl_owner_t owner;		/* whose prepared transfers may start */
	const struct mm_struct *mm;	/* its; a name, not referenced */
	u32 started;
	u32 done;
	u32 notable;			/* behind the last failed or short one */
	struct usbfs2_request **requests; /* under way, by place */
	u8 *outcomes;			/* by place, of those behind a gap */

	bool waiting;			/* somebody waits, or is about to */
	bool asleep;			/* and is to be woken */
	bool unwanted;			/* the wait was cancelled */
	bool pending;			/* there is something to tell */
	u32 target;
	u32 seen;
	u32 patience;
	u32 count;			/* the waiter's result */
	struct kiocb *waiter;		/* the waiter, if that is Linux AIO */
	struct completion *woken;	/* or else */
	ktime_t impatient;		/* when it is to be told, if pending */
	ktime_t deadline;		/* and at the latest; KTIME_MAX: never */
	ktime_t alarm_at;		/* KTIME_MAX: not set */
	struct hrtimer alarm;
	struct work_struct unwait;
	struct work_struct follow;
};

/* A waiter to be told, once no lock is held. */
struct usbfs2_wake {
	struct kiocb *iocb;		/* NULL: none */
	u32 result;
};

struct usbfs2_batches *usbfs2_batches_new(struct usbfs2_pipe *pipe,
					  struct usbfs2_mapping *mapping);
/* Nothing is under way and nothing will be. Sleeps. */
void usbfs2_batches_stop(struct usbfs2_batches *batches);
void usbfs2_batches_free(struct usbfs2_batches *batches);
/* pipe->lock held. The next transfer was accepted: its number. */
void usbfs2_batches_add(struct usbfs2_batches *batches,
			struct usbfs2_request *req);
/* pipe->lock held. The transfer has its result. */
struct usbfs2_wake usbfs2_batches_end(struct usbfs2_batches *batches,
				      struct usbfs2_request *req);
/* No lock held. The next transfer could not be started. */
void usbfs2_batches_refuse(struct usbfs2_batches *batches, int error);
/* pipe->lock held. The waiter goes to sleep; false: there is no need to. */
bool usbfs2_batches_sleep(struct usbfs2_batches *batches);
/* pipe->lock held. Ends the wait. */
struct usbfs2_wake usbfs2_batches_wake(struct usbfs2_batches *batches);
static inline void usbfs2_wake(struct usbfs2_wake wake)
{
	if (wake.iocb)
		wake.iocb->ki_complete(wake.iocb, wake.result);
}

/* ---- batch.c ---- */

/* ->read_iter and ->write_iter at an offset made with USBFS2_BATCH() */
bool usbfs2_is_batch(u64 offset);
ssize_t usbfs2_batch(struct kiocb *iocb, size_t length);
void usbfs2_unwait_work(struct work_struct *work);
/*
 * batches->starting held, the ring has room. Starts the next transfer; one that
 * cannot be started has its result. False: it is of those a batch has to start.
 */
bool usbfs2_batches_start(struct usbfs2_batches *batches, bool prepared);

/* ---- follow.c ---- */

/* pipe->lock held. Something is done: if nothing is under way, what is next? */
void usbfs2_batches_follow(struct usbfs2_batches *batches);
/* How many are prepared, not started, and have room. */
u32 usbfs2_batches_prepared(const struct usbfs2_batches *batches);
void usbfs2_follow_work(struct work_struct *work);
/* Nothing starts by itself for owner any more; NULL: for nobody. Sleeps. */
void usbfs2_batches_disown(struct usbfs2_batches *batches, fl_owner_t owner);

/* ---- quick.c ---- */

/* What a place of a ring asks for, read once. */
struct usbfs2_asked {
	u64 address;
	u32 length;
	u32 flags;
};

/*
 * batches->starting held. Starts the next transfer, which is owner's, if its
 * memory is in a mapping of mm's and all is simple. False: nothing is done.
 */
bool usbfs2_quick_start(struct usbfs2_batches *batches,
			const struct mm_struct *mm, fl_owner_t owner,
			const struct usbfs2_asked *asked);
/* It has its result, and nothing is to be delivered before it. */
void usbfs2_quick_end(struct usbfs2_request *req);

/* ---- user_pages.c ---- */

/* No allocation for up to this many pages. */
#define USBFS2_FEW_PAGES 2

/* Pinned pages of the caller: an interrupt may copy into them. */
struct usbfs2_user_pages {
	struct page **pages;
	unsigned int count;
	struct bio_vec *pieces;		/* in the order of the reader's iovecs */
	unsigned int piece_count;
	bool written;			/* they will be */
	bool may_sleep;			/* releasing them may */
	bool registered;		/* with io_uring: not pinned by us */
	unsigned long charged;		/* pages, to RLIMIT_MEMLOCK of */
	struct user_struct *payer;	/* referenced */
	struct page *few_pages[USBFS2_FEW_PAGES];
	struct bio_vec few_pieces[USBFS2_FEW_PAGES];
};

/* A place in them. */
struct usbfs2_user_place {
	const struct bio_vec *piece;
	size_t offset;
};

/*
 * For a reader. EDQUOT: beyond the limit, nothing is pinned. After any other
 * error it is still to be released if user->pages is set.
 */
int usbfs2_user_pages_pin(struct usbfs2_user_pages *user,
			  const struct iov_iter *iter);
int usbfs2_user_pages_pin_at(struct usbfs2_user_pages *user,
			     void __user *start, size_t length, bool written);
/*
 * Of a buffer registered with io_uring, whoever pinned it. They stay as long as
 * the command.
 */
int usbfs2_user_pages_registered(struct usbfs2_user_pages *user,
				 const struct iov_iter *iter);
/* Whether no page but the first and the last is used in part. */
bool usbfs2_user_pages_are_one_range(const struct usbfs2_user_pages *user);
/* Both go on from place, and move it on. */
void usbfs2_user_pages_put(struct usbfs2_user_place *place, const void *from,
			   size_t length);
void usbfs2_user_pages_skip(struct usbfs2_user_place *place, size_t length);
void usbfs2_user_pages_fill(struct usbfs2_user_pages *user,
			    struct usbfs2_buffer *buffer, size_t length);
void usbfs2_user_pages_release(struct usbfs2_user_pages *user);

/* ---- late_copy.c ---- */

struct usbfs2_late;

/* For an asynchronous reader's memory. ERR_PTR: EINVAL, ENOMEM. */
struct usbfs2_late *usbfs2_late_new(const struct iov_iter *iter);
/* Not in an interrupt. */
void usbfs2_late_free(struct usbfs2_late *late);
/* In a work item, before the reader is told. Once. */
bool usbfs2_late_copy(struct usbfs2_late *late,
		      const struct usbfs2_buffer *buffer, size_t length);

/* ---- spare.c, request.c ---- */

struct usbfs2_request {
	struct list_head link;		/* P: pipe->lock; on pipe->queue */
	struct hlist_node spare;	/* P: pipe->lock; on pipe->spare */
	struct list_head held;		/* P: pipe->lock; on pipe->held or ->finished */
	struct list_head doomed;	/* of the one who set cancelled */
	refcount_t ref;
	bool in;
	bool cancelled;			/* P: pipe->lock */
	bool culprit;			/* its error stopped the pipe */
	bool batched;			/* its result goes to the ring */
	bool quick;			/* of quick.c: nothing to be copied */
	u32 place;			/* there: its number */
	int error;			/* while held: what the URB ended with */
	u64 number;			/* pipe->accepted when it was accepted */
	fl_owner_t owner;
	struct usbfs2_pipe *pipe;	/* referenced */
	struct urb *urb;		/* NULL: packets has them */
	struct usbfs2_packets *packets;	/* isochronous endpoints' */
	struct kiocb *iocb;		/* NULL: somebody waits for done */
	struct io_uring_cmd *uring;	/* unless this is set, see uring.c */
	ssize_t result;
	struct completion done;
	struct work_struct unlink;
	struct work_struct release;
	struct usbfs2_buffer buffer;
	struct usbfs2_mapping *mapping;	/* referenced: buffer lies in it */
	struct usbfs2_user_pages user;
	struct usbfs2_late *late;	/* instead, beyond the limit */
	struct usb_ctrlrequest setup;
};

/* memory.c */
/*
 * Finds memory for the transfer: the caller's own or a copy. later: the result
 * is delivered when the caller does not run. No lock held: the caller's memory
 * may fault, for as long as it likes.
 */
int usbfs2_request_memory(struct usbfs2_request *req, struct iov_iter *iter,
			  bool later);
/* The same of memory that is in a mapping of mm's, else ENXIO. */
int usbfs2_request_mapped_memory(struct usbfs2_request *req,
				 const struct mm_struct *mm,
				 unsigned long start, size_t length);
/* spare.c; ERR_PTR on failure. Without an URB. */
struct usbfs2_request *usbfs2_request_bare(struct usbfs2_pipe *pipe, bool in);
/*
 * ERR_PTR on failure. With an URB that the pipe's kind of transfers need no more
 * of than memory.
 */
struct usbfs2_request *usbfs2_request_new(struct usbfs2_pipe *pipe, bool in);
void usbfs2_request_put(struct usbfs2_request *req);
/* It has its result and has delivered it: gives back what memory it can. */
void usbfs2_request_lighten(struct usbfs2_request *req);
/*
 * pipe->lock held, off the queue. Puts the request if that is little work;
 * otherwise false.
 */
bool usbfs2_request_put_light(struct usbfs2_request *req);
void usbfs2_spare_free(struct usbfs2_pipe *pipe);
/* pipe->lock held. The request to be used next, or NULL. */
static inline struct usbfs2_request *
usbfs2_spare_first(const struct usbfs2_pipe *pipe)
{
	return hlist_entry_safe(pipe->spare.first, struct usbfs2_request,
				spare);
}

/* pipe->lock held. As new, but for its owner, direction and memory. */
void usbfs2_spare_take(struct usbfs2_request *req);

/* request.c: the completion handler of its URB */
void usbfs2_urb_complete(struct urb *urb);
/* pipe->lock held: what was not submitted yet never is. */
void usbfs2_request_block(struct usbfs2_request *req);
/* No lock held; once, by whoever set cancelled, after the former. */
void usbfs2_request_unlink(struct usbfs2_request *req);
/* What usb_submit_urb says, in the terms of this interface. */
int usbfs2_submit_error(const struct usbfs2_pipe *pipe, int error);
/* As usbfs2_request_memory(), for packets too. */
int usbfs2_request_find_memory(struct usbfs2_request *req,
			       struct iov_iter *iter, bool later);
/* What a kiocb asks for, as which it is from then on: its memory, and flags. */
int usbfs2_request_prepare(struct usbfs2_request *req, struct kiocb *iocb,
			   struct iov_iter *iter);
/* Accepted and submitted, if 0; then usbfs2_request_wait() has its result. */
int usbfs2_request_start(struct usbfs2_request *req);
/*
 * Waits, interruptibly, but for Linux AIO. No lock held. Returns what
 * ->read_iter and ->write_iter return.
 */
ssize_t usbfs2_request_wait(struct usbfs2_request *req, struct kiocb *iocb,
			    struct iov_iter *iter);
/*
 * Delivers the result; exactly once for each accepted request, and in the order
 * of the calls.
 */
void usbfs2_request_finish(struct usbfs2_request *req, ssize_t result);
/* Delivers pipe->finished; for whoever set pipe->delivering. */
void usbfs2_deliver_finished(struct usbfs2_pipe *pipe);
void usbfs2_delivery_work(struct work_struct *work);

/* ---- uring.c ---- */

#ifdef USBFS2_COMPAT_URING
int usbfs2_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags);
/* A command's transfer has its result. Any context. */
void usbfs2_uring_deliver(struct usbfs2_request *req);
#else
static inline void usbfs2_uring_deliver(struct usbfs2_request *req) {}
#endif

/* ---- files ---- */

extern const struct file_operations usbfs2_data_fops;
extern const struct file_operations usbfs2_armed_fops;
extern const struct file_operations usbfs2_control_fops;
extern const struct file_operations usbfs2_driver_fops;
extern const struct file_operations usbfs2_configuration_fops;
extern const struct file_operations usbfs2_alternate_fops;
extern const struct file_operations usbfs2_reset_fops;
extern const struct file_operations usbfs2_power_fops;
extern const struct file_operations usbfs2_descriptors_fops;

/* The claim an open file of ours holds, or NULL. */
struct usbfs2_claim *usbfs2_driver_file_claim(const struct file *file);

/* endpoint.c; NULL: not in the current alternate setting */
const struct usb_endpoint_descriptor *
usbfs2_find_endpoint(const struct usb_interface *intf, u8 address);
/*
 * What an operation at this offset asks of the endpoint, that it has the right
 * direction for. ERR_PTR on failure; NULL: a read of nothing.
 */
struct usbfs2_request *usbfs2_data_request(struct usbfs2_pipe *pipe,
					   const struct iov_iter *iter,
					   u64 offset);
/* control.c; the same for ep00 */
struct usbfs2_request *usbfs2_control_request(struct usbfs2_pipe *pipe,
					      size_t length, u64 offset,
					      bool in);
/* Whether it waits for others' use of the device before it starts. */
bool usbfs2_control_waits(const struct usbfs2_request *req);
/* As usbfs2_request_start(); 1: usbcore did it. */
int usbfs2_control_start(struct usbfs2_request *req);
/* common to ep00 and data endpoints */
int usbfs2_pipe_flush(struct file *file, fl_owner_t owner);
int usbfs2_pipe_release(struct inode *inode, struct file *file);
/* attributes.c: one line from user space, without its newline. */
int usbfs2_get_line(char *line, size_t size, const char __user *from,
		    size_t length);
int usbfs2_get_number(unsigned int *number, const char __user *from,
		      size_t length);
ssize_t usbfs2_put_number(unsigned int number, char __user *to, size_t size,
			  loff_t *position);
/*
 * Device lock held. NULL: not there in the current configuration, or the file
 * was removed: who has a path to it yet (O_PATH) may not be its owner now.
 */
struct usb_interface *usbfs2_find_interface(const struct usbfs2_node *node);

#endif /* _USBFS2_H */
