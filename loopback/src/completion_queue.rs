//! Where completions wait to be taken.

use std::fmt;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::{Bus, Completed};

/// Completions of the transfers submitted to it, in the order the transfers ended.
///
/// Any number of endpoints may share a queue. Threads may wait on it together, each completion going
/// to one of them; one task may poll it. Dropping the queue cancels its transfers.
pub struct CompletionQueue {
    bus: Bus,
}

impl CompletionQueue {
    /// A queue for transfers on `bus`, host or device side.
    #[must_use]
    pub fn new(bus: &Bus) -> Self {
        Self { bus: bus.clone() }
    }

    /// Transfers submitted to this queue whose completion has not been taken.
    #[must_use]
    pub fn pending(&self) -> usize {
        todo!()
    }

    /// Takes the next completion if there is one.
    #[must_use]
    pub fn try_next(&self) -> Option<Completed> {
        todo!()
    }

    /// Takes the next completion, waiting for it up to `timeout` (without end for `None`).
    ///
    /// `None` means that the time is up; the transfers stay submitted. On a manual clock the timeout
    /// still counts real time.
    #[must_use]
    pub fn wait(&self, timeout: Option<Duration>) -> Option<Completed> {
        let _ = timeout;
        todo!()
    }

    /// Takes the next completion, or has the task woken when there is one.
    ///
    /// While an injected NAK runs on the real clock the task is woken at once, because the bus has no
    /// thread or timer of its own to do it later.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Completed> {
        let _ = cx;
        todo!()
    }

    /// Cancels every transfer of this queue that has not ended, all in one instant: none is served
    /// meanwhile. Each gives its completion.
    pub fn cancel_all(&self) {
        let _ = &self.bus;
        todo!()
    }
}

impl fmt::Debug for CompletionQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompletionQueue").finish_non_exhaustive()
    }
}
