// SPDX-License-Identifier: GPL-2.0-only
/*
 * usbfs2: io_uring commands, operations that nobody waits for.
 *
 * A command has the memory rules of Linux AIO, and so its bytes are in place
 * when the controller is done. What is left is to tell the ring, which only the
 * submitting task may do, or whoever stands in for it once it is gone. That may
 * take any time: the task may be stopped, or be the one that waits for the pipe
 * to drain. So a request leaves the pipe's queue before, and the command keeps it.
 *
 * io_uring calls here with the ring's lock held, but from its workers. Nobody
 * waits for that lock with another of ours held: a command is marked before it
 * starts, and done after. From then on it always ends by io_uring_cmd_done().
 */
#include <linux/uio.h>

#include "usbfs2.h"

#ifdef USBFS2_COMPAT_URING

/* What the command keeps, in its own memory. */
struct keep {
	struct usbfs2_request *req;	/* referenced until it is done */
	bool wide;			/* its completion has room for a status */
};

static struct keep *keep_of(struct io_uring_cmd *cmd)
{
	return io_uring_cmd_to_pdu(cmd, struct keep);
}

static void tell(struct io_uring_cmd *cmd, s32 result,
		 struct usbfs2_status status, unsigned int issue_flags)
{
	u64 more;

	BUILD_BUG_ON(sizeof(more) != sizeof(status));
	memcpy(&more, &status, sizeof(more));
	usbfs2_compat_uring_done(cmd, result, more, keep_of(cmd)->wide,
				 issue_flags);
}

static struct usbfs2_status status_of(const struct usbfs2_request *req)
{
	struct usbfs2_status status = {};

	if (req->result < 0) {
		status.status = req->result;
	} else if (req->packets) {
		status = req->packets->statuses[req->packets->count];
	} else {
		status.length = req->result;
		status.status = req->error;
	}
	return status;
}

static void finish(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct usbfs2_request *req = keep_of(cmd)->req;

	tell(cmd, req->result, status_of(req), issue_flags);
	/* Last: until then it may be cancelled. */
	usbfs2_request_put(req);
}

USBFS2_COMPAT_URING_IN_TASK(finish);

void usbfs2_uring_deliver(struct usbfs2_request *req)
{
	struct io_uring_cmd *cmd = req->uring;

	/* On the queue, who holds pipe->lock may look at its command. */
	usbfs2_pipe_retire(req->pipe, req);
	io_uring_cmd_do_in_task_lazy(cmd, finish_in_task);
}

/*
 * The ring or its task ends. The command is not done, and will not be while the
 * ring's lock is held.
 */
static void cancel(struct io_uring_cmd *cmd)
{
	struct usbfs2_request *req = keep_of(cmd)->req;
	struct usbfs2_pipe *pipe = req->pipe;
	unsigned long flags;
	bool unlink;

	spin_lock_irqsave(&pipe->lock, flags);
	/* Not on the queue, it is over or has not been accepted yet. */
	unlink = !req->cancelled && !list_empty(&req->link);
	req->cancelled = true;
	if (unlink) {
		usbfs2_request_block(req);
		refcount_inc(&req->ref);
	}
	spin_unlock_irqrestore(&pipe->lock, flags);

	if (unlink) {
		usbfs2_request_unlink(req);
		usbfs2_request_put(req);
	}
}

struct name {
	const struct io_ring_ctx *ring;
	u64 user_data;
};

static bool has_name(const struct usbfs2_request *req, const void *what)
{
	const struct name *name = what;
	const struct io_kiocb *command;

	if (!req->uring)
		return false;
	command = cmd_to_io_kiocb(req->uring);
	return command->ctx == name->ring &&
	       command->cqe.user_data == name->user_data;
}

static int cancel_by_name(struct usbfs2_pipe *pipe, struct io_uring_cmd *cmd,
			  u64 user_data)
{
	const struct name name = {
		.ring = cmd_to_io_kiocb(cmd)->ctx,
		.user_data = user_data,
	};

	return usbfs2_pipe_cancel_those(pipe, has_name, &name) ?: -ENOENT;
}

/* The memory that a command names. */
static int import(struct iov_iter *iter, struct iovec **iov, unsigned int rw,
		  struct io_uring_cmd *cmd, u64 address, u32 length,
		  unsigned int issue_flags)
{
	const bool registered = cmd->flags & IORING_URING_CMD_FIXED;
	void __user *start = u64_to_user_ptr(address);
	ssize_t ret;

	if (cmd->cmd_op == USBFS2_URING_TRANSFER)
		return registered ?
		       usbfs2_compat_uring_import(address, length, rw, iter,
						  cmd, issue_flags) :
		       import_ubuf(rw, start, length, iter);
	/* What a 32-bit process means by an iovec, a worker cannot tell. */
	if (registered || (issue_flags & IO_URING_F_COMPAT))
		return -EINVAL;
	ret = import_iovec(rw, start, length, UIO_FASTIOV, iov, iter);
	return min_t(ssize_t, ret, 0);
}

static struct usbfs2_request *
make_request(struct io_uring_cmd *cmd, u64 address,
	     const struct usbfs2_command *command, unsigned int issue_flags)
{
	struct usbfs2_pipe *pipe = cmd->file->private_data;
	struct iovec few[UIO_FASTIOV], *iov = few;
	struct usbfs2_request *req;
	struct iov_iter iter;
	bool in;
	int ret;

	if (pipe->endpoint)
		in = pipe->address & USB_DIR_IN;
	else
		in = USBFS2_SETUP_REQUEST_TYPE(command->offset) & USB_DIR_IN;
	ret = import(&iter, &iov, in ? ITER_DEST : ITER_SOURCE, cmd, address,
		     command->length, issue_flags);
	if (ret)
		return ERR_PTR(ret);
	if (pipe->endpoint)
		req = usbfs2_data_request(pipe, &iter, command->offset);
	else
		req = usbfs2_control_request(pipe, iov_iter_count(&iter),
					     command->offset, in);
	if (!IS_ERR_OR_NULL(req)) {
		req->uring = cmd;
		/* A worker may wait. */
		if ((issue_flags & IO_URING_F_NONBLOCK) && !pipe->endpoint &&
		    usbfs2_control_waits(req))
			ret = -EAGAIN;
		else
			ret = usbfs2_request_find_memory(req, &iter, true);
		if (ret) {
			usbfs2_request_put(req);
			req = ERR_PTR(ret);
		}
	}
	if (iov != few)
		kfree(iov);
	return req;
}

static int transfer(struct io_uring_cmd *cmd, u64 address,
		    const struct usbfs2_command *command,
		    unsigned int issue_flags)
{
	struct usbfs2_pipe *pipe = cmd->file->private_data;
	struct keep *keep = keep_of(cmd);
	struct usbfs2_request *req;
	int ret;

	/* Waking the device, or asking whether it is there, takes its time. */
	if ((issue_flags & IO_URING_F_NONBLOCK) &&
	    (READ_ONCE(pipe->state) == USBFS2_ASLEEP ||
	     READ_ONCE(pipe->judging)))
		return -EAGAIN;
	req = make_request(cmd, address, command, issue_flags);
	if (IS_ERR_OR_NULL(req))
		return PTR_ERR_OR_ZERO(req);
	keep->req = req;
	keep->wide = issue_flags & IO_URING_F_CQE32;
	io_uring_cmd_mark_cancelable(cmd, issue_flags);
	/* The command, and its reference, may be gone before this returns. */
	refcount_inc(&req->ref);
	if (pipe->endpoint)
		ret = usbfs2_request_start(req);
	else
		ret = usbfs2_control_start(req);
	usbfs2_request_put(req);
	if (ret) {
		/* Not accepted. A restart is a system call's to make. */
		ret = ret == -ERESTARTSYS ? -EINTR : min(ret, 0);
		tell(cmd, ret, (struct usbfs2_status){ .status = ret },
		     issue_flags);
		usbfs2_request_put(req);
	}
	return -EIOCBQUEUED;
}

int usbfs2_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct usbfs2_pipe *pipe = cmd->file->private_data;
	const struct usbfs2_command *from;
	struct usbfs2_command command;
	u64 address;

	if (issue_flags & IO_URING_F_CANCEL) {
		cancel(cmd);
		return 0;
	}
	/* It has queues of its own; what waits there is for poll. */
	if (pipe->armed && usbfs2_armed_decide(cmd->file))
		return -EINVAL;
	/* The caller may still write to it: each is read once. */
	from = (const void *)cmd->sqe->cmd;
	command.offset = READ_ONCE(from->offset);
	command.length = READ_ONCE(from->length);
	command.reserved = READ_ONCE(from->reserved);
	address = READ_ONCE(cmd->sqe->addr);
	if (command.reserved)
		return -EINVAL;

	switch (cmd->cmd_op) {
	case USBFS2_URING_TRANSFER:
	case USBFS2_URING_VECTORED:
		return transfer(cmd, address, &command, issue_flags);
	case USBFS2_URING_CANCEL:
		return cancel_by_name(pipe, cmd, address);
	}
	return -EOPNOTSUPP;
}

#endif /* USBFS2_COMPAT_URING */
