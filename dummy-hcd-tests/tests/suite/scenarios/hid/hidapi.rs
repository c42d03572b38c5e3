//! The calls of hidapi.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_gadget::functions::Keyboard;
use usbfs2_gadget::functions::keyboard::{Leds, usage};
use usbfs2_hid::HidError;
use usbfs2_hid::hidapi::{HidApiError, HidDevice};
use usbfs2_protocol::hid::BOOT_KEYBOARD_REPORT_DESCRIPTOR;

use super::Scenario;
use super::reports::vendor_device;
use crate::world::World;

pub(super) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        (
            "hid::hidapis_calls_work_on_a_device_without_report_ids",
            without_report_ids,
        ),
        (
            "hid::hidapis_calls_work_on_a_device_with_report_ids",
            with_report_ids,
        ),
    ]
}

fn without_report_ids(world: &World) -> Result<()> {
    let keyboard = Keyboard::new();
    let gadget = World::gadget().function(keyboard.clone()).build()?;
    let connected = world.connect(&gadget)?;
    let hid = HidDevice::open(&connected.device)?;
    let mut buffer = [0; 100];

    ensure!(
        hid.get_manufacturer_string().as_deref() == Some("usbfs2"),
        "manufacturer"
    );
    ensure!(
        hid.get_product_string().as_deref() == Some("scenario"),
        "product"
    );
    ensure!(
        hid.get_serial_number_string().as_deref() == Some("42"),
        "serial number"
    );
    let info = connected.device.info().clone();
    let descriptor = info.device_descriptor().map_err(Clone::clone)?;
    let product = hid.get_indexed_string(descriptor.product_string)?;
    ensure!(product == "scenario", "{product:?}");
    let length = hid.get_report_descriptor(&mut buffer);
    ensure!(
        buffer[..length] == BOOT_KEYBOARD_REPORT_DESCRIPTOR,
        "descriptor"
    );

    hid.set_blocking_mode(false);
    ensure!(hid.read(&mut buffer)? == 0, "a report of nothing");
    ensure!(
        hid.read_timeout(&mut buffer, Some(Duration::from_millis(20)))? == 0,
        "a report of nothing"
    );
    hid.set_blocking_mode(true);
    keyboard.press(usage::A)?;
    let length = hid.read(&mut buffer)?;
    ensure!(buffer[..length] == [0, 0, 4, 0, 0, 0, 0, 0], "{buffer:?}");
    keyboard.wait_until_drained(Some(DEADLINE))?;
    buffer[0] = 0;
    let length = hid.get_input_report(&mut buffer)?;
    ensure!(
        buffer[..length] == [0, 0, 0, 4, 0, 0, 0, 0, 0],
        "{buffer:?}"
    );

    let caps = Leds::CAPS_LOCK.bits();
    ensure!(hid.write(&[0, caps])? == 2, "what was written");
    let lit = keyboard.wait_for_leds(Some(DEADLINE), |leds| leds == Leds::CAPS_LOCK);
    ensure!(lit.is_some(), "{:?}", keyboard.leds());
    hid.send_output_report(&[0, 0])?;
    let dark = keyboard.wait_for_leds(Some(DEADLINE), |leds| leds.is_empty());
    ensure!(dark.is_some(), "{:?}", keyboard.leds());
    ensure!(
        matches!(hid.write(&[]), Err(HidApiError::NoReportId)),
        "written"
    );

    connected.cable().pull()?;
    match hid.read(&mut buffer) {
        Err(HidApiError::Hid(HidError::Disconnected)) => Ok(()),
        other => bail!("{other:?} instead of Disconnected"),
    }
}

fn with_report_ids(world: &World) -> Result<()> {
    let vendor = vendor_device(false)?;
    let gadget = World::gadget().function(vendor.clone()).build()?;
    let connected = world.connect(&gadget)?;
    let hid = HidDevice::open(&connected.device)?;
    let mut buffer = [0; 10];
    vendor.send(&[1, 2, 3, 4])?;
    let length = hid.read_timeout(&mut buffer, None)?;
    ensure!(buffer[..length] == [1, 2, 3, 4], "{buffer:?}");
    // What there is no room for is left out.
    vendor.send(&[&[2][..], &[7; 63]].concat())?;
    let length = hid.read_timeout(&mut buffer, Some(DEADLINE))?;
    ensure!(
        buffer[..length] == [2, 7, 7, 7, 7, 7, 7, 7, 7, 7],
        "{buffer:?}"
    );

    hid.send_feature_report(&[4, 1, 2, 3, 4, 5, 6, 7])?;
    buffer[0] = 4;
    let length = hid.get_feature_report(&mut buffer)?;
    ensure!(buffer[..length] == [4, 1, 2, 3, 4, 5, 6, 7], "{buffer:?}");
    let output = [&[3][..], &[5; 199]].concat();
    ensure!(hid.write(&output)? == 200, "what was written");
    let came = vendor.wait_for_output(3, Some(DEADLINE), |report| report == output);
    ensure!(came.is_some(), "{:?}", vendor.output(3));
    Ok(())
}
