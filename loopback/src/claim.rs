//! Who drives an interface.

use std::fmt;

use thiserror::Error;

use crate::BusDevice;

/// Why an interface cannot be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// Somebody else has it.
    #[error("interface {0} is claimed already: close the program or value that uses it")]
    Busy(u8),
    /// The active configuration has no such interface.
    #[error("the active configuration has no interface {0}")]
    NoSuchInterface(u8),
    /// No configuration is active.
    #[error("the device is not configured: enumerate it or select a configuration first")]
    NotConfigured,
    /// The device is gone.
    #[error("the device is unplugged")]
    Unplugged,
}

/// The right to drive one interface, exclusive among claims, until dropped.
///
/// Selecting a configuration ends the claims on the old one's interfaces, though the values stay.
pub struct Claim {
    pub(crate) device: BusDevice,
    pub(crate) interface: u8,
    pub(crate) number: u64,
}

impl Claim {
    /// The device.
    #[must_use]
    pub fn device(&self) -> &BusDevice {
        &self.device
    }

    /// The interface's number.
    #[must_use]
    pub fn interface(&self) -> u8 {
        self.interface
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("device", &self.device)
            .field("interface", &self.interface)
            .field("number", &self.number)
            .finish()
    }
}
