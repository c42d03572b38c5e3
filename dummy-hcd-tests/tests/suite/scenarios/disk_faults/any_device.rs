//! Devices that do anything at all: every command ends, and a device that comes to its senses works.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_gadget::functions::mass_storage::{Interruption, Wire};
use usbfs2_gadget::scsi::Target;
use usbfs2_loopback::Bus;
use usbfs2_protocol::Direction;
use usbfs2_protocol::bot::{CommandBlockWrapper, CommandStatus, CommandStatusWrapper};

use super::FaultScenario;
use crate::scenarios::disk::deviant::{Deviant, SIZE};
use crate::scenarios::random::Random;
use crate::world::World;

pub(super) fn scenarios() -> Vec<(&'static str, FaultScenario)> {
    vec![(
        "disk_faults::a_device_that_does_anything_is_survived",
        anything,
    )]
}

/// A device that waits for what never comes costs this much a try.
const COMMAND_TIMEOUT: Duration = Duration::from_millis(20);
const SEEDS: u64 = 30;
const OPERATIONS: usize = 6;

fn anything(bus: &Bus) -> Result<()> {
    let world = World::Loopback(bus.clone());
    let mut deviant = Deviant::new(&world, COMMAND_TIMEOUT)?;
    for seed in 0..SEEDS {
        let what = || format!("seed {seed}");
        let mut random = Random::new(seed);
        deviant.set(Some(Box::new(
            move |wire: &mut Wire<'_, '_>, target: &Target, command: &CommandBlockWrapper| {
                do_anything(&mut random, wire, target, command)
            },
        )));
        let since = Instant::now();
        for operation in 0..OPERATIONS {
            // Whatever comes of it: a device may as well do right.
            let mut bytes = vec![0x5a; SIZE];
            let result = match operation % 3 {
                0 => deviant.unit.write_at_blocking(0, &bytes),
                1 => deviant.unit.read_at_blocking(0, &mut bytes),
                _ => deviant.unit.flush_blocking(),
            };
            if let Err(error) = result {
                ensure!(!error.to_string().is_empty(), "{}", what());
            }
        }
        ensure!(
            since.elapsed() < DEADLINE,
            "{}: {:?} for {OPERATIONS} operations",
            what(),
            since.elapsed()
        );
        deviant.set(None);
        // What the device said of its medium may have been a change.
        deviant.unit.refresh_blocking().with_context(what)?;
        deviant.check().with_context(what)?;
    }
    Ok(())
}

/// Up to four steps that may be right, may be nearly right, and may be noise.
fn do_anything(
    random: &mut Random,
    wire: &mut Wire<'_, '_>,
    target: &Target,
    command: &CommandBlockWrapper,
) -> Result<bool, Interruption> {
    let expected = usize::try_from(command.data_transfer_length).unwrap_or(SIZE);
    for _ in 0..=random.below(4) {
        match random.below(10) {
            0 => return Ok(false),
            1 => wire.send(&[])?,
            2 => wire.send(&noise(random, expected))?,
            3 => {
                let length = random.below(2 * SIZE);
                wire.send(&noise(random, length))?;
            }
            4 => drop(wire.receive(expected.max(1))?),
            5 => wire.halt(Direction::In)?,
            6 => wire.halt(Direction::Out)?,
            7 => wire.send(&noise(random, CommandStatusWrapper::LENGTH))?,
            8 => {
                let mut status = wire.carry_out(target, command, |_| {})?.to_bytes();
                let at = random.below(status.len());
                status[at] ^= 1 << random.below(8);
                wire.send(&status)?;
                // The host may take it, and then nobody would reset what waits for more.
                return Ok(true);
            }
            _ => {
                let status = [
                    CommandStatus::Passed,
                    CommandStatus::Failed,
                    CommandStatus::PhaseError,
                ][random.below(3)];
                let wrapper = CommandStatusWrapper {
                    tag: command.tag,
                    data_residue: u32::try_from(random.below(2 * expected + 1)).unwrap_or(0),
                    status,
                };
                wire.send(&wrapper.to_bytes())?;
                return Ok(true);
            }
        }
    }
    Ok(true)
}

fn noise(random: &mut Random, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    random.fill(&mut bytes);
    bytes
}
