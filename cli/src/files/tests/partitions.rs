//! Disks with partition tables, and disks with nothing this command knows.

use std::io::{Cursor, Write};

use fatfs::FatType;
use gpt::disk::LogicalBlockSize;
use gpt::mbr::{PartRecord, ProtectiveMBR};
use gpt::{GptConfig, partition_types};
use tempfile::NamedTempFile;

use super::bench::{Bench, MIB, assert_refused, formatted, text};

const FAT16: u8 = 0x06;
const LINUX: u8 = 0x83;

/// A file system with a label, so that one can be told from another.
fn labelled(block_size: u32, name: &str) -> Vec<u8> {
    let mut image = Cursor::new(formatted(2 * MIB, FatType::Fat12, block_size));
    let files = fatfs::FileSystem::new(&mut image, fatfs::FsOptions::new()).unwrap();
    files.root_dir().create_dir(name).unwrap();
    files.unmount().unwrap();
    image.into_inner()
}

/// An MBR and the partitions it names, each a type, its first block and its contents.
fn mbr(block_size: u32, partitions: &[(u8, u32, &[u8])]) -> Vec<u8> {
    let mut table = ProtectiveMBR::new();
    let mut image = vec![0; 8 * MIB];
    for index in 0..4 {
        let record = match partitions.get(index) {
            None => PartRecord::zero(),
            Some(&(os_type, start, content)) => {
                let offset = start as usize * block_size as usize;
                if let Some(place) = image.get_mut(offset..offset + content.len()) {
                    place.copy_from_slice(content);
                }
                PartRecord {
                    os_type,
                    lb_start: start,
                    lb_size: u32::try_from(content.len()).unwrap() / block_size,
                    ..PartRecord::zero()
                }
            }
        };
        table.set_partition(index, record);
    }
    image[..512].copy_from_slice(&table.to_bytes());
    image
}

/// A GPT with two partitions.
fn gpt(block_size: u32, contents: [&[u8]; 2]) -> Vec<u8> {
    let size = LogicalBlockSize::try_from(u64::from(block_size)).unwrap();
    let mut image = Cursor::new(vec![0; 8 * MIB]);
    let blocks = u32::try_from(8 * MIB).unwrap() / block_size - 1;
    ProtectiveMBR::with_lb_size(blocks)
        .overwrite_lba0(&mut image)
        .unwrap();
    let config = GptConfig::new().writable(true).logical_block_size(size);
    let mut disk = config.create_from_device(image, None).unwrap();
    let mut starts = Vec::new();
    for content in contents {
        let bytes = content.len() as u64;
        let number = disk
            .add_partition("data", bytes, partition_types::BASIC, 0, None)
            .unwrap();
        let partition = &disk.partitions()[&number];
        starts.push(usize::try_from(partition.bytes_start(size).unwrap()).unwrap());
    }
    let mut image = disk.write().unwrap().into_inner();
    for (start, content) in starts.into_iter().zip(contents) {
        image[start..start + content.len()].copy_from_slice(content);
    }
    image
}

#[test]
fn the_first_partition_is_taken_unless_another_is_named() {
    let mut source = NamedTempFile::new().unwrap();
    source.write_all(b"content").unwrap();
    for block_size in [512, 4096] {
        let one = labelled(block_size, "one");
        let two = labelled(block_size, "two");
        for image in [
            mbr(block_size, &[(FAT16, 100, &one), (FAT16, 1200, &two)]),
            gpt(block_size, [&one, &two]),
        ] {
            let bench = Bench::new(&image, block_size);
            let listed = |partition| bench.ls(":/", partition).unwrap();
            assert_eq!(listed(None), ["d----          -  one/"]);
            assert_eq!(listed(Some(1)), ["d----          -  one/"]);
            assert_eq!(listed(Some(2)), ["d----          -  two/"]);
            assert_refused(bench.ls(":/", Some(3)), &["no partition 3", "has 1, 2"]);
            // Written within the partition, and found there.
            bench.cp(&[text(source.path()), ":/one/new"]).unwrap();
            assert_eq!(bench.cat(":/one/new").unwrap(), b"content");
            assert_eq!(listed(Some(2)), ["d----          -  two/"]);
        }
    }
}

#[test]
fn a_partition_that_is_not_fat_is_left_to_others() {
    let fat = labelled(512, "fat");
    let image = mbr(512, &[(LINUX, 100, &[0; 4096]), (FAT16, 1200, &fat)]);
    let bench = Bench::new(&image, 512);
    assert_refused(
        bench.ls(":/", None),
        &["no FAT", "--partition", "mkfs.vfat"],
    );
    assert_eq!(bench.ls(":/", Some(2)).unwrap(), ["d----          -  fat/"]);
}

#[test]
fn a_hybrid_mbr_gives_way_to_the_gpt() {
    let one = labelled(512, "one");
    let two = labelled(512, "two");
    let mut image = gpt(512, [&one, &two]);
    let size = LogicalBlockSize::Lb512;
    let mut table = ProtectiveMBR::from_bytes(&image[..512], size).unwrap();
    let disk = GptConfig::new()
        .open_from_device(Cursor::new(&mut image))
        .unwrap();
    let second = &disk.partitions()[&2];
    let record = PartRecord {
        os_type: FAT16,
        lb_start: u32::try_from(second.first_lba).unwrap(),
        lb_size: u32::try_from(second.last_lba + 1 - second.first_lba).unwrap(),
        ..PartRecord::zero()
    };
    drop(disk);
    let protective = table.partition(0).unwrap();
    table.set_partition(0, record);
    table.set_partition(1, protective);
    image[..512].copy_from_slice(&table.to_bytes());
    let bench = Bench::new(&image, 512);
    assert_eq!(bench.ls(":/", None).unwrap(), ["d----          -  one/"]);
}

#[test]
fn the_gpt_at_the_end_serves_when_the_first_is_lost() {
    let mut image = gpt(512, [&labelled(512, "one"), &labelled(512, "two")]);
    image[512..1024].fill(0);
    let bench = Bench::new(&image, 512);
    assert_eq!(bench.ls(":/", None).unwrap(), ["d----          -  one/"]);
    let end = image.len() - 512;
    image[end..].fill(0);
    let bench = Bench::new(&image, 512);
    assert_refused(bench.ls(":/", None), &["GPT is damaged", "sgdisk"]);
}

#[test]
fn tables_of_nonsense_are_refused() {
    let far = mbr(512, &[(FAT16, 4_000_000_000, &[0; 512])]);
    assert_refused(
        Bench::new(&far, 512).ls(":/", None),
        &["partition 1 is not on the disk", "8388608 bytes"],
    );
    let mut image = gpt(512, [&labelled(512, "one"), &labelled(512, "two")]);
    // Entries of another size and number, with a header that claims to be whole.
    image[512 + 80..512 + 88].fill(0xff);
    let crc = crc32(&image[512..512 + 92]);
    image[512 + 16..512 + 20].copy_from_slice(&crc.to_le_bytes());
    assert_refused(Bench::new(&image, 512).ls(":/", None), &["damaged"]);
}

/// The checksum of a GPT's header, without itself (UEFI 5.3.2).
fn crc32(header: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for (index, &byte) in header.iter().enumerate() {
        crc ^= u32::from(if (16..20).contains(&index) { 0 } else { byte });
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 * (crc & 1));
        }
    }
    !crc
}

#[test]
fn a_disk_without_fat_is_explained() {
    let bench = Bench::new(&vec![0; MIB], 512);
    assert_refused(bench.ls(":/", None), &["no FAT", "mkfs.vfat"]);
    assert_refused(
        bench.ls(":/", Some(1)),
        &["no partition 1", "no partition table"],
    );
    for (name, called) in [(b"EXFAT   ", "exFAT"), (b"NTFS    ", "NTFS")] {
        let mut image = vec![0; MIB];
        image[..3].copy_from_slice(&[0xeb, 0x76, 0x90]);
        image[3..11].copy_from_slice(name);
        image[510..512].copy_from_slice(&[0x55, 0xaa]);
        let bench = Bench::new(&image, 512);
        assert_refused(bench.ls(":/", None), &[called, "mount it"]);
    }
}
