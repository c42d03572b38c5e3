//! `usbfs2 gadget run`: what it leaves when it is asked to end, and when it is killed.

use std::fs;
use std::io;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::wait;

use crate::command::{Running, path, succeed};
use crate::runner::Test;

const GADGETS: &str = "/sys/kernel/config/usb_gadget";

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "command::a_gadget_in_configfs_is_used_and_leaves_nothing",
            functionfs_leaves_nothing,
        ),
        Test::new(
            "command::what_a_killed_gadget_left_is_cleaned_up",
            killed_is_cleaned_up,
        ),
    ]
}

/// What runs have made in configfs.
fn made() -> Result<Vec<String>> {
    let entries = match fs::read_dir(GADGETS) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        names.extend(name.starts_with("usbfs2-run-").then_some(name));
    }
    Ok(names)
}

/// Where FunctionFS is mounted.
fn mounts() -> Result<Vec<String>> {
    let mounts = fs::read_to_string("/proc/mounts")?;
    let lines = mounts.lines().map(str::to_owned);
    Ok(lines.filter(|line| line.contains(" functionfs ")).collect())
}

fn ensure_nothing_left() -> Result<()> {
    let (made, mounts) = (made()?, mounts()?);
    ensure!(
        made.is_empty() && mounts.is_empty(),
        "left: {made:?} {mounts:?}"
    );
    Ok(())
}

fn functionfs_leaves_nothing() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let image = directory.path().join("image");
    let copy = directory.path().join("copy");
    let disk = [
        "gadget",
        "run",
        "disk",
        "--image",
        path(&image)?,
        "--size",
        "4M",
        "--backend",
        "functionfs",
    ];
    for _ in 0..2 {
        let gadget = Running::start(&disk)?;
        let device = SysfsDevice::wait(0)?;
        device.wait_driver(0, "usb-storage")?;
        ensure!(made()?.len() == 1, "{:?}", made()?);
        let name = device.name();
        succeed(&["disk", "read", name, path(&copy)?, "--length", "64K"])?;
        // Somebody's that lives is nobody's to remove.
        let cleaned = succeed(&["gadget", "clean"])?;
        ensure!(
            cleaned.stdout.is_empty() && made()?.len() == 1,
            "{cleaned:?}"
        );
        device.wait_driver(0, "usb-storage")?;
        gadget.end()?;
        SysfsDevice::wait_gone(0)?;
        ensure_nothing_left()?;
    }
    Ok(())
}

fn killed_is_cleaned_up() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let text = directory.path().join("text");
    fs::write(&text, "bye\n")?;
    let text = path(&text)?;
    for backend in ["gadgetfs", "functionfs"] {
        let keyboard = [
            "gadget",
            "run",
            "keyboard",
            "--text",
            text,
            "--backend",
            backend,
        ];
        let start = || -> Result<Running> {
            let gadget = Running::start(&keyboard)?;
            SysfsDevice::wait(0)?.wait_driver(0, "usbhid")?;
            Ok(gadget)
        };
        // Killed.
        drop(start().with_context(|| format!("first on {backend}"))?);
        SysfsDevice::wait_gone(0)?;
        let left = made()?;
        ensure!(
            left.len() == usize::from(backend == "functionfs"),
            "{left:?}"
        );

        let gadget = start().with_context(|| format!("after a kill on {backend}"))?;
        let now = made()?;
        ensure!(
            now.len() == left.len() && (now.is_empty() || now != left),
            "{now:?}"
        );
        gadget.end()?;
        SysfsDevice::wait_gone(0)?;
        ensure_nothing_left()?;
    }
    // By hand.
    let keyboard = [
        "gadget",
        "run",
        "keyboard",
        "--text",
        text,
        "--backend",
        "functionfs",
    ];
    let gadget = Running::start(&keyboard)?;
    SysfsDevice::wait(0)?.wait_driver(0, "usbhid")?;
    drop(gadget);
    SysfsDevice::wait_gone(0)?;
    let left = wait::until("one gadget is left", || {
        made().ok().and_then(|mut made| made.pop())
    })?;
    let cleaned = succeed(&["gadget", "clean"])?;
    let cleaned = String::from_utf8_lossy(&cleaned.stdout).into_owned();
    ensure!(cleaned == format!("removed {left}\n"), "{cleaned}");
    ensure_nothing_left()
}
