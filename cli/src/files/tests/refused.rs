//! What cannot be done is explained, and changes nothing.

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::symlink;

use fatfs::{FatType, FormatVolumeOptions, format_volume};
use tempfile::TempDir;
use usbfs2_gadget::functions::mass_storage::DiskOptions;

use super::bench::{Bench, MIB, assert_refused, filled, formatted, put, text};

fn with_a_file() -> Bench {
    Bench::new(
        &filled(|files| {
            put(files, "file", b"content");
            files.root_dir().create_dir("directory").unwrap();
        }),
        512,
    )
}

#[test]
fn a_path_that_leads_nowhere_is_refused() {
    let bench = with_a_file();
    let folder = TempDir::new().unwrap();
    let here = text(folder.path());
    assert_refused(bench.ls(":/missing", None), &["no /missing", "disk ls"]);
    assert_refused(bench.cat(":/missing"), &["no /missing"]);
    assert_refused(bench.cat(":/file/x"), &["/file is a file"]);
    assert_refused(bench.cat(":/directory"), &["is a directory", "disk ls"]);
    assert_refused(bench.cp(&[":/missing", here]), &["no /missing"]);
    assert_refused(bench.cp(&["-", ":/directory", here]), &["give -r"]);
    assert_refused(
        bench.cp(&[":/file", ":/directory", text(&folder.path().join("new"))]),
        &["not a directory", "several"],
    );
    assert_refused(
        bench.cp(&[":/file", "/nonexistent/x"]),
        &["cannot write /nonexistent/x", "No such file"],
    );
    assert_refused(
        bench.cp(&["/nonexistent", ":/"]),
        &["cannot read /nonexistent", "No such file"],
    );
    assert_refused(bench.cp(&["-", here, ":/"]), &["give -r"]);
    assert_refused(bench.cp(&["/dev/null", ":/"]), &["neither a file"]);
    let local = folder.path().join("local");
    fs::write(&local, "x").unwrap();
    assert_refused(
        bench.cp(&[text(&local), ":/none/x"]),
        &["no directory /none"],
    );
    assert_refused(bench.cp(&[text(&local), ":/file/x"]), &["/file is a file"]);
    fs::create_dir(folder.path().join("file")).unwrap();
    assert_refused(
        bench.cp(&[text(&folder.path().join("file")), ":/"]),
        &["file is a file on the disk"],
    );
    assert_refused(
        bench.cp(&[":/file", here]),
        &["is a directory", "remove it"],
    );
    assert_eq!(bench.content("file").unwrap(), b"content");
}

#[test]
fn sides_that_make_no_copy_are_refused() {
    let bench = with_a_file();
    assert_refused(bench.cp(&["a", "b"]), &["neither side", "1-1:/file"]);
    assert_refused(bench.cp(&[":/a", ":/b"]), &["both on a disk"]);
    assert_refused(bench.cp(&["1-1:/a", "1-2:/b", "c"]), &["on two disks"]);
}

#[test]
fn a_write_protected_disk_is_not_written() {
    let image = formatted(2 * MIB, FatType::Fat12, 512);
    let options = DiskOptions {
        read_only: true,
        ..DiskOptions::default()
    };
    let bench = Bench::with(&image, options);
    assert_refused(bench.cp(&["/dev/null", ":/"]), &["write-protected"]);
    assert!(bench.image() == image);
}

#[test]
fn a_disk_that_is_too_full_keeps_what_it_had() {
    let bench = with_a_file();
    let folder = TempDir::new().unwrap();
    let large = folder.path().join("file");
    fs::write(&large, vec![1; 3 * MIB]).unwrap();
    assert_refused(
        bench.cp(&[text(&large), ":/"]),
        &["too full for file", "3145728 bytes", "larger disk"],
    );
    assert_eq!(bench.content("file").unwrap(), b"content");

    // Many files fill it in the middle of the copy: what was copied is whole.
    let many = folder.path().join("many");
    fs::create_dir(&many).unwrap();
    for number in 0..12 {
        fs::write(many.join(number.to_string()), vec![number; 200_000]).unwrap();
    }
    assert_refused(bench.cp(&[text(&many), ":/"]), &["too full"]);
    let there = bench.ls(":/many", None).unwrap();
    assert!((5..12).contains(&there.len()), "{there:?}");
    assert!(
        there.iter().all(|line| line.contains(" 200000 ")),
        "{there:?}"
    );
}

#[test]
fn what_fat_cannot_hold_is_refused() {
    let bench = with_a_file();
    let folder = TempDir::new().unwrap();
    let colon = folder.path().join("a:b");
    fs::write(&colon, "x").unwrap();
    assert_refused(bench.cp(&[text(&colon), ":/"]), &["a:b", "unsupported"]);
    let huge = folder.path().join("huge");
    let file = fs::File::create(&huge).unwrap();
    file.set_len(1 << 32).unwrap();
    assert_refused(bench.cp(&[text(&huge), ":/"]), &["4294967295", "split it"]);
    let cases = folder.path().join("cases");
    fs::create_dir(&cases).unwrap();
    fs::write(cases.join("name"), "x").unwrap();
    fs::write(cases.join("Name"), "y").unwrap();
    assert_refused(bench.cp(&[text(&cases), ":/"]), &["one name on FAT"]);
    let within = folder.path().join("within");
    fs::create_dir(&within).unwrap();
    symlink(&within, within.join("itself")).unwrap();
    assert_refused(bench.cp(&[text(&within), ":/"]), &["within itself"]);
}

#[test]
fn a_full_root_directory_is_explained() {
    let mut image = Cursor::new(vec![0; MIB]);
    let options = FormatVolumeOptions::new().max_root_dir_entries(32);
    format_volume(&mut image, options).unwrap();
    let bench = Bench::new(&image.into_inner(), 512);
    let folder = TempDir::new().unwrap();
    for number in 0..40 {
        fs::write(folder.path().join(format!("{number}")), "").unwrap();
    }
    let mut files: Vec<_> = folder.path().read_dir().unwrap().flatten().collect();
    files.sort_by_key(fs::DirEntry::file_name);
    let mut paths: Vec<String> = files
        .iter()
        .map(|file| text(&file.path()).to_owned())
        .collect();
    paths.push(":/".into());
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    assert_refused(bench.cp(&paths), &["root directory is full"]);
}
