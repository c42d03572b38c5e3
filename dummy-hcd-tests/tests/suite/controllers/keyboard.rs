//! QEMU's keyboard: what is typed in QEMU arrives in our driver.

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_hid::{HidDevice, Keys, Leds, Protocol};

use super::{Bench, Case};

pub(super) fn cases() -> Vec<(&'static str, Case)> {
    vec![(
        "keyboard::keys_arrive_in_both_protocols",
        keys_arrive_in_both_protocols,
    )]
}

/// QEMU's name of a key, its usage (HID Usage Tables 10), and what it types on a US layout.
const KEYS: &[(&str, u8, Option<char>)] = &[
    ("a", 0x04, Some('a')),
    ("z", 0x1d, Some('z')),
    ("1", 0x1e, Some('1')),
    ("0", 0x27, Some('0')),
    ("ret", 0x28, Some('\n')),
    ("spc", 0x2c, Some(' ')),
    ("minus", 0x2d, Some('-')),
    ("f1", 0x3a, None),
    ("f12", 0x45, None),
    ("left", 0x50, None),
    ("ctrl", 0xe0, None),
    ("shift", 0xe1, None),
    ("alt_r", 0xe6, None),
];

fn keys_arrive_in_both_protocols(bench: &Bench) -> Result<()> {
    let keyboard = bench.plug("usb-kbd", "1")?;
    let hid = HidDevice::open_blocking(&keyboard.open()?)?;
    for protocol in [Protocol::Boot, Protocol::Report] {
        hid.set_protocol_blocking(protocol)?;
        keys_arrive(bench, &hid).with_context(|| format!("in the {protocol:?} protocol"))?;
    }
    Ok(())
}

fn keys_arrive(bench: &Bench, hid: &HidDevice) -> Result<()> {
    // QEMU keeps the LEDs to itself: all there is to see is that the device takes the report.
    hid.set_leds_blocking(Leds::NUM_LOCK | Leds::CAPS_LOCK)?;
    hid.set_leds_blocking(Leds::empty())?;
    let mut keys = hid.keys()?;
    for (name, usage, text) in KEYS {
        bench.key(name, true)?;
        expect(&mut keys, *usage, true, *text).with_context(|| format!("press {name}"))?;
        bench.key(name, false)?;
        expect(&mut keys, *usage, false, None).with_context(|| format!("release {name}"))?;
    }
    // A chord: the second key is typed in capitals.
    for (name, usage, down, text) in [
        ("shift", 0xe1, true, None),
        ("q", 0x14, true, Some('Q')),
        ("shift", 0xe1, false, None),
        ("q", 0x14, false, None),
    ] {
        bench.key(name, down)?;
        expect(&mut keys, usage, down, text)?;
    }
    ensure!(keys.overflows() == 0, "{} overflows", keys.overflows());
    Ok(())
}

fn expect(keys: &mut Keys, usage: u8, pressed: bool, text: Option<char>) -> Result<()> {
    let event = keys.next_timeout(DEADLINE)?.context("silence")?;
    ensure!(
        (event.usage, event.pressed, event.text) == (usage, pressed, text),
        "{event:?} came"
    );
    Ok(())
}
