//! Runtime power management: an idle device may sleep, one in use may not (USB 2.0 7.1.7.6).

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::composite::KernelFunction;
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::{sys, wait};

use crate::armed;
use crate::runner::Test;
use crate::setup::{self, Plugged};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "power::an_open_endpoint_keeps_the_device_awake_and_close_lets_it_sleep",
            an_open_endpoint_keeps_it_awake,
        ),
        Test::new(
            "power::a_claim_keeps_the_device_awake",
            a_claim_keeps_it_awake,
        ),
        Test::new(
            "power::a_control_transfer_wakes_the_device",
            a_control_transfer_wakes_it,
        ),
        Test::new(
            "power::a_new_configuration_wakes_the_device",
            a_new_configuration_wakes_it,
        ),
        Test::new(
            "power::auto_lets_an_idle_device_sleep_and_operations_wake_it",
            auto_lets_it_sleep,
        ),
        Test::new(
            "power::an_armed_device_sleeps_if_it_can_wake_the_host",
            an_armed_device_sleeps,
        ),
        Test::new("power::other_words_get_einval", other_words),
    ]
}

/// A device that sleeps as soon as nobody uses it.
fn sleepy() -> Result<Plugged> {
    let plugged = setup::source_sink()?;
    plugged.device.set("power/autosuspend_delay_ms", "0")?;
    plugged.device.set("power/control", "auto")?;
    wait_status(&plugged.device, "suspended")?;
    Ok(plugged)
}

fn wait_status(device: &SysfsDevice, status: &str) -> Result<()> {
    wait::until(&format!("{} is {status}", device.name()), || {
        (device.attribute("power/runtime_status").ok()? == status).then_some(())
    })?;
    Ok(())
}

/// Fails unless the device is awake and something keeps it so.
fn expect_awake(device: &SysfsDevice) -> Result<()> {
    let status = device.attribute("power/runtime_status")?;
    // The kernel puts no device to sleep that has users, or an interface that is awake.
    let users = device.attribute("power/runtime_usage")?;
    let interfaces = device.attribute("power/runtime_active_kids")?;
    ensure!(
        status == "active" && (users != "0" || interfaces != "0"),
        "the device is {status}, has {users} users and {interfaces} interfaces awake"
    );
    Ok(())
}

fn an_open_endpoint_keeps_it_awake() -> Result<()> {
    let plugged = sleepy()?;
    let input = plugged.interface.open_in()?;
    ensure!(
        input.read_at(&mut [0; 512], 0)? == 512,
        "a read from the woken device was cut short"
    );
    expect_awake(&plugged.device)?;
    drop(input);
    wait_status(&plugged.device, "suspended")
}

fn a_claim_keeps_it_awake() -> Result<()> {
    let plugged = sleepy()?;
    let claim = plugged.interface.claim()?;
    expect_awake(&plugged.device)?;
    drop(claim);
    wait_status(&plugged.device, "suspended")
}

fn a_control_transfer_wakes_it() -> Result<()> {
    // GET_DESCRIPTOR of the device descriptor (USB 2.0 9.4.3).
    const GET_DESCRIPTOR: u64 = 0x80 << 40 | 6 << 32 | 0x0100 << 16;
    let plugged = sleepy()?;
    for _ in 0..3 {
        let ep00 = OpenOptions::new()
            .read(true)
            .write(true)
            .open(plugged.files.path().join("ep00"))?;
        let mut descriptor = [0; 18];
        ensure!(
            ep00.read_at(&mut descriptor, GET_DESCRIPTOR)? == 18 && descriptor[..2] == [18, 1],
            "{descriptor:02x?} is no device descriptor"
        );
        drop(ep00);
        wait_status(&plugged.device, "suspended")?;
    }
    Ok(())
}

fn a_new_configuration_wakes_it() -> Result<()> {
    let plugged = sleepy()?;
    let configuration = plugged.files.path().join("configuration");
    fs::write(&configuration, "0")?;
    fs::write(&configuration, "1")?;
    let input = plugged.interface.open_in()?;
    ensure!(
        input.read_at(&mut [0; 512], 0)? == 512,
        "a read in the new configuration was cut short"
    );
    drop(input);
    wait_status(&plugged.device, "suspended")
}

fn let_it_sleep(plugged: &Plugged, word: &str) -> std::io::Result<()> {
    fs::write(plugged.files.path().join("power"), word)
}

fn auto_lets_it_sleep() -> Result<()> {
    let plugged = sleepy()?;
    // With 0 the kernel does not try again when it has met a transfer.
    plugged.device.set("power/autosuspend_delay_ms", "50")?;
    let claim = plugged.interface.claim()?;
    let input = plugged.interface.open_in()?;
    let out = plugged.interface.open_out()?;
    let ep00 = OpenOptions::new()
        .read(true)
        .open(plugged.interface.path().join("ep00"))?;
    let_it_sleep(&plugged, "auto\n")?;
    for _ in 0..3 {
        wait_status(&plugged.device, "suspended")?;
        ensure!(
            input.read_at(&mut [0; 512], 0)? == 512,
            "a read from the woken device was cut short"
        );
        wait_status(&plugged.device, "suspended")?;
        ensure!(
            out.write_at(&[0; 512], 0)? == 512,
            "a write to the woken device was cut short"
        );
        wait_status(&plugged.device, "suspended")?;
        // GET_STATUS of the interface (USB 2.0 9.4.5).
        ensure!(
            ep00.read_at(&mut [0; 2], 0x81 << 40)? == 2,
            "GET_STATUS of the woken device was cut short"
        );
        wait_status(&plugged.device, "suspended")?;
        sys::recover(&input)?;
    }
    let_it_sleep(&plugged, "on")?;
    expect_awake(&plugged.device)?;
    drop((input, out, ep00, claim));
    wait_status(&plugged.device, "suspended")
}

/// bmAttributes of the configuration with remote wake-up (USB 2.0 9.6.3), and where the gadget's is.
const REMOTE_WAKEUP: &str = "0xa0";
const ATTRIBUTES: &str = "/sys/kernel/config/usb_gadget/usbfs2-test-0/configs/c.1/bmAttributes";
/// Has the gadget wake the host.
const WAKE: &str = "/sys/class/udc/dummy_udc.0/srp";

fn an_armed_device_sleeps() -> Result<()> {
    let mut plugged = setup::plug(KernelFunction::loopback())?;
    let arm = |plugged: &Plugged| -> Result<File> {
        plugged.device.set("power/autosuspend_delay_ms", "0")?;
        plugged.device.set("power/control", "auto")?;
        let mut input = armed::open(&plugged.interface.endpoint(true)?, false)?;
        setup::expect_errno(
            "a read when nothing waits",
            input.read(&mut [0; 64]),
            libc::EAGAIN,
        )?;
        let_it_sleep(plugged, "auto")?;
        Ok(input)
    };
    // This one cannot wake the host: what it had to say would wait for ever.
    let input = arm(&plugged)?;
    thread::sleep(Duration::from_millis(300));
    let status = plugged.device.attribute("power/runtime_status")?;
    ensure!(
        status == "active",
        "a device that cannot wake the host is {status}"
    );
    drop(input);

    plugged.pull()?;
    fs::write(ATTRIBUTES, REMOTE_WAKEUP)?;
    plugged.plug_again()?;
    let mut input = arm(&plugged)?;
    for message in [&b"one"[..], b"two"] {
        wait_status(&plugged.device, "suspended")?;
        // Long enough to be seen awake.
        plugged.device.set("power/autosuspend_delay_ms", "20000")?;
        fs::write(WAKE, "1").context("wake the host")?;
        wait_status(&plugged.device, "active")?;
        let out = plugged.interface.open_out()?;
        out.write_at(message, 0)?;
        let received = wait::until("the message waits", || {
            let mut buffer = [0; 64];
            let length = input.read(&mut buffer).ok()?;
            Some(buffer[..length].to_vec())
        })?;
        ensure!(received == message, "{received:02x?} came");
        drop(out);
        plugged.device.set("power/autosuspend_delay_ms", "0")?;
    }
    Ok(())
}

fn other_words() -> Result<()> {
    let plugged = setup::source_sink()?;
    for word in ["", "off", "on on", "1", "automatically"] {
        let result = OpenOptions::new()
            .write(true)
            .open(plugged.files.path().join("power"))?
            .write(word.as_bytes());
        setup::expect_errno(word, result, libc::EINVAL)?;
    }
    let read = || fs::read_to_string(plugged.files.path().join("power"));
    ensure!(read()? == "on\n", "power is {:?} at first", read()?);
    let_it_sleep(&plugged, "auto")?;
    ensure!(read()? == "auto\n", "power is {:?} after auto", read()?);
    Ok(())
}
