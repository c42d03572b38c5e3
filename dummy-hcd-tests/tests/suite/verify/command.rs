//! `usbfs2 verify` as users run it: what it prints, how it ends, and what Ctrl-C leaves.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::wait;
use serde_json::Value;
use usbfs2_gadget::GadgetfsOptions;
use usbfs2_gadget::functions::Keyboard;

use super::expected::through_usbfs2;
use super::verified;
use crate::command::{self, Running, path, usbfs2};
use crate::runner::Test;

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::new("command::verify_prints_a_table_or_json_and_fails", prints),
        Test::new("command::verify_finds_a_disk_s_lie", finds_a_lie),
        Test::new(
            "command::verify_puts_back_what_it_altered_when_interrupted",
            interrupted,
        ),
    ]
}

/// The names of the checks that failed, in rows of JSON.
fn failed(rows: &[u8]) -> Result<Vec<String>> {
    let rows: Vec<Value> = serde_json::from_slice(rows)?;
    let failed = rows.iter().filter(|row| row["outcome"] == "failed");
    let mut names = Vec::new();
    for row in failed {
        let is_told = ["section", "expected", "seen"]
            .iter()
            .all(|key| row[key].is_string());
        ensure!(is_told, "{row}");
        names.extend(row["check"].as_str().map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// `dummy_hcd` breaks rules in the place of any device, so that none passes here.
fn prints() -> Result<()> {
    let gadget = verified(Keyboard::new())?.start_gadgetfs(&GadgetfsOptions::default())?;
    let device = SysfsDevice::wait(0)?;
    device.wait_driver(0, "usbhid")?;
    let known = through_usbfs2();

    let table = command::run(&["verify", device.name(), "--rounds", "1"])?;
    ensure!(table.status.code() == Some(1), "{table:?}");
    let complaint = String::from_utf8_lossy(&table.stderr);
    let expected = format!("usbfs2: the device failed {} checks\n", known.len());
    ensure!(complaint == expected, "{complaint}");
    let printed = String::from_utf8_lossy(&table.stdout);
    let lines: Vec<&str> = printed
        .lines()
        .filter(|line| line.starts_with("  "))
        .collect();
    for name in &known {
        let is_told = |line: &&str| line.starts_with("  failed") && line.contains(name);
        ensure!(
            lines.iter().any(is_told),
            "no failure of {name} in\n{printed}"
        );
    }
    device.wait_driver(0, "usbhid")?;

    let json = command::run(&["verify", device.name(), "--rounds", "1", "--json"])?;
    ensure!(json.status.code() == Some(1), "{json:?}");
    ensure!(failed(&json.stdout)? == known, "{:?}", failed(&json.stdout));
    let rows: Vec<Value> = serde_json::from_slice(&json.stdout)?;
    ensure!(
        rows.len() == lines.len(),
        "{} rows, {} lines",
        rows.len(),
        lines.len()
    );
    device.wait_driver(0, "usbhid")?;
    ensure!(gadget.failures().is_empty(), "{:?}", gadget.failures());
    Ok(())
}

fn finds_a_lie() -> Result<()> {
    let directory = tempfile::tempdir_in("/dev/shm")?;
    let image = directory.path().join("image");
    let image = path(&image)?;
    let disk = ["gadget", "disk", "--image", image, "--size", "1M"];
    // The residue is 0, however much is missing.
    let gadget = Running::start(&[&disk[..], &["--misbehave", "no-residue"]].concat())?;
    let device = SysfsDevice::wait(0)?;
    device.wait_driver(0, "usb-storage")?;
    let verify = [
        "verify",
        device.name(),
        "--rounds",
        "1",
        "--json",
        "--mass-storage",
    ];
    let output = command::run(&verify)?;
    ensure!(output.status.code() == Some(1), "{output:?}");
    let mut of_device = failed(&output.stdout)?;
    let known = through_usbfs2();
    of_device.retain(|name| !known.contains(&name.as_str()));
    let is_found = of_device.iter().any(|name| name.starts_with("case 5"));
    ensure!(is_found, "the lie is not found: {of_device:?}");
    device.wait_driver(0, "usb-storage")?;
    gadget.end()
}

/// In the middle of many enumerations.
fn interrupted() -> Result<()> {
    const ROUNDS: &str = "60";
    const LAST: &str = "suspended: the configuration is kept";
    let gadget = verified(Keyboard::new())?.start_gadgetfs(&GadgetfsOptions::default())?;
    let device = SysfsDevice::wait(0)?;
    device.wait_driver(0, "usbhid")?;
    let [control, delay] = ["power/control", "power/autosuspend_delay_ms"];
    let before = [device.attribute(control)?, device.attribute(delay)?];
    let number = device.attribute("devnum")?;

    let mut verify = usbfs2()?
        .args(["verify", device.name(), "--rounds", ROUNDS])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let output = verify.stdout.take().context("standard output is a pipe")?;
    let mut output = BufReader::new(output);
    let mut line = String::new();
    while !line.contains(LAST) {
        line.clear();
        ensure!(output.read_line(&mut line)? > 0, "it ended before {LAST}");
    }
    // Several rounds later, wherever in one: the device has got other numbers.
    for _ in 0..3 {
        let now = device.attribute("devnum").unwrap_or_default();
        wait::until("it is enumerated again", || {
            let next = device.attribute("devnum").ok()?;
            (next != now && next != number).then_some(())
        })?;
    }
    let pid = verify.id().to_string();
    let kill = Command::new("kill").args(["-INT", &pid]).status()?;
    ensure!(kill.success(), "kill: {kill}");
    let mut rest = String::new();
    output.read_to_string(&mut rest)?;
    let output = verify.wait_with_output()?;
    ensure!(output.status.code() == Some(1), "{output:?}");
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        complaint == "usbfs2: interrupted: checks that are not listed were not run\n",
        "{complaint}"
    );
    ensure!(rest.contains("the verification was stopped"), "{rest}");

    // The port is on, the kernel's driver has the device, and its power is managed as before.
    let device = SysfsDevice::wait(0)?;
    device.wait_driver(0, "usbhid")?;
    let after = [device.attribute(control)?, device.attribute(delay)?];
    ensure!(after == before, "{after:?} instead of {before:?}");
    ensure!(gadget.failures().is_empty(), "{:?}", gadget.failures());
    Ok(())
}
