//! nusb.

use std::num::NonZeroU8;
use std::time::Duration;

use anyhow::{Context as _, Result};
use dummy_hcd_tests::wait::DEADLINE;
use nusb::GetDescriptorError;
use nusb::transfer::{
    Buffer, Bulk, ControlIn, ControlOut, ControlType, EndpointDirection, EndpointType, In,
    Interrupt, Out, Recipient, TransferError,
};
use nusb::{Device, Endpoint, Interface, MaybeFuture as _};
use usbfs2_host::protocol::{self, RequestKind};
use usbfs2_host::{Direction, EndpointAddress, SetupPacket, TransferType};

use super::{Answer, Peer, Source, Trouble};

pub(super) fn open(vendor: u16, product: u16) -> Result<Box<dyn Peer>> {
    let mut devices = nusb::list_devices().wait()?;
    let device =
        devices.find(|device| (device.vendor_id(), device.product_id()) == (vendor, product));
    let device = device.context("nusb finds no such device")?.open().wait()?;
    let interface = device.detach_and_claim_interface(0).wait()?;
    Ok(Box::new(Nusb {
        bulk_in: None,
        bulk_out: None,
        interrupt_in: None,
        interface,
        device,
    }))
}

/// The endpoints stay open once used: nusb may call one that was just dropped in use for a moment.
struct Nusb {
    bulk_in: Option<Endpoint<Bulk, In>>,
    bulk_out: Option<Endpoint<Bulk, Out>>,
    interrupt_in: Option<Endpoint<Interrupt, In>>,
    interface: Interface,
    device: Device,
}

/// The endpoint in `slot`, opened at its first use.
fn opened<'a, T: EndpointType, D: EndpointDirection>(
    slot: &'a mut Option<Endpoint<T, D>>,
    interface: &Interface,
    address: EndpointAddress,
) -> Answer<&'a mut Endpoint<T, D>> {
    match slot {
        Some(endpoint) => Ok(endpoint),
        None => {
            let endpoint = interface.endpoint(address.to_byte());
            Ok(slot.insert(endpoint.map_err(Trouble::other)?))
        }
    }
}

fn trouble(error: TransferError) -> Trouble {
    match error {
        TransferError::Stall => Trouble::Stall,
        // It cancels what its deadline ends.
        TransferError::Cancelled => Trouble::TimedOut,
        error => Trouble::other(error),
    }
}

fn control_type(setup: &SetupPacket) -> ControlType {
    match setup.request_type.kind {
        RequestKind::Class => ControlType::Class,
        RequestKind::Vendor => ControlType::Vendor,
        RequestKind::Standard | RequestKind::Reserved => ControlType::Standard,
    }
}

fn recipient(setup: &SetupPacket) -> Recipient {
    match setup.request_type.recipient {
        protocol::Recipient::Interface => Recipient::Interface,
        protocol::Recipient::Endpoint => Recipient::Endpoint,
        protocol::Recipient::Device => Recipient::Device,
        protocol::Recipient::Other | protocol::Recipient::Reserved(_) => Recipient::Other,
    }
}

impl Peer for Nusb {
    fn control_in(&mut self, setup: SetupPacket) -> Answer<Vec<u8>> {
        let request = ControlIn {
            control_type: control_type(&setup),
            recipient: recipient(&setup),
            request: setup.request,
            value: setup.value,
            index: setup.index,
            length: setup.length,
        };
        let read = self.interface.control_in(request, DEADLINE).wait();
        read.map_err(trouble)
    }

    fn control_out(&mut self, setup: SetupPacket, data: &[u8]) -> Answer<()> {
        let request = ControlOut {
            control_type: control_type(&setup),
            recipient: recipient(&setup),
            request: setup.request,
            value: setup.value,
            index: setup.index,
            data,
        };
        let written = self.interface.control_out(request, DEADLINE).wait();
        written.map_err(trouble)
    }

    fn write(&mut self, endpoint: EndpointAddress, bytes: &[u8]) -> Answer<usize> {
        let endpoint = opened(&mut self.bulk_out, &self.interface, endpoint)?;
        let completion = endpoint.transfer_blocking(Buffer::from(bytes.to_vec()), DEADLINE);
        completion.status.map_err(trouble)?;
        Ok(completion.actual_len)
    }

    fn read(&mut self, from: Source, room: usize, within: Duration) -> Answer<Vec<u8>> {
        let buffer = Buffer::new(room);
        let completion = match from.kind {
            TransferType::Interrupt => {
                let endpoint = opened(&mut self.interrupt_in, &self.interface, from.address)?;
                endpoint.transfer_blocking(buffer, within)
            }
            _ => {
                let endpoint = opened(&mut self.bulk_in, &self.interface, from.address)?;
                endpoint.transfer_blocking(buffer, within)
            }
        };
        completion.status.map_err(trouble)?;
        Ok(completion.buffer[..completion.actual_len].to_vec())
    }

    fn clear_halt(&mut self, endpoint: EndpointAddress) -> Answer<()> {
        let cleared = match endpoint.direction() {
            Direction::In => opened(&mut self.bulk_in, &self.interface, endpoint)?
                .clear_halt()
                .wait(),
            Direction::Out => opened(&mut self.bulk_out, &self.interface, endpoint)?
                .clear_halt()
                .wait(),
        };
        cleared.map_err(Trouble::other)
    }

    fn select(&mut self, setting: u8) -> Answer<()> {
        let selected = self.interface.set_alt_setting(setting).wait();
        selected.map_err(Trouble::other)
    }

    fn string(&mut self, index: u8) -> Answer<String> {
        let failed = |error| match error {
            GetDescriptorError::Transfer(error) => trouble(error),
            error => Trouble::other(error),
        };
        let device = &self.device;
        let languages = device.get_string_descriptor_supported_languages(DEADLINE);
        let language = languages.wait().map_err(failed)?.next();
        let language = language.ok_or_else(|| Trouble::other("no language"))?;
        let index = NonZeroU8::new(index).ok_or_else(|| Trouble::other("string 0"))?;
        let string = device.get_string_descriptor(index, language, DEADLINE);
        string.wait().map_err(failed)
    }
}
