//! The mass-storage driver on the disk gadget.

mod blocks;
mod cable;
mod cancelled;
mod claim;
pub(super) mod deviant;
mod large;
mod medium;
mod misbehaving;
mod probe;
mod thirteen_cases;
mod units;

use std::sync::Arc;

use anyhow::Result;
use usbfs2_gadget::functions::Disk;
use usbfs2_gadget::functions::mass_storage::DiskOptions;
use usbfs2_gadget::scsi::Medium;
use usbfs2_mass_storage::{BlockDevice, MassStorage};

use super::Scenario;
use crate::world::{Connected, World};

pub(crate) use probe::Probe;

pub(crate) fn scenarios() -> Vec<(&'static str, Scenario)> {
    [
        blocks::scenarios(),
        medium::scenarios(),
        claim::scenarios(),
        cable::scenarios(),
        cancelled::scenarios(),
        large::scenarios(),
        units::scenarios(),
        thirteen_cases::scenarios(),
        misbehaving::scenarios(),
    ]
    .concat()
}

/// A disk that is plugged in.
struct Bay {
    disk: Arc<Disk>,
    connected: Connected,
}

impl Bay {
    fn new(world: &World, medium: impl Medium + 'static, options: DiskOptions) -> Result<Self> {
        Self::with_disk(world, Disk::new(medium, options)?)
    }

    fn with_disk(world: &World, disk: Arc<Disk>) -> Result<Self> {
        let gadget = World::gadget().function(disk.clone()).build()?;
        let connected = world.connect(&gadget)?;
        Ok(Self { disk, connected })
    }

    fn storage(&self) -> Result<MassStorage> {
        Ok(MassStorage::open_blocking(&self.connected.device)?)
    }

    fn open(&self) -> Result<BlockDevice> {
        Ok(self.storage()?.block_device_blocking(0)?)
    }
}

/// Bytes that differ from place to place, so that a block in the wrong place shows.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length as u64)
        .map(|index| index.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[0])
        .collect()
}
