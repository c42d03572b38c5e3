//! What other threads may do with a firmware.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::counters::FirmwareCounters;
use crate::running::{Failure, State, StateTimeout};

/// Stops a firmware, wakes it, and says what it is doing, from any thread.
#[derive(Clone)]
pub struct FirmwareHandle {
    pub(super) shared: Arc<Shared>,
}

impl FirmwareHandle {
    /// Takes the device off its bus and ends [`FirmwareBus::wait`](super::FirmwareBus::wait) with
    /// [`Wait::Stopped`](super::Wait::Stopped), for good. Does not wait for either.
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// Ends the current or the next [`FirmwareBus::wait`](super::FirmwareBus::wait) with
    /// [`Wait::Ready`](super::Wait::Ready): when there is something to send, for example.
    pub fn wake(&self) {
        self.shared.lock().is_woken = true;
        self.shared.signal.notify();
    }

    /// What the device is doing now. [`State::Detached`] also before it is on a bus.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared.status.state()
    }

    /// Waits until the device is in this state, while another thread runs the firmware.
    ///
    /// # Errors
    /// [`StateTimeout`] after `timeout`, or at once when the device has stopped for good.
    pub fn wait_for_state(&self, wanted: State, timeout: Duration) -> Result<(), StateTimeout> {
        self.shared.status.wait_for_state(wanted, timeout)
    }

    /// What went wrong with endpoints so far, oldest first.
    #[must_use]
    pub fn failures(&self) -> Vec<Failure> {
        self.shared.status.failures()
    }

    /// Where the device is: the port on an in-process bus (`1-1`), the controller's name on gadgetfs. `None` until the
    /// first polls have shown what the firmware is.
    #[must_use]
    pub fn port_name(&self) -> Option<String> {
        self.shared.place.get().cloned()
    }

    /// Waits until the device is on a bus, while another thread runs the firmware, and says where; `None` after
    /// `timeout`, or when it has stopped for good.
    #[must_use]
    pub fn wait_for_port(&self, timeout: Duration) -> Option<String> {
        let place = || self.shared.place.get().cloned();
        self.shared.status.wait_until(timeout, |_| place()).ok()
    }

    /// Figures since the bus was made.
    #[must_use]
    pub fn counters(&self) -> FirmwareCounters {
        let mut state = self.shared.lock();
        state.collect(&self.shared.status);
        state.counters
    }
}

impl fmt::Debug for FirmwareHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirmwareHandle")
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
