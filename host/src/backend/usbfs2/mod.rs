//! The endpoint files of the usbfs2 kernel module.

mod control;
mod directory;
mod endpoint;
mod hotplug;
mod open_device;
mod transfers;

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use super::sysfs::SysfsDevice;
use super::{Backend, EventSource, OpenDevice};
use crate::{DeviceId, DeviceInfo, ListError, OpenError, WatchError};
use directory::Directory;

/// One mount of usbfs2.
#[derive(Debug, Clone)]
pub(crate) struct Usbfs2 {
    mount: PathBuf,
}

impl Usbfs2 {
    pub(crate) fn new(mount: PathBuf) -> Self {
        Self { mount }
    }

    fn path(&self, id: &DeviceId) -> PathBuf {
        self.mount.join(id.as_str())
    }

    /// The names of the devices present. Root hubs are named `usb1` and are nobody's to drive.
    fn names(&self) -> Result<Vec<DeviceId>, ListError> {
        let error = |source| ListError::Io {
            path: self.mount.clone(),
            source,
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.mount).map_err(error)? {
            let entry = entry.map_err(error)?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if name.starts_with(|first: char| first.is_ascii_digit()) {
                names.push(DeviceId::new(&name));
            }
        }
        Ok(names)
    }

    /// `None` when the device is gone.
    fn describe(&self, id: &DeviceId) -> Option<DeviceInfo> {
        let sysfs = SysfsDevice::new(id);
        // Where permissions hide the directory, sysfs still tells.
        let directory = Directory::open(&self.path(id)).ok();
        let read = |name| directory.as_ref()?.read(name).ok();
        let descriptors = read("descriptors").or_else(|| sysfs.descriptors().ok())?;
        let configuration = match read("configuration") {
            Some(text) => super::sysfs::configuration_value(&String::from_utf8_lossy(&text)),
            None => sysfs.configuration(),
        };
        Some(sysfs.describe(id, &descriptors, configuration))
    }
}

impl Backend for Usbfs2 {
    fn devices(&self) -> Result<Vec<DeviceInfo>, ListError> {
        let names = self.names()?;
        Ok(names.iter().filter_map(|id| self.describe(id)).collect())
    }

    fn watch(&self) -> Result<Box<dyn EventSource>, WatchError> {
        hotplug::watch(self)
    }

    fn open(&self, id: &DeviceId) -> Result<(DeviceInfo, Box<dyn OpenDevice>), OpenError> {
        let open = open_device::OpenUsbfs2::open(id, &self.path(id))?;
        let info = self
            .describe(id)
            .ok_or_else(|| OpenError::NotFound(id.clone()))?;
        Ok((info, Box::new(open)))
    }
}

/// Whether the file may be read and written by this user, now.
fn is_accessible(path: &Path) -> bool {
    use rustix::fs::Access;
    rustix::fs::access(path, Access::READ_OK | Access::WRITE_OK).is_ok()
}
