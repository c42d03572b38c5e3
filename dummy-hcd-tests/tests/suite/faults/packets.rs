//! The same with isochronous packets in flight, which go on by themselves.

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::composite::KernelFunction;
use dummy_hcd_tests::sys::Context;

use super::{ROUNDS, in_round};
use crate::held::{End, Held, nothing_is_left};
use crate::packets::{HOLD, Load, open};
use crate::runner::Test;
use crate::setup::{self, Plugged, expect_errno};

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::long("faults::packets::kill_with_32_runs_in_flight", killed),
        Test::long(
            "faults::packets::cable_pulled_with_32_runs_in_flight",
            pulled,
        ),
        Test::long("faults::packets::cancels_race_completions", cancelled),
        Test::long("faults::packets::settings_race_completions", deselected),
    ]
}

fn source_sink() -> Result<Plugged> {
    let function = KernelFunction::source_sink(1, 4096, 16)
        .with("isoc_interval", "4")
        .with("isoc_maxpacket", "64");
    setup::with_usbtest(function)
}

/// Which way the packets go, and how many in one run: from some that end at once to some that do not in a round.
fn load(round: u32) -> Load {
    Load {
        is_in: round.is_multiple_of(2),
        length: 64,
        packets: [1, 8, 100][round as usize / 2 % 3],
        depth: 32,
    }
}

/// Runs are ended by `end` in each round, and those after them move.
fn rounds(mut end: impl FnMut(&Plugged, &Load) -> Result<usize>) -> Result<usize> {
    let plugged = source_sink()?;
    let mut moved = 0;
    for round in 0..ROUNDS {
        let load = load(round);
        moved += end(&plugged, &load).with_context(|| format!("round {round}: {load:?}"))?;
        in_round(round, nothing_is_left(&plugged))?;
    }
    moves(&plugged)?;
    Ok(moved)
}

fn moves(plugged: &Plugged) -> Result<()> {
    let _claim = plugged.interface.claim()?;
    plugged.interface.select(1)?;
    for round in 0..2 {
        let load = Load {
            packets: 100,
            ..load(round)
        };
        let file = open(&plugged.interface, load.is_in)?;
        let length = load.run_one(&file)?;
        // The emulated bus may lose some where the machine is slow.
        ensure!(length > 0, "nothing moved in 100 packets: {load:?}");
    }
    Ok(())
}

fn killed() -> Result<()> {
    rounds(|plugged, _| {
        let held = Held::start(HOLD, &plugged.interface, End::Kill)?;
        let live = dummy_hcd_tests::usbfs2::live_requests();
        held.kill()?;
        ensure!(live? > 0, "nothing was in flight");
        Ok(0)
    })?;
    Ok(())
}

fn pulled() -> Result<()> {
    let mut plugged = source_sink()?;
    for round in 0..ROUNDS {
        let load = load(round);
        pull_one(&mut plugged, &load).with_context(|| format!("round {round}: {load:?}"))?;
    }
    moves(&plugged)
}

fn pull_one(plugged: &mut Plugged, load: &Load) -> Result<()> {
    let claim = plugged.interface.claim()?;
    plugged.interface.select(1)?;
    let file = open(&plugged.interface, load.is_in)?;
    let mut context = Context::new(load.depth)?;
    load.start(&mut context, &file)?;
    plugged.pull()?;
    load.expect_ended(&mut context, libc::ENODEV)?;
    let later = load.run_one(&file);
    expect_errno("packets after the unplug", later, libc::ENODEV)?;
    drop((context, file, claim));
    plugged.plug_again()?;
    nothing_is_left(plugged)
}

fn cancelled() -> Result<()> {
    let mut round = 0;
    let moved = rounds(|plugged, load| {
        round += 1;
        let _claim = plugged.interface.claim()?;
        plugged.interface.select(1)?;
        let file = open(&plugged.interface, load.is_in)?;
        let mut context = Context::new(load.depth)?;
        let mut tokens = load.start(&mut context, &file)?;
        // From the front, where packets move, or from the back.
        if round % 2 == 0 {
            tokens.reverse();
        }
        for token in tokens {
            context.cancel(token)?;
        }
        let moved = load.expect_ended(&mut context, libc::ECANCELED)?;
        // What comes next is not cancelled.
        load.run_one(&file)?;
        Ok(moved)
    })?;
    ensure!(moved > 0, "no race: every packet was cancelled");
    Ok(())
}

fn deselected() -> Result<()> {
    rounds(|plugged, load| {
        let _claim = plugged.interface.claim()?;
        plugged.interface.select(1)?;
        let file = open(&plugged.interface, load.is_in)?;
        let mut context = Context::new(load.depth)?;
        load.start(&mut context, &file)?;
        plugged.interface.select(1)?;
        let mut moved = load.expect_ended(&mut context, libc::ECANCELED)?;
        load.start(&mut context, &file)?;
        plugged.interface.select(0)?;
        moved += load.expect_ended(&mut context, libc::ECANCELED)?;
        Ok(moved)
    })?;
    Ok(())
}
