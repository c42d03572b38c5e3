//! The same operations by io_uring, described by the same iocbs.

use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::io;
use std::ptr;
use std::time::{Duration, Instant};

use io_uring::{IoUring, opcode, squeue, types};

use super::abi::{COMMAND, Iocb, Opcode};
use super::fork::ForkMark;
use super::ring::Answer;
use crate::SetupError;

/// Labels the completions of cancels. No operation has this label: no context has so many slots.
const CANCEL: u64 = u64::MAX;
/// `USBFS2_URING_TRANSFER`, `_VECTORED`, `_CANCEL` and the flag of `USBFS2_BATCH()` of linux/usbfs2.h.
const TRANSFER: u32 = 1;
const VECTORED: u32 = 2;
const CANCEL_COMMAND: u32 = 3;
const BATCH: u64 = 1 << 62;
/// The kernel has room for so many answers (`IORING_MAX_CQ_ENTRIES`), one of them to a cancel.
const MOST_DEPTH: u32 = 65_535;
/// Operations that wait for the kernel to look at them. More go in several calls.
const MOST_ENTRIES: u32 = 1024;

/// An io_uring.
///
/// Dropping it is no end of its operations, as [`destroy`](Self::destroy) is: the kernel takes a ring apart later.
pub(crate) struct Uring {
    ring: IoUring,
    mark: ForkMark,
    /// What completions signal; every iocb names the same.
    event_fd: Option<u32>,
    /// Operations handed over whose answers have not been taken out of the ring.
    in_kernel: usize,
    /// Answers that were found while looking for another.
    found: VecDeque<Answer>,
}

impl std::fmt::Debug for Uring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uring")
            .field("in_kernel", &self.in_kernel)
            .finish_non_exhaustive()
    }
}

impl Uring {
    pub(crate) fn new(depth: u32) -> Result<Self, SetupError> {
        if depth > MOST_DEPTH {
            return Err(SetupError::LimitReached { depth });
        }
        let mark = ForkMark::new()?;
        let entries = depth.clamp(1, MOST_ENTRIES).next_power_of_two();
        // With room for an answer to each, and to a cancel.
        let answers = (depth + 1).max(2 * entries).next_power_of_two();
        let ring = IoUring::builder()
            .setup_cqsize(answers)
            .setup_submit_all()
            .build(entries)
            .map_err(|error| match error.raw_os_error() {
                Some(libc::ENOSYS | libc::EPERM | libc::EINVAL) => SetupError::Unsupported,
                _ => SetupError::Os(error),
            })?;
        // To sleep for a time, and to keep every answer.
        if !ring.params().is_feature_ext_arg() || !ring.params().is_feature_nodrop() {
            return Err(SetupError::Unsupported);
        }
        Ok(Self {
            ring,
            mark,
            event_fd: None,
            in_kernel: 0,
            found: VecDeque::new(),
        })
    }

    /// Whether this process is a fork of the one that made the ring, and must keep its hands off it.
    pub(crate) fn is_inherited(&self) -> bool {
        self.mark.is_child()
    }

    /// Submits a batch; returns how many of its first operations are the kernel's now.
    ///
    /// # Errors
    /// `EAGAIN` when there is no room for any.
    ///
    /// # Safety
    /// As `Ring::submit`.
    pub(crate) unsafe fn submit(&mut self, batch: &[usize]) -> io::Result<usize> {
        let mut count = 0;
        for &address in batch {
            // SAFETY: the caller vouches that an iocb is at each address; the kernel never sees it.
            let iocb = unsafe { &*ptr::with_exposed_provenance::<Iocb>(address) };
            if self.event_fd != Some(iocb.event_fd) {
                let event_fd = iocb.event_fd.cast_signed();
                self.ring.submitter().register_eventfd(event_fd)?;
                self.event_fd = Some(iocb.event_fd);
            }
            let entry = entry(iocb).user_data(iocb.data);
            // SAFETY: the caller vouches that what the iocb describes stays until its answer has been returned.
            if unsafe { self.ring.submission().push(&entry) }.is_err() {
                break;
            }
            count += 1;
        }
        if count == 0 {
            self.flush()?;
            return Err(io::Error::from_raw_os_error(libc::EAGAIN));
        }
        self.in_kernel += count;
        // What it does not take now it takes with the next call: nobody need be told.
        let _ = self.flush();
        Ok(count)
    }

    fn flush(&self) -> io::Result<()> {
        self.ring.submit().map(drop)
    }

    /// Takes the oldest answer.
    pub(crate) fn pop(&mut self) -> Option<Answer> {
        if let Some(answer) = self.found.pop_front() {
            return Some(answer);
        }
        loop {
            let (label, result) = self.next_completion()?;
            if label != CANCEL {
                return Some(self.answer(label, result));
            }
        }
    }

    fn next_completion(&mut self) -> Option<(u64, i32)> {
        if let Some(entry) = self.ring.completion().next() {
            return Some((entry.user_data(), entry.result()));
        }
        // The kernel may hold back answers that found no room, and may not have seen all entries yet.
        let mut submission = self.ring.submission();
        submission.sync();
        if submission.is_empty() && !submission.cq_overflow() {
            return None;
        }
        drop(submission);
        let _ = self.flush();
        let entry = self.ring.completion().next()?;
        Some((entry.user_data(), entry.result()))
    }

    fn answer(&mut self, label: u64, result: i32) -> Answer {
        self.in_kernel = self.in_kernel.saturating_sub(1);
        // What a worker says whom a cancel interrupted.
        let result = if result == -libc::EINTR {
            -libc::ECANCELED
        } else {
            result
        };
        Answer {
            data: label,
            result: result.into(),
        }
    }

    /// Sleeps until `minimum` answers are there, at most for `timeout`, and takes them with others that are there.
    /// Returns how many.
    ///
    /// # Errors
    /// `EINTR` when a signal came first; what had come is in `answers`.
    pub(crate) fn get_events(
        &mut self,
        minimum: usize,
        timeout: Option<Duration>,
        answers: &mut VecDeque<Answer>,
    ) -> io::Result<usize> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut count = 0;
        loop {
            while let Some(answer) = self.pop() {
                answers.push_back(answer);
                count += 1;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if count >= minimum || left.is_some_and(|left| left.is_zero()) {
                return Ok(count);
            }
            let time = left.map(types::Timespec::from);
            let arguments = types::SubmitArgs::new();
            let arguments = match &time {
                Some(time) => arguments.timespec(time),
                None => arguments,
            };
            let wanted = minimum - count;
            match self.ring.submitter().submit_with_args(wanted, &arguments) {
                Err(error) if error.raw_os_error() == Some(libc::EINTR) && count > 0 => {
                    return Ok(count);
                }
                Err(error) if !matches!(error.raw_os_error(), Some(libc::ETIME | libc::EBUSY)) => {
                    return Err(error);
                }
                _ => {}
            }
        }
    }

    /// Asks for an end of a submitted operation; says whether there was one to be told.
    pub(crate) fn cancel(&mut self, iocb: &UnsafeCell<Iocb>) -> bool {
        // SAFETY: the kernel never sees the iocb, and its owner changes none that was submitted.
        let iocb = unsafe { &*iocb.get() };
        let entry = if is_command(iocb) {
            let fd = types::Fd(iocb.fd.cast_signed());
            opcode::UringCmd16::new(fd, CANCEL_COMMAND)
                .addr(Some(iocb.data))
                .build()
        } else {
            opcode::AsyncCancel::new(iocb.data).build()
        };
        // SAFETY: a cancel points to no memory.
        while unsafe {
            self.ring
                .submission()
                .push(&entry.clone().user_data(CANCEL))
        }
        .is_err()
        {
            if self.flush().is_err() {
                return false;
            }
        }
        let _ = self.flush();
        // It is done when the call returns, behind what was done before.
        while let Some((label, result)) = self.next_completion() {
            if label == CANCEL {
                // A worker at work on it was told, too.
                return result >= 0 || result == -libc::EALREADY;
            }
            let answer = self.answer(label, result);
            self.found.push_back(answer);
        }
        true
    }

    /// Waits until the kernel is done with every operation, which the caller has cancelled.
    ///
    /// # Errors
    /// When that cannot be waited for; operations may then still be running.
    pub(crate) fn destroy(&mut self) -> io::Result<()> {
        loop {
            while self.pop().is_some() {}
            if self.in_kernel == 0 {
                return Ok(());
            }
            match self.ring.submit_and_wait(1) {
                Err(error) if !matches!(error.raw_os_error(), Some(libc::EINTR | libc::EBUSY)) => {
                    return Err(error);
                }
                _ => {}
            }
        }
    }
}

/// Whether the operation is a command of usbfs2. Starting many transfers in one, and waiting for them, is not.
fn is_command(iocb: &Iocb) -> bool {
    let is_batch = iocb.length == 0 && iocb.offset.cast_unsigned() & BATCH != 0;
    iocb.opcode & COMMAND != 0 && !is_batch
}

/// The entry that says what the iocb says.
fn entry(iocb: &Iocb) -> squeue::Entry {
    let fd = types::Fd(iocb.fd.cast_signed());
    let offset = iocb.offset.cast_unsigned();
    // A longer transfer is too long for the kernel, and a longer read or write is cut short by it.
    let length = u32::try_from(iocb.length).unwrap_or(u32::MAX);
    let address = usize::try_from(iocb.buffer).unwrap_or(0);
    let bytes = ptr::with_exposed_provenance_mut::<u8>(address);
    let vectors = ptr::with_exposed_provenance::<libc::iovec>(address);
    let opcode = iocb.opcode & !COMMAND;
    if is_command(iocb) {
        let is_vectored = [Opcode::Preadv as u16, Opcode::Pwritev as u16].contains(&opcode);
        let mut command = [0; 16];
        command[..8].copy_from_slice(&offset.to_ne_bytes());
        command[8..12].copy_from_slice(&length.to_ne_bytes());
        return opcode::UringCmd16::new(fd, if is_vectored { VECTORED } else { TRANSFER })
            .cmd(command)
            .addr(Some(iocb.buffer))
            .build();
    }
    // To io_uring -1 is the file's position; here, like every negative one, it is none there is.
    let offset = if offset == u64::MAX { 1 << 63 } else { offset };
    if opcode == Opcode::Pread as u16 {
        opcode::Read::new(fd, bytes, length).offset(offset).build()
    } else if opcode == Opcode::Pwrite as u16 {
        opcode::Write::new(fd, bytes, length).offset(offset).build()
    } else if opcode == Opcode::Preadv as u16 {
        opcode::Readv::new(fd, vectors, length)
            .offset(offset)
            .build()
    } else if opcode == Opcode::Pwritev as u16 {
        opcode::Writev::new(fd, vectors, length)
            .offset(offset)
            .build()
    } else if opcode == Opcode::Poll as u16 {
        let events = u32::try_from(iocb.buffer).unwrap_or(0);
        opcode::PollAdd::new(fd, events).build()
    } else if opcode == Opcode::Fdsync as u16 {
        opcode::Fsync::new(fd)
            .flags(types::FsyncFlags::DATASYNC)
            .build()
    } else {
        opcode::Fsync::new(fd).build()
    }
}
