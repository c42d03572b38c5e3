//! What the unit says of itself and its medium, and media that come and go.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use usbfs2_gadget::functions::Disk;
use usbfs2_gadget::functions::mass_storage::DiskOptions;
use usbfs2_gadget::scsi::{LogicalUnit, MemoryMedium};
use usbfs2_mass_storage::DiskError;
use usbfs2_protocol::scsi::SenseKey;

use super::{Bay, Probe, Scenario, pattern};
use crate::world::World;

pub(super) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        ("disk::the_unit_says_who_made_it", the_unit_says_who_made_it),
        (
            "disk::a_flush_reaches_the_medium",
            a_flush_reaches_the_medium,
        ),
        (
            "disk::a_read_only_disk_refuses_writes_and_can_be_read",
            a_read_only_disk_refuses_writes,
        ),
        (
            "disk::a_changed_medium_is_told_until_it_is_refreshed",
            a_changed_medium_is_told,
        ),
        (
            "disk::a_drive_without_a_medium_says_so",
            a_drive_without_a_medium,
        ),
        (
            "disk::two_units_of_one_device_keep_apart",
            two_units_keep_apart,
        ),
        (
            "disk::a_broken_block_is_a_medium_error_and_the_others_stay_readable",
            a_broken_block_is_a_medium_error,
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

fn the_unit_says_who_made_it(world: &World) -> Result<()> {
    let options = DiskOptions {
        vendor: "Acme".into(),
        product: "Turntable".into(),
        revision: "2.1".into(),
        ..removable()
    };
    let bay = Bay::new(world, Probe::new(SIZE), options)?;
    let unit = bay.open()?;
    let inquiry = unit.inquiry();
    let texts = [
        inquiry.vendor.to_string(),
        inquiry.product.to_string(),
        inquiry.revision.to_string(),
    ];
    ensure!(
        texts.each_ref().map(|text| text.trim_end()) == ["Acme", "Turntable", "2.1"],
        "it is {texts:?}"
    );
    ensure!(inquiry.removable, "the medium is fixed");
    Ok(())
}

fn a_flush_reaches_the_medium(world: &World) -> Result<()> {
    let probe = Probe::new(SIZE);
    let bay = Bay::new(world, probe.clone(), DiskOptions::default())?;
    let mut unit = bay.open()?;
    unit.write_at_blocking(0, &[7; 512])?;
    let before = probe.flushes();
    unit.flush_blocking()?;
    ensure!(probe.flushes() > before, "the medium was not flushed");
    Ok(())
}

fn a_read_only_disk_refuses_writes(world: &World) -> Result<()> {
    let options = DiskOptions {
        read_only: true,
        ..DiskOptions::default()
    };
    let content = pattern(SIZE);
    let bay = Bay::new(world, MemoryMedium::with_contents(&content), options)?;
    let mut unit = bay.open()?;
    ensure!(
        unit.read_only(),
        "the disk does not say that it is read-only"
    );
    match unit.write_at_blocking(0, &[1; 512]) {
        Err(DiskError::ReadOnly) => {}
        other => bail!("{other:?} instead of ReadOnly"),
    }
    let mut read = vec![0; SIZE];
    unit.read_at_blocking(0, &mut read)?;
    ensure!(read == content, "the disk holds something else");
    Ok(())
}

fn a_changed_medium_is_told(world: &World) -> Result<()> {
    let bay = Bay::new(world, Probe::new(SIZE), removable())?;
    let mut unit = bay.open()?;
    let mut block = [0; 512];
    unit.read_at_blocking(0, &mut block)?;

    let drive = bay.disk.unit(0).context("a disk has a unit")?;
    drive.eject()?.context("there was no medium")?;
    match unit.read_at_blocking(0, &mut block) {
        Err(DiskError::NoMedium) => {}
        other => bail!("{other:?} instead of NoMedium"),
    }
    let content = pattern(2 * SIZE);
    drive.insert(MemoryMedium::with_contents(&content))?;
    // Nothing may be read or written in the belief that it is the medium before.
    for _ in 0..2 {
        match unit.write_at_blocking(0, &block) {
            Err(DiskError::MediumChanged) => {}
            other => bail!("{other:?} instead of MediumChanged"),
        }
    }
    unit.refresh_blocking()?;
    ensure!(
        unit.size() == 2 * SIZE as u64,
        "the new medium has {} bytes",
        unit.size()
    );
    let mut read = vec![0; 2 * SIZE];
    unit.read_at_blocking(0, &mut read)?;
    ensure!(read == content, "the new medium holds something else");
    Ok(())
}

fn a_drive_without_a_medium(world: &World) -> Result<()> {
    let drive = LogicalUnit::empty(removable())?;
    let bay = Bay::with_disk(world, Disk::with_units([Arc::clone(&drive)])?)?;
    let storage = bay.storage()?;
    match storage.block_device_blocking(0) {
        Err(DiskError::NoMedium) => {}
        other => bail!("{other:?} instead of NoMedium"),
    }
    drive.insert(MemoryMedium::new(SIZE as u64))?;
    let unit = storage.block_device_blocking(0)?;
    ensure!(
        unit.size() == SIZE as u64,
        "the medium has {} bytes",
        unit.size()
    );
    Ok(())
}

fn two_units_keep_apart(world: &World) -> Result<()> {
    let [small, large] = [pattern(SIZE), pattern(2 * SIZE)];
    let drives = [&small, &large].map(|content| {
        LogicalUnit::with_medium(MemoryMedium::with_contents(content), DiskOptions::default())
    });
    let [first, second] = drives;
    let bay = Bay::with_disk(world, Disk::with_units([first?, second?])?)?;
    let storage = bay.storage()?;
    ensure!(
        storage.max_lun() == 1,
        "the highest unit is {}",
        storage.max_lun()
    );
    let mut units = [
        storage.block_device_blocking(0)?,
        storage.block_device_blocking(1)?,
    ];
    let sizes = units.each_ref().map(usbfs2_mass_storage::BlockDevice::size);
    ensure!(
        sizes == [SIZE as u64, 2 * SIZE as u64],
        "the units have {sizes:?} bytes"
    );
    units[0].write_at_blocking(1000, b"first")?;
    units[1].write_at_blocking(1000, b"other")?;
    for (unit, (mut expected, text)) in units.iter_mut().zip([(small, b"first"), (large, b"other")])
    {
        expected[1000..1005].copy_from_slice(text);
        let mut read = vec![0; expected.len()];
        unit.read_at_blocking(0, &mut read)?;
        ensure!(read == expected, "a unit holds something else");
    }
    match storage.block_device_blocking(2) {
        Err(DiskError::NoUnit { lun: 2, max_lun: 1 }) => Ok(()),
        other => bail!("{other:?} instead of NoUnit"),
    }
}

fn a_broken_block_is_a_medium_error(world: &World) -> Result<()> {
    const BROKEN: u64 = 9 * 512;
    let probe = Probe::with_broken(SIZE, BROKEN..BROKEN + 512);
    let bay = Bay::new(world, probe, DiskOptions::default())?;
    let mut unit = bay.open()?;
    let mut bytes = vec![0; 16 << 10];
    match unit.read_at_blocking(0, &mut bytes) {
        Err(DiskError::Sense { sense, .. }) if sense.key == SenseKey::MediumError => {}
        other => bail!("{other:?} instead of a medium error"),
    }
    unit.read_at_blocking(BROKEN + 512, &mut bytes)?;
    unit.read_at_blocking(0, &mut bytes[..512])?;
    Ok(())
}
