//! What the fuzzer does with bytes: one function a target, which panics where the bytes broke something.
//!
//! A target is here once and runs twice: under libFuzzer (`cargo xtask fuzz`, which links each function into a
//! program of its own) and over the committed corpus, as a test of this crate. There are two kinds:
//!
//! - Parsers of what came over a wire, which check that what parses also writes itself back.
//! - State machines with a peer that does anything: a device of this project whose host is the input, or a
//!   driver of this project whose device is. Both meet on the in-process bus, and neither may panic or hang.

mod audio;
mod audio_driver;
mod disk_device;
mod enumeration;
mod gadget_control;
mod hid_driver;
mod hid_reports;
mod parsers;
mod puppet;
mod script;
mod scsi_target;
mod storage_driver;

use std::time::Duration;

/// A target's name, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target, the state machines first.
pub const TARGETS: [Target; 18] = [
    ("disk_device", disk_device::disk_device),
    ("scsi_target", scsi_target::scsi_target),
    ("storage_driver", storage_driver::storage_driver),
    ("hid_driver", hid_driver::hid_driver),
    ("audio_driver", audio_driver::audio_driver),
    ("enumeration", enumeration::enumeration),
    ("gadget_control", gadget_control::gadget_control),
    ("descriptors", parsers::descriptors),
    ("setup", parsers::setup),
    ("bot", parsers::bot),
    ("scsi_commands", parsers::scsi_commands),
    ("scsi_responses", parsers::scsi_responses),
    ("report_descriptor", hid_reports::report_descriptor),
    ("hid_reports", hid_reports::hid_reports),
    ("keyboard", parsers::keyboard),
    ("audio_descriptors", audio::audio_descriptors),
    ("audio_requests", audio::audio_requests),
    ("usbmon", parsers::usbmon),
];

/// Runs the target called `name` on an input.
///
/// # Panics
/// When the input breaks something, which is a finding, and when there is no such target.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|(target, _)| *target == name);
    let Some((_, target)) = target else {
        panic!("there is no target {name}");
    };
    target(input);
}

/// Longer than anything takes that does not hang.
const HANG: Duration = Duration::from_secs(20);
