//! The cable between the host and one device.

use std::fmt;

use crate::Bus;

/// Pulls a device's cable out and plugs it in again. Without effect once the device port is gone.
#[derive(Clone)]
pub struct Cable {
    bus: Bus,
    port: u8,
}

impl Cable {
    pub(crate) fn new(bus: Bus, port: u8) -> Self {
        Self { bus, port }
    }

    /// Pulls the cable out: every transfer at both ends completes, with the bytes that moved or with
    /// [`BusError::Unplugged`](crate::BusError::Unplugged).
    pub fn pull(&self) {
        self.bus
            .locked(|state, rings| state.unplug(self.port, rings));
    }

    /// Plugs the cable in: the device is reset and appears on the bus as a new
    /// [`BusDevice`](crate::BusDevice).
    pub fn plug(&self) {
        self.bus
            .locked(|state, rings| state.plug_in(&self.bus, self.port, rings));
    }

    /// Whether the cable is in.
    #[must_use]
    pub fn is_plugged(&self) -> bool {
        self.bus.locked(|state, _| {
            let port = state.ports().get(&self.port);
            port.is_some_and(|port| port.plug.is_some())
        })
    }
}

impl fmt::Debug for Cable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cable")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}
