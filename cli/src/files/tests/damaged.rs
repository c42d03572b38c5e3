//! File systems that lie: an error or some of the files, but no panic and an end.

use std::fs;

use fatfs::FatType;
use tempfile::{NamedTempFile, TempDir};

use super::bench::{Bench, MIB, assert_refused, filled, formatted, put, text};

/// Where the library's FAT12 of these tests has its parts: one boot sector, then two tables.
const TABLE: usize = 512;

/// The first cluster of the entry that begins with `name` in 8.3 form.
fn entry(image: &[u8], name: &[u8; 11]) -> usize {
    let at = image.windows(11).position(|window| window == name);
    at.expect("the file is there")
}

fn first_cluster(image: &[u8], entry: usize) -> u16 {
    u16::from_le_bytes([image[entry + 26], image[entry + 27]])
}

fn set_first_cluster(image: &mut [u8], entry: usize, cluster: u16) {
    image[entry + 26..entry + 28].copy_from_slice(&cluster.to_le_bytes());
}

/// Sets a record of the first FAT12 table.
fn set_next(image: &mut [u8], cluster: u16, next: u16) {
    let at = TABLE + usize::from(cluster) * 3 / 2;
    let [low, high] = match cluster % 2 {
        0 => [next as u8, image[at + 1] & 0xf0 | (next >> 8) as u8],
        _ => [image[at] & 0x0f | (next << 4) as u8, (next >> 4) as u8],
    };
    image[at..at + 2].copy_from_slice(&[low, high]);
}

fn with_a_directory() -> Vec<u8> {
    filled(|files| {
        let directory = files.root_dir().create_dir("DIR").unwrap();
        directory.create_dir("INNER").unwrap();
        put(files, "DIR/FILE", &[5; 2000]);
    })
}

/// Everything these commands do, on one image.
fn use_all(image: &[u8]) -> [anyhow::Result<()>; 4] {
    let bench = Bench::new(image, 512);
    let folder = TempDir::new().unwrap();
    let source = folder.path().join("NEW");
    fs::write(&source, [9; 3000]).unwrap();
    let all = folder.path().join("all");
    [
        bench.ls(":/DIR", None).map(drop),
        bench.cat(":/DIR/FILE").map(drop),
        bench.cp(&[":/", text(&all)]),
        bench.cp(&[text(&source), ":/DIR"]),
    ]
}

#[test]
fn a_directory_that_goes_round_is_left() {
    let mut image = with_a_directory();
    let directory = entry(&image, b"DIR        ");
    let cluster = first_cluster(&image, directory);
    set_next(&mut image, cluster, cluster);
    // No end within it, and nothing to return on the way.
    let data = entry(&image, b".          ");
    image[data..data + 512].fill(0xe5);
    let bench = Bench::new(&image, 512);
    let parts = ["damaged", "does not end", "fsck.vfat"];
    assert_refused(bench.ls(":/DIR", None), &parts);
    let source = NamedTempFile::new().unwrap();
    assert_refused(bench.cp(&[text(source.path()), ":/DIR"]), &parts);
}

#[test]
fn a_directory_within_itself_is_not_copied() {
    let mut image = with_a_directory();
    let directory = entry(&image, b"DIR        ");
    let inner = entry(&image, b"INNER      ");
    let cluster = first_cluster(&image, directory);
    set_first_cluster(&mut image, inner, cluster);
    let [listed, printed, copied, written] = use_all(&image);
    listed.unwrap();
    printed.unwrap();
    assert_refused(copied, &["in INNER", "within itself"]);
    written.unwrap();
}

#[test]
fn clusters_that_are_none_are_noticed() {
    for cluster in [1, 0xfe0, 0xfef, 0xffff] {
        let mut image = with_a_directory();
        let file = entry(&image, b"FILE       ");
        set_first_cluster(&mut image, file, cluster);
        let [listed, printed, copied, written] = use_all(&image);
        listed.unwrap();
        assert_refused(printed, &["damaged"]);
        assert_refused(copied, &["damaged"]);
        written.unwrap();
    }
}

#[test]
fn a_file_that_ends_early_is_noticed() {
    let mut image = with_a_directory();
    let file = entry(&image, b"FILE       ");
    let cluster = first_cluster(&image, file);
    set_next(&mut image, cluster, 0xfff);
    let bench = Bench::new(&image, 512);
    assert_refused(bench.cat(":/DIR/FILE"), &["1488 bytes early", "damaged"]);
    let folder = TempDir::new().unwrap();
    assert_refused(
        bench.cp(&["-", ":/DIR/FILE", text(folder.path())]),
        &["copying FILE", "early"],
    );
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_name_does_not_lead_out_of_the_copy() {
    let mut image = filled(|files| put(files, "AAAAA.TXT", b"x"));
    // The long name is what is taken, in UTF-16; its checksum is of the short one, which stays.
    let name: Vec<u8> = "AAAAA".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let at = image.windows(10).position(|window| window == name).unwrap();
    let evil: Vec<u8> = "../BB".encode_utf16().flat_map(u16::to_le_bytes).collect();
    image[at..at + 10].copy_from_slice(&evil);
    let folder = TempDir::new().unwrap();
    let bench = Bench::new(&image, 512);
    let inner = folder.path().join("inner");
    assert_refused(bench.cp(&[":/", text(&inner)]), &["damaged", "../BB"]);
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
}

#[test]
fn a_volume_larger_than_its_disk_is_noticed() {
    let mut image = formatted(4 * MIB, FatType::Fat12, 512);
    image.truncate(MIB);
    let bench = Bench::new(&image, 512);
    let folder = TempDir::new().unwrap();
    let large = folder.path().join("large");
    fs::write(&large, vec![1; 2 * MIB]).unwrap();
    assert_refused(bench.cp(&[text(&large), ":/"]), &["beyond the end"]);
}

#[test]
fn any_bytes_in_the_tables_end_in_an_answer() {
    let image = with_a_directory();
    // Boot sector, tables, root directory and what is in the first clusters.
    let tables = 40 * 512;
    let mut state = 1_u64;
    let mut random = move |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % below
    };
    for _ in 0..150 {
        let mut image = image.clone();
        for _ in 0..=random(12) {
            let at = random(tables);
            image[at] = random(256) as u8;
        }
        // Either is right; a panic is not, nor is going on for ever.
        for outcome in use_all(&image) {
            let _ = outcome;
        }
    }
}
