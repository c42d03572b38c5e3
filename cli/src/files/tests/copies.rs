//! Copies to a disk and back.

use std::fs;
use std::time::{Duration, SystemTime};

use fatfs::FatType;
use tempfile::TempDir;
use usbfs2_gadget::functions::mass_storage::DiskOptions;

use super::bench::{Bench, MIB, filled, formatted, put, text};

/// Bytes that differ from block to block.
fn noise(length: usize) -> Vec<u8> {
    let words = (0_u32..).flat_map(|word| word.wrapping_mul(0x9e37_79b9).to_le_bytes());
    words.take(length).collect()
}

/// 2023-11-14 22:13:20 UTC: even, as FAT has it.
fn long_ago() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

fn tree() -> TempDir {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("tree");
    fs::create_dir_all(root.join("inner/A long name of a directory")).unwrap();
    for (name, content) in [
        ("empty", vec![]),
        ("one byte.txt", vec![7]),
        ("inner/README.TXT", b"hello".to_vec()),
        (
            "inner/A long name of a directory/\u{e4}\u{f6}.bin",
            noise(300_001),
        ),
    ] {
        fs::write(root.join(name), content).unwrap();
        let file = fs::File::options().write(true).open(root.join(name));
        file.unwrap().set_modified(long_ago()).unwrap();
    }
    folder
}

#[test]
fn a_tree_goes_to_every_kind_of_fat_and_back() {
    let source = tree();
    for (fat, bytes, block_size) in [
        (FatType::Fat12, 2 * MIB, 512),
        (FatType::Fat16, 8 * MIB, 512),
        (FatType::Fat32, 40 * MIB, 512),
        (FatType::Fat12, 8 * MIB, 4096),
        (FatType::Fat16, 32 * MIB, 4096),
    ] {
        let bench = Bench::new(&formatted(bytes, fat, block_size), block_size);
        bench
            .cp(&[text(&source.path().join("tree")), ":/"])
            .unwrap();
        assert_eq!(
            bench.content("tree/inner/A long name of a directory/\u{e4}\u{f6}.bin"),
            Some(noise(300_001)),
            "{fat:?}"
        );
        assert_eq!(bench.cat(":/TREE/inner/readme.txt").unwrap(), b"hello");
        // `.` begins a directory, and no long name is in between.
        let image = bench.image();
        let record = image
            .chunks(32)
            .position(|it| it.starts_with(b".          "));
        let at = record.unwrap() * 32;
        assert!(at % block_size as usize == 0, "{fat:?}");
        assert!(image[at + 32..].starts_with(b"..         "), "{fat:?}");
        assert_eq!(image[at + 32 + 26..at + 32 + 28], [0, 0], "{fat:?}");
        assert_eq!(
            bench.ls(":/tree", None).unwrap(),
            [
                "-----          0  empty",
                "d----          -  inner/",
                "-----          1  one byte.txt"
            ]
        );

        let copy = TempDir::new().unwrap();
        let target = copy.path().join("back");
        bench.cp(&[":/tree", text(&target)]).unwrap();
        for name in [
            "empty",
            "one byte.txt",
            "inner/README.TXT",
            "inner/A long name of a directory/\u{e4}\u{f6}.bin",
        ] {
            let original = fs::read(source.path().join("tree").join(name)).unwrap();
            assert!(fs::read(target.join(name)).unwrap() == original, "{name}");
            let modified = fs::metadata(target.join(name)).unwrap().modified();
            assert_eq!(modified.unwrap(), long_ago(), "{name}");
        }
        // Into a directory that is there.
        bench.cp(&[":/tree/inner", text(copy.path())]).unwrap();
        assert!(copy.path().join("inner/README.TXT").is_file());
        // All there is.
        bench.cp(&[":/", text(&copy.path().join("all"))]).unwrap();
        assert!(copy.path().join("all/tree/empty").is_file());
    }
}

#[test]
fn a_file_is_replaced_whatever_the_case_of_its_name() {
    let bench = Bench::new(&filled(|files| put(files, "Notes.txt", &[1; 70_000])), 512);
    let folder = TempDir::new().unwrap();
    let new = folder.path().join("new");
    fs::write(&new, "short").unwrap();
    bench.cp(&["-", text(&new), ":/NOTES.TXT"]).unwrap();
    assert_eq!(bench.content("notes.txt").unwrap(), b"short");
    assert_eq!(bench.ls(":/", None).unwrap().len(), 1);

    // And on this machine.
    fs::write(folder.path().join("Notes.txt"), [2; 100]).unwrap();
    bench
        .cp(&["-", ":/notes.txt", text(&folder.path().join("Notes.txt"))])
        .unwrap();
    assert_eq!(fs::read(folder.path().join("Notes.txt")).unwrap(), b"short");
}

#[test]
fn many_files_make_a_directory_grow() {
    let folder = TempDir::new().unwrap();
    let many = folder.path().join("many");
    fs::create_dir(&many).unwrap();
    for number in 0..100 {
        fs::write(many.join(format!("file number {number}")), [number]).unwrap();
    }
    let bench = Bench::new(&formatted(2 * MIB, FatType::Fat12, 512), 512);
    bench.cp(&[text(&many), ":/"]).unwrap();
    assert_eq!(bench.ls(":/many", None).unwrap().len(), 100);
    assert_eq!(bench.cat(":/many/file number 99").unwrap(), [99]);
}

#[test]
fn several_files_go_to_a_directory() {
    let bench = Bench::new(
        &filled(|files| {
            files.root_dir().create_dir("docs").unwrap();
        }),
        512,
    );
    let folder = TempDir::new().unwrap();
    let [one, two] = ["one", "two"].map(|name| {
        let path = folder.path().join(name);
        fs::write(&path, name).unwrap();
        path
    });
    bench.cp(&["-", text(&one), text(&two), ":/docs"]).unwrap();
    assert_eq!(bench.content("docs/one").unwrap(), b"one");
    let back = TempDir::new().unwrap();
    bench
        .cp(&["-", ":/docs/one", ":/docs/two", text(back.path())])
        .unwrap();
    assert_eq!(fs::read(back.path().join("two")).unwrap(), b"two");
}

#[test]
fn a_script_is_told_everything() {
    let bench = Bench::new(&filled(|files| put(files, "A long name.txt", b"abc")), 512);
    let facts = bench.json(":/").unwrap();
    let [file] = &facts.as_array().unwrap()[..] else {
        panic!("{facts}");
    };
    assert_eq!(file["name"], "A long name.txt");
    assert_eq!(file["short_name"], "ALONGN~1.TXT");
    assert_eq!(file["bytes"], 3);
    assert_eq!(file["directory"], false);
    let modified = file["modified"].as_str().unwrap();
    assert!(
        modified.starts_with("20") && modified.contains('T'),
        "{modified}"
    );
}

#[test]
fn looking_writes_nothing() {
    let image = filled(|files| {
        put(files, "file", &[3; 5000]);
        files.root_dir().create_dir("directory").unwrap();
    });
    let options = DiskOptions {
        read_only: true,
        ..DiskOptions::default()
    };
    let bench = Bench::with(&image, options);
    bench.ls(":/", None).unwrap();
    bench.cat(":/file").unwrap();
    let folder = TempDir::new().unwrap();
    bench.cp(&[":/", text(&folder.path().join("all"))]).unwrap();
    assert_eq!(fs::read(folder.path().join("all/file")).unwrap(), [3; 5000]);
    assert!(bench.image() == image);
}
