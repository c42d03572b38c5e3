//! The mass-storage driver on the disk gadget.

use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use usbfs2_gadget::functions::Disk;
use usbfs2_gadget::functions::mass_storage::DiskOptions;
use usbfs2_gadget::scsi::MemoryMedium;
use usbfs2_mass_storage::{BlockDevice, DiskError, MassStorage};

use super::Scenario;
use crate::world::{Connected, World};

pub(crate) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        (
            "disk::what_is_written_is_read_back",
            what_is_written_is_read_back,
        ),
        (
            "disk::an_unaligned_write_keeps_its_neighbours",
            an_unaligned_write_keeps_its_neighbours,
        ),
        (
            "disk::a_read_only_disk_refuses_writes",
            a_read_only_disk_refuses_writes,
        ),
        (
            "disk::a_range_past_the_end_is_refused",
            a_range_past_the_end_is_refused,
        ),
        (
            "disk::a_pulled_cable_is_an_error_not_a_hang",
            a_pulled_cable_is_an_error_not_a_hang,
        ),
    ]
}

const SIZE: usize = 4 << 20;

fn connect(world: &World, options: DiskOptions) -> Result<(Connected, MassStorage, BlockDevice)> {
    let disk: Arc<Disk> = Disk::new(MemoryMedium::new(SIZE as u64), options)?;
    let connected = world.connect(&World::gadget().function(disk).build()?)?;
    let storage = MassStorage::open_blocking(&connected.device)?;
    let unit = storage.block_device_blocking(0)?;
    Ok((connected, storage, unit))
}

/// Bytes that differ from place to place, so that a block in the wrong place shows.
fn pattern(length: usize) -> Vec<u8> {
    (0..length as u64)
        .map(|index| (index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
        .collect()
}

fn what_is_written_is_read_back(world: &World) -> Result<()> {
    let (_connected, _storage, mut unit) = connect(world, DiskOptions::default())?;
    ensure!(
        unit.size() == SIZE as u64,
        "the disk has {} bytes",
        unit.size()
    );
    let written = pattern(SIZE / 2);
    unit.write_at_blocking(512, &written)?;
    unit.flush_blocking()?;
    let mut read = vec![0xff; written.len()];
    unit.read_at_blocking(512, &mut read)?;
    ensure!(read == written, "what was read is not what was written");
    let mut before = [0xff; 512];
    unit.read_at_blocking(0, &mut before)?;
    ensure!(before == [0; 512], "the block before was touched");
    Ok(())
}

fn an_unaligned_write_keeps_its_neighbours(world: &World) -> Result<()> {
    let (_connected, _storage, mut unit) = connect(world, DiskOptions::default())?;
    let base = pattern(4096);
    unit.write_at_blocking(0, &base)?;
    unit.write_at_blocking(700, b"in the middle of two blocks")?;
    let mut read = vec![0; 4096];
    unit.read_at_blocking(0, &mut read)?;
    let mut expected = base;
    expected[700..727].copy_from_slice(b"in the middle of two blocks");
    ensure!(
        read == expected,
        "the neighbours of an unaligned write changed"
    );
    Ok(())
}

fn a_read_only_disk_refuses_writes(world: &World) -> Result<()> {
    let options = DiskOptions {
        read_only: true,
        ..DiskOptions::default()
    };
    let (_connected, _storage, mut unit) = connect(world, options)?;
    ensure!(
        unit.read_only(),
        "the disk does not say that it is read-only"
    );
    match unit.write_at_blocking(0, &[1; 512]) {
        Err(DiskError::ReadOnly) => Ok(()),
        other => bail!("{other:?} instead of ReadOnly"),
    }
}

fn a_range_past_the_end_is_refused(world: &World) -> Result<()> {
    let (_connected, _storage, mut unit) = connect(world, DiskOptions::default())?;
    match unit.read_at_blocking(SIZE as u64 - 512, &mut [0; 1024]) {
        Err(DiskError::OutOfRange { .. }) => {}
        other => bail!("{other:?} instead of OutOfRange"),
    }
    unit.read_at_blocking(SIZE as u64 - 512, &mut [0; 512])?;
    Ok(())
}

fn a_pulled_cable_is_an_error_not_a_hang(world: &World) -> Result<()> {
    let (connected, _storage, mut unit) = connect(world, DiskOptions::default())?;
    unit.read_at_blocking(0, &mut [0; 512])?;
    world.pull(&connected)?;
    match unit.read_at_blocking(0, &mut [0; 512]) {
        Err(DiskError::Disconnected) => Ok(()),
        other => bail!("{other:?} instead of Disconnected"),
    }
}
