//! A way to reach devices.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use usbfs2_loopback::Bus;

use crate::backend::{Backend, loopback, usbfs, usbfs2};
use crate::mounts;
use crate::{Device, DeviceId, DeviceInfo, HostError, ListError, OpenError, Watch, WatchError};

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
    /// The machine's devices: usbfs2 where it is mounted, usbfs otherwise.
    /// [`reason`](Self::reason) says which and why.
    ///
    /// # Errors
    /// [`HostError::NoUsb`] when there is neither, with what to do about it.
    pub fn system() -> Result<Self, HostError> {
        if let Some(mount) = mounts::usbfs2()?.into_iter().next() {
            return Self::usbfs2(&mount);
        }
        if !Path::new(usbfs::DIRECTORY).is_dir() {
            return Err(HostError::NoUsb);
        }
        let why = if mounts::usbfs2_is_loaded() {
            "the usbfs2 module is loaded but not mounted (mount -t usbfs2 usbfs2 /dev/usbfs2)"
        } else {
            "the usbfs2 module is not loaded"
        };
        Ok(Self {
            reason: format!(
                "{why}, so the kernel's usbfs in {} serves",
                usbfs::DIRECTORY
            )
            .into(),
            ..Self::usbfs()?
        })
    }

    /// The machine's devices through the endpoint files of the kernel module, mounted at `mount`.
    ///
    /// # Errors
    /// [`HostError::NotUsbfs2`] when nothing of that type is mounted there.
    pub fn usbfs2(mount: &Path) -> Result<Self, HostError> {
        if !mounts::usbfs2()?.iter().any(|present| present == mount) {
            return Err(HostError::NotUsbfs2(mount.to_owned()));
        }
        Ok(Self {
            backend: Arc::new(usbfs2::Usbfs2::new(mount.to_owned())),
            kind: BackendKind::Usbfs2,
            reason: format!("usbfs2 is mounted at {}", mount.display()).into(),
        })
    }

    /// The machine's devices through the kernel's classic usbfs.
    ///
    /// # Errors
    /// [`HostError::NoUsbfs`] when the machine has none.
    pub fn usbfs() -> Result<Self, HostError> {
        if !Path::new(usbfs::DIRECTORY).is_dir() {
            return Err(HostError::NoUsbfs);
        }
        Ok(Self {
            backend: Arc::new(usbfs::Usbfs),
            kind: BackendKind::Usbfs,
            reason: format!("the kernel's usbfs in {} was asked for", usbfs::DIRECTORY).into(),
        })
    }

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
    /// On usbfs2 a process that was given one interface (`chown alice 1-1/1.0`) opens the device too. It
    /// claims that interface and asks it through [`Interface`](crate::Interface); requests to the device
    /// itself, strings among them, fail with
    /// [`TransferError::PermissionDenied`](crate::TransferError::PermissionDenied).
    ///
    /// # Errors
    /// It is not there, or this user may not open it.
    pub fn open(&self, id: &DeviceId) -> Result<Device, OpenError> {
        let (info, open) = self.backend.open(id)?;
        Ok(Device::new(info, open))
    }
}
