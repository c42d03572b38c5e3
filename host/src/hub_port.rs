//! The port of the hub that a device hangs on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::DeviceId;

/// The port of the kernel's hub that a device hangs on, which can be switched off.
///
/// Off is, for the device and its driver, as if the cable were pulled: on an emulated bus the only
/// way to pull one (`port/disable` of Documentation/ABI/testing/sysfs-bus-usb, Linux 6.0). It needs root.
#[derive(Debug, Clone)]
pub struct HubPort {
    switch: PathBuf,
}

impl HubPort {
    /// The port of a device that is plugged in. It stays the same when the device is gone.
    ///
    /// # Errors
    /// There is no such device in sysfs, or it is a root hub, which hangs on nothing.
    pub fn of(device: &DeviceId) -> io::Result<Self> {
        let link = Path::new("/sys/bus/usb/devices")
            .join(device.as_str())
            .join("port");
        let port = fs::canonicalize(&link).map_err(|error| at(&link, error))?;
        Ok(Self {
            switch: port.join("disable"),
        })
    }

    /// Switches the port off; the device has left when this returns.
    ///
    /// # Errors
    /// This user may not, or the kernel is older than 6.0.
    pub fn disable(&self) -> io::Result<()> {
        self.write("1")
    }

    /// Switches the port on again; what is plugged in arrives as a new device.
    ///
    /// # Errors
    /// As [`disable`](Self::disable).
    pub fn enable(&self) -> io::Result<()> {
        self.write("0")
    }

    fn write(&self, word: &str) -> io::Result<()> {
        fs::write(&self.switch, word).map_err(|error| at(&self.switch, error))
    }
}

fn at(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_not_there_has_no_port() {
        let error = HubPort::of(&DeviceId::new("99-9")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("devices/99-9/port"), "{error}");
    }
}
