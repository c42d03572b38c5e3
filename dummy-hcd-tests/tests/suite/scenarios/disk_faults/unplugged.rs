//! The cable comes out at any stage of a command.

use anyhow::{Result, bail, ensure};
use usbfs2_loopback::{Bus, Fault};
use usbfs2_mass_storage::DiskError;

use super::FaultScenario;
use super::bench::{Bench, PLACES};

pub(super) fn scenarios() -> Vec<(&'static str, FaultScenario)> {
    vec![(
        "disk_faults::a_cable_pulled_at_any_stage_is_told_at_once_and_the_disk_works_when_it_is_back",
        a_cable_pulled_at_any_stage,
    )]
}

fn a_cable_pulled_at_any_stage(bus: &Bus) -> Result<()> {
    let mut bench = Bench::new(bus)?;
    for place in PLACES {
        for after_bytes in [0, 4096] {
            let before = bench.statistics().commands;
            bench.inject(place, Fault::Unplug { after_bytes })?;
            match bench.run(place.operation)? {
                Err(DiskError::Disconnected) => {
                    let tries = bench.statistics().commands - before;
                    ensure!(tries == 1, "{tries} commands for a disk that is gone");
                }
                // The status was the last transfer, and came before the cable went.
                Ok(()) if after_bytes > 0 => {}
                other => bail!(
                    "{other:?} at the {} of a {:?}",
                    place.stage,
                    place.operation
                ),
            }
            bench = bench.plug()?;
            bench.check()?;
        }
    }
    Ok(())
}
