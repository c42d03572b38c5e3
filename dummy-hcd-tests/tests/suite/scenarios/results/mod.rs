//! What every call gives in every case there is, as one list: `expected.txt` is the same for every way to
//! reach a device.

mod bulk;
mod control;
mod unplugged;

use std::fmt::Debug;
use std::time::Duration;

use anyhow::{Result, ensure};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_gadget::Gadget;
use usbfs2_host::{
    Bulk, Completion, Device, Direction, Endpoint, EndpointAddress, In, Interface, Interrupt, Out,
    TransferType,
};

use super::Scenario;
use crate::vendor::{self, Vendor};
use crate::world::{Connected, World};

pub(crate) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![(
        "results::of_every_call_in_every_case_are_as_written",
        are_as_written,
    )]
}

const EXPECTED: &str = include_str!("expected.txt");

/// Long enough for a transfer that will come, short enough to wait out for one that will not.
const WAITED_OUT: Duration = Duration::from_millis(150);

fn are_as_written(world: &World) -> Result<()> {
    let mut rig = Rig::plug(world)?;
    control::run(&mut rig)?;
    bulk::run(&mut rig)?;
    let found = unplugged::run(rig)?;
    let mut expected = EXPECTED.lines();
    for line in found.lines() {
        let wanted = expected.next().unwrap_or("nothing more");
        ensure!(
            line == wanted,
            "{line:?} instead of {wanted:?}; the whole list:\n{found}"
        );
    }
    ensure!(expected.next().is_none(), "the list ends early:\n{found}");
    Ok(())
}

/// The vendor's function, claimed, and what has been found out about it.
struct Rig {
    connected: Connected,
    interface: Interface,
    found: String,
}

impl Rig {
    fn plug(world: &World) -> Result<Self> {
        let gadget: Gadget = World::gadget().function(Vendor::new()).build()?;
        let connected = world.connect(&gadget)?;
        let interface = connected.device.claim(0)?;
        Ok(Self {
            connected,
            interface,
            found: String::new(),
        })
    }

    fn device(&self) -> &Device {
        &self.connected.device
    }

    /// One line of the list. Addresses differ from controller to controller, so none is in it.
    fn note(&mut self, what: &str, result: impl Debug) {
        let mut result = format!("{result:?}");
        for (direction, transfer_type, role) in ROLES {
            if let Ok(address) = self.address(direction, transfer_type) {
                result = result.replace(&format!("{address:?}"), role);
                result = result.replace(&address.to_string(), role);
            }
        }
        self.found.push_str(&format!("{what}: {result}\n"));
    }

    fn address(&self, direction: Direction, kind: TransferType) -> Result<EndpointAddress> {
        vendor::address(&self.interface, direction, kind)
    }

    fn input(&self) -> Result<Endpoint<Bulk, In>> {
        let address = self.address(Direction::In, TransferType::Bulk)?;
        Ok(self.interface.endpoint(address)?)
    }

    fn output(&self) -> Result<Endpoint<Bulk, Out>> {
        let address = self.address(Direction::Out, TransferType::Bulk)?;
        Ok(self.interface.endpoint(address)?)
    }

    fn interrupt(&self) -> Result<Endpoint<Interrupt, In>> {
        let address = self.address(Direction::In, TransferType::Interrupt)?;
        Ok(self.interface.endpoint(address)?)
    }

    /// Has the device forget what is in its pipes.
    fn start_over(&self) -> Result<()> {
        self.interface.set_alternate_setting(0)?;
        Ok(())
    }

    /// A vendor request without data.
    fn tell(&self, request: u8, value: u16) -> Result<()> {
        let setup = vendor::request::out(request, value, 0, 0);
        self.interface.control_out_blocking(setup, &[], DEADLINE)?;
        Ok(())
    }
}

const ROLES: [(Direction, TransferType, &str); 3] = [
    (Direction::In, TransferType::Bulk, "<bulk IN>"),
    (Direction::Out, TransferType::Bulk, "<bulk OUT>"),
    (Direction::In, TransferType::Interrupt, "<interrupt IN>"),
];

/// What there is to say of a completion: status, bytes moved, and what the buffer asks for next time.
fn outcome(completion: Completion) -> String {
    format!(
        "{:?}, {} moved, buffer of {} asks for {}",
        completion.status,
        completion.actual_length,
        completion.buffer.len(),
        completion.buffer.requested_length()
    )
}

/// A message of this length, which the echo gives back unchanged.
fn message(length: usize) -> Vec<u8> {
    super::disk::pattern(length.min(vendor::LONGEST))
}
