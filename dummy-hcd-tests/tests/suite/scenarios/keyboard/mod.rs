//! The HID driver on the keyboard gadget.

mod cable;
mod claim;
mod requests;
mod typing;

use std::sync::Arc;

use anyhow::{Context as _, Result};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_gadget::functions::Keyboard;
use usbfs2_gadget::functions::keyboard::KeyboardOptions;
use usbfs2_hid::{HidDevice, Keys};

use super::Scenario;
use crate::world::{Connected, World};

pub(crate) fn scenarios() -> Vec<(&'static str, Scenario)> {
    [
        typing::scenarios(),
        requests::scenarios(),
        claim::scenarios(),
        cable::scenarios(),
    ]
    .concat()
}

/// Scenarios that need a host whose kernel does not read a keyboard before a program can, and a
/// controller that takes no report ahead of the host: the in-process bus.
pub(super) fn scenarios_of_a_host_alone() -> Vec<(&'static str, Scenario)> {
    cable::scenarios_of_a_host_alone()
}

/// A keyboard that is plugged in.
pub(super) struct Desk {
    pub(super) keyboard: Arc<Keyboard>,
    pub(super) connected: Connected,
}

impl Desk {
    fn new(world: &World) -> Result<Self> {
        Self::with(world, KeyboardOptions::default())
    }

    pub(super) fn with(world: &World, options: KeyboardOptions) -> Result<Self> {
        let keyboard = Keyboard::with_options(options);
        let gadget = World::gadget().function(keyboard.clone()).build()?;
        let connected = world.connect(&gadget)?;
        Ok(Self {
            keyboard,
            connected,
        })
    }

    pub(super) fn open(&self) -> Result<HidDevice> {
        Ok(HidDevice::open_blocking(&self.connected.device)?)
    }
}

/// The next `count` characters typed.
pub(crate) fn read_text(keys: &mut Keys, count: usize) -> Result<String> {
    let mut text = String::new();
    while text.chars().count() < count {
        let event = keys.next_timeout(DEADLINE)?;
        let event = event.with_context(|| format!("silence after {text:?}"))?;
        text.extend(event.text);
    }
    Ok(text)
}
