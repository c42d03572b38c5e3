//! Where completions wait to be taken.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::mailbox::{Mailbox, deadline, is_past};
use crate::state::Submission;
use crate::{Bus, Completed, Transfer};

/// Completions of the transfers submitted to it, in the order the transfers ended.
///
/// Any number of endpoints may share a queue. Threads may wait on it together, each completion going
/// to one of them; one task may poll it. Dropping the queue cancels its transfers.
pub struct CompletionQueue {
    bus: Bus,
    completed: Arc<Mailbox<Completed>>,
    pending: AtomicUsize,
}

impl CompletionQueue {
    /// A queue for transfers on `bus`, host or device side.
    #[must_use]
    pub fn new(bus: &Bus) -> Self {
        Self {
            bus: bus.clone(),
            completed: Mailbox::new(),
            pending: AtomicUsize::new(0),
        }
    }

    /// Readies a transfer for submission: its completion will come here.
    pub(crate) fn admit(&self, transfer: Transfer) -> Submission {
        self.pending.fetch_add(1, Ordering::Relaxed);
        Submission::new(transfer, Arc::clone(&self.completed))
    }

    fn taken(&self, completed: Completed) -> Completed {
        self.pending.fetch_sub(1, Ordering::Relaxed);
        completed
    }

    /// Transfers submitted to this queue whose completion has not been taken.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    /// Takes the next completion if there is one.
    #[must_use]
    pub fn try_next(&self) -> Option<Completed> {
        self.bus.serve_due(&self.completed);
        self.completed.try_take().map(|item| self.taken(item))
    }

    /// Takes the next completion, waiting for it up to `timeout` (without end for `None`).
    ///
    /// `None` means that the time is up; the transfers stay submitted. On a manual clock the timeout
    /// still counts real time.
    #[must_use]
    pub fn wait(&self, timeout: Option<Duration>) -> Option<Completed> {
        let until = deadline(timeout);
        loop {
            // Read first: what the clock is to bring and was submitted after it ends the wait at once.
            let alarms = self.completed.alarms();
            let due = self.bus.serve_due(&self.completed);
            let earlier = [until, due].into_iter().flatten().min();
            let item = self.completed.wait(earlier, alarms);
            if item.is_some() || is_past(until) {
                return item.map(|item| self.taken(item));
            }
        }
    }

    /// Takes the next completion, or has the task woken when there is one.
    ///
    /// While an isochronous transfer or an injected NAK waits for the real clock the task is woken at once, because
    /// the bus has no thread or timer of its own to do it later.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Completed> {
        let mut due = None;
        let poll = self.poll_timed(cx, &mut due);
        if due.is_some() {
            cx.waker().wake_by_ref();
        }
        poll
    }

    /// As [`poll_next`](Self::poll_next), for who has a timer: nobody is woken for the clock's sake, but `due` is set to
    /// the instant to poll again at, if the clock may bring something and `due` is no earlier instant already.
    pub fn poll_timed(&self, cx: &mut Context<'_>, due: &mut Option<Instant>) -> Poll<Completed> {
        let poll = self.completed.poll(cx).map(|item| self.taken(item));
        if poll.is_pending() {
            // With the waker in place: what is submitted after this look wakes the task.
            let next = self.bus.serve_due(&self.completed);
            *due = [*due, next].into_iter().flatten().min();
        }
        poll
    }

    /// Cancels every transfer of this queue that has not ended, all in one instant: none is served
    /// meanwhile. Each gives its completion.
    pub fn cancel_all(&self) {
        if self.pending() > 0 {
            self.bus
                .locked(|state, rings| state.cancel_queue(&self.completed, rings));
        }
    }
}

impl Drop for CompletionQueue {
    fn drop(&mut self) {
        self.cancel_all();
    }
}

impl fmt::Debug for CompletionQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompletionQueue")
            .field("pending", &self.pending())
            .finish_non_exhaustive()
    }
}
