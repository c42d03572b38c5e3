//! The kernel's classic usbfs, through nusb.
//!
//! nusb returns no data of a control transfer that was cancelled, so bytes that came before a
//! control transfer's deadline are lost here, unlike on the other backends.

mod control;
mod endpoint;
mod hotplug;
mod open_device;
mod unreaped;

use std::io;
use std::path::{Path, PathBuf};

use nusb::MaybeFuture;

use super::sysfs::SysfsDevice;
use super::{Backend, EventSource, OpenDevice};
use crate::{DeviceId, DeviceInfo, ListError, OpenError, TransferError, WatchError};

/// /dev/bus/usb.
#[derive(Debug)]
pub(crate) struct Usbfs;

/// Where classic usbfs keeps its devices.
pub(crate) const DIRECTORY: &str = "/dev/bus/usb";

/// What nusb found, with its name in sysfs. Root hubs are not among them.
fn list() -> Result<Vec<(DeviceId, nusb::DeviceInfo)>, ListError> {
    let devices = nusb::list_devices().wait().map_err(|error| ListError::Io {
        path: PathBuf::from("/sys/bus/usb/devices"),
        source: error.into(),
    })?;
    let named = devices.filter_map(|device| {
        let name = device.sysfs_path().file_name()?.to_str()?;
        Some((DeviceId::new(name), device))
    });
    Ok(named.collect())
}

/// `None` when the device is gone.
fn describe(id: &DeviceId) -> Option<DeviceInfo> {
    let sysfs = SysfsDevice::new(id);
    let descriptors = sysfs.descriptors().ok()?;
    Some(sysfs.describe(id, &descriptors, sysfs.configuration()))
}

/// The device's file.
fn path(device: &nusb::DeviceInfo) -> PathBuf {
    let (bus, address) = (device.busnum(), device.device_address());
    Path::new(DIRECTORY).join(format!("{bus:03}/{address:03}"))
}

impl Backend for Usbfs {
    fn devices(&self) -> Result<Vec<DeviceInfo>, ListError> {
        let devices = list()?;
        Ok(devices.iter().filter_map(|(id, _)| describe(id)).collect())
    }

    fn watch(&self) -> Result<Box<dyn EventSource>, WatchError> {
        hotplug::watch()
    }

    fn open(&self, id: &DeviceId) -> Result<(DeviceInfo, Box<dyn OpenDevice>), OpenError> {
        let not_found = || OpenError::NotFound(id.clone());
        let devices =
            list().map_err(|ListError::Io { path, source }| OpenError::Io { path, source })?;
        let mut devices = devices.into_iter();
        let (_, found) = devices.find(|(name, _)| name == id).ok_or_else(not_found)?;
        let device = found.open().wait().map_err(|error| match error.kind() {
            nusb::ErrorKind::Disconnected | nusb::ErrorKind::NotFound => not_found(),
            nusb::ErrorKind::PermissionDenied => OpenError::PermissionDenied(path(&found)),
            _ => OpenError::Io {
                path: path(&found),
                source: error.into(),
            },
        })?;
        let info = describe(id).ok_or_else(not_found)?;
        let open = open_device::OpenUsbfs::new(device, SysfsDevice::new(id));
        Ok((info, Box::new(open)))
    }
}

/// What a transfer error of nusb means. nusb does not tell babble from other faults.
fn transfer_error(error: nusb::transfer::TransferError) -> TransferError {
    use nusb::transfer::TransferError as Nusb;
    match error {
        Nusb::Cancelled => TransferError::Cancelled,
        Nusb::Stall => TransferError::Stall,
        Nusb::Disconnected => TransferError::Disconnected,
        Nusb::Fault => TransferError::BusError,
        Nusb::InvalidArgument => TransferError::InvalidRequest,
        Nusb::Unknown(errno) => TransferError::from_errno(errno.cast_signed()),
    }
}

/// What a request other than a transfer met.
fn request_error(error: &nusb::Error) -> TransferError {
    match (error.kind(), error.os_error()) {
        (nusb::ErrorKind::Disconnected, _) => TransferError::Disconnected,
        (_, Some(errno)) => TransferError::from_errno(errno.cast_signed()),
        (_, None) => TransferError::InvalidRequest,
    }
}

/// The system's own error, where nusb kept it.
fn io_error(error: nusb::Error) -> io::Error {
    match error.os_error() {
        Some(errno) => io::Error::from_raw_os_error(errno.cast_signed()),
        None => error.into(),
    }
}
