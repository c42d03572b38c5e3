//! The HID driver on the keyboard gadget.

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_gadget::functions::Keyboard;
use usbfs2_hid::{HidDevice, HidError, Leds, Protocol};

use super::Scenario;
use crate::world::World;

pub(crate) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        (
            "keyboard::typed_text_comes_back_as_key_events",
            typed_text_comes_back,
        ),
        ("keyboard::lights_reach_the_gadget", lights_reach_the_gadget),
        (
            "keyboard::both_protocols_can_be_selected",
            both_protocols_can_be_selected,
        ),
        (
            "keyboard::a_pulled_cable_ends_the_reports",
            a_pulled_cable_ends_the_reports,
        ),
    ]
}

const TEXT: &str = "The quick brown fox, 1234567890 times: (jumps) over \"the\" lazy_dog!\n";

fn typed_text_comes_back(world: &World) -> Result<()> {
    let keyboard = Keyboard::new();
    let gadget = World::gadget().function(keyboard.clone()).build()?;
    let connected = world.connect(&gadget)?;
    let hid = HidDevice::open_blocking(&connected.device)?;
    let mut keys = hid.keys()?;
    keyboard.type_text(TEXT)?;
    let mut received = String::new();
    while received.chars().count() < TEXT.chars().count() {
        let event = keys.next_timeout(DEADLINE)?;
        let event = event.with_context(|| format!("no key after {received:?}"))?;
        received.extend(event.text.filter(|_| event.pressed));
    }
    ensure!(received == TEXT, "{received:?} came back");
    Ok(())
}

fn lights_reach_the_gadget(world: &World) -> Result<()> {
    let keyboard = Keyboard::new();
    let gadget = World::gadget().function(keyboard.clone()).build()?;
    let connected = world.connect(&gadget)?;
    let hid = HidDevice::open_blocking(&connected.device)?;
    for leds in [
        Leds::CAPS_LOCK,
        Leds::NUM_LOCK | Leds::SCROLL_LOCK,
        Leds::empty(),
    ] {
        hid.set_leds_blocking(leds)?;
        let seen = keyboard.wait_for_leds(Some(DEADLINE), |now| now == leds);
        ensure!(
            seen == Some(leds),
            "the keyboard shows {:?}, not {leds:?}",
            keyboard.leds()
        );
    }
    Ok(())
}

fn both_protocols_can_be_selected(world: &World) -> Result<()> {
    let keyboard = Keyboard::new();
    let gadget = World::gadget().function(keyboard.clone()).build()?;
    let connected = world.connect(&gadget)?;
    let hid = HidDevice::open_blocking(&connected.device)?;
    ensure!(hid.has_boot_protocol(), "the keyboard has no boot protocol");
    for protocol in [Protocol::Boot, Protocol::Report] {
        hid.set_protocol_blocking(protocol)?;
        ensure!(
            keyboard.protocol() == protocol,
            "the keyboard is in {:?}",
            keyboard.protocol()
        );
        keyboard.type_text("q")?;
        let mut keys = hid.keys()?;
        let event = keys.next_timeout(DEADLINE)?.context("no key event")?;
        ensure!(event.text == Some('q'), "{event:?} for q in {protocol:?}");
    }
    Ok(())
}

fn a_pulled_cable_ends_the_reports(world: &World) -> Result<()> {
    let gadget = World::gadget().function(Keyboard::new()).build()?;
    let connected = world.connect(&gadget)?;
    let hid = HidDevice::open_blocking(&connected.device)?;
    let mut keys = hid.keys()?;
    world.pull(&connected)?;
    match keys.next_timeout(DEADLINE) {
        Err(HidError::Disconnected) => Ok(()),
        other => anyhow::bail!("{other:?} instead of Disconnected"),
    }
}
