/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one place that knows kernel versions. Everything here is named
 * usbfs2_compat_* and follows the newest kernel's way of doing it.
 */
#ifndef _USBFS2_COMPAT_H
#define _USBFS2_COMPAT_H

#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/uio.h>
#include <linux/usb.h>
#include <linux/version.h>

/* 6.3: ->setattr takes the mount's id mapping instead of a user namespace. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define usbfs2_compat_idmap	mnt_idmap
#else
#define usbfs2_compat_idmap	user_namespace
#endif

/* 6.3: vma->vm_flags is written to by vm_flags_set() alone. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define usbfs2_compat_vm_flags_set(vma, flags)	vm_flags_set(vma, flags)
#else
#define usbfs2_compat_vm_flags_set(vma, flags)	((vma)->vm_flags |= (flags))
#endif

/* 6.9: says whether one page has several places in the cache. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
#include <linux/cacheinfo.h>
#define usbfs2_compat_dcache_is_aliasing()	cpu_dcache_is_aliasing()
#else
#define usbfs2_compat_dcache_is_aliasing()	\
	(ARCH_IMPLEMENTS_FLUSH_DCACHE_PAGE && !IS_ENABLED(CONFIG_ARM64))
#endif

/* 6.5: no list of areas. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#define usbfs2_compat_pin_remote(mm, start, count, flags, pages)	\
	pin_user_pages_remote(mm, start, count, flags, pages, NULL)
#else
#define usbfs2_compat_pin_remote(mm, start, count, flags, pages)	\
	pin_user_pages_remote(mm, start, count, flags, pages, NULL, NULL)
#endif

/* 6.13: hrtimer_setup() in place of hrtimer_init(), which 6.15 has no more. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#define usbfs2_compat_hrtimer_setup	hrtimer_setup
#else
static inline void
usbfs2_compat_hrtimer_setup(struct hrtimer *timer,
			    enum hrtimer_restart (*function)(struct hrtimer *),
			    clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

/* 6.4: the iovec array of an iterator is reached through iter_iov(). */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define usbfs2_compat_iter_iov(iter)	iter_iov(iter)
#else
#define usbfs2_compat_iter_iov(iter)	((iter)->iov)
#endif

/* 6.6 and 6.7: inode times became private. */
static inline void usbfs2_compat_set_ctime(struct inode *inode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	inode_set_ctime_current(inode);
#else
	inode->i_ctime = current_time(inode);
#endif
}

static inline void usbfs2_compat_init_times(struct inode *inode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	simple_inode_init_ts(inode);
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	inode->i_atime = inode->i_mtime = inode_set_ctime_current(inode);
#else
	inode->i_atime = inode->i_mtime = inode->i_ctime = current_time(inode);
#endif
}

/*
 * 6.19: an entry of a file system that exists nowhere else stays because it is
 * marked so; before, because of a reference that simple_recursive_removal()
 * drops.
 */
static inline void usbfs2_compat_d_make_persistent(struct dentry *dentry,
						   struct inode *inode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
	d_make_persistent(dentry, inode);
	dput(dentry);
#else
	d_add(dentry, inode);
#endif
}

/*
 * 6.7: a command of io_uring can be cancelled. Before, a device that does not
 * answer would keep a process from ending, so there are none.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
#define USBFS2_COMPAT_URING
#define usbfs2_compat_uring_cmd	usbfs2_uring_cmd
#else
#define usbfs2_compat_uring_cmd	NULL
#endif

#ifdef USBFS2_COMPAT_URING
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#include <linux/io_uring/cmd.h>
#else
#include <linux/io_uring.h>
#endif

/* 6.18: a completion with 16 more bytes is asked for, not the ring's way. */
static inline void usbfs2_compat_uring_done(struct io_uring_cmd *cmd, s32 result,
					    u64 more, bool wide,
					    unsigned int issue_flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
	if (wide)
		io_uring_cmd_done32(cmd, result, more, issue_flags);
	else
		io_uring_cmd_done(cmd, result, issue_flags);
#else
	io_uring_cmd_done(cmd, result, more, issue_flags);
#endif
}

/* 6.15: it is told who holds the ring's lock. */
static inline int usbfs2_compat_uring_import(u64 address, size_t length, int rw,
					     struct iov_iter *iter,
					     struct io_uring_cmd *cmd,
					     unsigned int issue_flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0)
	return io_uring_cmd_import_fixed(address, length, rw, iter, cmd,
					 issue_flags);
#else
	return io_uring_cmd_import_fixed(address, length, rw, iter, cmd);
#endif
}

/*
 * Defines name_in_task(), for io_uring_cmd_do_in_task_lazy(), by name(). 6.19: it
 * gets a request and a token.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
#define USBFS2_COMPAT_URING_IN_TASK(name)				\
static void name##_in_task(struct io_tw_req req, io_tw_token_t token)	\
{									\
	name(io_uring_cmd_from_tw(req),					\
	     IO_URING_CMD_TASK_WORK_ISSUE_FLAGS);			\
}
#else
#define USBFS2_COMPAT_URING_IN_TASK(name)				\
static void name##_in_task(struct io_uring_cmd *cmd,			\
			   unsigned int issue_flags)			\
{									\
	name(cmd, issue_flags);						\
}
#endif
#endif /* USBFS2_COMPAT_URING */

/*
 * 6.8, 6.6.157 and 6.1.188: struct usb_driver lost its wrapper around struct
 * device_driver. to_usb_driver() knows where it is, so turn that around.
 */
static inline struct device_driver *
usbfs2_compat_device_driver(struct usb_driver *driver)
{
	struct device_driver *here = (void *)driver;

	return (void *)driver + ((void *)here - (void *)to_usb_driver(here));
}

#endif /* _USBFS2_COMPAT_H */
