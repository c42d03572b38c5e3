//! What the firmware's thread or task sleeps on.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::time::Instant;

/// Counts reasons to look again. Those who give them never wait for those who look.
#[derive(Debug, Default)]
pub(super) struct Signal {
    state: Mutex<SignalState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct SignalState {
    count: u64,
    task: Option<Waker>,
}

impl Signal {
    fn lock(&self) -> MutexGuard<'_, SignalState> {
        // A counter and an option are never half-written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be read before looking, and handed to `wait_past`.
    pub(super) fn count(&self) -> u64 {
        self.lock().count
    }

    /// Sleeps until notified after `count` was read; false at the deadline.
    pub(super) fn wait_past(&self, count: u64, deadline: Option<Instant>) -> bool {
        let mut state = self.lock();
        while state.count == count {
            state = match deadline {
                None => self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        true
    }

    /// Has the task woken at the next notification after `count` was read; false if one has come since.
    pub(super) fn register(&self, count: u64, task: &Waker) -> bool {
        let mut state = self.lock();
        if state.count != count {
            return false;
        }
        state.task = Some(task.clone());
        true
    }

    pub(super) fn notify(&self) {
        let task = {
            let mut state = self.lock();
            state.count += 1;
            state.task.take()
        };
        self.changed.notify_all();
        if let Some(task) = task {
            task.wake();
        }
    }
}

/// How pipes tell of a completion.
impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.notify();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.notify();
    }
}
