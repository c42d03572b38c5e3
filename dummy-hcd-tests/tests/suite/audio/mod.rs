//! Isochronous transfers, on a `dummy_hcd` that has them: `cargo xtask vm --isochronous --icount`.

mod asleep;
mod breaks;
mod cards;
mod command;
mod gadget;
mod our_gadget;
mod our_host;
mod packets;
mod recording;
mod source_sink;
mod streams;
mod usbtest;

pub(crate) use our_host::OurHost;
pub(crate) use recording::{Length, Recording};
pub(crate) use streams::Duplex;
pub(crate) use usbtest::SourceSink;

use crate::runner::Test;
use crate::scenarios;

pub(crate) fn tests() -> Vec<Test> {
    let scenarios = [
        scenarios::isochronous::scenarios(),
        scenarios::source_sink::isochronous::scenarios(),
        scenarios::audio::scenarios(),
    ]
    .concat()
    .into_iter();
    let scenarios = scenarios.map(|(name, run)| Test::isochronous_scenario(name, run));
    let composites = scenarios::isochronous::in_one_setting().into_iter();
    let composites = composites.map(|(name, run)| Test::isochronous_composite(name, run));
    [
        scenarios.collect(),
        composites.collect(),
        cards::tests(),
        command::tests(),
        packets::tests(),
        asleep::tests(),
        source_sink::tests(),
        usbtest::tests(),
        streams::tests(),
        streams::at_super_speed(),
        breaks::tests(),
        our_host::tests(),
        our_gadget::tests(),
    ]
    .concat()
}

/// The part of the suite a test of this name belongs to: each has a guest of its own.
fn named(speed: gadget::Speed, name: &str) -> String {
    match speed {
        gadget::Speed::Super => format!("super_iso::{name}"),
        _ => format!("audio::{name}"),
    }
}
