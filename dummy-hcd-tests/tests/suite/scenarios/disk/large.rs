//! Disks that 32 bits do not count.

use anyhow::{Result, bail, ensure};
use usbfs2_gadget::functions::mass_storage::DiskOptions;
use usbfs2_gadget::scsi::MemoryMedium;
use usbfs2_mass_storage::DiskError;

use super::{Bay, Scenario, pattern};
use crate::world::World;

pub(super) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![(
        "disk::three_tebibytes_are_read_and_written_on_both_sides_of_two",
        three_tebibytes,
    )]
}

const TEBIBYTE: u64 = 1 << 40;

fn three_tebibytes(world: &World) -> Result<()> {
    const SIZE: u64 = 3 * TEBIBYTE;
    for block_size in [512, 4096] {
        let options = DiskOptions {
            block_size,
            ..DiskOptions::default()
        };
        let bay = Bay::new(world, MemoryMedium::new(SIZE), options)?;
        let mut unit = bay.open()?;
        ensure!(
            (unit.size(), unit.block_size()) == (SIZE, block_size),
            "{} blocks of {} bytes",
            unit.block_count(),
            unit.block_size()
        );
        // Across the last block that 32 bits name, on disks of 512-byte blocks, and at both ends.
        let content = pattern(200_000);
        let length = content.len() as u64;
        for offset in [0, 2 * TEBIBYTE - 100_000, SIZE - length] {
            unit.write_at_blocking(offset, &content)?;
            let mut read = vec![0; content.len()];
            unit.read_at_blocking(offset, &mut read)?;
            ensure!(read == content, "at {offset}, something else was read");
        }
        let mut far = vec![0xee; 4096];
        // What lies where an address of 32 bits would come out.
        unit.read_at_blocking(TEBIBYTE - 4096, &mut far)?;
        ensure!(far.iter().all(|&byte| byte == 0), "a write went astray");
        match unit.read_at_blocking(SIZE, &mut [0; 1]) {
            Err(DiskError::OutOfRange { .. }) => {}
            other => bail!("{other:?} beyond the end"),
        }
    }
    Ok(())
}
