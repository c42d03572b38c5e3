//! Prints the key events of a keyboard until Escape is pressed, and lights its num lock.
//!
//! ```text
//! cargo run -p usbfs2-examples --bin hid_monitor -- 1-1       the keyboard at 1-1, which `list` shows
//! cargo run -p usbfs2-examples --bin hid_monitor -- --demo    a keyboard on a bus inside this program
//! ```
//!
//! Nothing else on the machine hears the keyboard while this runs.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use usbfs2_gadget::functions::Keyboard;
use usbfs2_gadget::functions::keyboard::{Modifiers, usage};
use usbfs2_gadget::{DeviceIds, Gadget, Speed};
use usbfs2_hid::{HidDevice, Leds};
use usbfs2_host::{Device, Host};
use usbfs2_loopback::Bus;

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("--demo") => demo(),
        Some(place) => monitor(&Host::system()?.open(&place.into())?),
        None => bail!("which keyboard? Give its place, such as 1-1, or --demo"),
    }
}

fn monitor(device: &Device) -> Result<()> {
    let keyboard = HidDevice::open_blocking(device)?;
    keyboard.set_leds_blocking(Leds::NUM_LOCK)?;
    for event in keyboard.keys()? {
        let event = event?;
        let direction = if event.pressed { "down" } else { "up" };
        match event.text {
            Some(text) => println!("{direction} {:#04x} {text:?}", event.usage),
            None => println!("{direction} {:#04x}", event.usage),
        }
        if event.pressed && event.usage == usage::ESCAPE {
            break;
        }
    }
    Ok(())
}

/// A keyboard at the other end of an in-process cable, and somebody who types on it.
fn demo() -> Result<()> {
    let keyboard = Keyboard::new();
    let ids = DeviceIds {
        vendor: 0x1209,
        product: 0x0001,
        release: 0x0100,
    };
    let gadget = Gadget::builder(ids).function(keyboard.clone()).build()?;
    let bus = Bus::new();
    let plugged = gadget.start_on(&bus, Speed::High)?;

    // The host takes it up from here whenever it is ready: keys wait in the keyboard until then.
    keyboard.type_text("Hi!")?;
    keyboard.tap(Modifiers::empty(), usage::ESCAPE)?;
    monitor(&Host::on(&bus).open(&plugged.port_name().into())?)?;

    let leds = keyboard
        .wait_for_leds(Some(Duration::from_secs(5)), |leds| !leds.is_empty())
        .context("no light came on")?;
    println!("lights of the keyboard: {leds:?}");
    Ok(())
}
