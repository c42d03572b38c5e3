// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: one file or directory, and who may use it.
 *
 * Endpoint files are FIFOs (USB calls them pipes) with our own operations: a
 * regular file would take f_pos_lock, on which a second reader hangs beyond
 * SIGKILL. events is one for the same reason.
 *
 * A directory hands its owner down to everything below it, now and later.
 * Nothing can be created here, so w on a directory means the right to use
 * what is in it: chmod gives its files rw for each class that has w, and
 * attribute files, which everybody may read, their w.
 */
#include <linux/fsnotify.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "usbfs2.h"

static DEFINE_SPINLOCK(usbfs2_attributes_lock);

static bool is_directory(const struct usbfs2_node *node)
{
	return node->kind == USBFS2_ROOT || node->kind == USBFS2_DEVICE ||
	       node->kind == USBFS2_INTERFACE;
}

static umode_t node_mode(const struct usbfs2_node *node,
			 const struct usbfs2_access *access)
{
	switch (node->kind) {
	case USBFS2_ROOT:
	case USBFS2_DEVICE:
	case USBFS2_INTERFACE:
		return S_IFDIR | access->dir_mode;
	case USBFS2_EVENTS:
		return S_IFIFO | 0444;
	case USBFS2_DESCRIPTORS:
	case USBFS2_BOS:
		return S_IFREG | 0444;
	case USBFS2_CONFIGURATION:
	case USBFS2_DRIVER:
	case USBFS2_ALTERNATE:
		return S_IFREG | 0444 | (access->file_mode & 0222);
	case USBFS2_DEVICE_CONTROL:
	case USBFS2_INTERFACE_CONTROL:
	case USBFS2_DATA:
		return S_IFIFO | access->file_mode;
	}
	return 0;
}

static void inherit(struct usbfs2_node *node,
		    const struct usbfs2_access *access, unsigned int valid)
{
	struct usbfs2_node *child;

	lockdep_assert_held(&usbfs2_attributes_lock);
	if (valid & ATTR_UID) {
		node->access.uid = access->uid;
		node->inode->i_uid = access->uid;
	}
	if (valid & ATTR_GID) {
		node->access.gid = access->gid;
		node->inode->i_gid = access->gid;
	}
	if (valid & ATTR_MODE) {
		node->access.file_mode = access->file_mode;
		node->access.dir_mode = access->dir_mode;
		node->inode->i_mode = node_mode(node, access);
	}
	usbfs2_compat_set_ctime(node->inode);

	list_for_each_entry(child, &node->children, sibling)
		inherit(child, access, valid);
}

void usbfs2_node_access(struct usbfs2_node *node, struct usbfs2_access *access)
{
	spin_lock(&usbfs2_attributes_lock);
	*access = node->access;
	spin_unlock(&usbfs2_attributes_lock);
}

void usbfs2_node_hand_down(struct usbfs2_node *node,
			   const struct usbfs2_access *access)
{
	spin_lock(&usbfs2_attributes_lock);
	inherit(node, access, ATTR_UID | ATTR_GID | ATTR_MODE);
	spin_unlock(&usbfs2_attributes_lock);
}

static void report_access(const struct usbfs2_node *node)
{
	const struct usbfs2_node *parent = node->parent;

	if (!node->dev)
		return;
	if (parent->kind == USBFS2_ROOT)
		usbfs2_event("access %s", node->name);
	else if (parent->kind == USBFS2_DEVICE)
		usbfs2_event("access %s %s", parent->name, node->name);
	else
		usbfs2_event("access %s %s %s", parent->parent->name,
			     parent->name, node->name);
}

static int usbfs2_setattr(struct usbfs2_compat_idmap *idmap,
			  struct dentry *dentry, struct iattr *attr)
{
	const unsigned int shared = ATTR_UID | ATTR_GID | ATTR_MODE;
	struct inode *inode = d_inode(dentry);
	struct usbfs2_node *node = usbfs2_node_of(inode);
	struct usbfs2_access access;
	int ret;

	ret = setattr_prepare(idmap, dentry, attr);
	if (ret)
		return ret;
	/* "echo x > driver" truncates; there is nothing to truncate. */
	setattr_copy(idmap, inode, attr);
	if (!(attr->ia_valid & shared))
		return 0;

	if (is_directory(node)) {
		access.uid = inode->i_uid;
		access.gid = inode->i_gid;
		access.dir_mode = inode->i_mode & 0777;
		access.file_mode = inode->i_mode & 0222;
		access.file_mode |= access.file_mode << 1;

		spin_lock(&usbfs2_attributes_lock);
		inherit(node, &access, attr->ia_valid & shared);
		spin_unlock(&usbfs2_attributes_lock);
	}
	report_access(node);
	return 0;
}

static const struct inode_operations usbfs2_file_inode_operations = {
	.setattr = usbfs2_setattr,
};

static const struct inode_operations usbfs2_dir_inode_operations = {
	.lookup = simple_lookup,
	.setattr = usbfs2_setattr,
};

/*
 * Another driver's SET_INTERFACE raises no notifier: look when asked. Somebody
 * who is busy with the device is not waited for.
 */
static int usbfs2_dir_open(struct inode *inode, struct file *file)
{
	const struct usbfs2_node *node = usbfs2_node_of(inode);
	struct usb_interface *intf;

	if (node->kind == USBFS2_INTERFACE &&
	    usb_trylock_device(node->dev->udev)) {
		intf = usbfs2_find_interface(node);
		if (intf)
			usbfs2_tree_sync_interface(intf);
		usb_unlock_device(node->dev->udev);
	}
	return dcache_dir_open(inode, file);
}

static const struct file_operations usbfs2_dir_fops = {
	.owner = THIS_MODULE,
	.open = usbfs2_dir_open,
	.release = dcache_dir_close,
	.llseek = dcache_dir_lseek,
	.read = generic_read_dir,
	.iterate_shared = dcache_readdir,
	.fsync = noop_fsync,
};

static const struct file_operations *node_fops(enum usbfs2_kind kind)
{
	switch (kind) {
	case USBFS2_ROOT:
	case USBFS2_DEVICE:
	case USBFS2_INTERFACE:
		return &usbfs2_dir_fops;
	case USBFS2_EVENTS:
		return &usbfs2_events_fops;
	case USBFS2_DESCRIPTORS:
	case USBFS2_BOS:
		return &usbfs2_descriptors_fops;
	case USBFS2_CONFIGURATION:
		return &usbfs2_configuration_fops;
	case USBFS2_DRIVER:
		return &usbfs2_driver_fops;
	case USBFS2_ALTERNATE:
		return &usbfs2_alternate_fops;
	case USBFS2_DEVICE_CONTROL:
	case USBFS2_INTERFACE_CONTROL:
		return &usbfs2_control_fops;
	case USBFS2_DATA:
		return &usbfs2_data_fops;
	}
	return NULL;
}

void usbfs2_node_free(struct usbfs2_node *node)
{
	if (!node)
		return;
	if (node->dev)
		usbfs2_device_put(node->dev);
	kfree(node);
}

static void give_access(struct usbfs2_node *node,
			const struct usbfs2_access *access)
{
	node->access = *access;
	node->inode->i_uid = access->uid;
	node->inode->i_gid = access->gid;
	node->inode->i_mode = node_mode(node, access);
}

/* Made but not linked, and nobody's yet: its inode owns it. */
static struct usbfs2_node *node_new(struct super_block *sb,
				    enum usbfs2_kind kind)
{
	struct usbfs2_node *node;
	struct inode *inode;

	node = kzalloc(sizeof(*node), GFP_KERNEL);
	if (!node)
		return NULL;
	node->kind = kind;
	INIT_LIST_HEAD(&node->children);
	INIT_LIST_HEAD(&node->sibling);

	inode = new_inode(sb);
	if (!inode) {
		kfree(node);
		return NULL;
	}
	inode->i_private = node;
	inode->i_ino = get_next_ino();
	inode->i_fop = node_fops(kind);
	if (is_directory(node)) {
		inode->i_op = &usbfs2_dir_inode_operations;
		set_nlink(inode, 2);
	} else {
		inode->i_op = &usbfs2_file_inode_operations;
	}
	usbfs2_compat_init_times(inode);
	node->inode = inode;
	return node;
}

struct usbfs2_node *usbfs2_node_root(struct super_block *sb,
				     const struct usbfs2_access *access)
{
	struct usbfs2_node *node;

	node = node_new(sb, USBFS2_ROOT);
	if (!node)
		return NULL;
	give_access(node, access);
	/* Puts the inode, and so frees the node, when it fails. */
	sb->s_root = d_make_root(node->inode);
	if (!sb->s_root)
		return NULL;
	node->dentry = sb->s_root;
	return node;
}

struct usbfs2_node *usbfs2_node_add(struct usbfs2_node *parent,
				    enum usbfs2_kind kind,
				    struct usbfs2_device *dev,
				    struct usbfs2_place place,
				    const char *name)
{
	struct inode *dir = parent->inode;
	struct usbfs2_node *node;
	struct dentry *dentry;

	lockdep_assert_held(&usbfs2_tree_mutex);
	node = node_new(dir->i_sb, kind);
	if (!node)
		return NULL;
	if (dev)
		node->dev = usbfs2_device_get(dev);
	node->parent = parent;
	node->place = place;
	strscpy(node->name, name, sizeof(node->name));

	dentry = d_alloc_name(parent->dentry, name);
	if (!dentry) {
		iput(node->inode);
		return NULL;
	}
	node->dentry = dentry;

	inode_lock(dir);
	spin_lock(&usbfs2_attributes_lock);
	/* From here on, what is handed down reaches it. */
	give_access(node, &parent->access);
	list_add_tail(&node->sibling, &parent->children);
	spin_unlock(&usbfs2_attributes_lock);
	usbfs2_compat_d_make_persistent(dentry, node->inode);
	if (is_directory(node)) {
		inc_nlink(dir);
		fsnotify_mkdir(dir, dentry);
	} else {
		fsnotify_create(dir, dentry);
	}
	inode_unlock(dir);
	return node;
}

/* Nobody inherits from or through these nodes any more. */
static void unlink_nodes(struct usbfs2_node *node)
{
	struct usbfs2_node *child, *next;

	list_for_each_entry_safe(child, next, &node->children, sibling)
		unlink_nodes(child);
	list_del_init(&node->sibling);
	WRITE_ONCE(node->removed, true);
}

void usbfs2_node_remove(struct usbfs2_node *node)
{
	lockdep_assert_held(&usbfs2_tree_mutex);
	spin_lock(&usbfs2_attributes_lock);
	unlink_nodes(node);
	spin_unlock(&usbfs2_attributes_lock);
	simple_recursive_removal(node->dentry, NULL);
}
