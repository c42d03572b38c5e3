//! Bytes go where they belong, whatever their offset and number.

use anyhow::{Context as _, Result, bail, ensure};
use usbfs2_gadget::functions::mass_storage::DiskOptions;
use usbfs2_host::{Device, block_on};
use usbfs2_mass_storage::{BlockDevice, DiskError, MassStorage};

use super::{Bay, Probe, Scenario, pattern};
use crate::scenarios::random::Random;
use crate::world::World;

pub(super) fn scenarios() -> Vec<(&'static str, Scenario)> {
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
            "disk::random_reads_and_writes_agree_with_a_model",
            random_operations_blocking,
        ),
        (
            "disk::random_reads_and_writes_agree_with_a_model_asynchronously",
            random_operations_async,
        ),
        (
            "disk::blocks_of_4096_bytes_agree_with_a_model",
            random_operations_on_large_blocks,
        ),
        (
            "disk::a_large_transfer_is_split_to_what_one_command_moves",
            a_large_transfer_is_split,
        ),
        (
            "disk::a_range_past_the_end_is_refused_before_anything_is_sent",
            a_range_past_the_end_is_refused,
        ),
    ]
}

const SIZE: usize = 1 << 20;

fn what_is_written_is_read_back(world: &World) -> Result<()> {
    let probe = Probe::new(SIZE);
    let bay = Bay::new(world, probe.clone(), DiskOptions::default())?;
    let mut unit = bay.open()?;
    ensure!(
        (unit.size(), unit.block_size()) == (SIZE as u64, 512),
        "the disk has {} blocks of {} bytes",
        unit.block_count(),
        unit.block_size()
    );
    let written = pattern(SIZE / 2);
    unit.write_at_blocking(512, &written)?;
    let mut read = vec![0xff; SIZE];
    unit.read_at_blocking(0, &mut read)?;
    let mut expected = vec![0; SIZE];
    expected[512..512 + written.len()].copy_from_slice(&written);
    ensure!(read == expected, "what was read is not what was written");
    ensure!(
        probe.contents()? == expected,
        "the medium holds something else"
    );
    Ok(())
}

fn an_unaligned_write_keeps_its_neighbours(world: &World) -> Result<()> {
    let bay = Bay::new(world, Probe::new(SIZE), DiskOptions::default())?;
    let mut unit = bay.open()?;
    let mut expected = pattern(4096);
    unit.write_at_blocking(0, &expected)?;
    let text = b"in the middle of two blocks";
    for offset in [700, 1024 - 10, 2048] {
        unit.write_at_blocking(offset as u64, text)?;
        expected[offset..offset + text.len()].copy_from_slice(text);
    }
    let mut read = vec![0; 4096];
    unit.read_at_blocking(0, &mut read)?;
    ensure!(
        read == expected,
        "the neighbours of an unaligned write changed"
    );
    Ok(())
}

/// The two faces of the same driver.
#[derive(Clone, Copy)]
enum Face {
    Blocking,
    Async,
}

impl Face {
    fn open(self, device: &Device) -> Result<BlockDevice> {
        Ok(match self {
            Self::Blocking => MassStorage::open_blocking(device)?.block_device_blocking(0)?,
            Self::Async => block_on(async {
                let storage = MassStorage::open(device).await?;
                anyhow::Ok(storage.block_device(0).await?)
            })?,
        })
    }

    fn read(self, unit: &mut BlockDevice, offset: u64, bytes: &mut [u8]) -> Result<(), DiskError> {
        match self {
            Self::Blocking => unit.read_at_blocking(offset, bytes),
            Self::Async => block_on(unit.read_at(offset, bytes)),
        }
    }

    fn write(self, unit: &mut BlockDevice, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        match self {
            Self::Blocking => unit.write_at_blocking(offset, bytes),
            Self::Async => block_on(unit.write_at(offset, bytes)),
        }
    }

    fn flush(self, unit: &mut BlockDevice) -> Result<(), DiskError> {
        match self {
            Self::Blocking => unit.flush_blocking(),
            Self::Async => block_on(unit.flush()),
        }
    }
}

fn random_operations_blocking(world: &World) -> Result<()> {
    random_operations(world, Face::Blocking, DiskOptions::default())
}

fn random_operations_async(world: &World) -> Result<()> {
    random_operations(world, Face::Async, DiskOptions::default())
}

fn random_operations_on_large_blocks(world: &World) -> Result<()> {
    let options = DiskOptions {
        block_size: 4096,
        ..DiskOptions::default()
    };
    random_operations(world, Face::Blocking, options)
}

fn random_operations(world: &World, face: Face, options: DiskOptions) -> Result<()> {
    let probe = Probe::new(SIZE);
    let bay = Bay::new(world, probe.clone(), options)?;
    let mut unit = face.open(&bay.connected.device)?;
    let mut model = vec![0; SIZE];
    let mut random = Random::new(7);
    for step in 0..100 {
        let block = unit.block_size() as usize;
        let longest = if random.below(8) == 0 { 300_000 } else { 5000 };
        let mut offset = random.below(SIZE);
        let mut length = random.below(longest.min(SIZE - offset) + 1);
        if random.below(3) == 0 {
            offset -= offset % block;
            length -= length % block;
        }
        let range = offset..offset + length;
        let what = || format!("step {step}, bytes {range:?}");
        if random.below(2) == 0 {
            random.fill(&mut model[range.clone()]);
            face.write(&mut unit, offset as u64, &model[range.clone()])
                .with_context(what)?;
        } else {
            let mut read = vec![0xee; length];
            face.read(&mut unit, offset as u64, &mut read)
                .with_context(what)?;
            ensure!(read == model[range.clone()], "{} differ", what());
        }
    }
    face.flush(&mut unit)?;
    ensure!(probe.contents()? == model, "the medium differs");
    Ok(())
}

fn a_large_transfer_is_split(world: &World) -> Result<()> {
    // Two commands and a half at super speed, where one moves most.
    const LARGE: usize = 5 << 19;
    let bay = Bay::new(world, Probe::new(LARGE), DiskOptions::default())?;
    let storage = bay.storage()?;
    let mut unit = storage.block_device_blocking(0)?;
    let one = unit.max_transfer_bytes();
    ensure!(one < LARGE, "one command moves the whole disk");
    let written = pattern(LARGE);
    let before = storage.statistics_blocking();
    unit.write_at_blocking(0, &written)?;
    let mut read = vec![0; LARGE];
    unit.read_at_blocking(0, &mut read)?;
    ensure!(read == written, "what was read is not what was written");
    let after = storage.statistics_blocking();
    let commands = after.commands - before.commands;
    let needed = 2 * LARGE.div_ceil(one) as u64;
    ensure!(
        commands == needed,
        "{commands} commands instead of {needed}"
    );
    ensure!(
        (
            after.bytes_out - before.bytes_out,
            after.bytes_in - before.bytes_in
        ) == (LARGE as u64, LARGE as u64),
        "{after:?} after {before:?}"
    );
    Ok(())
}

fn a_range_past_the_end_is_refused(world: &World) -> Result<()> {
    let bay = Bay::new(world, Probe::new(SIZE), DiskOptions::default())?;
    let storage = bay.storage()?;
    let mut unit = storage.block_device_blocking(0)?;
    let before = storage.statistics_blocking();
    let last = SIZE as u64 - 512;
    for (offset, length) in [
        (last, 1024),
        (last + 512, 1),
        (u64::MAX, 1),
        (u64::MAX, 512),
    ] {
        let mut bytes = vec![0; length];
        for result in [
            unit.read_at_blocking(offset, &mut bytes),
            unit.write_at_blocking(offset, &bytes),
        ] {
            match result {
                Err(DiskError::OutOfRange { .. }) => {}
                other => bail!("{other:?} instead of OutOfRange for {length} at {offset}"),
            }
        }
    }
    ensure!(
        storage.statistics_blocking() == before,
        "a command was sent for nothing"
    );
    unit.read_at_blocking(last, &mut [0; 512])?;
    Ok(())
}
