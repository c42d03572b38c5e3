//! Devices on an in-process bus.

mod describe;
mod hotplug;
mod isochronous;
mod open_device;
mod queue;

use std::time::Duration;

use usbfs2_loopback::{Bus, BusDevice, BusError};

use super::{Backend, EventSource, OpenDevice};
use crate::{DeviceId, DeviceInfo, ListError, OpenError, TransferError, WatchError};
use describe::Describer;
use open_device::OpenBusDevice;

/// How long a device may take for a standard request (USB 2.0 9.2.6.4), as Linux's usbcore has it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The host's port of one bus.
#[derive(Debug)]
pub(crate) struct Loopback {
    bus: Bus,
    describer: Describer,
}

impl Loopback {
    pub(crate) fn new(bus: Bus) -> Self {
        Self {
            bus,
            describer: Describer::default(),
        }
    }

    fn find(&self, id: &DeviceId) -> Option<BusDevice> {
        let mut devices = self.bus.devices().into_iter();
        devices.find(|device| device.name() == id.as_str())
    }
}

impl Backend for Loopback {
    fn devices(&self) -> Result<Vec<DeviceInfo>, ListError> {
        let devices = self.bus.devices();
        // A device that does not answer has no descriptors, and the kernel would not list it either.
        Ok(devices
            .iter()
            .filter_map(|device| self.describer.describe(device).ok())
            .collect())
    }

    fn watch(&self) -> Result<Box<dyn EventSource>, WatchError> {
        let events = self.bus.watch();
        Ok(Box::new(hotplug::Hotplug::new(
            events,
            self.describer.clone(),
        )))
    }

    fn open(&self, id: &DeviceId) -> Result<(DeviceInfo, Box<dyn OpenDevice>), OpenError> {
        let device = self
            .find(id)
            .ok_or_else(|| OpenError::NotFound(id.clone()))?;
        let info = self
            .describer
            .describe(&device)
            .map_err(|error| OpenError::Unresponsive {
                id: id.clone(),
                reason: error.to_string(),
            })?;
        let open = OpenBusDevice::new(device, info.clone());
        Ok((info, Box::new(open)))
    }
}

/// What an error of the in-process bus means.
fn transfer_error(error: BusError) -> TransferError {
    match error {
        BusError::Stall => TransferError::Stall,
        BusError::Overflow => TransferError::Overflow,
        BusError::Cancelled => TransferError::Cancelled,
        BusError::Unplugged => TransferError::Disconnected,
        BusError::TimedOut => TransferError::TimedOut,
        BusError::InvalidRequest => TransferError::InvalidRequest,
        // No answer is a bus error; the enum may grow, and what it grows by is one too.
        _ => TransferError::BusError,
    }
}
