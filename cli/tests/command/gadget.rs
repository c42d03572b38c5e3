//! Gadgets without hardware: checked before they are deployed, and run on the in-process bus.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};

use crate::outcome::{Outcome, USBFS2, open_folder, usbfs2};

fn check(line: &str) -> Outcome {
    usbfs2(["gadget", "check"].into_iter().chain(line.split(' ')))
}

#[test]
fn what_fits_is_laid_out() {
    let printed = check("--udc dwc2 keyboard disk").printed();
    for part in [
        "dwc2: Raspberry Pi Zero",
        "7 IN and 7 OUT endpoints, high speed",
        "keyboard + disk fits: gadgetfs on dwc2, at high speed",
        "keyboard     interrupt IN    ep1in",
        "disk         bulk OUT        ep1out",
        "; 256 is the most",
    ] {
        assert!(printed.contains(part), "`{part}` is not in: {printed}");
    }
    // By what the kernel calls it, with its number.
    let printed = check("--udc musb-hdrc.0 --backend functionfs disk mouse").printed();
    assert!(
        printed.contains("disk + mouse fits: FunctionFS on musb"),
        "{printed}"
    );
    assert!(!printed.contains("is the most"), "{printed}");
    check("--backend loopback audio").printed();
    let printed = check("--udc dwc2 serial midi source-sink").printed();
    assert!(
        printed.contains("serial + midi + source-sink fits"),
        "{printed}"
    );
}

#[test]
fn what_does_not_fit_says_why_and_what_to_do() {
    for (line, problems) in [
        (
            "--udc tegra-xudc audio",
            &["tegra-xudc carries no isochronous transfers: use bulk, or another controller"][..],
        ),
        (
            "--udc dwc2 keyboard disk audio",
            &["302 bytes, gadgetfs can send 256: use fewer functions"],
        ),
        (
            "--udc aspeed-udc keyboard mouse gamepad tablet media-keys",
            &["aspeed-udc has no free endpoint for it (4 suit, all taken)"],
        ),
        (
            "--udc dwc2 --backend functionfs audio",
            &["no alternate settings", "type 0x24 here", "(and in "],
        ),
    ] {
        let outcome = check(line);
        assert_eq!(outcome.code, Some(1), "{line}: {outcome:?}");
        for problem in problems {
            let mut lines = outcome.stdout.lines();
            let found = lines.any(|line| line.starts_with("problem: ") && line.contains(problem));
            assert!(found, "{line}: `{problem}` is not in {outcome:?}");
        }
        let said = outcome.stderr.lines().collect::<Vec<_>>();
        assert!(
            matches!(&*said, [one] if one.contains(" does not fit: ")),
            "{line}: {outcome:?}"
        );
    }
}

#[test]
fn an_unknown_controller_brings_those_that_are_known() {
    let outcome = check("--udc pcd0 disk");
    assert_eq!(outcome.code, Some(1));
    for name in [
        "dwc2 ",
        "dwc3 ",
        "musb ",
        "ci_hdrc ",
        "cdns3 ",
        "dummy_udc ",
    ] {
        let mut lines = outcome.stdout.lines();
        assert!(
            lines.any(|line| line.starts_with(name)),
            "{name}: {outcome:?}"
        );
    }
    assert!(
        outcome.stderr.contains("a controller `pcd0`"),
        "{outcome:?}"
    );
}

#[test]
fn what_functionfs_cannot_carry_is_refused_before_anything_is_made() {
    let line = "gadget run audio --backend functionfs";
    let complaint = usbfs2(line.split(' ')).complaint();
    for part in [
        "Sound card cannot run on FunctionFS",
        "no alternate settings",
        "use gadgetfs",
    ] {
        assert!(complaint.contains(part), "`{part}` is not in: {complaint}");
    }
}

/// Runs a gadget on the in-process bus with these lines as its standard input, until the host has printed `last`; then
/// asks it to end. Returns what it printed and what it said.
fn dry_run(arguments: &[&str], input: &str, last: &str) -> (Vec<String>, String) {
    let mut child = Command::new(USBFS2)
        .args(["gadget", "run", "--backend", "loopback"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = child.stdin.take().unwrap();
    lines.write_all(input.as_bytes()).unwrap();
    drop(lines);
    let mut seen = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        seen.push(line.unwrap());
        if seen.last().is_some_and(|line| line == last) {
            break;
        }
    }
    let ended = Command::new("kill").arg(child.id().to_string()).status();
    assert!(ended.unwrap().success());
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    let status = child.wait().unwrap();
    assert!(status.success(), "{status}: {seen:?} {said}");
    (seen, said)
}

#[test]
fn a_dry_run_shows_what_a_host_sees() {
    let (seen, said) = dry_run(&["mouse"], "move 10 -5\nclick left\n", "up   button 1");
    let seen = seen.join("\n");
    for part in [
        "1209:0003  high speed       usbfs2 Mouse",
        "endpoint 0x81 interrupt IN, 5 bytes a packet",
        "move +10 -5\ndown button 1\nup   button 1",
    ] {
        assert!(seen.contains(part), "`{part}` is not in: {seen}");
    }
    for part in ["Ctrl-C unplugs", "in all: to the host 3 packets, 15 B"] {
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }

    for (kind, last) in [
        (
            "midi",
            "      endpoint 0x81 bulk IN, 64 bytes a packet, interval 0",
        ),
        (
            "serial",
            "      endpoint 0x82 bulk IN, 64 bytes a packet, interval 0",
        ),
        (
            "source-sink",
            "      endpoint 0x01 bulk OUT, 512 bytes a packet, interval 0",
        ),
    ] {
        let (seen, _) = dry_run(&[kind], "", last);
        assert!(seen.len() > 3, "{kind}: {seen:?}");
    }

    let folder = open_folder();
    let image = folder.path().join("image");
    let image = image.to_str().unwrap();
    let disk = ["disk", "--image", image, "--size", "8M"];
    let (seen, _) = dry_run(&disk, "", "8.00 MiB (16384 blocks of 512 bytes), writable");
    assert!(
        seen.iter()
            .any(|line| line.contains("mass storage (08/06/50)")),
        "{seen:?}"
    );
}
