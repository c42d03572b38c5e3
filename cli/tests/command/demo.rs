//! `usbfs2 demo` from end to end.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::bad_input::fat_image;
use crate::outcome::{USBFS2, usbfs2};

#[test]
fn the_tour_types_the_readme_and_fills_a_new_disk() {
    let readme = include_str!("../../../README.md");
    let printed = usbfs2(["demo"]).printed();
    for expected in [
        format!(
            "{} characters typed and read back equal; num lock lit",
            readme.len()
        ),
        "it began \"# usbfs2: USB endpoints are files\"".into(),
        "a new FAT file system on 128.00 MiB".into(),
        "cable pulled in the middle of the copy: the disk is disconnected".into(),
        "64.00 MiB copied out".into(),
        "read back equal, sha256 ".into(),
        "the medium itself holds the same".into(),
        "a voice that says \"U S B\" played, 1.80 s at 48000 Hz".into(),
        "each of 172800 samples as it was".into(),
    ] {
        assert!(
            printed.contains(&expected),
            "`{expected}` is not in: {printed}"
        );
    }
    let row = |device: &str| -> Vec<&str> {
        let found = printed
            .lines()
            .find(|line| line.starts_with(&format!(" {device} ")));
        found.unwrap_or_default().split_whitespace().collect()
    };
    assert_eq!(row("keyboard")[3..], ["none"]);
    assert_eq!(row("disk")[3..], ["cable", "pulled", "while", "writing"]);
    // Two words of a name.
    let bytes: u64 = row("sound card")[3].parse().unwrap();
    assert!(bytes >= 2 * 172_800 * 2, "{printed}");
    // Once out and once in.
    let bytes: u64 = row("disk")[2].parse().unwrap();
    assert!(bytes >= 2 * 64 * 1024 * 1024, "{printed}");
    assert!(
        printed.ends_with("\nEverything that was sent arrived.\n"),
        "{printed}"
    );
}

#[test]
fn the_tour_types_a_given_text_and_fills_a_copy_of_a_given_image() {
    let folder = TempDir::new().unwrap();
    let text = folder.path().join("text");
    let typed = "Two lines,\n\twith \"!@#$%^&*()\" in them.\n";
    fs::write(&text, typed).unwrap();
    let image = folder.path().join("stick.img");
    fat_image(&image, 80 * 1024 * 1024);
    let before = fs::read(&image).unwrap();
    let capture = folder.path().join("tour.pcapng");

    let arguments = [
        "demo",
        "--text",
        text.to_str().unwrap(),
        "--image",
        image.to_str().unwrap(),
        "--capture",
        capture.to_str().unwrap(),
    ];
    let printed = usbfs2(arguments).printed();

    let count = format!("Keyboard: {} characters typed", typed.len());
    assert!(printed.contains(&count), "{printed}");
    assert!(printed.contains("it began \"Two lines,\""), "{printed}");
    let copied = format!("Disk: a copy of {}.", image.display());
    assert!(printed.contains(&copied), "{printed}");
    let captured = format!("packets are in {}: ", capture.display());
    assert!(
        printed.contains("\nEverything that was sent arrived.\n") && printed.contains(&captured),
        "{printed}"
    );
    // Dissecting it is a check of `cargo xtask test`.
    let file = fs::read(&capture).unwrap();
    assert_eq!(file[..4], 0x0a0d_0d0a_u32.to_ne_bytes());
    assert!(fs::read(&image).unwrap() == before, "the image was changed");
}

/// In a terminal, which `script` (of Debian's essential bsdutils) makes.
#[test]
fn a_terminal_shows_progress_and_its_ctrl_c_leaves_nothing_behind() {
    let folder = TempDir::new().unwrap();
    let mut terminal = Command::new("script")
        .args(["--quiet", "--flush", "--return", "/dev/null", "--command"])
        .arg(format!("stty cols 80 rows 24; exec '{USBFS2}' demo"))
        .env("TMPDIR", folder.path())
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keys = terminal.stdin.take().unwrap();
    let mut screen = BufReader::new(terminal.stdout.take().unwrap());

    // The bar is drawn again and again on one line.
    let bar = loop {
        let mut drawn = Vec::new();
        let read = screen.read_until(b'\r', &mut drawn).unwrap();
        assert_ne!(read, 0, "the tour ended and no bar was seen");
        let drawn = String::from_utf8(drawn).unwrap();
        if let Some(at) = drawn.find("copying out =") {
            break drawn[at..].trim_end().to_owned();
        }
    };
    assert!(bar.contains("MiB of 64.00 MiB"), "{bar}");
    assert!(bar.contains("MiB/s, ") && bar.ends_with("s left"), "{bar}");
    assert!(bar.chars().count() < 80, "{bar}");

    let files = || folder.path().read_dir().unwrap().count();
    assert_eq!(files(), 1);
    const CONTROL_C: u8 = 3;
    keys.write_all(&[CONTROL_C]).unwrap();
    let mut rest = String::new();
    screen.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("usbfs2: interrupted\r\n"), "{rest}");
    assert_eq!(terminal.wait().unwrap().code(), Some(1));
    assert_eq!(files(), 0);
}
