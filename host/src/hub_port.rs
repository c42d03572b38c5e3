//! The port of the hub that a device hangs on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::DeviceId;

const DEVICES: &str = "/sys/bus/usb/devices";

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
        let name = device.as_str();
        let path = Path::new(DEVICES).join(name);
        // What a device hangs on is told by its name and its place: a link to the port is there too, but usbcore makes it
        // after it has announced the device.
        let place = fs::canonicalize(&path).map_err(|error| at(&path, error))?;
        let none = |what: &str| io::Error::new(io::ErrorKind::NotFound, format!("{name}: {what}"));
        let number = name.rsplit(['-', '.']).next().filter(|last| *last != name);
        let number = number.ok_or_else(|| none("it is a root hub, which hangs on no port"))?;
        let hub = place.parent().ok_or_else(|| none("it hangs on no hub"))?;
        let hub_name = hub.file_name().unwrap_or_default().to_string_lossy();
        let port = format!("{hub_name}-port{number}");
        // The ports belong to the hub's interface.
        let interfaces = fs::read_dir(hub).map_err(|error| at(hub, error))?;
        let mut ports = interfaces.filter_map(|entry| Some(entry.ok()?.path().join(&port)));
        let port = ports
            .find(|port| port.is_dir())
            .ok_or_else(|| none(&format!("its hub {hub_name} has no {port}")))?;
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
        assert!(error.to_string().contains("devices/99-9"), "{error}");
    }
}
