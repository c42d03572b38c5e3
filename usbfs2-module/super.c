// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: the file system, its one superblock and its mount options.
 *
 * uid=, gid=  owner of everything (0)
 * mode=       of endpoint files (0600); attribute files take its w bits
 * dmode=      of directories (0755)
 *
 * Options of a further mount, or of a remount, are handed down the whole tree.
 */
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "usbfs2.h"

struct usbfs2_options {
	struct usbfs2_access access;
	bool given;
};

enum {
	OPTION_UID,
	OPTION_GID,
	OPTION_MODE,
	OPTION_DMODE,
};

static const struct fs_parameter_spec usbfs2_parameters[] = {
	fsparam_u32("uid", OPTION_UID),
	fsparam_u32("gid", OPTION_GID),
	fsparam_u32oct("mode", OPTION_MODE),
	fsparam_u32oct("dmode", OPTION_DMODE),
	{}
};

static int usbfs2_parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	struct usbfs2_options *options = fc->fs_private;
	struct usbfs2_access *access = &options->access;
	struct fs_parse_result result;
	int option;

	option = fs_parse(fc, usbfs2_parameters, param, &result);
	if (option < 0)
		return option;
	options->given = true;

	switch (option) {
	case OPTION_UID:
		access->uid = make_kuid(fc->user_ns, result.uint_32);
		if (!uid_valid(access->uid))
			return invalf(fc, "usbfs2: unknown uid");
		break;
	case OPTION_GID:
		access->gid = make_kgid(fc->user_ns, result.uint_32);
		if (!gid_valid(access->gid))
			return invalf(fc, "usbfs2: unknown gid");
		break;
	case OPTION_MODE:
		if (result.uint_32 & ~0666)
			return invalf(fc, "usbfs2: mode has bits outside 0666");
		access->file_mode = result.uint_32;
		break;
	case OPTION_DMODE:
		if (result.uint_32 & ~0777)
			return invalf(fc, "usbfs2: dmode has bits outside 0777");
		access->dir_mode = result.uint_32;
		break;
	}
	return 0;
}

static void usbfs2_evict_inode(struct inode *inode)
{
	clear_inode(inode);
	usbfs2_node_free(usbfs2_node_of(inode));
}

static int usbfs2_drop_inode(struct inode *inode)
{
	return 1;
}

static int usbfs2_show_options(struct seq_file *m, struct dentry *root)
{
	struct usbfs2_node *node = usbfs2_node_of(d_inode(root));
	struct usbfs2_access access;

	usbfs2_node_access(node, &access);
	seq_printf(m, ",uid=%u,gid=%u,mode=%o,dmode=%o",
		   from_kuid_munged(&init_user_ns, access.uid),
		   from_kgid_munged(&init_user_ns, access.gid),
		   access.file_mode, access.dir_mode);
	return 0;
}

static const struct super_operations usbfs2_super_operations = {
	.statfs = simple_statfs,
	.drop_inode = usbfs2_drop_inode,
	.evict_inode = usbfs2_evict_inode,
	.show_options = usbfs2_show_options,
};

static int usbfs2_fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct usbfs2_options *options = fc->fs_private;
	struct usbfs2_node *root;

	sb->s_magic = USBFS2_MAGIC;
	sb->s_op = &usbfs2_super_operations;
	sb->s_blocksize = PAGE_SIZE;
	sb->s_blocksize_bits = PAGE_SHIFT;
	sb->s_maxbytes = MAX_LFS_FILESIZE;
	sb->s_time_gran = 1;
	sb->s_iflags |= SB_I_NODEV | SB_I_NOEXEC;

	root = usbfs2_node_root(sb, &options->access);
	if (!root)
		return -ENOMEM;
	options->given = false;
	return usbfs2_tree_start(root);
}

static int usbfs2_get_tree(struct fs_context *fc)
{
	struct usbfs2_options *options = fc->fs_private;
	int ret;

	ret = get_tree_single(fc, usbfs2_fill_super);
	if (ret)
		return ret;
	/* Still set when the superblock was there before. */
	if (options->given)
		usbfs2_node_hand_down(usbfs2_node_of(d_inode(fc->root)),
				      &options->access);
	return 0;
}

static int usbfs2_reconfigure(struct fs_context *fc)
{
	struct usbfs2_options *options = fc->fs_private;

	if (options->given)
		usbfs2_node_hand_down(usbfs2_node_of(d_inode(fc->root)),
				      &options->access);
	return 0;
}

static void usbfs2_free_context(struct fs_context *fc)
{
	kfree(fc->fs_private);
}

static const struct fs_context_operations usbfs2_context_operations = {
	.parse_param = usbfs2_parse_param,
	.get_tree = usbfs2_get_tree,
	.reconfigure = usbfs2_reconfigure,
	.free = usbfs2_free_context,
};

static int usbfs2_init_fs_context(struct fs_context *fc)
{
	struct usbfs2_options *options;

	options = kzalloc(sizeof(*options), GFP_KERNEL);
	if (!options)
		return -ENOMEM;
	options->access.uid = GLOBAL_ROOT_UID;
	options->access.gid = GLOBAL_ROOT_GID;
	options->access.file_mode = 0600;
	options->access.dir_mode = 0755;
	/* A remount changes what it names and leaves the rest. */
	if (fc->purpose == FS_CONTEXT_FOR_RECONFIGURE)
		usbfs2_node_access(usbfs2_node_of(d_inode(fc->root)),
				   &options->access);
	fc->fs_private = options;
	fc->ops = &usbfs2_context_operations;
	return 0;
}

static void usbfs2_kill_sb(struct super_block *sb)
{
	/* Open files pin the mount, so none is left. */
	usbfs2_tree_stop();
	kill_anon_super(sb);
}

struct file_system_type usbfs2_fs_type = {
	.owner = THIS_MODULE,
	.name = "usbfs2",
	.init_fs_context = usbfs2_init_fs_context,
	.parameters = usbfs2_parameters,
	.kill_sb = usbfs2_kill_sb,
};
