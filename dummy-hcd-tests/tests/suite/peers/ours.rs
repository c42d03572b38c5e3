//! Our host.

use std::time::Duration;

use anyhow::{Context as _, Result};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_host::{
    Buffer, Bulk, Device, Direction, EndpointAddress, EndpointError, In, Interface, Interrupt, Out,
    SetupPacket, StringError, TransferError, TransferType,
};

use super::{Answer, Peer, Source, Trouble};
use crate::world::{KernelHost, World};

pub(super) fn open(host: KernelHost, vendor: u16, product: u16) -> Result<Box<dyn Peer>> {
    let host = World::Kernel(host).host()?;
    let devices = host.devices()?;
    let numbers = (Some(vendor), Some(product));
    let info = devices
        .iter()
        .find(|info| (info.vendor_id(), info.product_id()) == numbers);
    let device = host.open(info.context("our host finds no such device")?.id())?;
    let interface = device.claim(0)?;
    Ok(Box::new(Ours { device, interface }))
}

struct Ours {
    device: Device,
    interface: Interface,
}

fn trouble(error: TransferError) -> Trouble {
    match error {
        TransferError::Stall => Trouble::Stall,
        TransferError::TimedOut => Trouble::TimedOut,
        error => Trouble::other(error),
    }
}

fn not_opened(error: EndpointError) -> Trouble {
    Trouble::other(error)
}

impl Peer for Ours {
    fn control_in(&mut self, setup: SetupPacket) -> Answer<Vec<u8>> {
        let read = self.interface.control_in_blocking(setup, DEADLINE);
        read.map_err(trouble)
    }

    fn control_out(&mut self, setup: SetupPacket, data: &[u8]) -> Answer<()> {
        let written = self.interface.control_out_blocking(setup, data, DEADLINE);
        written.map_err(trouble)
    }

    fn write(&mut self, endpoint: EndpointAddress, bytes: &[u8]) -> Answer<usize> {
        let opened = self.interface.endpoint::<Bulk, Out>(endpoint);
        let mut endpoint = opened.map_err(not_opened)?;
        let completion = endpoint.transfer_blocking(Buffer::from(bytes.to_vec()), DEADLINE);
        completion.status.map_err(trouble)?;
        Ok(completion.actual_length)
    }

    fn read(&mut self, from: Source, room: usize, within: Duration) -> Answer<Vec<u8>> {
        let buffer = Buffer::with_capacity(room);
        let completion = match from.kind {
            TransferType::Interrupt => {
                let opened = self.interface.endpoint::<Interrupt, In>(from.address);
                opened
                    .map_err(not_opened)?
                    .transfer_blocking(buffer, within)
            }
            _ => {
                let opened = self.interface.endpoint::<Bulk, In>(from.address);
                opened
                    .map_err(not_opened)?
                    .transfer_blocking(buffer, within)
            }
        };
        let received = completion.into_result().map_err(trouble)?;
        Ok(received.into_vec())
    }

    fn clear_halt(&mut self, endpoint: EndpointAddress) -> Answer<()> {
        let cleared = match endpoint.direction() {
            Direction::In => {
                let opened = self.interface.endpoint::<Bulk, In>(endpoint);
                opened.map_err(not_opened)?.clear_halt()
            }
            Direction::Out => {
                let opened = self.interface.endpoint::<Bulk, Out>(endpoint);
                opened.map_err(not_opened)?.clear_halt()
            }
        };
        cleared.map_err(trouble)
    }

    fn select(&mut self, setting: u8) -> Answer<()> {
        let selected = self.interface.set_alternate_setting(setting);
        selected.map_err(Trouble::other)
    }

    fn string(&mut self, index: u8) -> Answer<String> {
        self.device
            .string_blocking(index)
            .map_err(|error| match error {
                StringError::Transfer(error) => trouble(error),
                error => Trouble::other(error),
            })
    }
}
