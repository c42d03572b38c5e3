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
 *   usbfs2_request  a transfer. Held by pipe->queue until its result is
 *                   delivered, by the submitter while it submits or waits, by
 *                   whoever is cancelling it, and by whoever submits one of
 *                   its URBs.
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
 *   kioctx ctx_lock
 *     pipe->lock          (irq) state and queue of a pipe
 *   events_lock           (irq) innermost
 *
 * The data path takes pipe->lock and nothing else. Cancelling is usb_block_urb
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
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
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

struct usbfs2_claim;
struct usbfs2_node;
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
	struct work_struct giveback;
	char *former;			/* P: claim_mutex; driver to give back to */
	u32 siblings;			/* interfaces that driver left with ours */
};

/* What an open file keeps of a claim. */
struct usbfs2_hold {
	struct usbfs2_claim *claim;
	bool exclusive;
	bool awake;			/* keeps the device from autosuspend */
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

/* usb_driver callbacks; device lock held */
void usbfs2_disconnect(struct usb_interface *intf);
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
 * PAUSED   recovery, a new alternate setting, suspend or a reset is under way:
 *          new operations complete with ECANCELED.
 * STOPPED  a stall, bus error or babble happened: new operations get the error
 *          that is still owed (error), then EPIPE, until recovery. Never of an
 *          isochronous pipe: a packet's error is its own.
 * GONE     unbound or unplugged, for good: ENODEV.
 */
enum usbfs2_pipe_state {
	USBFS2_RUNNING,
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
	u8 address;
	u8 type;			/* USB_ENDPOINT_XFER_* */
	u8 interval;			/* bInterval */
	u16 max_packet;
	u32 interval_bytes;		/* a service interval's, isochronous */

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
	wait_queue_head_t drained;
	struct work_struct verdict;
	struct work_struct delivery;
	struct work_struct resend;
};

struct usbfs2_pipe *usbfs2_pipe_new(struct usbfs2_device *dev);
void usbfs2_pipe_put(struct usbfs2_pipe *pipe);
/* Puts the request on the queue, or says why not. */
int usbfs2_pipe_accept(struct usbfs2_pipe *pipe, struct usbfs2_request *req);
/* The request is complete: take it off the queue. */
void usbfs2_pipe_retire(struct usbfs2_pipe *pipe, struct usbfs2_request *req);
/* Cancels what owner submitted; everything when owner is NULL. */
void usbfs2_pipe_cancel(struct usbfs2_pipe *pipe, fl_owner_t owner);
/*
 * New operations get state's answer from now on, queued ones are cancelled.
 * GONE stays GONE; STOPPED stays STOPPED for PAUSED.
 */
void usbfs2_pipe_halt(struct usbfs2_pipe *pipe, enum usbfs2_pipe_state state);
/* Waits until the controller has given everything back. */
void usbfs2_pipe_wait_idle(struct usbfs2_pipe *pipe);
/* The same for what owner submitted and has cancelled. */
void usbfs2_pipe_wait_owner(struct usbfs2_pipe *pipe, fl_owner_t owner);
/* PAUSED becomes RUNNING. */
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
	struct scatterlist single;	/* that describes it */
	struct sg_table table;		/* or many */
};

int usbfs2_buffer_alloc(struct usbfs2_buffer *buffer, size_t length,
			const struct usbfs2_pipe *pipe);
void usbfs2_buffer_free(struct usbfs2_buffer *buffer);
void usbfs2_buffer_to_urb(struct usbfs2_buffer *buffer, struct urb *urb);
struct scatterlist *usbfs2_buffer_pieces(struct usbfs2_buffer *buffer);
bool usbfs2_buffer_from_iter(struct usbfs2_buffer *buffer,
			     struct iov_iter *from);
bool usbfs2_buffer_to_iter(struct usbfs2_buffer *buffer, size_t length,
			   struct iov_iter *to);

/* ---- user_pages.c ---- */

/* No allocation for reads of up to this many pages. */
#define USBFS2_FEW_PAGES 2

/* A reader's pinned pages: an interrupt may copy into them. */
struct usbfs2_user_pages {
	struct page **pages;
	unsigned int count;
	struct bio_vec *pieces;		/* in the order of the reader's iovecs */
	unsigned int piece_count;
	bool may_sleep;			/* releasing them may */
	struct page *few_pages[USBFS2_FEW_PAGES];
	struct bio_vec few_pieces[USBFS2_FEW_PAGES];
};

/* A place in them. */
struct usbfs2_user_place {
	const struct bio_vec *piece;
	size_t offset;
};

int usbfs2_user_pages_pin(struct usbfs2_user_pages *user,
			  const struct iov_iter *iter);
int usbfs2_user_pages_pin_at(struct usbfs2_user_pages *user,
			     void __user *start, size_t length);
/* Both go on from place, and move it on. */
void usbfs2_user_pages_put(struct usbfs2_user_place *place, const void *from,
			   size_t length);
void usbfs2_user_pages_skip(struct usbfs2_user_place *place, size_t length);
void usbfs2_user_pages_fill(struct usbfs2_user_pages *user,
			    struct usbfs2_buffer *buffer, size_t length);
void usbfs2_user_pages_release(struct usbfs2_user_pages *user);

/* ---- request.c ---- */

struct usbfs2_request {
	struct list_head link;		/* P: pipe->lock; on pipe->queue */
	struct list_head held;		/* P: pipe->lock; on pipe->held or ->finished */
	struct list_head doomed;	/* of the one who set cancelled */
	refcount_t ref;
	bool in;
	bool cancelled;			/* P: pipe->lock */
	bool culprit;			/* its error stopped the pipe */
	int error;			/* while held: what the URB ended with */
	u64 number;			/* pipe->accepted when it was accepted */
	fl_owner_t owner;
	struct usbfs2_pipe *pipe;	/* referenced */
	struct urb *urb;		/* NULL: packets has them */
	struct usbfs2_packets *packets;	/* isochronous endpoints' */
	struct kiocb *iocb;		/* NULL: somebody waits for done */
	ssize_t result;
	struct completion done;
	struct work_struct unlink;
	struct work_struct release;
	struct usbfs2_buffer buffer;
	struct usbfs2_user_pages user;
	struct usb_ctrlrequest setup;
};

/* ERR_PTR on failure. Without an URB. */
struct usbfs2_request *usbfs2_request_bare(struct usbfs2_pipe *pipe, bool in);
/* ERR_PTR on failure. The caller fills in what is special to the URB. */
struct usbfs2_request *usbfs2_request_new(struct usbfs2_pipe *pipe, bool in,
					  size_t length);
void usbfs2_request_put(struct usbfs2_request *req);
/* pipe->lock held: what was not submitted yet never is. */
void usbfs2_request_block(struct usbfs2_request *req);
/* No lock held; once, by whoever set cancelled, after the former. */
void usbfs2_request_unlink(struct usbfs2_request *req);
/* What usb_submit_urb says, in the terms of this interface. */
int usbfs2_submit_error(const struct usbfs2_pipe *pipe, int error);
/*
 * Copies what is to be written, or pins what is read into if that is Linux AIO.
 * No lock held: the caller's memory may fault, for as long as it likes.
 */
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

/* ---- files ---- */

extern const struct file_operations usbfs2_data_fops;
extern const struct file_operations usbfs2_control_fops;
extern const struct file_operations usbfs2_driver_fops;
extern const struct file_operations usbfs2_configuration_fops;
extern const struct file_operations usbfs2_alternate_fops;
extern const struct file_operations usbfs2_descriptors_fops;

/* The claim an open file of ours holds, or NULL. */
struct usbfs2_claim *usbfs2_driver_file_claim(const struct file *file);

/* endpoint.c; NULL: not in the current alternate setting */
const struct usb_endpoint_descriptor *
usbfs2_find_endpoint(const struct usb_interface *intf, u8 address);
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
