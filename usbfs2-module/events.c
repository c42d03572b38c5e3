// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: the events file.
 *
 * The last lines are kept in one ring for all readers. A reader has a cursor,
 * starts with an "add" line for each device present, and is told "lost N"
 * when the ring has moved on by more than it holds. A read returns whole lines.
 */
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "usbfs2.h"

#define USBFS2_EVENT_COUNT	1024
#define USBFS2_EVENT_LENGTH	96	/* with its newline */

struct event_line {
	u8 length;
	char text[USBFS2_EVENT_LENGTH];
};

struct event_reader {
	struct mutex lock;		/* the cursor */
	u64 next;			/* P: lock; the line to read next */
	char *start;			/* the lines before it */
	size_t start_length;
	size_t start_position;		/* P: lock */
};

static struct event_line *usbfs2_lines;	/* P: events_lock; a ring */
static u64 usbfs2_line_count;		/* P: events_lock; lines so far */
static DEFINE_SPINLOCK(usbfs2_events_lock);
static DECLARE_WAIT_QUEUE_HEAD(usbfs2_events_wait);

void usbfs2_event(const char *format, ...)
{
	struct event_line *line;
	unsigned long flags;
	va_list args;

	spin_lock_irqsave(&usbfs2_events_lock, flags);
	line = &usbfs2_lines[usbfs2_line_count % USBFS2_EVENT_COUNT];
	va_start(args, format);
	line->length = vscnprintf(line->text, sizeof(line->text) - 1, format,
				  args);
	va_end(args);
	line->text[line->length++] = '\n';
	usbfs2_line_count++;
	spin_unlock_irqrestore(&usbfs2_events_lock, flags);
	wake_up_interruptible_all(&usbfs2_events_wait);
}

static u64 line_count(void)
{
	unsigned long flags;
	u64 count;

	spin_lock_irqsave(&usbfs2_events_lock, flags);
	count = usbfs2_line_count;
	spin_unlock_irqrestore(&usbfs2_events_lock, flags);
	return count;
}

/* The reader's next line. Returns its length, 0 when there is none yet. */
static size_t next_line(struct event_reader *reader, char *line, u64 *after)
{
	const struct event_line *from;
	size_t length = 0;
	unsigned long flags;
	u64 oldest;

	spin_lock_irqsave(&usbfs2_events_lock, flags);
	oldest = usbfs2_line_count > USBFS2_EVENT_COUNT ?
		 usbfs2_line_count - USBFS2_EVENT_COUNT : 0;
	if (reader->next < oldest) {
		length = scnprintf(line, USBFS2_EVENT_LENGTH, "lost %llu\n",
				   oldest - reader->next);
		*after = oldest;
	} else if (reader->next < usbfs2_line_count) {
		from = &usbfs2_lines[reader->next % USBFS2_EVENT_COUNT];
		length = from->length;
		memcpy(line, from->text, length);
		*after = reader->next + 1;
	}
	spin_unlock_irqrestore(&usbfs2_events_lock, flags);
	return length;
}

/* Whole lines only. EINVAL when not even one fits. */
static ssize_t read_lines(struct event_reader *reader, char __user *to,
			  size_t size)
{
	char line[USBFS2_EVENT_LENGTH];
	const char *start, *newline;
	size_t length, done = 0;
	u64 after = 0;

	while (reader->start_position < reader->start_length) {
		start = reader->start + reader->start_position;
		newline = memchr(start, '\n',
				 reader->start_length - reader->start_position);
		length = newline - start + 1;
		if (length > size - done)
			return done ?: -EINVAL;
		if (copy_to_user(to + done, start, length))
			return done ?: -EFAULT;
		reader->start_position += length;
		done += length;
	}
	while ((length = next_line(reader, line, &after))) {
		if (length > size - done)
			return done ?: -EINVAL;
		if (copy_to_user(to + done, line, length))
			return done ?: -EFAULT;
		reader->next = after;
		done += length;
	}
	return done;
}

static bool readable(struct event_reader *reader)
{
	return READ_ONCE(reader->start_position) < reader->start_length ||
	       READ_ONCE(reader->next) < line_count();
}

static ssize_t usbfs2_events_read(struct file *file, char __user *to,
				  size_t size, loff_t *unused)
{
	struct event_reader *reader = file->private_data;
	ssize_t ret;

	do {
		ret = mutex_lock_interruptible(&reader->lock);
		if (ret)
			return ret;
		ret = read_lines(reader, to, size);
		mutex_unlock(&reader->lock);
		if (ret)
			return ret;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		ret = wait_event_interruptible(usbfs2_events_wait,
					       readable(reader));
	} while (!ret);
	return ret;
}

static __poll_t usbfs2_events_poll(struct file *file, poll_table *wait)
{
	poll_wait(file, &usbfs2_events_wait, wait);
	return readable(file->private_data) ? EPOLLIN | EPOLLRDNORM : 0;
}

static int usbfs2_events_open(struct inode *inode, struct file *file)
{
	struct usbfs2_device *dev;
	struct event_reader *reader;
	size_t size = 0;

	if (file->f_mode & FMODE_WRITE)
		return -EINVAL;
	reader = kzalloc(sizeof(*reader), GFP_KERNEL_ACCOUNT);
	if (!reader)
		return -ENOMEM;
	mutex_init(&reader->lock);

	/* "add" and "remove" are told under tree_mutex: none is missed here. */
	mutex_lock(&usbfs2_tree_mutex);
	list_for_each_entry(dev, &usbfs2_devices, link)
		size += strlen(dev->dir->name) + sizeof("add ");
	reader->start = kvmalloc(size + 1, GFP_KERNEL_ACCOUNT);
	if (reader->start)
		list_for_each_entry(dev, &usbfs2_devices, link)
			reader->start_length +=
				scnprintf(reader->start + reader->start_length,
					  size + 1 - reader->start_length,
					  "add %s\n", dev->dir->name);
	reader->next = line_count();
	mutex_unlock(&usbfs2_tree_mutex);

	if (!reader->start) {
		kfree(reader);
		return -ENOMEM;
	}
	file->private_data = reader;
	return stream_open(inode, file);
}

static int usbfs2_events_release(struct inode *inode, struct file *file)
{
	struct event_reader *reader = file->private_data;

	kvfree(reader->start);
	kfree(reader);
	return 0;
}

const struct file_operations usbfs2_events_fops = {
	.owner = THIS_MODULE,
	.open = usbfs2_events_open,
	.read = usbfs2_events_read,
	.poll = usbfs2_events_poll,
	.release = usbfs2_events_release,
};

int usbfs2_events_start(void)
{
	usbfs2_lines = kvcalloc(USBFS2_EVENT_COUNT, sizeof(*usbfs2_lines),
				GFP_KERNEL);
	return usbfs2_lines ? 0 : -ENOMEM;
}

void usbfs2_events_stop(void)
{
	kvfree(usbfs2_lines);
}
