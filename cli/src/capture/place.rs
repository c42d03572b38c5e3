//! Which packets are a device's: those of its address on its bus, which changes with each plug.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use usbfs2_host::DeviceId;

/// A place on a bus, whatever device is there.
#[derive(Debug, Clone)]
pub(super) struct Place {
    directory: PathBuf,
    bus: u16,
    /// Addresses seen, and whether they are the device's.
    known: BTreeMap<u8, bool>,
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.directory == other.directory
    }
}

impl Place {
    /// The place of a device that is plugged in.
    pub(super) fn of(id: &DeviceId) -> Result<Self> {
        let directory = PathBuf::from("/sys/bus/usb/devices").join(id.as_str());
        let mut place = Self {
            directory,
            bus: 0,
            known: BTreeMap::new(),
        };
        place.bus = place
            .attribute("busnum")
            .with_context(|| format!("{id} is gone: it was unplugged"))?;
        Ok(place)
    }

    /// The bus's number.
    pub(super) fn bus(&self) -> u16 {
        self.bus
    }

    /// Whether the device at this address is the one at this place. An address no device has yet, that of a
    /// device that is being enumerated, is asked for again.
    pub(super) fn has(&mut self, bus: u16, address: u8) -> bool {
        if bus != self.bus {
            return false;
        }
        if let Some(&known) = self.known.get(&address) {
            return known;
        }
        let current = self.attribute::<u8>("devnum");
        let is_ours = current == Some(address);
        // Another device has the address for good only when this one has its own.
        if current.is_some() && address != 0 {
            self.known.insert(address, is_ours);
        }
        is_ours
    }

    fn attribute<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        let text = fs::read_to_string(self.directory.join(name)).ok()?;
        text.trim_end().parse().ok()
    }
}
