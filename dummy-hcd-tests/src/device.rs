//! A USB device, as sysfs shows it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::wait::{self, TimedOut};

/// A device at its place on a bus.
#[derive(Debug, Clone)]
pub struct SysfsDevice {
    path: PathBuf,
    name: String,
}

impl SysfsDevice {
    /// Waits until the device on `dummy_hcd.{bus}` is configured, and its interfaces known.
    ///
    /// # Errors
    /// When none comes.
    pub fn wait(bus: u8) -> Result<Self, TimedOut> {
        wait::until(
            &format!("a device on dummy_hcd.{bus} is configured"),
            || Self::configured(present(bus)?),
        )
    }

    /// Waits until the device with the serial number `serial` is configured, and its interfaces known.
    ///
    /// # Errors
    /// When none comes.
    pub fn wait_serial(serial: &str) -> Result<Self, TimedOut> {
        wait::until(&format!("a device {serial} is configured"), || {
            let devices = fs::read_dir("/sys/bus/usb/devices").ok()?.flatten();
            let mut paths = devices.map(|entry| entry.path());
            let path = paths.find(|path| {
                fs::read_to_string(path.join("serial")).is_ok_and(|text| text.trim() == serial)
            })?;
            Self::configured(path)
        })
    }

    /// Waits until usbcore has noticed that this device is gone.
    ///
    /// # Errors
    /// When it stays.
    pub fn wait_unplugged(&self) -> Result<(), TimedOut> {
        wait::until(&format!("{} is gone", self.name), || {
            (!self.path.exists()).then_some(())
        })
    }

    /// Waits until there is no device on `dummy_hcd.{bus}`.
    ///
    /// # Errors
    /// When one stays.
    pub fn wait_gone(bus: u8) -> Result<(), TimedOut> {
        wait::until(&format!("no device is left on dummy_hcd.{bus}"), || {
            present(bus).is_none().then_some(())
        })
    }

    /// The name usbcore gave it: "1-1".
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The driver bound to interface `number`, `None` if there is none.
    #[must_use]
    pub fn driver(&self, number: u8) -> Option<String> {
        let link = self.interface(number).join("driver");
        Some(
            fs::read_link(link)
                .ok()?
                .file_name()?
                .to_string_lossy()
                .into_owned(),
        )
    }

    /// Waits until `driver` has interface `number`.
    ///
    /// # Errors
    /// When it does not take it.
    pub fn wait_driver(&self, number: u8, driver: &str) -> Result<(), TimedOut> {
        let what = format!("{driver} has interface {number} of {}", self.name);
        wait::until(&what, || {
            (self.driver(number).as_deref() == Some(driver)).then_some(())
        })
    }

    /// Binds the driver that matches interface `number` if there is one.
    ///
    /// # Errors
    /// As usbcore says.
    pub fn probe(&self, number: u8) -> io::Result<()> {
        let interface = self.interface(number);
        let name = interface
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        fs::write("/sys/bus/usb/drivers_probe", name)
    }

    /// A sysfs attribute of the device.
    ///
    /// # Errors
    /// When the device has no such attribute or is gone.
    pub fn attribute(&self, name: &str) -> io::Result<String> {
        Ok(fs::read_to_string(self.path.join(name))?.trim().to_owned())
    }

    /// Writes a sysfs attribute of the device.
    ///
    /// # Errors
    /// When the device has no such attribute or refuses the value.
    pub fn set(&self, name: &str, value: &str) -> io::Result<()> {
        fs::write(self.path.join(name), value)
    }

    /// The directory of interface `number`.
    pub(crate) fn interface(&self, number: u8) -> PathBuf {
        self.path.join(format!("{}:1.{number}", self.name))
    }

    fn configured(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().into_owned();
        let device = Self { path, name };
        let configured = device
            .attribute("bConfigurationValue")
            .is_ok_and(|value| !value.is_empty());
        (configured && device.interface(0).exists()).then_some(device)
    }
}

/// The directory of the device, whatever its state.
fn present(bus: u8) -> Option<PathBuf> {
    let controller = PathBuf::from(format!("/sys/devices/platform/dummy_hcd.{bus}"));
    // With super speed there are two root hubs, and the device is at one of them.
    children(&controller, "usb")
        .into_iter()
        .find_map(|root_hub| {
            let number = root_hub
                .file_name()?
                .to_string_lossy()
                .strip_prefix("usb")?
                .to_owned();
            let device = root_hub.join(format!("{number}-1"));
            device.join("bDeviceClass").exists().then_some(device)
        })
}

fn children(directory: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path())
        .collect()
}
