//! Reads and writes of one file in flight, with what the engine says put into this crate's words.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aio_rs::{Buffer, Operation, OperationId, PrepareError};

use crate::{Completion, TransferError};

/// How an operation ended; an error is that of a broken engine, which keeps the operation's memory.
pub(super) type Ended = Result<aio_rs::Completion, TransferError>;

/// An AIO context and the transfers in it.
#[derive(Debug)]
pub(super) struct Transfers {
    context: aio_rs::Context,
    broken: Option<Broken>,
}

/// The engine cannot go on: the process is a fork of the one that made the context, or there is no
/// reactor. Every transfer still completes once; the buffers stay with the context.
#[derive(Debug)]
struct Broken {
    error: TransferError,
    left: usize,
}

impl Transfers {
    pub(super) fn new(depth: u32) -> Result<Self, aio_rs::SetupError> {
        Ok(Self {
            context: aio_rs::Context::new(depth)?,
            broken: None,
        })
    }

    /// As [`new`](Self::new), with room for `fallback` transfers where there is not enough for more.
    pub(super) fn of_depth(depth: u32, fallback: u32) -> Result<Self, aio_rs::SetupError> {
        match Self::new(depth) {
            Err(error) if depth > fallback => {
                log::warn!("a queue of {depth} transfers: {error}; taking one of {fallback}");
                Self::new(fallback)
            }
            transfers => transfers,
        }
    }

    pub(super) fn pending(&self) -> usize {
        match &self.broken {
            Some(broken) => broken.left,
            None => self.context.in_flight(),
        }
    }

    /// How many can be in flight.
    pub(super) fn depth(&self) -> usize {
        self.context.depth()
    }

    /// Whether nothing is in flight and more can be.
    pub(super) fn is_idle(&self) -> bool {
        self.broken.is_none() && self.context.in_flight() == 0
    }

    pub(super) fn has_room_for(&self, more: usize) -> bool {
        self.broken.is_some() || self.context.in_flight() + more <= self.context.depth()
    }

    /// Takes an operation for the next [`submit`](Self::submit); gives back one that cannot be taken, for the
    /// reason that [`refusal`](Self::refusal) tells.
    pub(super) fn prepare(&mut self, operation: Operation) -> Result<OperationId, Operation> {
        // Nobody would hand it to the kernel.
        if self.broken.is_some() {
            return Err(operation);
        }
        let prepared = self.context.prepare(operation);
        prepared.map_err(PrepareError::into_operation)
    }

    /// Why an operation is not taken.
    pub(super) fn refusal(&self) -> TransferError {
        let broken = self.broken.as_ref();
        broken.map_or(TransferError::InvalidRequest, |broken| broken.error)
    }

    /// The completion of an operation that was not taken.
    pub(super) fn refused(&self, operation: Operation) -> Completion {
        Completion::failed(operation.into_buffer(), self.refusal())
    }

    /// Hands what was prepared to the kernel.
    pub(super) fn submit(&mut self) {
        if self.broken.is_none()
            && let Err(error) = self.context.submit()
        {
            self.give_up(&error.into());
        }
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Ended>> {
        if self.broken.is_none() {
            match ready!(self.context.poll_next(cx)) {
                Ok(completion) => return Poll::Ready(completion.map(Ok)),
                Err(error) => self.give_up(&error),
            }
        }
        Poll::Ready(self.next_broken())
    }

    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> Option<Ended> {
        if self.broken.is_none() {
            match self.context.wait(timeout) {
                Ok(completion) => return completion.map(Ok),
                Err(error) => self.give_up(&error),
            }
        }
        self.next_broken()
    }

    pub(super) fn cancel(&mut self, id: OperationId) {
        self.context.cancel(id);
    }

    pub(super) fn cancel_all(&mut self) {
        self.context.cancel_all();
    }

    pub(super) fn give_up(&mut self, error: &io::Error) {
        log::error!("transfers cannot go on: {error}");
        self.broken = Some(Broken {
            error: TransferError::from_io(error),
            left: self.context.in_flight(),
        });
    }

    fn next_broken(&mut self) -> Option<Ended> {
        let broken = self.broken.as_mut()?;
        broken.left = broken.left.checked_sub(1)?;
        Some(Err(broken.error))
    }
}

/// The completion of a read or a write.
pub(super) fn translate(ended: Ended) -> Completion {
    let completion = match ended {
        Ok(completion) => completion,
        Err(error) => return Completion::failed(Buffer::new(), error),
    };
    match completion.result {
        Ok(actual_length) => Completion {
            buffer: completion.buffer,
            actual_length,
            status: Ok(()),
        },
        Err(error) => Completion::failed(completion.buffer, TransferError::from_io(&error)),
    }
}
