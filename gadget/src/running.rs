//! A started gadget: its state, its failures, and how it ends.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::controller::NotEnabled;
use crate::counters::{Counters, Counting};

/// What a started gadget is doing (USB 2.0 9.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// On the bus, but no host has spoken to it.
    Detached,
    /// A host has reset it or asked for descriptors.
    Connected,
    /// The host selected the configuration; the functions run.
    Configured,
    /// The bus is idle. The next event ends it.
    Suspended,
    /// No longer on the bus, because of [`Running::stop`] or an error told by [`Running::failures`].
    Stopped,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Detached => "detached",
            Self::Connected => "connected",
            Self::Configured => "configured",
            Self::Suspended => "suspended",
            Self::Stopped => "stopped",
        })
    }
}

/// Something that went wrong in a started gadget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The function whose `run` failed or panicked; `None` for the gadget itself.
    pub function: Option<String>,
    /// What happened.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.function {
            Some(function) => write!(f, "function {function}: {}", self.message),
            None => write!(f, "gadget: {}", self.message),
        }
    }
}

/// The gadget did not reach a state in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the gadget is {actual}, not {wanted}, after {waited:?}: is a host attached?{}",
    .failures.iter().map(|failure| format!(" {failure}")).collect::<String>()
)]
pub struct StateTimeout {
    /// The state waited for.
    pub wanted: State,
    /// The state at the end.
    pub actual: State,
    /// How long it took to give up.
    pub waited: Duration,
    /// What went wrong so far.
    pub failures: Vec<Failure>,
}

/// A gadget on a bus. Dropping it stops it as [`stop`](Running::stop) does.
#[must_use = "dropping it takes the gadget off the bus"]
pub struct Running {
    pub(crate) status: Arc<Status>,
    pub(crate) place: String,
    pub(crate) stopper: Box<dyn Stopper>,
    pub(crate) thread: Option<JoinHandle<()>>,
}

/// Wakes the thread of endpoint 0 and makes it end.
pub(crate) trait Stopper: Send + Sync {
    fn stop(&self);
}

impl Running {
    /// What the gadget is doing now.
    #[must_use]
    pub fn state(&self) -> State {
        self.status.state()
    }

    /// Waits until the gadget is in this state.
    ///
    /// # Errors
    /// [`StateTimeout`] after `timeout`, or at once when the gadget has stopped for good.
    pub fn wait_for_state(&self, wanted: State, timeout: Duration) -> Result<(), StateTimeout> {
        self.status.wait_for_state(wanted, timeout)
    }

    /// What went wrong since the start, oldest first: functions whose `run` failed or panicked, and
    /// the error that stopped the gadget, if one did.
    #[must_use]
    pub fn failures(&self) -> Vec<Failure> {
        self.status.failures()
    }

    /// What it has moved and answered so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        *self.status.counting.lock()
    }

    /// Where the gadget is: the port on an in-process bus (`1-1`), the controller's name on gadgetfs,
    /// the directory on FunctionFS.
    #[must_use]
    pub fn port_name(&self) -> &str {
        &self.place
    }

    /// Takes the gadget off the bus, ends the functions' runs and waits for them.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            // Its panics, which are bugs of this crate, have been reported in the log by then.
            drop(thread.join());
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("place", &self.place)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

/// What `Running` tells, written by the gadget's threads.
#[derive(Debug)]
pub(crate) struct Status {
    /// Of its own lock, so that moving data wakes nobody who waits for a state.
    pub(crate) counting: Arc<Counting>,
    inner: Mutex<StatusInner>,
    changed: Condvar,
}

#[derive(Debug)]
struct StatusInner {
    state: State,
    failures: Vec<Failure>,
}

impl Status {
    pub(crate) fn new() -> Self {
        Self {
            counting: Arc::default(),
            inner: Mutex::new(StatusInner {
                state: State::Detached,
                failures: Vec::new(),
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, StatusInner> {
        // Every update is a single assignment or push.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn state(&self) -> State {
        self.lock().state
    }

    pub(crate) fn failures(&self) -> Vec<Failure> {
        self.lock().failures.clone()
    }

    pub(crate) fn wait_for_state(
        &self,
        wanted: State,
        timeout: Duration,
    ) -> Result<(), StateTimeout> {
        let started = Instant::now();
        let reached = self.wait_until(timeout, |state| (state == wanted).then_some(()));
        reached.map_err(|actual| StateTimeout {
            wanted,
            actual,
            waited: started.elapsed(),
            failures: self.failures(),
        })
    }

    /// Waits until `look`, called at each change, finds something. Fails with the state after `timeout`, or at once
    /// when that is `Stopped`.
    pub(crate) fn wait_until<T>(
        &self,
        timeout: Duration,
        mut look: impl FnMut(State) -> Option<T>,
    ) -> Result<T, State> {
        let started = Instant::now();
        let mut guard = self.lock();
        loop {
            if let Some(found) = look(guard.state) {
                return Ok(found);
            }
            let left = timeout.saturating_sub(started.elapsed());
            if left.is_zero() || guard.state == State::Stopped {
                return Err(guard.state);
            }
            guard = self
                .changed
                .wait_timeout(guard, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Has `wait_until` look again.
    pub(crate) fn notify(&self) {
        drop(self.lock());
        self.changed.notify_all();
    }

    pub(crate) fn set_state(&self, state: State) {
        self.lock().state = state;
        self.changed.notify_all();
    }

    pub(crate) fn fail(&self, function: Option<&str>, message: String) {
        let failure = Failure {
            function: function.map(str::to_owned),
            message,
        };
        log::error!("{failure}");
        self.lock().failures.push(failure);
        self.changed.notify_all();
    }

    /// An endpoint of a function was not enabled, so that its request is stalled.
    pub(crate) fn not_enabled(&self, function: Option<&str>, why: NotEnabled) {
        match why {
            NotEnabled::Unplugged => log::debug!("the cable was pulled while the host configured"),
            NotEnabled::Failed(message) => self.fail(function, message),
        }
    }
}
