//! The kernel's usb-storage and sd on our disks of every kind, over gadgetfs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::wait;
use usbfs2_gadget::functions::Disk;
use usbfs2_gadget::functions::mass_storage::DiskOptions;
use usbfs2_gadget::scsi::{EjectError, LogicalUnit, Medium as _, MemoryMedium};

use crate::kernel_drivers::{start, succeed};
use crate::runner::Test;
use crate::world::World;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "kernel_disks::every_unit_is_seen_as_it_is",
            every_unit_is_seen_as_it_is,
        ),
        Test::new(
            "kernel_disks::a_new_medium_is_noticed_and_a_mounted_one_is_locked",
            a_new_medium_is_noticed,
        ),
    ]
}

const MEBIBYTE: u64 = 1 << 20;
const TEBIBYTE: u64 = 1 << 40;
/// In which sysfs counts, whatever the block size.
const SECTOR: u64 = 512;

/// A disk of the kernel's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KernelDisk(PathBuf);

impl KernelDisk {
    /// The disks of a device, by LUN.
    pub(crate) fn of(device: &SysfsDevice) -> BTreeMap<u8, Self> {
        let disks = fs::read_dir("/sys/block").into_iter().flatten().flatten();
        disks
            .filter_map(|entry| {
                let path = entry.path();
                let target = fs::canonicalize(path.join("device")).ok()?;
                let is_ours = target
                    .components()
                    .any(|part| part.as_os_str() == device.name());
                // Host, channel, target and unit: `0:0:0:1`.
                let address = target.file_name()?.to_str()?;
                let lun = address.rsplit(':').next()?.parse().ok()?;
                (is_ours && Self(path.clone()).node().exists()).then_some((lun, Self(path)))
            })
            .collect()
    }

    pub(crate) fn node(&self) -> PathBuf {
        Path::new("/dev").join(self.0.file_name().unwrap_or_default())
    }

    fn attribute(&self, name: &str) -> Result<u64> {
        let path = self.0.join(name);
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        Ok(text.trim().parse()?)
    }

    fn size(&self) -> Result<u64> {
        Ok(self.attribute("size")? * SECTOR)
    }
}

fn removable() -> DiskOptions {
    DiskOptions {
        removable: true,
        ..DiskOptions::default()
    }
}

fn every_unit_is_seen_as_it_is() -> Result<()> {
    let large = Arc::new(MemoryMedium::new(3 * TEBIBYTE));
    let blocks_of = |block_size| DiskOptions {
        block_size,
        ..DiskOptions::default()
    };
    let protected = DiskOptions {
        read_only: true,
        ..DiskOptions::default()
    };
    let small = || MemoryMedium::new(16 * MEBIBYTE);
    let disk = Disk::with_units([
        LogicalUnit::with_medium(small(), blocks_of(512))?,
        LogicalUnit::with_medium(small(), blocks_of(4096))?,
        LogicalUnit::with_medium(small(), protected)?,
        LogicalUnit::with_medium(Arc::clone(&large), blocks_of(512))?,
        LogicalUnit::empty(removable())?,
    ])?;
    let (_running, device) = start(&World::gadget().function(disk).build()?, "usb-storage")?;
    let disks = wait::until("the kernel has every unit", || {
        let disks = KernelDisk::of(&device);
        (disks.len() == 5).then_some(disks)
    })?;
    let facts = disks
        .values()
        .map(|disk| {
            Ok((
                disk.size()?,
                disk.attribute("queue/logical_block_size")?,
                disk.attribute("ro")?,
                disk.attribute("removable")?,
            ))
        })
        .collect::<Result<Vec<_>>>()?;
    let expected = [
        (16 * MEBIBYTE, 512, 0, 0),
        (16 * MEBIBYTE, 4096, 0, 0),
        (16 * MEBIBYTE, 512, 1, 0),
        (3 * TEBIBYTE, 512, 0, 0),
        (0, 512, 0, 1),
    ];
    ensure!(facts == expected, "the kernel sees {facts:?}");

    // Blocks on both sides of 2 TiB, which is where 32 bits end.
    let node = disks.get(&3).context("there is a unit 3")?.node();
    for offset in [2 * TEBIBYTE - 4096, 2 * TEBIBYTE, 3 * TEBIBYTE - 4096] {
        let content: Vec<u8> = (0..4096_u64)
            .map(|at| (at ^ offset >> 12) as u8 | 1)
            .collect();
        let file = File::options().read(true).write(true).open(&node)?;
        file.write_all_at(&content, offset)?;
        file.sync_all()?;
        let mut stored = vec![0; content.len()];
        large.read_at(offset, &mut stored)?;
        ensure!(
            stored == content,
            "the medium holds something else at {offset}"
        );
    }

    let directory = tempfile::tempdir_in("/dev/shm")?;
    for lun in [0, 1] {
        let node = disks.get(&lun).context("there is such a unit")?.node();
        succeed("mkfs.vfat", &[&node])?;
        succeed("mount", &[node.as_path(), directory.path()])?;
        let written = fs::write(directory.path().join("file"), format!("unit {lun}"));
        succeed("umount", &[directory.path()])?;
        written?;
        succeed("fsck.vfat", &[Path::new("-n"), &node])?;
    }
    Ok(())
}

fn a_new_medium_is_noticed() -> Result<()> {
    let unit = LogicalUnit::with_medium(MemoryMedium::new(16 * MEBIBYTE), removable())?;
    let disk = Disk::with_units([Arc::clone(&unit)])?;
    let (_running, device) = start(&World::gadget().function(disk).build()?, "usb-storage")?;
    let disk = wait::until("the disk has a block device", || {
        KernelDisk::of(&device).remove(&0)
    })?;
    let directory = tempfile::tempdir_in("/dev/shm")?;
    succeed("mkfs.vfat", &[&disk.node()])?;
    succeed("mount", &[disk.node().as_path(), directory.path()])?;
    let locked = unit.eject();
    succeed("umount", &[directory.path()])?;
    ensure!(
        matches!(locked, Err(EjectError::Locked)),
        "a mounted medium came out"
    );
    wait::until("the kernel lets the medium go", || unit.eject().ok())?;
    unit.insert(MemoryMedium::new(48 * MEBIBYTE))?;
    // The kernel looks when somebody opens the disk.
    wait::until("the kernel knows the new medium", || {
        File::open(disk.node()).ok()?;
        (disk.size().ok()? == 48 * MEBIBYTE).then_some(())
    })?;
    let mut last = [0xee; 512];
    File::open(disk.node())?.read_exact_at(&mut last, 48 * MEBIBYTE - 512)?;
    ensure!(last == [0; 512], "the new medium holds something else");
    Ok(())
}
