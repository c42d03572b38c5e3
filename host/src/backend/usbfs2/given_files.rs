//! An interface of files that were open already.

use std::collections::BTreeMap;

use aio_rs::{Buffer, SharedFile};
use usbfs2_protocol::descriptor::Endpoint;
use usbfs2_protocol::{EndpointAddress, SetupPacket};

use super::control::ControlPipe;
use super::endpoint::EndpointFile;
use super::isochronous::IsochronousFile;
use super::open_device::io_error;
use crate::backend::{Claimed, InFlight, IsochronousQueue, Queue};
use crate::{AlternateSettingError, EndpointError};

/// Claimed as long as the files are open.
#[derive(Debug)]
pub(crate) struct GivenFiles {
    alternate_setting: u8,
    control: ControlPipe,
    endpoints: BTreeMap<EndpointAddress, SharedFile>,
}

impl GivenFiles {
    pub(crate) fn new(
        alternate_setting: u8,
        control: SharedFile,
        endpoints: BTreeMap<EndpointAddress, SharedFile>,
    ) -> Self {
        Self {
            alternate_setting,
            control: ControlPipe::new(control),
            endpoints,
        }
    }

    fn file(&self, address: EndpointAddress) -> Result<SharedFile, EndpointError> {
        let file = self.endpoints.get(&address);
        file.cloned().ok_or(EndpointError::NotGiven(address))
    }
}

impl Claimed for GivenFiles {
    fn alternate_setting(&self) -> Result<u8, AlternateSettingError> {
        Ok(self.alternate_setting)
    }

    fn set_alternate_setting(&self, alternate_setting: u8) -> Result<(), AlternateSettingError> {
        if alternate_setting == self.alternate_setting {
            return Ok(());
        }
        Err(AlternateSettingError::NotGiven)
    }

    fn endpoint(&self, endpoint: &Endpoint, depth: u32) -> Result<Box<dyn Queue>, EndpointError> {
        let address = endpoint.address;
        let queue = EndpointFile::new(self.file(address)?, address.direction(), depth);
        Ok(Box::new(queue.map_err(|error| io_error(address, error))?))
    }

    fn isochronous_endpoint(
        &self,
        endpoint: &Endpoint,
        depth: u32,
    ) -> Result<Box<dyn IsochronousQueue>, EndpointError> {
        let address = endpoint.address;
        let queue = IsochronousFile::new(self.file(address)?, address.direction(), depth);
        Ok(Box::new(queue.map_err(|error| io_error(address, error))?))
    }

    fn control(&self, setup: SetupPacket, data: Buffer) -> Box<dyn InFlight> {
        self.control.start(setup, data)
    }
}
