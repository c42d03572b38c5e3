//! `usbfs2 gadget`.

mod attend;
pub(crate) mod audio;
mod check;
mod composite;
mod counters;
mod described;
mod disk;
mod firmware;
mod hid;
mod hold;
mod host_view;
mod keyboard;
mod leftovers;
mod midi;
mod place;
mod serial;
mod source_sink;
mod standard_input;

use anyhow::Result;
use usbfs2_gadget::functions::{ConsumerControl, Gamepad, Mouse, Tablet};
use usbfs2_gadget::{DeviceIds, Gadget, GadgetBuilder};

use self::attend::Attendance;
use crate::args::{Backend, GadgetCommand, GadgetKind};

/// Runs one of the gadget commands.
pub(crate) fn run(command: &GadgetCommand) -> Result<()> {
    match command {
        GadgetCommand::Run(args) => be(&args.kind, args.backend),
        GadgetCommand::Kind(kind) => be(kind, Backend::default()),
        GadgetCommand::Check(args) => check::run(args),
        GadgetCommand::Clean => leftovers::run(),
        GadgetCommand::Hold { command } => hold::run(command),
    }
}

/// Is a device until Ctrl-C.
fn be(kind: &GadgetKind, backend: Backend) -> Result<()> {
    match kind {
        GadgetKind::Keyboard { text } => keyboard::run(text.as_deref(), backend),
        GadgetKind::Mouse => hid::run(&MOUSE, Mouse::new(), backend),
        GadgetKind::Tablet => hid::run(&TABLET, Tablet::new(), backend),
        GadgetKind::Gamepad => hid::run(&GAMEPAD, Gamepad::new(), backend),
        GadgetKind::MediaKeys => hid::run(&MEDIA_KEYS, ConsumerControl::new(), backend),
        GadgetKind::Disk(args) => disk::run(args, backend),
        GadgetKind::Audio(args) => audio::run(args, backend),
        GadgetKind::Serial => serial::run(backend),
        GadgetKind::Midi => midi::run(backend),
        GadgetKind::SourceSink => source_sink::run(backend),
    }
}

/// By what a host knows a device of ours.
#[derive(Debug)]
struct Identity {
    vendor: u16,
    product: u16,
    name: &'static str,
    serial_number: Option<&'static str>,
}

const VENDOR: u16 = 0x1209;
const RELEASE: u16 = 0x0100;
const MANUFACTURER: &str = "usbfs2";

const KEYBOARD: Identity = Identity::new(0x0001, "Keyboard");
const DISK: Identity = Identity {
    // Bulk-Only Transport 4.1.1.
    serial_number: Some("000000000001"),
    ..Identity::new(0x0002, "Disk")
};
const MOUSE: Identity = Identity::new(0x0003, "Mouse");
const TABLET: Identity = Identity::new(0x0004, "Tablet");
const GAMEPAD: Identity = Identity::new(0x0005, "Gamepad");
const MEDIA_KEYS: Identity = Identity::new(0x0006, "Media keys");
const SOUND_CARD: Identity = Identity::new(0x0007, "Sound card");

const SERIAL_PORT: Identity = Identity::new(0x0008, "Serial port");
const MIDI_PORT: Identity = Identity::new(0x0009, "MIDI port");
/// As the kernel's usbtest knows it.
const SOURCE_SINK: Identity = Identity {
    vendor: 0x0525,
    ..Identity::new(0xa4a0, "Source and sink")
};

impl Identity {
    const fn new(product: u16, name: &'static str) -> Self {
        Self {
            vendor: VENDOR,
            product,
            name,
            serial_number: None,
        }
    }

    fn builder(&self) -> GadgetBuilder {
        let builder = Gadget::builder(DeviceIds {
            vendor: self.vendor,
            product: self.product,
            release: RELEASE,
        })
        .manufacturer(MANUFACTURER)
        .product(self.name);
        match self.serial_number {
            Some(number) => builder.serial_number(number),
            None => builder,
        }
    }
}
