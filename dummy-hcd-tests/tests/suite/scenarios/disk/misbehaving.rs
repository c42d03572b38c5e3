//! Disks with the known quirks of real devices: the driver notices, and moves the data all the same.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use usbfs2_gadget::functions::mass_storage::{DiskOptions, Misbehaviour, ScriptedDisk};
use usbfs2_gadget::scsi::LogicalUnit;
use usbfs2_host::TransferError;
use usbfs2_mass_storage::{DiskError, MassStorage, Options, TransportFault};
use usbfs2_protocol::scsi::SenseKey;

use super::{Bay, Probe, Scenario, pattern};
use crate::world::{Connected, World};

pub(super) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        (
            "disk::quirks_of_the_transport_are_put_up_with",
            quirks_of_the_transport,
        ),
        (
            "disk::quirks_of_the_command_set_are_put_up_with",
            quirks_of_the_command_set,
        ),
        (
            "disk::a_disk_that_counts_its_blocks_right_keeps_an_odd_one",
            an_odd_number_of_blocks,
        ),
        (
            "disk::a_disk_that_fails_above_64_kib_works_below",
            a_disk_that_fails_above_64_kib,
        ),
        (
            "disk::a_disk_that_cannot_be_used_is_given_up_in_time",
            a_disk_that_cannot_be_used,
        ),
    ]
}

const SIZE: usize = 1 << 20;

/// Long enough for a device that does answer, in a guest that is emulated.
const PATIENT: Duration = Duration::from_secs(1);

fn connect(
    world: &World,
    misbehaviour: Misbehaviour,
    medium: Arc<Probe>,
    options: Options,
) -> Result<(MassStorage, Connected)> {
    let unit = LogicalUnit::with_medium(medium, DiskOptions::default())?;
    let disk = ScriptedDisk::misbehaving([unit], misbehaviour);
    let connected = world.connect(&World::gadget().function(disk).build()?)?;
    let storage = MassStorage::open_with_blocking(&connected.device, options)?;
    Ok((storage, connected))
}

fn patient() -> Options {
    Options {
        command_timeout: PATIENT,
        ..Options::default()
    }
}

/// Writes and reads the whole disk, and looks at its size and units.
fn is_put_up_with(world: &World, misbehaviour: Misbehaviour) -> Result<MassStorage> {
    let probe = Probe::new(SIZE);
    let (storage, _connected) = connect(world, misbehaviour, probe.clone(), patient())?;
    let mut unit = storage.block_device_blocking(0)?;
    ensure!(unit.size() == SIZE as u64, "it has {} bytes", unit.size());
    let content = pattern(SIZE);
    unit.write_at_blocking(0, &content)?;
    unit.flush_blocking()?;
    let mut read = vec![0; SIZE];
    unit.read_at_blocking(0, &mut read)?;
    ensure!(read == content, "what was read is not what was written");
    ensure!(probe.contents()? == content, "the medium holds another");
    let units = storage.units_blocking()?;
    ensure!(units.len() == 1, "it has the units {units:?}");
    Ok(storage)
}

fn quirks_of_the_transport(world: &World) -> Result<()> {
    for misbehaviour in [
        Misbehaviour::StatusSignature,
        Misbehaviour::ConstantTag,
        Misbehaviour::ResidueNonsense,
        Misbehaviour::NoResidue,
        Misbehaviour::EmptyPacket,
        Misbehaviour::NoMaxLun,
        Misbehaviour::MaxLun15,
    ] {
        let storage = is_put_up_with(world, misbehaviour).context(misbehaviour)?;
        let quirks = storage.quirks_blocking();
        let learned = (
            quirks.status_signature.is_some(),
            quirks.constant_tag.is_some(),
            quirks.residue_ignored,
        );
        let expected = (
            misbehaviour == Misbehaviour::StatusSignature,
            misbehaviour == Misbehaviour::ConstantTag,
            misbehaviour == Misbehaviour::ResidueNonsense,
        );
        ensure!(learned == expected, "{misbehaviour}: learned {quirks:?}");
        // Only who does not echo tags must be reset before it can be told from a device out of step.
        let resets = storage.statistics_blocking().resets;
        let most = u64::from(misbehaviour == Misbehaviour::ConstantTag);
        ensure!(resets <= most, "{misbehaviour}: {resets} resets");
    }
    Ok(())
}

fn quirks_of_the_command_set(world: &World) -> Result<()> {
    for misbehaviour in [
        Misbehaviour::CapacityOffByOne,
        Misbehaviour::Inquiry36,
        Misbehaviour::NoModeSense,
        Misbehaviour::NoSynchronizeCache,
        Misbehaviour::Stopped,
        Misbehaviour::NoSense,
    ] {
        is_put_up_with(world, misbehaviour).context(misbehaviour)?;
    }
    Ok(())
}

fn an_odd_number_of_blocks(world: &World) -> Result<()> {
    const ODD: usize = SIZE - 512;
    let bay = Bay::new(world, Probe::new(ODD), DiskOptions::default())?;
    let size = bay.open()?.size();
    ensure!(size == ODD as u64, "the disk has {size} bytes");
    // Nor is a last block that cannot be read taken for one that is not there.
    let broken = Probe::with_broken(ODD, ODD as u64 - 512..ODD as u64);
    drop(bay);
    let bay = Bay::new(world, broken, DiskOptions::default())?;
    let size = bay.open()?.size();
    ensure!(size == ODD as u64, "the scratched disk has {size} bytes");
    Ok(())
}

fn a_disk_that_fails_above_64_kib(world: &World) -> Result<()> {
    let probe = Probe::new(SIZE);
    let options = Options {
        max_transfer_bytes: Some(64 << 10),
        ..patient()
    };
    let (storage, _connected) = connect(world, Misbehaviour::At64KiB, probe, options)?;
    let mut unit = storage.block_device_blocking(0)?;
    let content = pattern(SIZE);
    unit.write_at_blocking(0, &content)?;
    let mut read = vec![0; SIZE];
    unit.read_at_blocking(0, &mut read)?;
    ensure!(read == content, "what was read is not what was written");
    let failures = storage.statistics_blocking().failures;
    ensure!(failures == 0, "{failures} failures");
    Ok(())
}

fn a_disk_that_cannot_be_used(world: &World) -> Result<()> {
    let impatient = Options {
        command_timeout: Duration::from_millis(200),
        ..Options::default()
    };
    let probe = Probe::new(SIZE);
    let (storage, _connected) = connect(world, Misbehaviour::Silent, probe, impatient)?;
    match storage.block_device_blocking(0) {
        Err(DiskError::Transport {
            fault: TransportFault::Transfer(TransferError::TimedOut),
            attempts: 3,
            ..
        }) => {}
        other => bail!("{other:?} of a disk that is silent"),
    }
    drop((storage, _connected));

    let probe = Probe::new(SIZE);
    let (storage, _connected) = connect(world, Misbehaviour::EndlessAttention, probe, patient())?;
    match storage.block_device_blocking(0) {
        Err(DiskError::Sense { sense, .. }) if sense.key == SenseKey::UnitAttention => {}
        other => bail!("{other:?} of a disk that has always one more attention"),
    }
    drop((storage, _connected));

    // The sense of every failure fails too.
    let broken = Probe::with_broken(SIZE, 0..512);
    let (storage, _connected) = connect(world, Misbehaviour::NoSense, broken, patient())?;
    let mut unit = storage.block_device_blocking(0)?;
    let before = storage.statistics_blocking().commands;
    match unit.read_at_blocking(0, &mut [0; 512]) {
        Err(DiskError::Sense { sense, .. }) if sense.key == SenseKey::NoSense => {}
        other => bail!("{other:?} of a disk without sense"),
    }
    let commands = storage.statistics_blocking().commands - before;
    ensure!(commands == 6, "{commands} commands for three tries");
    Ok(())
}
