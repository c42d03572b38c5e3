//! QEMU's hub, which runs at full speed, between the controller and a device.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::wait::DEADLINE;
use dummy_hcd_tests::{sys, usbfs2};
use usbfs2_hid::HidDevice;
use usbfs2_host::Speed;

use super::{Bench, Case};
use crate::setup::expect_errno;

pub(super) fn cases() -> Vec<(&'static str, Case)> {
    vec![("hub::a_device_behind_it_works", behind_it)]
}

/// Of the module's files, without a library between.
pub(super) fn cases_of_files() -> Vec<(&'static str, Case)> {
    vec![("hub::unplugged_it_takes_its_devices_along", unplugged)]
}

fn behind_it(bench: &Bench) -> Result<()> {
    let hub = bench.plug("usb-hub", "1")?;
    let keyboard = bench.plug("usb-kbd", "1.3")?;
    let expected = format!("{}.3", hub.sysfs()?.name());
    let device = keyboard.open()?;
    ensure!(
        device.info().id().as_str() == expected,
        "it is {} instead of {expected}",
        device.info().id()
    );
    ensure!(
        device.info().speed() == Some(Speed::Full),
        "it runs at {:?}",
        device.info().speed()
    );
    let mut keys = HidDevice::open_blocking(&device)?.keys()?;
    bench.key("h", true)?;
    let event = keys.next_timeout(DEADLINE)?.context("silence")?;
    ensure!(event.text == Some('h'), "{event:?} came");
    Ok(())
}

fn unplugged(bench: &Bench) -> Result<()> {
    const DEPTH: u32 = 32;
    for round in 0..5 {
        let mut hub = bench.plug("usb-hub", "1")?;
        let mut keyboard = bench.plug("usb-kbd", "1.1")?;
        let interface = keyboard.interface()?;
        let claim = interface.claim()?;
        let file = Arc::new(interface.open_in()?);
        let mut context = sys::Context::new(DEPTH)?;
        for _ in 0..DEPTH {
            context.read(&file, 0, 8)?;
        }
        hub.remove()?;
        keyboard.gone_along()?;
        let completed = context.wait(DEPTH as usize, DEADLINE)?;
        ensure!(context.in_flight() == 0, "reads never completed");
        for one in completed {
            let what = format!("a read of what went with its hub, round {round}");
            expect_errno(&what, one.result, libc::ENODEV)?;
        }
        drop((context, file, claim));
        usbfs2::wait_no_live_request()?;
        hub.pull()?;
        keyboard.pull()?;
    }
    Ok(())
}
