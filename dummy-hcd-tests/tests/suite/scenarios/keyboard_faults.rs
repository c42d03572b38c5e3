//! The HID driver on a keyboard whose reports meet faults on the wire.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_gadget::functions::keyboard::{KeyboardOptions, usage};
use usbfs2_hid::{HidDevice, HidError, Keys};
use usbfs2_host::{TransferError, block_on};
use usbfs2_loopback::{Bus, Fault, Faults};
use usbfs2_protocol::{Direction, EndpointAddress};

use super::FaultScenario;
use super::keyboard::{Desk, read_text};
use super::random::Random;
use crate::world::World;

pub(super) fn scenarios() -> Vec<(&'static str, FaultScenario)> {
    vec![
        (
            "keyboard_faults::a_text_with_stalls_in_it_arrives_whole",
            a_text_with_stalls,
        ),
        (
            "keyboard_faults::a_text_with_babble_in_it_arrives_whole",
            a_text_with_babble,
        ),
        (
            "keyboard_faults::a_stream_with_stalls_in_it_arrives_whole",
            a_stream_with_stalls,
        ),
        (
            "keyboard_faults::an_endpoint_that_always_stalls_is_given_up_after_a_second",
            an_endpoint_that_always_stalls,
        ),
        (
            "keyboard_faults::corrupted_and_short_reports_do_not_end_the_reading",
            corrupted_and_short_reports,
        ),
    ]
}

const TEXT: &str = "a halt is cleared, and not a letter is lost";

/// A keyboard, open, its input reports about to be read.
struct Bench {
    desk: Desk,
    hid: HidDevice,
    faults: Faults,
    input: EndpointAddress,
}

impl Bench {
    fn new(bus: &Bus) -> Result<Self> {
        let world = World::Loopback(bus.clone());
        let desk = Desk::with(&world, KeyboardOptions::default())?;
        let hid = desk.open()?;
        let setting = hid.interface().alternate_setting()?;
        let mut addresses = setting.endpoints.iter().map(|endpoint| endpoint.address);
        let input = addresses
            .find(|address| address.direction() == Direction::In)
            .context("a keyboard has an IN endpoint")?;
        let faults = bus.faults(desk.connected.running.port_name())?;
        Ok(Self {
            desk,
            hid,
            faults,
            input,
        })
    }

    /// The keys, with [`DEPTH`] transfers in flight.
    fn keys(&self) -> Result<Keys> {
        let reports = self.hid.reports_with_depth(DEPTH)?;
        Ok(reports.decode(self.hid.key_decoder()?))
    }

    /// Has `fault` happen to the next report transfers with these numbers, counted from now.
    fn inject(&self, numbers: impl IntoIterator<Item = u64>, fault: Fault) -> Result<()> {
        let next = self.faults.next_transfer(self.input);
        for number in numbers {
            self.faults.inject(self.input, next + number, fault)?;
        }
        Ok(())
    }
}

const DEPTH: usize = 64;

/// Transfers that go wrong: the first, and one in each queue of [`DEPTH`] that is submitted after the
/// halt before it.
const SOME: [u64; 5] = [0, 70, 135, 200, 266];

fn a_text_with_stalls(bus: &Bus) -> Result<()> {
    a_text_with(bus, Fault::Stall)
}

fn a_text_with_babble(bus: &Bus) -> Result<()> {
    a_text_with(bus, Fault::Babble)
}

fn a_text_with(bus: &Bus, fault: Fault) -> Result<()> {
    let bench = Bench::new(bus)?;
    bench.inject(SOME, fault)?;
    let mut keys = bench.keys()?;
    bench.desk.keyboard.type_text(TEXT)?;
    let read = read_text(&mut keys, TEXT.len())?;
    ensure!(read == TEXT, "{read:?} came");
    ensure!(bench.faults.pending() == 0, "not every fault happened");
    Ok(())
}

fn a_stream_with_stalls(bus: &Bus) -> Result<()> {
    let bench = Bench::new(bus)?;
    bench.inject(SOME, Fault::Stall)?;
    let mut keys = bench.keys()?;
    bench.desk.keyboard.type_text(TEXT)?;
    let mut read = String::new();
    while read.len() < TEXT.len() {
        let event = block_on(futures::StreamExt::next(&mut keys)).context("the events ended")?;
        read.extend(event?.text);
    }
    ensure!(read == TEXT, "{read:?} came");
    ensure!(bench.faults.pending() == 0, "not every fault happened");
    Ok(())
}

fn an_endpoint_that_always_stalls(bus: &Bus) -> Result<()> {
    // Far more transfers than a second of tries submits.
    const MANY: u64 = 10_000;
    let bench = Bench::new(bus)?;
    bench.inject(0..MANY, Fault::Stall)?;
    let mut keys = bench.keys()?;
    bench.desk.keyboard.type_text("a")?;
    let since = Instant::now();
    match keys.next_timeout(DEADLINE) {
        Err(HidError::Input {
            attempts,
            error: TransferError::Stall,
        }) => ensure!(
            (5..50).contains(&attempts),
            "{attempts} attempts in a second"
        ),
        other => bail!("{other:?} instead of an input endpoint given up"),
    }
    let tried_for = since.elapsed();
    ensure!(
        tried_for >= Duration::from_secs(1),
        "given up after {tried_for:?}"
    );
    ensure!(
        keys.next_blocking().is_none(),
        "something came after the error"
    );
    drop(keys);

    // A fault of no microframes takes the place of those that wait.
    bench.inject(0..MANY, Fault::Nak { microframes: 0 })?;
    let mut keys = bench.keys()?;
    let read = read_text(&mut keys, 1)?;
    ensure!(read == "a", "{read:?} came once the fault had passed");
    Ok(())
}

fn corrupted_and_short_reports(bus: &Bus) -> Result<()> {
    const Z: u8 = usage::A + 25;
    let bench = Bench::new(bus)?;
    let mut random = Random::new(3);
    for number in 0..2 * TEXT.len() as u64 {
        let [mask, _] = u16::try_from(random.below(256))?.to_le_bytes();
        let fault = match random.below(2) {
            0 => Fault::Short {
                length: random.below(8),
            },
            _ => Fault::Corrupt {
                offset: random.below(8),
                mask,
            },
        };
        bench.inject([number], fault)?;
    }
    let mut keys = bench.keys()?;
    bench.desk.keyboard.type_text(TEXT)?;
    bench.desk.keyboard.type_text("z")?;
    // Whatever the reports before made of it, the last two are whole: Z goes down and up.
    let mut went_down = false;
    loop {
        let event = keys.next_timeout(DEADLINE)?.context("silence before z")?;
        if event.usage == Z && !event.pressed && went_down {
            return Ok(());
        }
        went_down = event.usage == Z && event.pressed;
    }
}
