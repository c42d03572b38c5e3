//! Where on a disk its file system is.

use std::io::{self, Read, Seek};

use anyhow::{Result, bail};
use gpt::GptConfig;
use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;

use super::volume::{Misled, Volume};

/// Types of MBR partitions that hold others (Linux fdisk's `l`).
const EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];
/// The type that says there is a GPT (UEFI 5.2.3).
const PROTECTIVE: u8 = 0xee;
/// No partition table is larger: 128 entries of 128 bytes take 16 KiB.
const TABLE_BYTES: u64 = 1024 * 1024;

/// A partition, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Partition {
    number: u32,
    start: u64,
    length: u64,
}

/// Narrows `volume`, a whole disk, to the partition wanted. By default it stays whole where it begins
/// with a FAT boot sector, and else becomes the first partition.
///
/// # Errors
/// There is no such partition, or it reaches past the end of the disk; those of the disk.
pub(super) fn select(volume: &Volume, wanted: Option<u32>) -> Result<()> {
    let mut sector = vec![0; usize::try_from(volume.block_size())?];
    let mut disk = volume.clone();
    disk.rewind()?;
    disk.read_exact(&mut sector)?;
    if wanted.is_none() && is_fat(&sector) {
        disk.rewind()?;
        return Ok(());
    }
    volume.limit(Some(TABLE_BYTES));
    let partitions = partitions(volume, &sector)?;
    volume.limit(None);
    let found = match wanted {
        Some(number) => partitions
            .iter()
            .find(|partition| partition.number == number),
        None => partitions.first(),
    };
    let Some(partition) = found else {
        bail!("{}", no_partition(&sector, wanted, &partitions));
    };
    let end = partition.start.checked_add(partition.length);
    if partition.length == 0 || end.is_none_or(|end| end > volume.length()) {
        bail!(
            "partition {} is not on the disk as a whole, which has {} bytes: its partition table is of another \
             disk or damaged",
            partition.number,
            volume.length()
        );
    }
    volume.narrow(partition.start, partition.length);
    Ok(())
}

fn no_partition(sector: &[u8], wanted: Option<u32>, partitions: &[Partition]) -> String {
    let numbers: Vec<String> = partitions.iter().map(|it| it.number.to_string()).collect();
    match wanted {
        Some(number) if partitions.is_empty() => {
            format!("there is no partition {number}: the disk has no partition table")
        }
        Some(number) => format!(
            "there is no partition {number}: the disk has {}",
            numbers.join(", ")
        ),
        None => no_fat(sector),
    }
}

/// What to say of a first sector that is not one of a FAT file system.
pub(super) fn no_fat(sector: &[u8]) -> String {
    let other = match sector.get(3..11) {
        Some(b"EXFAT   ") => "exFAT",
        Some(b"NTFS    ") => "NTFS",
        _ => return "there is no FAT file system: make one with mkfs.vfat, or name another partition with --partition".into(),
    };
    format!(
        "there is an {other} file system, of which this command knows nothing: mount it, or make a FAT one"
    )
}

/// Whether a sector begins a FAT file system: the parameters every one has make sense together
/// (Microsoft's FAT specification 1.03, page 9).
pub(super) fn is_fat(sector: &[u8]) -> bool {
    let Some(head) = sector.first_chunk::<512>() else {
        return false;
    };
    let bytes_a_sector = u16::from_le_bytes([head[11], head[12]]);
    let reserved_sectors = u16::from_le_bytes([head[14], head[15]]);
    let jumps = head[0] == 0xeb && head[2] == 0x90 || head[0] == 0xe9;
    jumps
        && [512, 1024, 2048, 4096].contains(&bytes_a_sector)
        && head[13].is_power_of_two()
        && reserved_sectors > 0
        && (1..=2).contains(&head[16])
        && head[510..] == [0x55, 0xaa]
}

/// The partitions by their numbers. A disk with a GPT may have an MBR that names some of its partitions
/// once more (a hybrid one): the GPT counts.
fn partitions(volume: &Volume, sector: &[u8]) -> Result<Vec<Partition>> {
    let block_size = match volume.block_size() {
        512 => LogicalBlockSize::Lb512,
        4096 => LogicalBlockSize::Lb4096,
        _ => return Ok(Vec::new()),
    };
    // An invalid signature: a disk without partitions.
    let Ok(mbr) = ProtectiveMBR::from_bytes(sector, block_size) else {
        return Ok(Vec::new());
    };
    let records: Vec<_> = (0..4).filter_map(|index| mbr.partition(index)).collect();
    if records.iter().any(|record| record.os_type == PROTECTIVE) {
        return of_gpt(volume, block_size);
    }
    let bytes = |blocks: u32| u64::from(blocks) * u64::from(volume.block_size());
    let records = (1..).zip(&records);
    Ok(records
        .filter(|(_, record)| record.os_type != 0 && !EXTENDED.contains(&record.os_type))
        .map(|(number, record)| Partition {
            number,
            start: bytes(record.lb_start),
            length: bytes(record.lb_size),
        })
        .collect())
}

fn of_gpt(volume: &Volume, block_size: LogicalBlockSize) -> Result<Vec<Partition>> {
    let config = GptConfig::new()
        .writable(false)
        .logical_block_size(block_size);
    let disk = match config.open_from_device(volume.clone()) {
        Ok(disk) => disk,
        Err(gpt::GptError::Io(error)) if !is_misled(&error) => return Err(error.into()),
        Err(error) => {
            bail!("the disk's GPT is damaged at both ends: sgdisk may repair it ({error})")
        }
    };
    let partitions = disk.partitions().iter().filter(|(_, it)| it.is_used());
    partitions
        .map(|(&number, partition)| {
            Ok(Partition {
                number,
                start: partition.bytes_start(block_size)?,
                length: partition.bytes_len(block_size)?,
            })
        })
        .collect()
}

fn is_misled(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Misled>())
}
