//! Help, completions, and arguments that are wrong.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::outcome::usbfs2;

#[test]
fn every_subcommand_has_help() {
    for path in [
        "",
        "list",
        "verify",
        "hid",
        "hid monitor",
        "hid send",
        "disk",
        "disk info",
        "disk read",
        "disk ls",
        "disk cp",
        "disk cat",
        "disk write",
        "disk verify",
        "audio",
        "audio info",
        "audio play",
        "audio record",
        "audio meter",
        "gadget",
        "gadget keyboard",
        "gadget disk",
        "gadget audio",
        "gadget run",
        "gadget run keyboard",
        "gadget check",
        "gadget clean",
        "capture",
        "doctor",
        "demo",
        "man",
        "completions",
    ] {
        let help = usbfs2(path.split_whitespace().chain(["--help"])).printed();
        let usage = format!("\nUsage: usbfs2 {path}");
        assert!(help.contains(usage.trim_end()), "{path}: {help}");
        let description = help.lines().next().unwrap_or_default();
        assert!(description.len() > 5, "{path}: {help}");
    }
}

#[test]
fn the_version_is_told() {
    let expected = concat!("usbfs2 ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(usbfs2(["--version"]).printed(), expected);
}

#[test]
fn wrong_arguments_are_explained() {
    for (line, explanation) in [
        ("lsit", "similar subcommand exists: 'list'"),
        ("list --jsno", "similar argument exists: '--json'"),
        ("disk read 1-1", "<FILE>"),
        ("disk read 1-1 x --length 64KB", "such as 4096, 64K or 1G"),
        ("disk read 1-1 x --length 99999999T", "more than 2^64 bytes"),
        ("disk info 1-1 --lun 16", "0..=15"),
        ("disk cp :/file", "2 values required"),
        ("disk ls --partition 0", "1.."),
        ("hid send", "--leds <NAMES>|--output <HEX>|--feature <HEX>"),
        (
            "hid send --leds blink",
            "num, caps, scroll, compose, kana, none",
        ),
        ("hid send --output 00f", "even number of hexadecimal digits"),
        ("hid send --leds num --output 00", "cannot be used with"),
        ("gadget disk", "--image <FILE>"),
        ("audio play", "<FILE>"),
        ("audio play x --volume loud", "such as -6 or -6dB"),
        ("audio play x --latency 0", "milliseconds from 1 to 2000"),
        ("audio record x --resample", "--rate <HZ>"),
        ("audio record x --bits 33", "1..=32"),
        ("audio meter --duration 1m", "such as 10 or 0.5"),
        ("gadget audio --bits 20", "16, 24, 32"),
        ("gadget audio --ppm 2000", "-1000..=1000"),
        ("gadget audio --loop --input x", "cannot be used with"),
        (
            "gadget run mouse --backend usbip",
            "gadgetfs, functionfs, loopback",
        ),
        ("gadget check --udc dwc2", "<KIND>"),
        ("gadget check --udc dwc2 toaster", "keyboard, mouse, tablet"),
        ("capture 1-1", "--output <FILE>"),
        ("capture 1-1 --bus 1 -o x", "cannot be used with"),
        ("capture -o x --snaplen 262097", "0..=262096"),
        ("capture -o x --duration 1m", "such as 10 or 0.5"),
        ("demo --kernel --capture x", "cannot be used with"),
        ("completions tcsh", "bash, elvish, fish, powershell, zsh"),
    ] {
        let outcome = usbfs2(line.split(' '));
        assert_eq!((outcome.code, &*outcome.stdout), (Some(2), ""), "{line}");
        assert!(outcome.stderr.contains(explanation), "{line}: {outcome:?}");
    }
}

#[test]
fn completions_know_the_subcommands_in_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = usbfs2(["completions", shell]).printed();
        for word in ["usbfs2", "monitor", "verify", "doctor", "--removable"] {
            // fish has options without their dashes.
            let word = if shell == "fish" {
                word.trim_start_matches('-')
            } else {
                word
            };
            assert!(script.contains(word), "{shell} completions lack {word}");
        }
    }
}

#[test]
fn bash_takes_its_completions() {
    let script = usbfs2(["completions", "bash"]).printed();
    let mut bash = Command::new("bash")
        .arg("-n")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    bash.stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    assert!(bash.wait().unwrap().success());
}

#[test]
fn a_disk_is_written_to_by_a_verification_of_disks_alone() {
    let outcome = usbfs2(["verify", "1-1", "--allow-writes"]);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains("--mass-storage"), "{outcome:?}");
    let outcome = usbfs2(["verify", "1-1", "--deadline", "0"]);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains("from 10 to 600000"), "{outcome:?}");
}
