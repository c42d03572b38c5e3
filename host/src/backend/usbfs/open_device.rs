//! Open devices and claimed interfaces through nusb.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use aio_rs::Buffer;
use nusb::transfer::{Bulk, EndpointDirection, In, Interrupt, Out};
use nusb::{ErrorKind, MaybeFuture};
use usbfs2_protocol::descriptor::Endpoint;
use usbfs2_protocol::{Direction, SetupPacket, TransferType};

use super::control::ControlTransfer;
use super::endpoint::UsbfsEndpoint;
use super::{io_error, request_error};
use crate::backend::sysfs::SysfsDevice;
use crate::backend::{Claimed, InFlight, IsochronousQueue, OpenDevice, Queue};
use crate::{AlternateSettingError, ClaimError, ConfigurationError, EndpointError, ResetError};

#[derive(Debug)]
pub(super) struct OpenUsbfs {
    device: nusb::Device,
    sysfs: SysfsDevice,
    /// Has a reference for each interface that is claimed.
    claims: Arc<()>,
}

impl OpenUsbfs {
    pub(super) fn new(device: nusb::Device, sysfs: SysfsDevice) -> Self {
        Self {
            device,
            sysfs,
            claims: Arc::default(),
        }
    }
}

impl OpenDevice for OpenUsbfs {
    fn configuration(&self) -> Result<Option<u8>, ConfigurationError> {
        if !self.sysfs.is_present() {
            return Err(ConfigurationError::Disconnected);
        }
        Ok(self.sysfs.configuration())
    }

    fn set_configuration(&self, value: u8) -> Result<(), ConfigurationError> {
        let result = self.device.set_configuration(value).wait();
        result.map_err(|error| match error.kind() {
            ErrorKind::NotFound => ConfigurationError::NotFound(value),
            ErrorKind::Busy => ConfigurationError::Busy,
            ErrorKind::Disconnected => ConfigurationError::Disconnected,
            _ => ConfigurationError::Refused(request_error(&error)),
        })
    }

    /// usbfs's driver knows no reset, so usbcore unbinds it from every interface (driver_disconnect).
    fn reset(&self) -> Result<(), ResetError> {
        if Arc::strong_count(&self.claims) > 1 {
            return Err(ResetError::Claimed);
        }
        let result = self.device.reset().wait();
        result.map_err(|error| match error.kind() {
            ErrorKind::Busy => ResetError::Busy,
            ErrorKind::Disconnected => ResetError::Disconnected,
            _ => ResetError::Io(io_error(error)),
        })
    }

    fn claim(&self, _configuration: u8, number: u8) -> Result<Box<dyn Claimed>, ClaimError> {
        let claimed = self.device.detach_and_claim_interface(number).wait();
        let interface = claimed.map_err(|error| match error.kind() {
            ErrorKind::Busy => ClaimError::Busy(number),
            ErrorKind::Disconnected => ClaimError::Disconnected,
            _ => ClaimError::Io {
                number,
                source: io_error(error),
            },
        })?;
        Ok(Box::new(ClaimedUsbfs {
            interface,
            device: self.device.clone(),
            sysfs: self.sysfs.clone(),
            _counted: Arc::clone(&self.claims),
        }))
    }

    fn control(&self, setup: SetupPacket, data: Buffer) -> Box<dyn InFlight> {
        Box::new(ControlTransfer::new(&self.device, &self.sysfs, setup, data))
    }
}

/// Dropping nusb's interface gives it back and attaches the driver that was detached.
#[derive(Debug)]
struct ClaimedUsbfs {
    interface: nusb::Interface,
    device: nusb::Device,
    sysfs: SysfsDevice,
    _counted: Arc<()>,
}

impl ClaimedUsbfs {
    fn bulk<D: EndpointDirection + 'static>(&self, byte: u8) -> Opened {
        let endpoint = once_let_go(|| self.interface.endpoint::<Bulk, D>(byte))?;
        Ok(Box::new(UsbfsEndpoint::new(endpoint, self.sysfs.clone())))
    }

    fn interrupt<D: EndpointDirection + 'static>(&self, byte: u8) -> Opened {
        let endpoint = once_let_go(|| self.interface.endpoint::<Interrupt, D>(byte))?;
        Ok(Box::new(UsbfsEndpoint::new(endpoint, self.sysfs.clone())))
    }
}

/// Tries again while nusb says that an endpoint is in use: its event thread holds one for a moment after
/// the last completion was taken. Nobody else has it, since an interface leases each endpoint once.
fn once_let_go<T>(mut attempt: impl FnMut() -> Result<T, nusb::Error>) -> Result<T, nusb::Error> {
    /// Far longer than that moment, on a busy machine too.
    const PATIENCE: Duration = Duration::from_secs(5);
    let since = Instant::now();
    loop {
        match attempt() {
            Err(error) if error.kind() == ErrorKind::Busy && since.elapsed() < PATIENCE => {
                thread::yield_now();
            }
            result => return result,
        }
    }
}

type Opened = Result<Box<dyn Queue>, nusb::Error>;

impl Claimed for ClaimedUsbfs {
    fn alternate_setting(&self) -> Result<u8, AlternateSettingError> {
        Ok(self.interface.get_alt_setting())
    }

    fn set_alternate_setting(&self, alternate_setting: u8) -> Result<(), AlternateSettingError> {
        let select = || self.interface.set_alt_setting(alternate_setting).wait();
        once_let_go(select).map_err(|error| match error.kind() {
            ErrorKind::Disconnected => AlternateSettingError::Disconnected,
            _ => AlternateSettingError::Refused(request_error(&error)),
        })
    }

    fn endpoint(&self, endpoint: &Endpoint, _: u32) -> Result<Box<dyn Queue>, EndpointError> {
        if !self.sysfs.is_present() {
            return Err(EndpointError::Disconnected);
        }
        let address = endpoint.address;
        let byte = address.to_byte();
        let opened = match (endpoint.transfer_type(), address.direction()) {
            (TransferType::Bulk, Direction::In) => self.bulk::<In>(byte),
            (TransferType::Bulk, Direction::Out) => self.bulk::<Out>(byte),
            (_, Direction::In) => self.interrupt::<In>(byte),
            (_, Direction::Out) => self.interrupt::<Out>(byte),
        };
        opened.map_err(|error| match error.kind() {
            ErrorKind::Busy => EndpointError::Busy(address),
            ErrorKind::Disconnected => EndpointError::Disconnected,
            _ => EndpointError::Io {
                address,
                source: io_error(error),
            },
        })
    }

    fn isochronous_endpoint(
        &self,
        endpoint: &Endpoint,
        _: u32,
    ) -> Result<Box<dyn IsochronousQueue>, EndpointError> {
        Err(EndpointError::NoIsochronous {
            address: endpoint.address,
            reason: "usbfs is reached through nusb, which has no isochronous transfers: load and mount the \
                     usbfs2 module (modprobe usbfs2; mount -t usbfs2 usbfs2 /dev/usbfs2)",
        })
    }

    fn control(&self, setup: SetupPacket, data: Buffer) -> Box<dyn InFlight> {
        Box::new(ControlTransfer::new(&self.device, &self.sysfs, setup, data))
    }
}
