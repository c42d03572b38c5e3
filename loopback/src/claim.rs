//! Who drives an interface.

use std::collections::btree_map::Entry;
use std::fmt;

use thiserror::Error;

use crate::BusDevice;
use crate::enumerate::has_interface;
use crate::port::Port;

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
    device: BusDevice,
    interface: u8,
    /// Tells it from an earlier claim that a new configuration ended.
    number: u64,
}

impl Claim {
    pub(crate) fn new(device: &BusDevice, interface: u8) -> Result<Self, ClaimError> {
        device.bus.locked(|state, _| {
            let number = state.number();
            let active = state
                .ports()
                .get(&device.port)
                .and_then(Port::active_configuration)
                .map(|configuration| has_interface(configuration, interface));
            let plug = state
                .plug_mut(device.port, device.plug)
                .ok_or(ClaimError::Unplugged)?;
            if !active.ok_or(ClaimError::NotConfigured)? {
                return Err(ClaimError::NoSuchInterface(interface));
            }
            match plug.claims.entry(interface) {
                Entry::Occupied(_) => Err(ClaimError::Busy(interface)),
                Entry::Vacant(free) => {
                    free.insert(number);
                    Ok(Self {
                        device: device.clone(),
                        interface,
                        number,
                    })
                }
            }
        })
    }

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

impl Drop for Claim {
    fn drop(&mut self) {
        self.device.bus.locked(|state, _| {
            let plug = state.plug_mut(self.device.port, self.device.plug);
            if let Some(plug) = plug
                && plug.claims.get(&self.interface) == Some(&self.number)
            {
                plug.claims.remove(&self.interface);
            }
        });
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
