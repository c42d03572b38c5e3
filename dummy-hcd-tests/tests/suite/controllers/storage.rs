//! QEMU's disk, through our mass-storage driver.

use anyhow::{Context as _, Result, bail, ensure};
use usbfs2_mass_storage::{BlockDevice, DiskError, MassStorage};

use super::bench::Plugged;
use super::{Bench, Case};
use crate::scenarios::pattern;

pub(super) fn cases() -> Vec<(&'static str, Case)> {
    vec![
        ("storage::a_whole_disk_is_read", whole_disk_read),
        ("storage::a_whole_disk_is_written", whole_disk_written),
        ("storage::odd_places_and_lengths", odd_places),
        ("storage::a_read_error_is_told_and_got_over", read_error),
    ]
}

fn open(disk: &Plugged<'_>) -> Result<BlockDevice> {
    Ok(MassStorage::open_blocking(&disk.open()?)?.block_device_blocking(0)?)
}

fn whole_disk_read(bench: &Bench) -> Result<()> {
    let content = pattern(bench.controller.disk_bytes());
    let disk = bench.plug_disk("1", &content)?;
    let mut unit = open(&disk)?;
    ensure!(
        unit.size() == content.len() as u64,
        "the disk has {} bytes",
        unit.size()
    );
    let mut read = vec![0; content.len()];
    unit.read_at_blocking(0, &mut read)?;
    ensure!(read == content, "{}", difference(&read, &content));
    Ok(())
}

fn whole_disk_written(bench: &Bench) -> Result<()> {
    let content = pattern(bench.controller.disk_bytes());
    let disk = bench.plug_disk("1", &vec![0; content.len()])?;
    let mut unit = open(&disk)?;
    unit.write_at_blocking(0, &content)?;
    unit.flush_blocking()?;
    let written = disk.content()?;
    ensure!(written == content, "{}", difference(&written, &content));
    Ok(())
}

fn odd_places(bench: &Bench) -> Result<()> {
    let mut expected = pattern(bench.controller.disk_bytes() / 2);
    let disk = bench.plug_disk("1", &expected)?;
    let mut unit = open(&disk)?;
    // Around blocks, packets, pages, the module's pieces and 64 KiB.
    for (number, length) in [1_usize, 511, 513, 4095, 4097, 32767, 32769, 65535, 65537]
        .into_iter()
        .enumerate()
    {
        let offset = 3 + number * 7001;
        let bytes = (0..length)
            .map(|index| (index * 31 + number) as u8)
            .collect::<Vec<_>>();
        unit.write_at_blocking(offset as u64, &bytes)
            .with_context(|| format!("write {length} bytes at {offset}"))?;
        expected[offset..offset + length].copy_from_slice(&bytes);
        let mut read = vec![0; length];
        unit.read_at_blocking(offset as u64, &mut read)
            .with_context(|| format!("read {length} bytes at {offset}"))?;
        ensure!(
            read == bytes,
            "{length} bytes at {offset}: {}",
            difference(&read, &bytes)
        );
    }
    unit.flush_blocking()?;
    let written = disk.content()?;
    ensure!(written == expected, "{}", difference(&written, &expected));
    Ok(())
}

fn read_error(bench: &Bench) -> Result<()> {
    const BROKEN: usize = 100 << 10;
    let content = pattern(256 << 10);
    let disk = bench.plug_broken_disk("1", &content, BROKEN as u64)?;
    let mut unit = open(&disk)?;
    let mut read = vec![0; content.len()];
    match unit.read_at_blocking(0, &mut read) {
        Err(DiskError::Sense { .. }) => {}
        other => bail!("{other:?} instead of the device's sense"),
    }
    // What is beside the broken block can be read.
    for range in [0..BROKEN, BROKEN + 4096..content.len()] {
        let read = &mut read[range.clone()];
        unit.read_at_blocking(range.start as u64, read)?;
        ensure!(read == &content[range], "the disk holds something else");
    }
    Ok(())
}

/// Where two equally long pieces of data differ first.
fn difference(found: &[u8], expected: &[u8]) -> String {
    let first = found.iter().zip(expected).position(|(a, b)| a != b);
    format!(
        "{} bytes instead of {}, the first wrong one at {first:?}",
        found.len(),
        expected.len()
    )
}
