//! The host resets a device that it is using.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use usbfs2_host::{
    Buffer, Bulk, Device, Direction, Endpoint, In, Interface, Out, ResetError, TransferError,
    TransferType,
};

use super::Scenario;
use crate::vendor::{self, Vendor};
use crate::world::{KernelHost, World};

pub(crate) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![(
        "resets::transfers_in_flight_are_told_once_and_the_device_goes_on",
        transfers_are_told_once,
    )]
}

const DEADLINE: Duration = Duration::from_secs(30);
const READS: usize = 4;

fn endpoints(interface: &Interface) -> Result<(Endpoint<Bulk, Out>, Endpoint<Bulk, In>)> {
    let address = |direction| vendor::address(interface, direction, TransferType::Bulk);
    Ok((
        interface.endpoint(address(Direction::Out)?)?,
        interface.endpoint(address(Direction::In)?)?,
    ))
}

fn echo(output: &mut Endpoint<Bulk, Out>, input: &mut Endpoint<Bulk, In>) -> Result<()> {
    const MESSAGE: [u8; 700] = [0xa5; 700];
    let sent = output.transfer_blocking(Buffer::from(&MESSAGE[..]), DEADLINE);
    sent.status.context("send a message")?;
    let received = input.transfer_blocking(Buffer::with_capacity(1024), DEADLINE);
    received.status.context("receive it")?;
    ensure!(
        received.buffer[..] == MESSAGE,
        "{} bytes of 700 came back, or others",
        received.actual_length
    );
    Ok(())
}

fn reset(world: &World, device: &Device, interface: Interface) -> Result<Interface> {
    let is_usbfs = matches!(
        world,
        World::Kernel(KernelHost::Usbfs) | World::Composite(KernelHost::Usbfs)
    );
    match device.reset() {
        Ok(()) if !is_usbfs => Ok(interface),
        Err(ResetError::Claimed) if is_usbfs => {
            drop(interface);
            device.reset()?;
            Ok(device.claim(0)?)
        }
        other => bail!("{other:?} of a reset with an interface claimed"),
    }
}

fn transfers_are_told_once(world: &World) -> Result<()> {
    let gadget = World::gadget().function(Vendor::new()).build()?;
    let connected = world.connect(&gadget)?;
    let device = &connected.device;
    let mut interface = device.claim(0)?;
    for _ in 0..3 {
        let (mut output, mut input) = endpoints(&interface)?;
        echo(&mut output, &mut input)?;
        if matches!(world, World::Kernel(KernelHost::Usbfs)) {
            drop((output, input));
            interface = reset(world, device, interface)?;
            continue;
        }
        input.submit_all((0..READS).map(|_| Buffer::with_capacity(512)));
        interface = reset(world, device, interface)?;
        for _ in 0..READS {
            let completion = input.wait(Some(DEADLINE)).context("a read is missing")?;
            ensure!(
                completion.status == Err(TransferError::Cancelled),
                "{:?} of a read in flight at a reset",
                completion.status
            );
        }
        ensure!(input.pending() == 0, "a read is left");
        // The same endpoints, not opened again.
        echo(&mut output, &mut input)?;
    }
    let (mut output, mut input) = endpoints(&interface)?;
    echo(&mut output, &mut input)
}
