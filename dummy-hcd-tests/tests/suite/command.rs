//! The `usbfs2` command as users run it, on devices that are plugged in.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::dissection::Dissection;
use dummy_hcd_tests::modprobe;
use dummy_hcd_tests::usbfs2 as files;
use dummy_hcd_tests::wait::{self, DEADLINE};
use usbfs2_gadget::functions::Keyboard;
use usbfs2_gadget::functions::keyboard::Leds;

use crate::runner::Test;
use crate::scenarios::random::Random;
use crate::world::{KernelHost, World};

/// Where `cargo xtask test` says the command is.
const COMMAND: &str = "USBFS2_COMMAND";

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "command::a_disk_is_written_verified_and_read",
            disk_is_written_verified_and_read,
        ),
        Test::new(
            "command::a_keyboard_is_monitored_and_lit",
            keyboard_is_monitored_and_lit,
        ),
        Test::new(
            "command::a_gamepad_does_what_lines_say_and_is_monitored",
            gamepad_is_monitored,
        ),
        Test::new(
            "command::a_capture_shows_a_disk_on_usbfs2_to_wireshark",
            capture_is_dissected,
        ),
        Test::new(
            "command::a_gadget_that_is_asked_to_end_leaves_nothing",
            gadget_leaves_nothing,
        ),
    ]
}

/// The path of the command.
pub(crate) fn program() -> Result<OsString> {
    env::var_os(COMMAND).with_context(|| {
        format!("{COMMAND} does not name the usbfs2 command: run the suite by cargo xtask test")
    })
}

pub(crate) fn usbfs2() -> Result<Command> {
    let mut command = Command::new(program()?);
    command.stdin(Stdio::null());
    Ok(command)
}

pub(crate) fn run(arguments: &[&str]) -> Result<Output> {
    Ok(usbfs2()?.args(arguments).output()?)
}

pub(crate) fn succeed(arguments: &[&str]) -> Result<Output> {
    let output = run(arguments)?;
    ensure!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output)
}

/// A command that runs until it is asked to end; killed if a test fails before that.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(arguments: &[&str]) -> Result<Self> {
        let child = usbfs2()?.args(arguments).spawn()?;
        Ok(Self(child))
    }

    /// One that has been started.
    pub(crate) const fn of(child: Child) -> Self {
        Self(child)
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Asks it to end, as a service manager would, and expects success.
    pub(crate) fn end(self) -> Result<()> {
        self.end_by("-TERM")
    }

    /// Asks it to end by Ctrl-C, and expects success.
    pub(crate) fn interrupt(self) -> Result<()> {
        self.end_by("-INT")
    }

    fn end_by(mut self, signal: &str) -> Result<()> {
        let pid = self.0.id().to_string();
        let kill = Command::new("kill").args([signal, &pid]).status()?;
        ensure!(kill.success(), "kill: {kill}");
        let status = wait::until("the command ends", || self.0.try_wait().ok().flatten())?;
        ensure!(status.success(), "the command: {status}");
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn path(path: &Path) -> Result<&str> {
    path.to_str().context("a temporary file's name is UTF-8")
}

fn disk_is_written_verified_and_read() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (image, content, copy) = (
        directory.path().join("image"),
        directory.path().join("content"),
        directory.path().join("copy"),
    );
    let mut bytes = vec![0; 3 << 20];
    Random::new(7).fill(&mut bytes);
    fs::write(&content, &bytes)?;
    let gadget = Running::start(&["gadget", "disk", "--image", path(&image)?, "--size", "8M"])?;
    let device = SysfsDevice::wait(0)?;
    device.wait_driver(0, "usb-storage")?;
    let name = device.name();

    let info = succeed(&["disk", "info", name, "--json"])?;
    let info: serde_json::Value = serde_json::from_slice(&info.stdout)?;
    ensure!(info["bytes"] == 8 << 20, "{info}");
    let list = succeed(&["list", "-v"])?;
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    ensure!(list.contains("mass storage (08/06/50)"), "{list}");

    succeed(&["disk", "write", name, path(&content)?, "--offset", "1M"])?;
    succeed(&["disk", "verify", name, path(&content)?, "--offset", "1M"])?;
    let other = run(&["disk", "verify", name, path(&content)?])?;
    let complaint = String::from_utf8_lossy(&other.stderr).into_owned();
    ensure!(
        !other.status.success() && complaint.contains("differs"),
        "{complaint}"
    );
    let range = ["--offset", "1M", "--length", "3M"];
    succeed(&[&["disk", "read", name, path(&copy)?], &range[..]].concat())?;
    ensure!(
        fs::read(&copy)? == bytes,
        "what was read is not what was written"
    );
    device.wait_driver(0, "usb-storage")?;
    gadget.end()?;
    let medium = fs::read(&image)?;
    ensure!(
        medium[1 << 20..4 << 20] == bytes,
        "the medium holds something else"
    );
    Ok(())
}

fn keyboard_is_monitored_and_lit() -> Result<()> {
    let keyboard = Keyboard::new();
    let gadget = World::gadget().function(keyboard.clone()).build()?;
    let connected = World::Kernel(KernelHost::Usbfs2).connect(&gadget)?;
    let device = SysfsDevice::wait(0)?;
    device.wait_driver(0, "usbhid")?;
    let name = device.name();

    // Shift, H, both up, I and its end.
    let monitor = usbfs2()?
        .args(["hid", "monitor", name, "--json", "--count", "6"])
        .stdout(Stdio::piped())
        .spawn()?;
    device.wait_driver(0, "usbfs2")?;
    keyboard.type_text("Hi")?;
    let output = monitor.wait_with_output()?;
    ensure!(output.status.success(), "hid monitor: {}", output.status);
    let mut text = String::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let event: serde_json::Value = serde_json::from_str(line)?;
        text.push_str(event["text"].as_str().unwrap_or_default());
    }
    ensure!(text == "Hi", "the monitor read {text:?}");
    device.wait_driver(0, "usbhid")?;

    // usbhid sets the lights to its own when it gets the keyboard back.
    let driver = files::MOUNT.to_owned() + "/" + name + "/1.0/driver";
    fs::write(&driver, "none").with_context(|| format!("write {driver}"))?;
    succeed(&["hid", "send", name, "--leds", "caps,scroll"])?;
    let wanted = Leds::CAPS_LOCK | Leds::SCROLL_LOCK;
    keyboard
        .wait_for_leds(Some(DEADLINE), |leds| leds == wanted)
        .context("the lights stayed off")?;
    drop(connected);
    Ok(())
}

fn gamepad_is_monitored() -> Result<()> {
    let child = usbfs2()?
        .args(["gadget", "gamepad"])
        .stdin(Stdio::piped())
        .spawn()?;
    let mut gadget = Running(child);
    let mut lines = gadget.0.stdin.take().context("standard input is a pipe")?;
    let device = SysfsDevice::wait(0)?;
    device.wait_driver(0, "usbhid")?;
    let name = device.name();

    let list = succeed(&["hid", "list", "--json"])?;
    let list: serde_json::Value = serde_json::from_slice(&list.stdout)?;
    ensure!(
        (&list[0]["device"], &list[0]["driver"]) == (&name.into(), &"usbhid".into()),
        "{list}"
    );
    let info = succeed(&["hid", "info", name])?;
    let info = String::from_utf8_lossy(&info.stdout).into_owned();
    for part in [
        "Game",
        "input report, 12 bytes",
        "Hat Switch",
        "Null State",
        "deg",
    ] {
        ensure!(info.contains(part), "no {part} in: {info}");
    }

    let monitor = usbfs2()?
        .args(["hid", "monitor", name, "--json", "--count", "2"])
        .stdout(Stdio::piped())
        .spawn()?;
    device.wait_driver(0, "usbfs2")?;
    writeln!(lines, "left -1 0.5\nhat up-right")?;
    let output = monitor.wait_with_output()?;
    ensure!(output.status.success(), "hid monitor: {}", output.status);
    let printed = String::from_utf8(output.stdout)?;
    let last = printed.lines().last().unwrap_or_default();
    let state: serde_json::Value = serde_json::from_str(last)?;
    ensure!(
        (&state["axes"]["X"]["value"], &state["hat_degrees"]) == (&(-32_767).into(), &45.into()),
        "{state}"
    );
    drop(lines);
    gadget.end()
}

fn capture_is_dissected() -> Result<()> {
    modprobe::load("usbmon")?;
    let directory = tempfile::tempdir()?;
    let (image, capture) = (
        directory.path().join("image"),
        directory.path().join("capture.pcapng"),
    );
    let gadget = Running::start(&["gadget", "disk", "--image", path(&image)?, "--size", "1M"])?;
    let device = SysfsDevice::wait(0)?;
    device.wait_driver(0, "usb-storage")?;
    let name = device.name();

    let file = path(&capture)?;
    let mut recording = usbfs2()?
        .args(["capture", name, "-o", file])
        .stderr(Stdio::piped())
        .spawn()?;
    let stderr = recording.stderr.take().context("stderr is a pipe")?;
    let recording = Running(recording);
    let mut said = BufReader::new(stderr).lines();
    let first = said.next().context("the capture says nothing")??;
    ensure!(first.starts_with("Capturing"), "{first}");
    let copy = directory.path().join("copy");
    succeed(&["disk", "read", name, path(&copy)?, "--length", "64K"])?;
    succeed(&["disk", "write", name, path(&copy)?])?;
    recording.end()?;
    let last = said
        .next()
        .context("the capture does not say how it went")??;
    ensure!(last.ends_with("; none lost."), "{last}");

    let seen = Dissection::of(&capture)?;
    let complete = seen.device_descriptors > 0
        && seen.configurations > 0
        && seen.reads >= 2
        && seen.writes >= 2
        && seen.statuses > 0;
    ensure!(complete, "tshark saw only {seen:?}; {last}");
    gadget.end()
}

fn gadget_leaves_nothing() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let text = directory.path().join("text");
    fs::write(&text, "bye\n")?;
    for _ in 0..3 {
        let gadget = Running::start(&["gadget", "keyboard", "--text", path(&text)?])?;
        let device = SysfsDevice::wait(0)?;
        device.wait_driver(0, "usbhid")?;
        gadget.end()?;
        SysfsDevice::wait_gone(0)?;
    }
    Ok(())
}
