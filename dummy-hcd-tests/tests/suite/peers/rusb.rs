//! libusb, by rusb.

use std::time::Duration;

use anyhow::{Context as _, Result};
use dummy_hcd_tests::wait::DEADLINE;
use rusb::{DeviceHandle, Error, GlobalContext};
use usbfs2_host::{EndpointAddress, SetupPacket, TransferType};

use super::{Answer, Peer, Source, Trouble};

const INTERFACE: u8 = 0;

pub(super) fn open(vendor: u16, product: u16) -> Result<Box<dyn Peer>> {
    let handle = rusb::open_device_with_vid_pid(vendor, product);
    let handle = handle.context("libusb finds no such device, or may not open it")?;
    handle.set_auto_detach_kernel_driver(true)?;
    handle.claim_interface(INTERFACE)?;
    Ok(Box::new(Libusb(handle)))
}

struct Libusb(DeviceHandle<GlobalContext>);

fn trouble(error: Error) -> Trouble {
    match error {
        Error::Pipe => Trouble::Stall,
        Error::Timeout => Trouble::TimedOut,
        error => Trouble::other(error),
    }
}

impl Peer for Libusb {
    fn control_in(&mut self, setup: SetupPacket) -> Answer<Vec<u8>> {
        let mut data = vec![0; usize::from(setup.length)];
        let SetupPacket {
            request_type,
            request,
            value,
            index,
            ..
        } = setup;
        let request_type = request_type.to_byte();
        let read = self
            .0
            .read_control(request_type, request, value, index, &mut data, DEADLINE);
        data.truncate(read.map_err(trouble)?);
        Ok(data)
    }

    fn control_out(&mut self, setup: SetupPacket, data: &[u8]) -> Answer<()> {
        let SetupPacket {
            request_type,
            request,
            value,
            index,
            ..
        } = setup;
        let request_type = request_type.to_byte();
        let written = self
            .0
            .write_control(request_type, request, value, index, data, DEADLINE);
        written.map(drop).map_err(trouble)
    }

    fn write(&mut self, endpoint: EndpointAddress, bytes: &[u8]) -> Answer<usize> {
        let written = self.0.write_bulk(endpoint.to_byte(), bytes, DEADLINE);
        written.map_err(trouble)
    }

    fn read(&mut self, from: Source, room: usize, within: Duration) -> Answer<Vec<u8>> {
        let mut bytes = vec![0; room];
        let endpoint = from.address.to_byte();
        let read = match from.kind {
            TransferType::Interrupt => self.0.read_interrupt(endpoint, &mut bytes, within),
            _ => self.0.read_bulk(endpoint, &mut bytes, within),
        };
        bytes.truncate(read.map_err(trouble)?);
        Ok(bytes)
    }

    fn clear_halt(&mut self, endpoint: EndpointAddress) -> Answer<()> {
        self.0.clear_halt(endpoint.to_byte()).map_err(trouble)
    }

    fn select(&mut self, setting: u8) -> Answer<()> {
        let selected = self.0.set_alternate_setting(INTERFACE, setting);
        selected.map_err(trouble)
    }

    fn string(&mut self, index: u8) -> Answer<String> {
        let languages = self.0.read_languages(DEADLINE).map_err(trouble)?;
        let language = languages
            .first()
            .ok_or_else(|| Trouble::other("no language"))?;
        let string = self.0.read_string_descriptor(*language, index, DEADLINE);
        string.map_err(trouble)
    }
}
