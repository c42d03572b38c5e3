//! A command that nobody waits for any more.

use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Waker};

use anyhow::{Result, ensure};
use dummy_hcd_tests::wait;
use usbfs2_gadget::functions::mass_storage::DiskOptions;

use super::{Bay, Probe, Scenario, pattern};
use crate::world::World;

pub(super) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![(
        "disk::a_dropped_write_leaves_a_disk_that_works",
        a_dropped_write_leaves_a_disk_that_works,
    )]
}

const SIZE: usize = 256 << 10;

fn a_dropped_write_leaves_a_disk_that_works(world: &World) -> Result<()> {
    let probe = Probe::new(SIZE);
    let bay = Bay::new(world, probe.clone(), DiskOptions::default())?;
    let storage = bay.storage()?;
    let mut unit = storage.block_device_blocking(0)?;
    let before = storage.statistics_blocking();
    let content = pattern(SIZE);
    let (is_reached, let_go) = probe.hold_write_at(SIZE as u64 / 2);
    {
        let mut writing = pin!(unit.write_at(0, &content));
        wait::until("the write is in its middle", || {
            let polled = writing
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            assert!(
                polled.is_pending(),
                "a write that is held back ended: {polled:?}"
            );
            is_reached.try_recv().ok()
        })?;
    }
    drop(let_go);
    unit.write_at_blocking(0, &content)?;
    let mut read = vec![0; SIZE];
    unit.read_at_blocking(0, &mut read)?;
    ensure!(read == content, "what was read is not what was written");
    let resets = storage.statistics_blocking().resets - before.resets;
    ensure!(
        resets == 1,
        "{resets} reset recoveries for one dropped command"
    );
    Ok(())
}
