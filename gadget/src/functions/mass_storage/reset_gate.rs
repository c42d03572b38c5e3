//! Where the control pipe's Bulk-Only Reset meets the thread that serves the bulk endpoints.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::Canceller;

/// Lets the thread of the control pipe ask the transport to abandon whatever it does, and wait until it
/// has.
///
/// The transport looks here after it has submitted a transfer and before it sleeps, and again when it
/// wakes. A request is noted first and takes back the transfers then, so the transport either sees it before it
/// sleeps or is woken by it.
#[derive(Debug, Default)]
pub(super) struct ResetGate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The endpoints of the current run; none while there is no run.
    endpoints: Vec<Canceller>,
    /// The transport is to abandon what it does.
    is_requested: bool,
}

impl ResetGate {
    /// A run begins, on these endpoints.
    pub(super) fn begin(&self, endpoints: Vec<Canceller>) {
        let mut state = self.lock();
        state.endpoints = endpoints;
        state.is_requested = false;
    }

    /// The run is over: there is nothing left to abandon.
    pub(super) fn end(&self) {
        self.begin(Vec::new());
        self.changed.notify_all();
    }

    /// Asks for a reset and waits until the transport has abandoned its command; false if it has not
    /// by then.
    pub(super) fn request(&self, patience: Duration) -> bool {
        let mut state = self.lock();
        state.is_requested = !state.endpoints.is_empty();
        for endpoint in &state.endpoints {
            endpoint.cancel_all();
        }
        self.changed.notify_all();
        let (state, _) = self
            .changed
            .wait_timeout_while(state, patience, |state| state.is_requested)
            .unwrap_or_else(PoisonError::into_inner);
        !state.is_requested
    }

    /// Whether the transport is to abandon what it does.
    pub(super) fn is_requested(&self) -> bool {
        self.lock().is_requested
    }

    /// Waits until there is a request, or until `patience` is over.
    pub(super) fn wait_for_request(&self, patience: Duration) {
        // Which of the two it was is for the caller to look at.
        drop(
            self.changed
                .wait_timeout_while(self.lock(), patience, |state| !state.is_requested)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// The transport has abandoned its command, and is ready for the next.
    pub(super) fn abandoned(&self) {
        self.lock().is_requested = false;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every update is complete before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
