//! The HID driver on gadgets that are no boot keyboards.

mod gamepad;
mod hidapi;
mod media_keys;
mod pointer;
mod repeat;
mod reports;

use std::sync::Arc;

use anyhow::{Context as _, Result};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_gadget::Function;
use usbfs2_hid::{Decode, Decoded, HidDevice};

use super::Scenario;
use crate::world::{Connected, World};

pub(super) fn scenarios() -> Vec<(&'static str, Scenario)> {
    [
        pointer::scenarios(),
        gamepad::scenarios(),
        media_keys::scenarios(),
        reports::scenarios(),
        hidapi::scenarios(),
        repeat::scenarios(),
    ]
    .concat()
}

/// A device that is plugged in and open.
struct Desk {
    // The driver lets go before the device goes.
    hid: HidDevice,
    _connected: Connected,
}

impl Desk {
    fn new(world: &World, function: Arc<dyn Function>) -> Result<Self> {
        let gadget = World::gadget().function(function).build()?;
        let connected = world.connect(&gadget)?;
        let hid = HidDevice::open_blocking(&connected.device)?;
        Ok(Self {
            hid,
            _connected: connected,
        })
    }
}

/// The next `count` events.
fn take<D: Decode>(events: &mut Decoded<D>, count: usize) -> Result<Vec<D::Event>> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let event = events.next_timeout(DEADLINE)?;
        let came = taken.len();
        taken.push(event.with_context(|| format!("silence after {came} of {count} events"))?);
    }
    Ok(taken)
}
