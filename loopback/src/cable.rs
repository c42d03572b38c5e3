//! The cable between the host and one device.

use std::fmt;

use crate::Bus;

/// Pulls a device's cable out and plugs it in again. Without effect once the device port is gone.
#[derive(Clone)]
pub struct Cable {
    pub(crate) bus: Bus,
    pub(crate) port: u8,
}

impl Cable {
    /// Pulls the cable out: every transfer at both ends completes, with the bytes that moved or with
    /// [`BusError::Unplugged`](crate::BusError::Unplugged).
    pub fn pull(&self) {
        todo!()
    }

    /// Plugs the cable in: the device is reset and appears on the bus as a new
    /// [`BusDevice`](crate::BusDevice).
    pub fn plug(&self) {
        todo!()
    }

    /// Whether the cable is in.
    #[must_use]
    pub fn is_plugged(&self) -> bool {
        let _ = &self.bus;
        todo!()
    }
}

impl fmt::Debug for Cable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cable")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}
