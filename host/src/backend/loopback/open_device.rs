//! Open devices and claimed interfaces of an in-process bus.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aio_rs::Buffer;
use usbfs2_loopback::{BusDevice, BusError, Claim};
use usbfs2_protocol::descriptor::{Endpoint, Interface};
use usbfs2_protocol::{EndpointAddress, SetupPacket};

use super::isochronous::BusIsochronous;
use super::queue::{BusEndpoint, BusTransfers};
use super::{ANSWER_TIMEOUT, transfer_error};
use crate::backend::{Claimed, InFlight, IsochronousQueue, OpenDevice, Queue, Refused};
use crate::{
    AlternateSettingError, ClaimError, ConfigurationError, DeviceInfo, EndpointError, ResetError,
    TransferError,
};

/// One plug of a device.
#[derive(Debug)]
pub(super) struct OpenBusDevice {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    device: BusDevice,
    info: DeviceInfo,
    /// The interfaces claimed through this opening of the device.
    own: Mutex<Vec<u8>>,
}

impl OpenBusDevice {
    pub(super) fn new(device: BusDevice, info: DeviceInfo) -> Self {
        Self {
            shared: Arc::new(Shared {
                device,
                info,
                own: Mutex::new(Vec::new()),
            }),
        }
    }
}

impl OpenDevice for OpenBusDevice {
    fn configuration(&self) -> Result<Option<u8>, ConfigurationError> {
        if !self.shared.device.is_plugged() {
            return Err(ConfigurationError::Disconnected);
        }
        Ok(self.shared.device.active_configuration())
    }

    fn set_configuration(&self, value: u8) -> Result<(), ConfigurationError> {
        if value != 0 {
            self.shared.info.configuration(Some(value))?;
        }
        if self.shared.any_claimed() {
            return Err(ConfigurationError::Busy);
        }
        let result = self.shared.device.set_configuration(value, ANSWER_TIMEOUT);
        result.map_err(|error| match error {
            BusError::Unplugged => ConfigurationError::Disconnected,
            error => ConfigurationError::Refused(transfer_error(error)),
        })
    }

    fn reset(&self) -> Result<(), ResetError> {
        let result = self.shared.device.reset(ANSWER_TIMEOUT);
        result.map_err(|error| match error {
            BusError::Unplugged => ResetError::Disconnected,
            error => ResetError::Failed(transfer_error(error)),
        })
    }

    fn claim(&self, _configuration: u8, number: u8) -> Result<Box<dyn Claimed>, ClaimError> {
        use usbfs2_loopback::ClaimError as BusClaimError;
        let claim = self
            .shared
            .device
            .claim(number)
            .map_err(|error| match error {
                BusClaimError::Busy(number) => ClaimError::Busy(number),
                BusClaimError::NotConfigured => ConfigurationError::NotConfigured.into(),
                BusClaimError::Unplugged => ClaimError::Disconnected,
                error => ClaimError::Io {
                    number,
                    source: std::io::Error::other(error),
                },
            })?;
        self.shared.own().push(number);
        Ok(Box::new(ClaimedBusInterface {
            claim,
            device: Arc::clone(&self.shared),
        }))
    }

    fn control(&self, setup: SetupPacket, data: Buffer) -> Box<dyn InFlight> {
        self.shared.control(setup, data)
    }
}

impl Shared {
    fn own(&self) -> MutexGuard<'_, Vec<u8>> {
        // Every change is one push or retain, so a panic elsewhere leaves the list whole.
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn interfaces(&self) -> &[Interface] {
        let active = self.device.active_configuration();
        let configuration = self.info.configuration(active);
        configuration.map_or(&[], |configuration| &configuration.interfaces)
    }

    fn any_claimed(&self) -> bool {
        let mut interfaces = self.interfaces().iter();
        interfaces.any(|interface| self.device.is_claimed(interface.number))
    }

    /// The interface a request is addressed to, itself or through one of its endpoints.
    fn addressed(&self, setup: &SetupPacket) -> Option<u8> {
        let owner = |address: EndpointAddress| {
            let has = |interface: &&Interface| {
                let mut settings = interface.alternate_settings.iter();
                settings.any(|setting| setting.endpoints.iter().any(|e| e.address == address))
            };
            Some(self.interfaces().iter().find(has)?.number)
        };
        setup.interface().or_else(|| owner(setup.endpoint()?))
    }

    fn control(&self, setup: SetupPacket, data: Buffer) -> Box<dyn InFlight> {
        // As the kernel: requests to an interface are for whoever has claimed it.
        if let Some(number) = self.addressed(&setup)
            && self.device.is_claimed(number)
            && !self.own().contains(&number)
        {
            return Box::new(Refused::new(data, TransferError::Busy));
        }
        Box::new(BusTransfers::control(&self.device, setup, data))
    }
}

/// A claim and the device it belongs to.
#[derive(Debug)]
struct ClaimedBusInterface {
    claim: Claim,
    device: Arc<Shared>,
}

impl Claimed for ClaimedBusInterface {
    fn alternate_setting(&self) -> Result<u8, AlternateSettingError> {
        Ok(self.device.device.alternate_setting(self.claim.interface()))
    }

    fn set_alternate_setting(&self, alternate_setting: u8) -> Result<(), AlternateSettingError> {
        let number = self.claim.interface();
        let device = &self.device.device;
        let result = device.set_interface(number, alternate_setting, ANSWER_TIMEOUT);
        result.map_err(|error| match error {
            BusError::Unplugged => AlternateSettingError::Disconnected,
            error => AlternateSettingError::Refused(transfer_error(error)),
        })
    }

    fn endpoint(&self, endpoint: &Endpoint, _: u32) -> Result<Box<dyn Queue>, EndpointError> {
        if !self.device.device.is_plugged() {
            return Err(EndpointError::Disconnected);
        }
        Ok(Box::new(BusEndpoint::new(
            &self.device.device,
            endpoint.address,
        )))
    }

    fn isochronous_endpoint(
        &self,
        endpoint: &Endpoint,
        _: u32,
    ) -> Result<Box<dyn IsochronousQueue>, EndpointError> {
        let device = &self.device.device;
        if !device.is_plugged() {
            return Err(EndpointError::Disconnected);
        }
        Ok(Box::new(BusIsochronous::new(device, endpoint.address)))
    }

    fn control(&self, setup: SetupPacket, data: Buffer) -> Box<dyn InFlight> {
        self.device.control(setup, data)
    }
}

impl Drop for ClaimedBusInterface {
    fn drop(&mut self) {
        let number = self.claim.interface();
        self.device.own().retain(|&own| own != number);
    }
}
