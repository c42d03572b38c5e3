//! Several units, and media that come and go under the driver.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use usbfs2_gadget::functions::Disk;
use usbfs2_gadget::functions::mass_storage::DiskOptions;
use usbfs2_gadget::scsi::{EjectError, LogicalUnit, MemoryMedium};
use usbfs2_mass_storage::{BlockDevice, DiskError};
use usbfs2_protocol::scsi::SenseKey;

use super::{Bay, Scenario, pattern};
use crate::world::World;

pub(super) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        (
            "disk::units_of_every_kind_are_listed_and_keep_apart",
            units_of_every_kind,
        ),
        (
            "disk::every_handle_is_told_of_a_new_medium",
            every_handle_is_told,
        ),
        (
            "disk::a_locked_medium_stays_until_it_is_let_go",
            a_locked_medium_stays,
        ),
    ]
}

const SIZE: usize = 256 << 10;

fn removable() -> DiskOptions {
    DiskOptions {
        removable: true,
        ..DiskOptions::default()
    }
}

fn units_of_every_kind(world: &World) -> Result<()> {
    let content = pattern(SIZE);
    let large_blocks = DiskOptions {
        block_size: 4096,
        ..DiskOptions::default()
    };
    let protected = DiskOptions {
        read_only: true,
        ..DiskOptions::default()
    };
    let units = [
        LogicalUnit::with_medium(
            MemoryMedium::with_contents(&content),
            DiskOptions::default(),
        )?,
        LogicalUnit::with_medium(MemoryMedium::new(2 * SIZE as u64), large_blocks)?,
        LogicalUnit::with_medium(MemoryMedium::with_contents(&content), protected)?,
        LogicalUnit::empty(removable())?,
    ];
    let bay = Bay::with_disk(world, Disk::with_units(units)?)?;
    let storage = bay.storage()?;
    let seen = storage.units_blocking()?;
    let facts = seen
        .iter()
        .map(|unit| {
            let medium = unit.medium.as_ref().map(|medium| {
                let capacity = medium.capacity;
                (
                    capacity.byte_length(),
                    capacity.block_size(),
                    medium.read_only,
                )
            });
            (unit.lun, unit.inquiry.removable, medium)
        })
        .collect::<Vec<_>>();
    let expected = [
        (0, false, Ok((SIZE as u64, 512, false))),
        (1, false, Ok((2 * SIZE as u64, 4096, false))),
        (2, false, Ok((SIZE as u64, 512, true))),
        (3, true, Err(&DiskError::NoMedium)),
    ];
    ensure!(facts == expected, "the units are {facts:?}");

    let mut first = storage.block_device_blocking(0)?;
    let mut second = storage.block_device_blocking(1)?;
    let mut third = storage.block_device_blocking(2)?;
    second.write_at_blocking(1000, b"second")?;
    match third.write_at_blocking(0, &[0; 512]) {
        Err(DiskError::ReadOnly) => {}
        other => bail!("{other:?} on a write-protected medium"),
    }
    for unit in [&mut first, &mut third] {
        let mut read = vec![0; SIZE];
        unit.read_at_blocking(0, &mut read)?;
        ensure!(read == content, "a unit's medium has changed");
    }
    Ok(())
}

fn expect_changed(unit: &mut BlockDevice) -> Result<()> {
    match unit.read_at_blocking(SIZE as u64 - 512, &mut [0; 512]) {
        Err(DiskError::MediumChanged) => Ok(()),
        other => bail!("{other:?} of a medium that is another"),
    }
}

fn every_handle_is_told(world: &World) -> Result<()> {
    let bay = Bay::new(world, MemoryMedium::new(SIZE as u64), removable())?;
    let storage = bay.storage()?;
    let mut units = [
        storage.block_device_blocking(0)?,
        storage.block_device_blocking(0)?,
    ];
    let drive = bay.disk.unit(0).context("a disk has a unit")?;
    // Smaller, so that an old size would be beyond its end.
    drive.eject()?.context("there was no medium")?;
    drive.insert(MemoryMedium::new(SIZE as u64 / 2))?;
    // The unit tells once, and this one is told; it is for both.
    let third = storage.block_device_blocking(0)?;
    ensure!(
        third.size() == SIZE as u64 / 2,
        "the new medium has {} bytes",
        third.size()
    );
    for unit in &mut units {
        for _ in 0..2 {
            expect_changed(unit)?;
        }
        unit.refresh_blocking()?;
        ensure!(
            unit.size() == SIZE as u64 / 2,
            "refreshed, it has {} bytes",
            unit.size()
        );
        unit.read_at_blocking(0, &mut [0; 512])?;
    }
    Ok(())
}

fn a_locked_medium_stays(world: &World) -> Result<()> {
    let bay = Bay::new(world, MemoryMedium::new(SIZE as u64), removable())?;
    let drive = Arc::clone(bay.disk.unit(0).context("a disk has a unit")?);
    let mut unit = bay.open()?;
    unit.prevent_removal_blocking(true)?;
    ensure!(
        matches!(drive.eject(), Err(EjectError::Locked)),
        "the drive gave a locked medium"
    );
    match unit.eject_blocking() {
        Err(DiskError::RemovalPrevented) => {}
        other => bail!("{other:?} of a locked medium"),
    }
    unit.prevent_removal_blocking(false)?;
    unit.eject_blocking()?;
    ensure!(!drive.has_medium(), "the drive kept the medium");
    match unit.read_at_blocking(0, &mut [0; 512]) {
        Err(DiskError::NoMedium) => {}
        other => bail!("{other:?} of an empty drive"),
    }

    drop((unit, bay));
    let bay = Bay::new(
        world,
        MemoryMedium::new(SIZE as u64),
        DiskOptions::default(),
    )?;
    let mut unit = bay.open()?;
    for result in [unit.prevent_removal_blocking(true), unit.eject_blocking()] {
        match result {
            Err(DiskError::Sense { sense, .. }) if sense.key == SenseKey::IllegalRequest => {}
            other => bail!("{other:?} of a fixed disk"),
        }
    }
    Ok(())
}
