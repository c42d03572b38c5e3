//! A way to reach devices.

use std::fmt;
use std::sync::Arc;

use usbfs2_loopback::Bus;

use crate::backend::{Backend, loopback};
use crate::{Device, DeviceId, DeviceInfo, ListError, OpenError, Watch, WatchError};

/// The kinds of way there are to reach devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BackendKind {
    /// The endpoint files of the usbfs2 kernel module.
    Usbfs2,
    /// The kernel's classic /dev/bus/usb.
    Usbfs,
    /// A bus inside this process.
    Loopback,
}

impl fmt::Display for BackendKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Usbfs2 => "usbfs2",
            Self::Usbfs => "usbfs",
            Self::Loopback => "loopback",
        })
    }
}

/// A way to reach devices: the machine's, or an in-process bus. Clones share it.
#[derive(Debug, Clone)]
pub struct Host {
    backend: Arc<dyn Backend>,
    kind: BackendKind,
    reason: Arc<str>,
}

impl Host {
    /// The devices plugged into an in-process bus.
    #[must_use]
    pub fn on(bus: &Bus) -> Self {
        Self {
            backend: Arc::new(loopback::Loopback::new(bus.clone())),
            kind: BackendKind::Loopback,
            reason: "an in-process bus was given".into(),
        }
    }

    /// Which way this host reaches devices.
    #[must_use]
    pub fn backend(&self) -> BackendKind {
        self.kind
    }

    /// Why this way was chosen, for users to read.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The devices present, whether or not this user may open them, in the order of their names.
    ///
    /// # Errors
    /// The system's list could not be read. A device that leaves meanwhile is left out.
    pub fn devices(&self) -> Result<Vec<DeviceInfo>, ListError> {
        let mut devices = self.backend.devices()?;
        devices.sort_by(|a, b| a.id().cmp(b.id()));
        Ok(devices)
    }

    /// Watches devices come and go, starting with those present.
    ///
    /// # Errors
    /// The system offers no events, or refuses them.
    pub fn watch(&self) -> Result<Watch, WatchError> {
        self.backend.watch().map(Watch::new)
    }

    /// Opens a device. This claims nothing.
    ///
    /// # Errors
    /// It is not there, or this user may not open it.
    pub fn open(&self, id: &DeviceId) -> Result<Device, OpenError> {
        let (info, open) = self.backend.open(id)?;
        Ok(Device::new(info, open))
    }
}
