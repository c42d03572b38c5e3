//! A cable that comes out, and goes in again.

use std::sync::mpsc::RecvTimeoutError;
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_gadget::functions::mass_storage::DiskOptions;
use usbfs2_mass_storage::{BlockDevice, DiskError};

use super::{Bay, Probe, Scenario, pattern};
use crate::world::World;

pub(super) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        (
            "disk::a_command_after_the_cable_was_pulled_fails_at_once",
            a_command_after_the_cable_was_pulled,
        ),
        (
            "disk::a_copy_goes_on_where_it_was_safe_when_the_cable_was_pulled",
            a_copy_goes_on_where_it_was_safe,
        ),
    ]
}

const SIZE: usize = 1 << 20;

fn a_command_after_the_cable_was_pulled(world: &World) -> Result<()> {
    let bay = Bay::new(world, Probe::new(SIZE), DiskOptions::default())?;
    let mut unit = bay.open()?;
    unit.read_at_blocking(0, &mut [0; 512])?;
    bay.connected.cable().pull()?;
    for _ in 0..2 {
        match unit.read_at_blocking(0, &mut [0; 512]) {
            Err(DiskError::Disconnected) => {}
            other => bail!("{other:?} instead of Disconnected"),
        }
    }
    Ok(())
}

/// Bytes of one write of the copy.
const CHUNK: usize = 48 << 10;

/// Copies from `from` on. Returns how much is written, and the error that ended it if there was one.
fn copy(unit: &mut BlockDevice, content: &[u8], from: usize) -> (usize, Result<(), DiskError>) {
    let mut written = from;
    for chunk in content[from..].chunks(CHUNK) {
        if let Err(error) = unit.write_at_blocking(written as u64, chunk) {
            return (written, Err(error));
        }
        written += chunk.len();
    }
    (written, unit.flush_blocking())
}

fn a_copy_goes_on_where_it_was_safe(world: &World) -> Result<()> {
    let probe = Probe::new(SIZE);
    let mut bay = Bay::new(world, probe.clone(), DiskOptions::default())?;
    let content = pattern(SIZE);
    let mut unit = bay.open()?;
    // In the middle of a write, and that in the middle of the copy.
    let middle = 10 * CHUNK + 20_000;
    let (is_reached, let_go) = probe.hold_write_at(middle as u64);
    let cable = bay.connected.cable().clone();
    let (written, outcome) = thread::scope(|scope| {
        let copying = scope.spawn(|| copy(&mut unit, &content, 0));
        let pulled = match is_reached.recv_timeout(DEADLINE) {
            Ok(()) => cable.pull(),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                Err(anyhow::anyhow!("the copy did not get to its middle"))
            }
        };
        drop(let_go);
        let outcome = copying.join();
        pulled?;
        outcome.ok().context("the copying panicked")
    })?;
    match outcome {
        Err(DiskError::Disconnected) => {}
        other => bail!("{other:?} instead of Disconnected"),
    }
    ensure!(
        written == 10 * CHUNK,
        "{written} bytes were safe when byte {middle} was being written"
    );
    drop(unit);

    bay.connected.plug()?;
    let mut unit = bay.open()?;
    let (written, outcome) = copy(&mut unit, &content, written);
    outcome?;
    ensure!(written == SIZE, "{written} bytes were copied");
    let mut read = vec![0; SIZE];
    unit.read_at_blocking(0, &mut read)?;
    ensure!(read == content, "what was read is not what was copied");
    ensure!(
        probe.contents()? == content,
        "the medium holds something else"
    );
    Ok(())
}
