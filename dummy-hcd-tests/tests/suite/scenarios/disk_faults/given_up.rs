//! A fault that does not pass: an error that names the stage, after three tries, and a disk that works
//! once the fault has passed.

use anyhow::{Context as _, Result, bail, ensure};
use usbfs2_host::TransferError;
use usbfs2_loopback::{Bus, Fault};
use usbfs2_mass_storage::{DiskError, Stage, TransportFault};
use usbfs2_protocol::Direction;
use usbfs2_protocol::bot::InvalidCsw;

use super::FaultScenario;
use super::bench::{Bench, Operation};

pub(super) fn scenarios() -> Vec<(&'static str, FaultScenario)> {
    vec![
        (
            "disk_faults::a_disk_that_stalls_every_command_is_given_up_at_the_command_stage",
            every_command_stalls,
        ),
        (
            "disk_faults::a_disk_that_always_babbles_is_given_up_where_it_babbles",
            always_babbles,
        ),
        (
            "disk_faults::a_disk_whose_data_is_always_short_is_given_up_at_the_data_stage",
            data_is_always_short,
        ),
        (
            "disk_faults::a_disk_that_stalls_every_status_is_given_up_at_the_status_stage",
            every_status_stalls,
        ),
        (
            "disk_faults::a_disk_whose_status_is_never_valid_is_given_up_at_the_status_stage",
            status_is_never_valid,
        ),
    ]
}

/// More transfers than three tries of anything take.
const MANY: u64 = 50;

fn every_command_stalls(bus: &Bus) -> Result<()> {
    let stall = |fault| fault == TransportFault::Transfer(TransferError::Stall);
    for operation in [Operation::Read, Operation::Write] {
        given_up(
            bus,
            operation,
            Direction::Out,
            Fault::Stall,
            &[Stage::Command],
            stall,
        )?;
    }
    Ok(())
}

fn always_babbles(bus: &Bus) -> Result<()> {
    let overflow = |fault| fault == TransportFault::Transfer(TransferError::Overflow);
    // After a reset the device may halt the pipe to report it before it gets to babble, so that the
    // status is what babbles then.
    let stages = &[Stage::Data, Stage::Status];
    given_up(
        bus,
        Operation::Read,
        Direction::In,
        Fault::Babble,
        stages,
        overflow,
    )
}

fn data_is_always_short(bus: &Bus) -> Result<()> {
    // Longer than a status, which stays whole.
    let short = Fault::Short { length: 1000 };
    let unfinished = |fault| matches!(fault, TransportFault::Unfinished { moved: 1000, .. });
    given_up(
        bus,
        Operation::Read,
        Direction::In,
        short,
        &[Stage::Data],
        unfinished,
    )
}

fn every_status_stalls(bus: &Bus) -> Result<()> {
    let stall = |fault| fault == TransportFault::Transfer(TransferError::Stall);
    given_up(
        bus,
        Operation::Write,
        Direction::In,
        Fault::Stall,
        &[Stage::Status],
        stall,
    )
}

fn status_is_never_valid(bus: &Bus) -> Result<()> {
    let corrupt = Fault::Corrupt { offset: 0, mask: 1 };
    let signature = |fault| matches!(fault, TransportFault::Status(InvalidCsw::Signature(_)));
    given_up(
        bus,
        Operation::Write,
        Direction::In,
        corrupt,
        &[Stage::Status],
        signature,
    )
}

/// Every transfer of a pipe meets `fault`.
fn given_up(
    bus: &Bus,
    operation: Operation,
    direction: Direction,
    fault: Fault,
    expected_stages: &[Stage],
    is_expected: fn(TransportFault) -> bool,
) -> Result<()> {
    let mut bench = Bench::new(bus)?;
    let before = bench.statistics();
    bench.inject_all(direction, MANY, fault)?;
    match bench.run(operation)? {
        Err(DiskError::Transport {
            stage,
            fault,
            attempts: 3,
            ..
        }) if expected_stages.contains(&stage) && is_expected(fault) => {}
        other => bail!("{other:?} for {fault:?} at {expected_stages:?} of a {operation:?}"),
    }
    let tries = bench.statistics().commands - before.commands;
    ensure!(tries == 3, "{tries} commands were sent");
    // A fault of no microframes takes the place of those that wait.
    bench.inject_all(direction, MANY, Fault::Nak { microframes: 0 })?;
    bench.check().context("when the fault has passed")
}
