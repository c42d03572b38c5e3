//! What sysfs knows of a device, for the backends that have the kernel below them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use usbfs2_protocol::Speed;
use usbfs2_protocol::descriptor::DescriptorSet;

use crate::device_info::Facts;
use crate::{DeviceId, DeviceInfo};

const DEVICES: &str = "/sys/bus/usb/devices";

/// A device's directory below /sys/bus/usb/devices.
#[derive(Debug, Clone)]
pub(super) struct SysfsDevice {
    directory: PathBuf,
    /// The number the bus gave the device, a new one with each plug; `None` when it was gone already.
    number: Option<u64>,
}

impl SysfsDevice {
    pub(super) fn new(id: &DeviceId) -> Self {
        let mut device = Self {
            directory: Path::new(DEVICES).join(id.as_str()),
            number: None,
        };
        device.number = device.present_number();
        device
    }

    /// The number of this plug.
    pub(super) fn number(&self) -> Option<u64> {
        self.number
    }

    /// Whether the device is still there; another one plugged in at its place is not it.
    pub(super) fn is_present(&self) -> bool {
        self.number.is_some() && self.number == self.present_number()
    }

    fn present_number(&self) -> Option<u64> {
        self.attribute("devnum")?.parse().ok()
    }

    /// An attribute's text without the line end; `None` when the device does not have it or is gone.
    fn attribute(&self, name: &str) -> Option<String> {
        let text = fs::read_to_string(self.directory.join(name)).ok()?;
        Some(text.trim_end_matches('\n').to_owned())
    }

    /// The device descriptor and every configuration, as the kernel read them at plug time.
    pub(super) fn descriptors(&self) -> io::Result<Vec<u8>> {
        fs::read(self.directory.join("descriptors"))
    }

    /// The active configuration; the attribute is empty when there is none.
    pub(super) fn configuration(&self) -> Option<u8> {
        configuration_value(&self.attribute("bConfigurationValue")?)
    }

    fn speed(&self) -> Option<Speed> {
        match self.attribute("speed")?.as_str() {
            "1.5" => Some(Speed::Low),
            "12" => Some(Speed::Full),
            "480" => Some(Speed::High),
            "5000" => Some(Speed::Super),
            "10000" | "20000" => Some(Speed::SuperPlus),
            _ => None,
        }
    }

    /// The drivers bound to interfaces, which are the directories named `device:configuration.number`.
    fn drivers(&self) -> BTreeMap<u8, String> {
        let Ok(entries) = fs::read_dir(&self.directory) else {
            return BTreeMap::new();
        };
        let driver = |entry: io::Result<fs::DirEntry>| {
            let path = entry.ok()?.path();
            let (_, number) = path
                .file_name()?
                .to_str()?
                .split_once(':')?
                .1
                .split_once('.')?;
            let target = fs::read_link(path.join("driver")).ok()?;
            let name = target.file_name()?.to_str()?.to_owned();
            Some((number.parse().ok()?, name))
        };
        entries.filter_map(driver).collect()
    }

    /// Everything known, around descriptors that may have come from elsewhere.
    pub(super) fn describe(
        &self,
        id: &DeviceId,
        descriptors: &[u8],
        active_configuration: Option<u8>,
    ) -> DeviceInfo {
        DeviceInfo::new(Facts {
            id: id.clone(),
            speed: self.speed(),
            descriptors: DescriptorSet::parse(descriptors),
            active_configuration,
            manufacturer: self.attribute("manufacturer"),
            product: self.attribute("product"),
            serial_number: self.attribute("serial"),
            drivers: self.drivers(),
        })
    }
}

/// What the text of a configuration file says; `None` for not configured.
pub(super) fn configuration_value(text: &str) -> Option<u8> {
    text.trim().parse().ok().filter(|&value| value != 0)
}

#[cfg(test)]
mod tests {
    use super::configuration_value;

    #[test]
    fn empty_and_zero_mean_not_configured() {
        assert_eq!(configuration_value("1\n"), Some(1));
        assert_eq!(configuration_value(""), None);
        assert_eq!(configuration_value("\n"), None);
        assert_eq!(configuration_value("0\n"), None);
    }
}
