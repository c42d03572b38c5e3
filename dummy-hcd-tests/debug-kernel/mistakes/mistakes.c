// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes one mistake of each kind that the debug kernel is there to notice, so
 * that a test can tell whether it does: insmod mistakes.ko mistake=leak
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

static char *mistake = "";
module_param(mistake, charp, 0);
MODULE_PARM_DESC(mistake, "which mistake to make");

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static DEFINE_SPINLOCK(spinning);

static noinline int use_after_free(void)
{
	char *memory = kmalloc(64, GFP_KERNEL);

	if (!memory)
		return -ENOMEM;
	kfree(memory);
	OPTIMIZER_HIDE_VAR(memory);
	WRITE_ONCE(memory[8], 1);
	return 0;
}

static noinline int out_of_bounds(void)
{
	size_t length = 60;
	char *memory = kmalloc(length, GFP_KERNEL);

	if (!memory)
		return -ENOMEM;
	OPTIMIZER_HIDE_VAR(length);
	OPTIMIZER_HIDE_VAR(memory);
	WRITE_ONCE(memory[length], 1);
	kfree(memory);
	return 0;
}

static noinline int refcount(void)
{
	refcount_t count = REFCOUNT_INIT(0);

	refcount_inc(&count);
	return 0;
}

static noinline int sleep(void)
{
	spin_lock(&spinning);
	might_sleep();
	spin_unlock(&spinning);
	return 0;
}

static noinline int abba(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);

	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
	return 0;
}

static noinline int leak(void)
{
	char *memory = kmalloc(64, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(memory);
	return memory ? 0 : -ENOMEM;
}

static const struct {
	const char *name;
	int (*make)(void);
} mistakes[] = {
	{ "use-after-free", use_after_free },
	{ "out-of-bounds", out_of_bounds },
	{ "refcount", refcount },
	{ "sleep", sleep },
	{ "abba", abba },
	{ "leak", leak },
};

static int __init mistakes_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(mistakes); i++) {
		if (!strcmp(mistake, mistakes[i].name))
			return mistakes[i].make();
	}
	return -EINVAL;
}
module_init(mistakes_init);

static void __exit mistakes_exit(void)
{
}
module_exit(mistakes_exit);

MODULE_DESCRIPTION("Mistakes for a debug kernel to notice");
MODULE_LICENSE("GPL");
