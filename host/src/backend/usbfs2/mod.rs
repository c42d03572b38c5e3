//! The endpoint files of the usbfs2 kernel module.

mod control;
mod directory;
mod endpoint;
mod given_files;
mod hotplug;
mod isochronous;
mod open_device;
mod ring;
mod transfers;

#[cfg(test)]
mod tests;

use std::fs;
use std::path::PathBuf;

use super::sysfs::SysfsDevice;
use super::{Backend, EventSource, OpenDevice};
use crate::{DeviceId, DeviceInfo, ListError, OpenError, WatchError};
use directory::Directory;
pub(crate) use given_files::GivenFiles;
use open_device::{OpenUsbfs2, open_error};

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
        describe(id, Directory::open(&self.path(id)).ok().as_ref())
    }
}

/// What the device's directory says, and sysfs where permissions hide it. `None` when the device is gone.
fn describe(id: &DeviceId, directory: Option<&Directory>) -> Option<DeviceInfo> {
    let sysfs = SysfsDevice::new(id);
    let read = |name| directory?.read(name).ok();
    let descriptors = read("descriptors").or_else(|| sysfs.descriptors().ok())?;
    let configuration = match read("configuration") {
        Some(text) => super::sysfs::configuration_value(&String::from_utf8_lossy(&text)),
        None => sysfs.configuration(),
    };
    Some(sysfs.describe(id, &descriptors, configuration))
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
        let path = self.path(id);
        let directory = Directory::open(&path).map_err(|errno| open_error(id, &path, errno))?;
        let info = describe(id, Some(&directory)).ok_or_else(|| OpenError::NotFound(id.clone()))?;
        let open = OpenUsbfs2::open(&info, directory)?;
        Ok((info, Box::new(open)))
    }
}

/// Whether this user may open the device as a whole, or one of its interfaces.
fn is_openable(directory: &Directory, info: &DeviceInfo) -> bool {
    directory.is_accessible("ep00") || permits_an_interface(directory, info)
}

/// Whether this user was given an interface of the active configuration (chown of its directory).
fn permits_an_interface(directory: &Directory, info: &DeviceInfo) -> bool {
    let Ok(configuration) = info.configuration(info.active_configuration()) else {
        return false;
    };
    configuration.interfaces.iter().any(|interface| {
        directory.is_accessible(&format!(
            "{}.{}/ep00",
            configuration.value, interface.number
        ))
    })
}
