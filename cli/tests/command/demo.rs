//! `usbfs2 demo` from end to end.

use std::fs;
use std::io::{BufRead, BufReader};
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

    let arguments = [
        "demo",
        "--text",
        text.to_str().unwrap(),
        "--image",
        image.to_str().unwrap(),
    ];
    let printed = usbfs2(arguments).printed();

    let count = format!("Keyboard: {} characters typed", typed.len());
    assert!(printed.contains(&count), "{printed}");
    assert!(printed.contains("it began \"Two lines,\""), "{printed}");
    let copied = format!("Disk: a copy of {}.", image.display());
    assert!(printed.contains(&copied), "{printed}");
    assert!(
        printed.ends_with("\nEverything that was sent arrived.\n"),
        "{printed}"
    );
    assert!(fs::read(&image).unwrap() == before, "the image was changed");
}

#[test]
fn ctrl_c_ends_the_tour_and_leaves_nothing_behind() {
    let folder = TempDir::new().unwrap();
    let mut tour = Command::new(USBFS2)
        .arg("demo")
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tour.stdout.take().unwrap()).lines();
    let formatted = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("FAT")));
    assert!(formatted.is_some());
    let files = || folder.path().read_dir().unwrap().count();
    assert_eq!(files(), 1);

    let interrupt = format!("kill -INT {}", tour.id());
    let sent = Command::new("sh")
        .args(["-c", &interrupt])
        .status()
        .unwrap();
    assert!(sent.success());
    for line in lines {
        let line = line.unwrap();
        assert!(!line.contains("arrived"), "{line}");
    }
    let output = tour.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "usbfs2: interrupted\n"
    );
    assert_eq!(files(), 0);
}
