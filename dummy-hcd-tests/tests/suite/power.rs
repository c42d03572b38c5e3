//! Runtime power management: an idle device may sleep, one in use may not (USB 2.0 7.1.7.6).

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;

use anyhow::{Result, ensure};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::wait;

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
    std::fs::write(&configuration, "0")?;
    std::fs::write(&configuration, "1")?;
    let input = plugged.interface.open_in()?;
    ensure!(
        input.read_at(&mut [0; 512], 0)? == 512,
        "a read in the new configuration was cut short"
    );
    drop(input);
    wait_status(&plugged.device, "suspended")
}
