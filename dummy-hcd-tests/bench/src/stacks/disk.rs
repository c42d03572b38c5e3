//! Disk requests: the kernel's usb-storage and SCSI disk drivers, and `usbfs2-mass-storage`.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};

use aio_rs::Buffer;
use anyhow::Result;
use dummy_hcd_tests::bench_row::{Direction, Spec};
use usbfs2_mass_storage::{BlockDevice, MassStorage};

use super::{Transfers, bytes, host};
use crate::gadgets::DISK_BYTES;
use crate::target::Target;

/// Requests of up to this many bytes are at random, larger ones in sequence.
const RANDOM_UP_TO: u32 = 4096;

/// Offsets on the disk, the same in every run.
struct Offsets {
    bytes: u64,
    random: bool,
    state: u64,
}

impl Offsets {
    fn new(spec: &Spec) -> Self {
        Self {
            bytes: u64::from(spec.bytes),
            random: spec.bytes <= RANDOM_UP_TO,
            state: 0,
        }
    }

    fn next(&mut self) -> u64 {
        let requests = DISK_BYTES / self.bytes;
        self.state = if self.random {
            // Knuth's linear congruential generator; its high bits are the random ones.
            self.state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407)
        } else {
            self.state + (1 << 32)
        };
        (self.state >> 32) % requests * self.bytes
    }
}

pub(super) fn kernel(spec: &Spec, target: &Target) -> Result<Box<dyn Transfers>> {
    let node = target.node("block", "sd")?;
    // O_DIRECT wants memory on a boundary of the disk's blocks; this begins on a page.
    let mut buffer = Buffer::with_capacity(bytes(spec)?);
    buffer.set_len(bytes(spec)?);
    Ok(Box::new(KernelDisk {
        file: OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_DIRECT)
            .open(node)?,
        direction: spec.direction,
        offsets: Offsets::new(spec),
        buffer,
    }))
}

struct KernelDisk {
    file: File,
    direction: Direction,
    offsets: Offsets,
    buffer: Buffer,
}

impl Transfers for KernelDisk {
    fn run(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            let offset = self.offsets.next();
            match self.direction {
                Direction::In => self.file.read_exact_at(&mut self.buffer, offset)?,
                Direction::Out => self.file.write_all_at(&self.buffer, offset)?,
            }
        }
        Ok(())
    }
}

pub(super) fn ours(spec: &Spec, target: &Target) -> Result<Box<dyn Transfers>> {
    let storage = MassStorage::open_blocking(&host::device(target)?)?;
    let mut buffer = Buffer::with_capacity(bytes(spec)?);
    buffer.set_len(bytes(spec)?);
    Ok(Box::new(OurDisk {
        unit: storage.block_device_blocking(0)?,
        direction: spec.direction,
        offsets: Offsets::new(spec),
        buffer,
    }))
}

struct OurDisk {
    unit: BlockDevice,
    direction: Direction,
    offsets: Offsets,
    buffer: Buffer,
}

impl Transfers for OurDisk {
    fn run(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            let offset = self.offsets.next();
            match self.direction {
                Direction::In => self.unit.read_at_blocking(offset, &mut self.buffer)?,
                Direction::Out => self.unit.write_at_blocking(offset, &self.buffer)?,
            }
        }
        Ok(())
    }
}
