/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one place that knows kernel versions. Everything here is named
 * usbfs2_compat_* and follows the newest kernel's way of doing it.
 */
#ifndef _USBFS2_COMPAT_H
#define _USBFS2_COMPAT_H

#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/uio.h>
#include <linux/usb.h>
#include <linux/version.h>

/* 6.3: ->setattr takes the mount's id mapping instead of a user namespace. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define usbfs2_compat_idmap	mnt_idmap
#else
#define usbfs2_compat_idmap	user_namespace
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
