//! What the host learns of a device, and that it gives back what it took.

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_host::HotplugEvent;
use usbfs2_protocol::SetupPacket;

use super::{Bench, Case};

pub(super) fn cases() -> Vec<(&'static str, Case)> {
    vec![
        ("listing::a_device_is_watched_coming_and_going", watched),
        ("listing::a_disk_runs_at_the_top_speed", top_speed),
        (
            "listing::an_interface_is_claimed_and_given_back",
            given_back,
        ),
    ]
}

/// HID's report descriptor (HID 1.11 7.1).
const REPORT_DESCRIPTOR: u8 = 0x22;

fn watched(bench: &Bench) -> Result<()> {
    let mut watch = bench.host()?.watch()?;
    let mut mouse = bench.plug("usb-mouse", "1")?;
    let name = mouse.sysfs()?.name().to_owned();
    loop {
        match watch.next_timeout(DEADLINE)? {
            Some(HotplugEvent::Arrived(info)) if info.id().as_str() == name => {
                ensure!(
                    info.product() == Some("QEMU USB Mouse"),
                    "it arrived as {:?}",
                    info.product()
                );
                break;
            }
            Some(HotplugEvent::Arrived(_)) => {}
            other => bail!("{other:?} instead of the arrival of {name}"),
        }
    }
    mouse.pull()?;
    match watch.next_timeout(DEADLINE)? {
        Some(HotplugEvent::Left(id)) if id.as_str() == name => Ok(()),
        other => bail!("{other:?} instead of the departure of {name}"),
    }
}

fn top_speed(bench: &Bench) -> Result<()> {
    let disk = bench.plug_disk("1", &[0; 64 << 10])?;
    let device = disk.open()?;
    let info = device.info();
    let expected = bench.controller.top_speed();
    ensure!(
        info.speed() == Some(expected),
        "{:?} instead of {expected:?}",
        info.speed()
    );
    let descriptor = info.device_descriptor().map_err(|error| error.clone())?;
    let product = device.string_blocking(descriptor.product_string)?;
    ensure!(product == "QEMU USB HARDDRIVE", "the product is {product}");
    Ok(())
}

fn given_back(bench: &Bench) -> Result<()> {
    let keyboard = bench.plug("usb-kbd", "1")?;
    keyboard.wait_driver("usbhid")?;
    let device = keyboard.open()?;
    let interface = device.claim(0)?;
    let setup = SetupPacket::get_interface_descriptor(REPORT_DESCRIPTOR, 0, 0, 256);
    let descriptor = interface.control_in_blocking(setup, DEADLINE)?;
    // Usage Page (Generic Desktop), Usage (Keyboard).
    ensure!(
        descriptor.starts_with(&[0x05, 0x01, 0x09, 0x06]),
        "the report descriptor is {descriptor:02x?}"
    );
    let driver = keyboard.sysfs()?.driver(0).context("no driver")?;
    ensure!(driver != "usbhid", "it is claimed and usbhid has it");
    drop(interface);
    keyboard.wait_driver("usbhid")
}
