//! Isochronous packets in flight while the device is reset, or asleep.
//!
//! An open endpoint keeps its device awake (`power.rs`), so usbcore puts none to sleep under it unless the whole
//! system sleeps. A port that is suspended behind usbcore's back is what the packets meet then.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::composite::KernelFunction;
use dummy_hcd_tests::sys::Context;
use dummy_hcd_tests::wait::{self, DEADLINE};
use rusb::{DeviceHandle, GlobalContext};

use crate::packets::{Load, open};
use crate::runner::Test;
use crate::setup::{self, Plugged};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("audio::packets::over_a_reset", reset),
        Test::new("audio::packets::over_a_suspended_port", suspended),
    ]
}

fn source_sink() -> Result<Plugged> {
    let function = KernelFunction::source_sink(1, 4096, 16)
        .with("isoc_interval", "4")
        .with("isoc_maxpacket", "64");
    setup::plug(function)
}

/// 3.2 s.
fn load(is_in: bool) -> Load {
    Load {
        is_in,
        length: 64,
        packets: 100,
        depth: 32,
    }
}

/// Operations are in flight when `end` is called, and end once each with `errno`; the same file goes on then,
/// after `after`.
fn ended(
    plugged: &Plugged,
    errno: i32,
    end: impl Fn() -> Result<()>,
    after: impl Fn() -> Result<()>,
) -> Result<()> {
    for is_in in [true, false] {
        let _claim = plugged.interface.claim()?;
        plugged.interface.select(1)?;
        let file = open(&plugged.interface, is_in)?;
        let load = load(is_in);
        let mut context = Context::new(load.depth)?;
        for round in 0..3 {
            load.start(&mut context, &file)?;
            // Each time another part of them has gone.
            std::thread::sleep(Duration::from_millis(round * 70));
            end()?;
            let moved = load
                .expect_ended(&mut context, errno)
                .with_context(|| format!("in: {is_in}, round {round}"))?;
            ensure!(moved < load.total(), "it came too late for all of them");
            after()?;
            let length = load.run_one(&file)?;
            ensure!(length > 0, "nothing moves any more");
        }
    }
    Ok(())
}

fn reset() -> Result<()> {
    let plugged = source_sink()?;
    let device = on_bus(&plugged, |device| device.address() != 1)?;
    ended(&plugged, libc::ECANCELED, || Ok(device.reset()?), || Ok(()))
}

/// libusb's handle of the device on the gadget's bus that `is_it`.
fn on_bus(
    plugged: &Plugged,
    is_it: impl Fn(&rusb::Device<GlobalContext>) -> bool,
) -> Result<DeviceHandle<GlobalContext>> {
    let bus = plugged.device.name().split('-').next();
    let bus: u8 = bus.context("a device without a bus")?.parse()?;
    let devices = rusb::devices()?;
    let device = devices
        .iter()
        .find(|device| device.bus_number() == bus && is_it(device));
    Ok(device.context("libusb does not find it")?.open()?)
}

/// Requests to a hub's only port (USB 2.0 11.24.2).
struct HubPort(DeviceHandle<GlobalContext>);

impl HubPort {
    const PORT: u16 = 1;
    /// PORT_SUSPEND, as a feature and as a bit of wPortStatus.
    const SUSPEND: u16 = 2;

    /// SET_FEATURE or CLEAR_FEATURE.
    fn feature(&self, request: u8) -> Result<()> {
        self.0
            .write_control(0x23, request, Self::SUSPEND, Self::PORT, &[], DEADLINE)?;
        Ok(())
    }

    fn suspend(&self) -> Result<()> {
        self.feature(3)?;
        ensure!(self.is_suspended()?, "the port does not sleep");
        Ok(())
    }

    fn resume(&self) -> Result<()> {
        self.feature(1)?;
        wait::until("the port is awake", || match self.is_suspended() {
            Ok(true) => None,
            result => Some(result.map(drop)),
        })?
    }

    /// GET_STATUS, which is also what dummy_hcd ends a resume in.
    fn is_suspended(&self) -> Result<bool> {
        let mut status = [0; 4];
        self.0
            .read_control(0xa3, 0, 0, Self::PORT, &mut status, DEADLINE)?;
        Ok(u16::from_le_bytes([status[0], status[1]]) & 1 << Self::SUSPEND != 0)
    }
}

/// The device does not answer while it sleeps: that is a bus error.
fn suspended() -> Result<()> {
    let plugged = source_sink()?;
    let port = HubPort(on_bus(&plugged, |device| device.address() == 1)?);
    ended(&plugged, libc::EPROTO, || port.suspend(), || port.resume())
}
