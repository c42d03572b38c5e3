//! A control transfer that was refused before it reached the device.

use std::task::{Context, Poll};
use std::time::Duration;

use aio_rs::Buffer;

use super::InFlight;
use crate::{Completion, TransferError};

/// Completes at once, with an error.
#[derive(Debug)]
pub(crate) struct Refused {
    buffer: Option<Buffer>,
    error: TransferError,
}

impl Refused {
    pub(crate) fn new(buffer: Buffer, error: TransferError) -> Self {
        Self {
            buffer: Some(buffer),
            error,
        }
    }
}

impl InFlight for Refused {
    fn pending(&self) -> usize {
        usize::from(self.buffer.is_some())
    }

    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Completion> {
        match self.wait(None) {
            Some(completion) => Poll::Ready(completion),
            None => Poll::Pending,
        }
    }

    fn wait(&mut self, _: Option<Duration>) -> Option<Completion> {
        let buffer = self.buffer.take()?;
        Some(Completion::failed(buffer, self.error))
    }

    fn cancel_all(&mut self) {}
}
