//! The tour's keyboard: a text typed at one end and read at the other.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use usbfs2_gadget::functions::Keyboard;
use usbfs2_gadget::{DeviceIds, Gadget};
use usbfs2_hid::{HidDevice, Leds};

use super::summary::Row;
use super::world::{AT_ONCE, World};
use crate::output::say;
use crate::{interrupt, progress};

const VENDOR: u16 = 0x1209;
const PRODUCT: u16 = 0x0001;
/// What is typed unless the user has something else to say.
const README: &str = include_str!("../../../README.md");
/// Bytes of a boot keyboard's report.
const REPORT_BYTES: u64 = 8;

/// A text that can be typed.
pub(super) struct Text {
    text: String,
    /// The reports it takes.
    reports: u64,
}

impl Text {
    /// The user's text, or the README.
    pub(super) fn new(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else {
            return Self::rehearse(README.to_owned());
        };
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the text {}", path.display()))?;
        ensure!(
            !text.is_empty(),
            "{} is empty: there is nothing to type",
            path.display()
        );
        Self::rehearse(text).with_context(|| format!("cannot type {}", path.display()))
    }

    /// Types it on a keyboard that is not plugged in, which keeps the reports.
    fn rehearse(text: String) -> Result<Self> {
        let keyboard = Keyboard::new();
        keyboard.type_text(&text)?;
        Ok(Self {
            reports: keyboard.pending() as u64,
            text,
        })
    }
}

/// Plugs the keyboard in, types, and compares.
pub(super) fn tour(world: &World, text: &Text) -> Result<Row> {
    let Text { text, reports } = text;
    let keyboard = Keyboard::new();
    let gadget = Gadget::builder(DeviceIds {
        vendor: VENDOR,
        product: PRODUCT,
        release: 0x0100,
    })
    .manufacturer("usbfs2")
    .product("Demo keyboard")
    .function(keyboard.clone())
    .build()?;
    let plugged = world.plug(&gadget, (VENDOR, PRODUCT))?;
    let device = HidDevice::open_blocking(&plugged.open()?)?;

    device.set_leds_blocking(Leds::NUM_LOCK)?;
    if keyboard
        .wait_for_leds(Some(AT_ONCE), |leds| leds == Leds::NUM_LOCK)
        .is_none()
    {
        bail!("the host switched the keyboard's num lock light on, and it stayed off");
    }
    let mut keys = device.keys()?;
    keyboard.type_text(text)?;
    let bar = progress::bytes(text.len() as u64, "typing");
    let mut read = String::new();
    while read.len() < text.len() {
        if interrupt::requested() {
            bail!("interrupted");
        }
        let Some(event) = keys.next_timeout(AT_ONCE)? else {
            bail!(
                "the keyboard fell silent after {} of {} characters",
                read.len(),
                text.len()
            );
        };
        read.extend(event.text);
        bar.set_position(read.len() as u64);
    }
    bar.finish_and_clear();
    ensure!(
        read == *text,
        "what was read differs from what was typed: {}",
        difference(text, &read)
    );
    say!(
        "Keyboard: {} characters typed and read back equal; num lock lit.",
        text.chars().count()
    )?;
    let first_line = text.lines().next().unwrap_or_default();
    say!("Keyboard: it began \"{first_line}\".")?;
    drop(keys);
    drop(device);
    plugged.unplug()?;
    Ok(Row {
        device: "keyboard",
        transfers: *reports,
        bytes: reports * REPORT_BYTES,
        errors: Vec::new(),
    })
}

/// Where two texts part.
fn difference(typed: &str, read: &str) -> String {
    let at = typed
        .chars()
        .zip(read.chars())
        .take_while(|(a, b)| a == b)
        .count();
    let typed: String = typed.chars().skip(at).take(20).collect();
    let read: String = read.chars().skip(at).take(20).collect();
    format!("at character {at}, {typed:?} became {read:?}")
}
