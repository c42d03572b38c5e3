//! Where the control pipe's Bulk-Only Reset meets the thread that serves the bulk endpoints.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Lets one thread ask another to abandon its command, and wait until it has.
#[derive(Debug, Default)]
pub(super) struct ResetGate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No command is under way: there is nothing to abandon.
    #[default]
    Idle,
    /// A command is under way.
    Busy,
    /// A command is under way, and is to be abandoned.
    Requested,
}

impl ResetGate {
    /// Asks for a reset and waits until no command is under way; false if one still is by then.
    pub(super) fn request(&self, patience: Duration) -> bool {
        let mut state = self.lock();
        if *state == State::Idle {
            return true;
        }
        *state = State::Requested;
        let (state, _) = self
            .changed
            .wait_timeout_while(state, patience, |state| *state != State::Idle)
            .unwrap_or_else(PoisonError::into_inner);
        *state == State::Idle
    }

    /// A command is under way from now on.
    pub(super) fn busy(&self) {
        *self.lock() = State::Busy;
    }

    /// No command is under way any more.
    pub(super) fn idle(&self) {
        *self.lock() = State::Idle;
        self.changed.notify_all();
    }

    /// Whether the command under way is to be abandoned.
    pub(super) fn is_requested(&self) -> bool {
        *self.lock() == State::Requested
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A plain value is never half-written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANG: Duration = Duration::from_secs(10);

    #[test]
    fn nothing_under_way_needs_no_waiting() {
        assert!(ResetGate::default().request(Duration::ZERO));
    }

    #[test]
    fn a_request_waits_until_the_command_is_abandoned() {
        let gate = ResetGate::default();
        gate.busy();
        std::thread::scope(|scope| {
            let request = scope.spawn(|| gate.request(HANG));
            while !gate.is_requested() {
                std::thread::yield_now();
            }
            gate.idle();
            assert!(request.join().unwrap());
        });
        assert!(!gate.is_requested());
    }

    #[test]
    fn a_command_that_does_not_end_refuses_the_reset() {
        let gate = ResetGate::default();
        gate.busy();
        assert!(!gate.request(Duration::from_millis(1)));
        assert!(
            gate.is_requested(),
            "the command is abandoned as soon as it can be"
        );
    }
}
