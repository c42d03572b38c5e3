//! Files that are missing, closed, full or not what they should be: one line that says what to do, before
//! anything is plugged in.

use std::fs::{self, File};
use std::path::Path;

use fatfs::{FileSystem, FormatVolumeOptions, FsOptions, format_volume};
use fscommon::BufStream;

use crate::outcome::{open_folder, set_mode, usbfs2, usbfs2_unprivileged};

const MIB: u64 = 1024 * 1024;

/// A FAT file system of this size in a new sparse file.
pub(crate) fn fat_image(path: &Path, size_bytes: u64) {
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
        .unwrap();
    file.set_len(size_bytes).unwrap();
    // Large clusters: fatfs moves one at a time, and looks for room in a table of them.
    let options = FormatVolumeOptions::new().bytes_per_cluster(32 * 1024);
    format_volume(BufStream::new(file), options).unwrap();
}

/// Makes a file in the root directory of an image, of this size.
fn fill_image(image: &Path, name: &str, size_bytes: u64) {
    let file = File::options().read(true).write(true).open(image).unwrap();
    let files = FileSystem::new(BufStream::new(file), FsOptions::new()).unwrap();
    let mut content = std::io::Read::take(std::io::repeat(b'x'), size_bytes);
    let mut file = files.root_dir().create_file(name).unwrap();
    std::io::copy(&mut content, &mut file).unwrap();
}

#[track_caller]
fn assert_says(complaint: &str, parts: &[&str]) {
    for part in parts {
        assert!(complaint.contains(part), "`{part}` is not in: {complaint}");
    }
}

#[test]
fn a_text_that_cannot_be_typed_is_refused() {
    let folder = open_folder();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    for (path, parts) in [
        (
            file("umlaut", "Gr\u{fc}\u{df}e".as_bytes()),
            &[
                "'\u{fc}' (U+00FC)",
                "'\u{df}' (U+00DF)",
                "remove or replace them",
            ][..],
        ),
        (
            file("dos", b"one\r\ntwo\r\n"),
            &["'\\r' (U+000D)", "remove or replace it"],
        ),
        (file("empty", b""), &["is empty", "nothing to type"]),
        (
            file("binary", b"\xff\xfe"),
            &["cannot read the text", "UTF-8"],
        ),
        (
            "/nonexistent/text".into(),
            &["cannot read the text", "No such file"],
        ),
        (
            folder.path().to_str().unwrap().into(),
            &["cannot read the text", "Is a directory"],
        ),
    ] {
        let complaint = usbfs2(["demo", "--text", &path]).complaint();
        assert_says(&complaint, parts);
        assert_says(&complaint, &[&path]);
    }
    let umlaut = folder.path().join("umlaut");
    let complaint = usbfs2(["gadget", "keyboard", "--text", umlaut.to_str().unwrap()]).complaint();
    assert_says(&complaint, &["'\u{fc}' (U+00FC)", "remove or replace them"]);
}

#[test]
fn an_image_that_the_demo_cannot_use_is_refused() {
    let folder = open_folder();
    let path = |name: &str| folder.path().join(name);
    fat_image(&path("small"), 40 * MIB);
    fat_image(&path("full"), 80 * MIB);
    fill_image(&path("full"), "HOLIDAY.MOV", 32 * MIB);
    fat_image(&path("used"), 80 * MIB);
    fill_image(&path("used"), "USBFS2.BIN", 1);
    fs::write(path("zeros"), vec![0; 4096]).unwrap();
    fs::write(path("empty"), b"").unwrap();
    for (image, parts) in [
        (
            path("small"),
            &["39.", "MiB free", "needs 64.00 MiB", "take a larger one"][..],
        ),
        (
            path("full"),
            &["47.", "MiB free", "needs 64.00 MiB", "delete files from it"],
        ),
        (path("used"), &["a file USBFS2.BIN already", "remove it"]),
        (path("zeros"), &["no FAT file system", "mkfs.vfat"]),
        (path("empty"), &["no FAT file system", "mkfs.vfat"]),
        (path("missing"), &["cannot read", "No such file"]),
        (
            folder.path().into(),
            &["is not an image", "give a regular file"],
        ),
        (
            "/dev/zero".into(),
            &["is not an image", "give a regular file"],
        ),
    ] {
        let image = image.to_str().unwrap();
        let complaint = usbfs2(["demo", "--image", image]).complaint();
        assert_says(&complaint, parts);
        assert_says(&complaint, &[image]);
    }
}

/// A WAV file of these 16-bit samples, in mono at 8000 Hz.
pub(crate) fn wav(samples: &[i16]) -> Vec<u8> {
    let data: Vec<u8> = samples
        .iter()
        .flat_map(|sample| sample.to_le_bytes())
        .collect();
    let length = u32::try_from(data.len()).unwrap();
    let mut file = b"RIFF".to_vec();
    file.extend((36 + length).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data");
    file.extend(length.to_le_bytes());
    file.extend(data);
    file
}

#[test]
fn a_wav_file_that_cannot_be_used_is_refused_before_any_device_is_looked_for() {
    let folder = open_folder();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let sound = wav(&[1000; 8000]);
    let mut mp3_in_wav = sound.clone();
    mp3_in_wav[20] = 0x55;
    for (path, parts) in [
        (file("empty", b""), &["it is empty"][..]),
        (
            file("song.flac", b"fLaC\0\0\0\x22\x10\0\x10\0"),
            &["no WAV file", "ffmpeg -i FILE FILE.wav"],
        ),
        (
            file("cut", &sound[..12_044]),
            &[
                "truncated: it has 0.75 s of sound and says it has 1.00 s",
                "ffmpeg",
            ],
        ),
        (file("header", &sound[..30]), &["truncated"]),
        (file("nothing", &wav(&[])), &["no sound in it"]),
        (
            file("mp3", &mp3_in_wav),
            &["compressed, in format 0x0055", "ffmpeg"],
        ),
        ("/nonexistent/sound".into(), &["cannot use", "No such file"]),
        (
            folder.path().to_str().unwrap().into(),
            &["cannot use", "Is a directory"],
        ),
    ] {
        for arguments in [
            &["audio", "play", &path][..],
            &["demo", "--wav", &path],
            &["gadget", "audio", "--input", &path],
        ] {
            let complaint = usbfs2(arguments).complaint();
            assert_says(&complaint, parts);
            assert_says(&complaint, &[&path]);
        }
    }
    let silent = file("silent", &wav(&[0; 800]));
    let complaint = usbfs2(["demo", "--wav", &silent]).complaint();
    assert_says(&complaint, &[&silent, "is silent", "nothing to hear"]);
    let other_rate = file("sound", &sound);
    let arguments = ["gadget", "audio", "--rate", "48000", "--input", &other_rate];
    let complaint = usbfs2(arguments).complaint();
    assert_says(
        &complaint,
        &["--input has 8000 Hz", "48000 Hz", "leave --rate out"],
    );
}

#[test]
fn a_sound_card_that_cannot_be_is_refused() {
    for (arguments, part) in [
        (["--channels", "40"], "use 1 to 32"),
        (["--rate", "10"], "use 1000 to 768000"),
        (["--channels", "16"], "full speed has room for 1023"),
    ] {
        let complaint = usbfs2(["gadget", "audio"].iter().chain(&arguments)).complaint();
        assert_says(&complaint, &[part]);
    }
}

#[test]
fn files_that_may_not_be_read_or_written_are_refused() {
    let folder = open_folder();
    let file = folder.path().join("secret");
    fs::write(&file, "secret").unwrap();
    set_mode(&file, 0o000);
    let file = file.to_str().unwrap();
    for option in ["--text", "--image"] {
        let complaint = usbfs2_unprivileged(["demo", option, file]).complaint();
        assert_says(&complaint, &["cannot read", file, "Permission denied"]);
    }
    let read_only = ["gadget", "disk", "--read-only", "--image", file];
    let complaint = usbfs2_unprivileged(read_only).complaint();
    assert_says(&complaint, &[file, "may not be read: change its"]);

    set_mode(Path::new(file), 0o444);
    let writable = ["gadget", "disk", "--image", file];
    let complaint = usbfs2_unprivileged(writable).complaint();
    assert_says(&complaint, &["may not be written", "give --read-only"]);
}

#[test]
fn an_image_that_cannot_be_a_disk_is_refused() {
    let folder = open_folder();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("odd"), b"no block").unwrap();
    fs::write(path("empty"), b"").unwrap();
    fs::write(path("there"), [0; 512]).unwrap();
    for (arguments, parts) in [
        (
            vec![path("missing")],
            &["does not exist", "truncate -s 64M"][..],
        ),
        (vec![path("odd")], &["8 bytes", "truncate -s %512"]),
        (vec![path("empty")], &["is empty", "truncate -s 64M"]),
        (vec![path("")], &["is not an image", "give a regular file"]),
        (
            vec![path("there"), "--size".into(), "1M".into()],
            &["there already and has 512 bytes", "leave --size out"],
        ),
        (
            vec![path("new"), "--size".into(), "1000".into()],
            &["--size 1000", "a multiple of 512"],
        ),
        (
            vec![path("new"), "--size".into(), "0".into()],
            &["--size 0", "a multiple of 512"],
        ),
    ] {
        let start = ["gadget", "disk", "--image"].map(String::from);
        let complaint = usbfs2(start.into_iter().chain(arguments)).complaint();
        assert_says(&complaint, parts);
    }
    assert!(!Path::new(&path("new")).exists());
}

#[test]
fn being_a_device_takes_rights_and_a_controller() {
    let folder = open_folder();
    let image = folder.path().join("image");
    fs::write(&image, [0; 512]).unwrap();
    let image = image.to_str().unwrap();
    let arguments = ["gadget", "disk", "--read-only", "--image", image];
    let complaint = usbfs2_unprivileged(arguments).complaint();
    let ways_out = ["run as root", "modprobe gadgetfs", "modprobe dummy_hcd"];
    let says = ways_out.iter().any(|way_out| complaint.contains(way_out));
    assert!(says, "{complaint}");
}
