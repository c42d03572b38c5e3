//! One fault in any transfer of a command: the command passes all the same.

use anyhow::{Context as _, Result, ensure};
use usbfs2_loopback::{Bus, Fault};
use usbfs2_mass_storage::Stage;
use usbfs2_protocol::Direction;

use super::FaultScenario;
use super::bench::{Bench, PLACES, Place};

pub(super) fn scenarios() -> Vec<(&'static str, FaultScenario)> {
    vec![
        ("disk_faults::a_stall_of_any_transfer_is_survived", stall),
        (
            "disk_faults::a_short_transfer_at_any_stage_is_survived",
            short,
        ),
        (
            "disk_faults::babble_in_place_of_data_or_status_is_survived",
            babble,
        ),
        (
            "disk_faults::a_corrupted_command_is_survived",
            corrupted_command,
        ),
        (
            "disk_faults::a_corrupted_status_is_survived",
            corrupted_status,
        ),
        (
            "disk_faults::a_device_that_is_slow_at_any_stage_is_waited_for",
            slow,
        ),
    ]
}

/// A command may be tried three times, each try followed by a question for its sense.
const MOST_COMMANDS: u64 = 6;

fn survives(bus: &Bus, faults_at: impl Fn(Place) -> Vec<Fault>) -> Result<()> {
    let mut bench = Bench::new(bus)?;
    for place in PLACES {
        for fault in faults_at(place) {
            let what = || {
                format!(
                    "{fault:?} at the {} of a {:?}",
                    place.stage, place.operation
                )
            };
            let before = bench.statistics();
            bench.inject(place, fault)?;
            let result = bench.run(place.operation).with_context(what)?;
            result.with_context(what)?;
            ensure!(bench.pending_faults() == 0, "{} did not happen", what());
            let commands = bench.statistics().commands - before.commands;
            ensure!(
                commands <= MOST_COMMANDS,
                "{commands} commands after {}",
                what()
            );
            bench.check().with_context(what)?;
        }
    }
    Ok(())
}

fn stall(bus: &Bus) -> Result<()> {
    survives(bus, |_| vec![Fault::Stall])
}

fn short(bus: &Bus) -> Result<()> {
    survives(bus, |place| {
        let lengths = match place.stage {
            Stage::Data => [0, 512, 1000],
            _ => [0, 1, 12],
        };
        lengths.map(|length| Fault::Short { length }).to_vec()
    })
}

fn babble(bus: &Bus) -> Result<()> {
    survives(bus, |place| match place.direction() {
        Direction::In => vec![Fault::Babble],
        Direction::Out => Vec::new(),
    })
}

fn corrupted_command(bus: &Bus) -> Result<()> {
    survives(bus, |place| match place.stage {
        // The signature, the tag, the direction, the length of the command block.
        Stage::Command => [(0, 1), (4, 1), (12, 0x80), (14, 0x40)]
            .map(|(offset, mask)| Fault::Corrupt { offset, mask })
            .to_vec(),
        _ => Vec::new(),
    })
}

fn corrupted_status(bus: &Bus) -> Result<()> {
    survives(bus, |place| match place.stage {
        // The signature, the tag, a small and an impossible residue, a failure for no reason, a phase
        // error, a status that does not exist.
        Stage::Status => [
            (0, 1),
            (4, 1),
            (8, 1),
            (11, 0x80),
            (12, 1),
            (12, 2),
            (12, 0x80),
        ]
        .map(|(offset, mask)| Fault::Corrupt { offset, mask })
        .to_vec(),
        _ => Vec::new(),
    })
}

fn slow(bus: &Bus) -> Result<()> {
    // A quarter of a second in microframes: longer than the driver waits before it looks for a reason.
    let nak = Fault::Nak { microframes: 2000 };
    let mut bench = Bench::new(bus)?;
    let before = bench.statistics();
    for place in PLACES {
        bench.inject(place, nak)?;
        bench.run(place.operation)??;
    }
    let after = bench.statistics();
    ensure!(
        (after.failures, after.resets) == (before.failures, before.resets),
        "patience was all it took: {after:?}"
    );
    bench.check()
}
