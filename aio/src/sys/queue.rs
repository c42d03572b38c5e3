//! The kernel's side of a context, by either engine.

use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use super::abi::Iocb;
use super::ring::{Answer, Ring};
use super::uring::Uring;
use crate::{Engine, SetupError};

/// A kernel context of Linux AIO, or an io_uring.
#[derive(Debug)]
pub(crate) enum Queue {
    LinuxAio(Ring),
    IoUring(Box<Uring>),
}

impl Queue {
    /// Answers that are waited for at once at most.
    pub(crate) const LARGEST_BATCH: usize = Ring::LARGEST_BATCH;

    pub(crate) fn new(engine: Engine, depth: u32) -> Result<Self, SetupError> {
        match engine {
            Engine::LinuxAio => Ring::new(depth).map(Self::LinuxAio),
            Engine::IoUring => Uring::new(depth).map(|ring| Self::IoUring(Box::new(ring))),
        }
    }

    /// Whether endpoint files are given commands ([`COMMAND`](super::COMMAND)).
    pub(crate) fn has_commands(&self) -> bool {
        matches!(self, Self::IoUring(_))
    }

    /// Whether this process is a fork of the one that made it, and must keep its hands off it.
    pub(crate) fn is_inherited(&self) -> bool {
        match self {
            Self::LinuxAio(ring) => ring.is_inherited(),
            Self::IoUring(ring) => ring.is_inherited(),
        }
    }

    /// Whether answers can be taken without a system call.
    pub(crate) fn is_readable(&self) -> bool {
        match self {
            Self::LinuxAio(ring) => ring.is_readable(),
            Self::IoUring(_) => true,
        }
    }

    /// Makes the ring one of an unknown layout.
    #[cfg(test)]
    pub(crate) fn obscure(&mut self) {
        if let Self::LinuxAio(ring) = self {
            ring.obscure();
        }
    }

    /// Submits a batch; returns how many of its first operations the kernel took.
    ///
    /// # Errors
    /// What the kernel says of the first, `EAGAIN` when it has no room.
    ///
    /// # Safety
    /// Every address must be that of an [`Iocb`] in an `UnsafeCell` that stays where it is, and what each iocb
    /// describes (file, memory, vectors) must stay as it is, untouched by others, until the operation
    /// is refused here, its answer has been returned by this queue, or `destroy` has succeeded.
    pub(crate) unsafe fn submit(&mut self, batch: &[usize]) -> io::Result<usize> {
        match self {
            // SAFETY: the caller vouches for the same.
            Self::LinuxAio(ring) => unsafe { ring.submit(batch) },
            // SAFETY: the caller vouches for the same.
            Self::IoUring(ring) => unsafe { ring.submit(batch) },
        }
    }

    /// Takes the oldest answer from a [readable](Self::is_readable) ring without a system call.
    pub(crate) fn pop(&mut self) -> Option<Answer> {
        match self {
            Self::LinuxAio(ring) => ring.pop(),
            Self::IoUring(ring) => ring.pop(),
        }
    }

    /// Sleeps until `minimum` answers are there, at most for `timeout`, and takes them with others that are there.
    /// Returns how many.
    ///
    /// # Errors
    /// `EINTR` when a signal came before any answer did.
    pub(crate) fn get_events(
        &mut self,
        minimum: usize,
        timeout: Option<Duration>,
        answers: &mut VecDeque<Answer>,
    ) -> io::Result<usize> {
        match self {
            Self::LinuxAio(ring) => {
                let before = answers.len();
                answers.extend(ring.get_events(minimum, timeout)?);
                Ok(answers.len() - before)
            }
            Self::IoUring(ring) => ring.get_events(minimum, timeout, answers),
        }
    }

    /// Asks the driver of a submitted operation to give up; says whether it was told.
    pub(crate) fn cancel(&mut self, iocb: &UnsafeCell<Iocb>) -> bool {
        match self {
            Self::LinuxAio(ring) => ring.cancel(iocb),
            Self::IoUring(ring) => ring.cancel(iocb),
        }
    }

    /// Ends it: cancels the submitted operations that `left` gives, and returns when the kernel is done with all.
    ///
    /// # Errors
    /// When the kernel knows no such context; operations may then still be running.
    pub(crate) fn destroy<'a>(
        &mut self,
        left: impl Iterator<Item = &'a UnsafeCell<Iocb>>,
    ) -> io::Result<()> {
        match self {
            Self::LinuxAio(ring) => ring.destroy(),
            Self::IoUring(ring) => {
                for iocb in left {
                    ring.cancel(iocb);
                }
                ring.destroy()
            }
        }
    }
}
