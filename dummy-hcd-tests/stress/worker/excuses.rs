//! What is going on in this process that may end an operation early.

use std::sync::atomic::{AtomicU64, Ordering};

/// One kind of reason, on one endpoint. It counts how often it began and ended.
#[derive(Debug, Default)]
pub(crate) struct Excuse {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// How an excuse stood when an operation was submitted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    begun: u64,
    active: bool,
}

impl Excuse {
    pub(crate) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
    }

    /// Ends one beginning.
    pub(crate) fn end(&self) {
        self.ended.fetch_add(1, Ordering::SeqCst);
    }

    /// Ends them all.
    pub(crate) fn end_all(&self) {
        self.ended
            .store(self.begun.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Before an operation is submitted.
    pub(crate) fn mark(&self) -> Mark {
        let ended = self.ended.load(Ordering::SeqCst);
        let begun = self.begun.load(Ordering::SeqCst);
        Mark {
            begun,
            active: begun != ended,
        }
    }

    /// Whether an operation submitted at `mark` may have met it.
    pub(crate) fn holds(&self, mark: Mark) -> bool {
        mark.active || self.begun.load(Ordering::SeqCst) != mark.begun
    }
}

/// Those of one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Excuses {
    /// Everything queued is cancelled.
    pub(crate) cancels: Excuse,
    /// The same, and the device starts afresh: what it was to send back is lost.
    pub(crate) restarts: Excuse,
    /// The device is told to halt the endpoint, or a read too short for its packet is under way; until recovery.
    pub(crate) halts: Excuse,
}
