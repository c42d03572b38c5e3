//! The bus itself: an explicit value, shared by cloning.

use std::fmt;
use std::sync::Arc;

use usbfs2_protocol::{EndpointAddress, Speed};

use crate::{BusDevice, BusWatch, Cable, DevicePort, EndpointCounters, Faults, UnknownPort};

/// An in-process USB bus. Clones are the same bus.
#[derive(Clone)]
pub struct Bus {
    pub(crate) shared: Arc<()>,
}

/// How to plug a device in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortOptions {
    /// The speed the device runs at.
    pub speed: Speed,
    /// Whether the cable is in from the start. True by default.
    pub plugged: bool,
}

impl PortOptions {
    /// A device of this speed, its cable plugged in.
    #[must_use]
    pub fn new(speed: Speed) -> Self {
        Self {
            speed,
            plugged: true,
        }
    }

    /// The same, with the cable in or out at first.
    #[must_use]
    pub fn plugged(mut self, plugged: bool) -> Self {
        self.plugged = plugged;
        self
    }
}

/// Every port has a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "all {} ports of the bus are taken: drop a DevicePort first",
    Bus::PORTS
)]
pub struct BusFull;

impl Bus {
    /// Ports on the bus: a bus addresses 127 devices, and the root hub is one (USB 2.0 4.1.1).
    pub const PORTS: u8 = 126;

    /// A bus whose microframes pass in real time.
    #[must_use]
    pub fn new() -> Self {
        todo!()
    }

    /// A bus on which time passes only in [`step`](Self::step).
    #[must_use]
    pub fn with_manual_clock() -> Self {
        todo!()
    }

    /// Microframes (125 us) since the bus was made.
    #[must_use]
    pub fn microframe(&self) -> u64 {
        let _ = &self.shared;
        todo!()
    }

    /// Lets `microframes` pass on a manual clock and serves what became due, in order. On the real
    /// clock, which passes by itself, it only serves what is due.
    pub fn step(&self, microframes: u64) {
        let _ = microframes;
        todo!()
    }

    /// Plugs a device into the first free port.
    ///
    /// # Errors
    /// [`BusFull`] when no port is free.
    pub fn plug(&self, options: PortOptions) -> Result<DevicePort, BusFull> {
        let _ = options;
        todo!()
    }

    /// The devices present, by port.
    #[must_use]
    pub fn devices(&self) -> Vec<BusDevice> {
        todo!()
    }

    /// Watches devices come and go, starting with an arrival for each one present.
    #[must_use]
    pub fn watch(&self) -> BusWatch {
        todo!()
    }

    /// The cable of the port called `name`, as `1-1`.
    ///
    /// # Errors
    /// [`UnknownPort`] when no device port has that name.
    pub fn cable(&self, name: &str) -> Result<Cable, UnknownPort> {
        let _ = name;
        todo!()
    }

    /// Fault injection for the port called `name`, as `1-1`.
    ///
    /// # Errors
    /// [`UnknownPort`] when no device port has that name.
    pub fn faults(&self, name: &str) -> Result<Faults, UnknownPort> {
        let _ = name;
        todo!()
    }

    /// What each endpoint of the port called `name` has done, by address, endpoints without a transfer
    /// left out.
    ///
    /// # Errors
    /// [`UnknownPort`] when no device port has that name.
    pub fn counters(
        &self,
        name: &str,
    ) -> Result<Vec<(EndpointAddress, EndpointCounters)>, UnknownPort> {
        let _ = name;
        todo!()
    }
}

impl Default for Bus {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").finish_non_exhaustive()
    }
}
