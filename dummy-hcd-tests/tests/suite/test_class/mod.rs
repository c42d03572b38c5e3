//! usb-device's own conformance test: the device that the crate brings for testing its peripheral drivers
//! (`usb_device::test_class`), on our bus, and each check of the host's part under the name it has there
//! (tests/test_class_host, which wants hardware and libusb), written anew over our host.

mod bench;
mod data;
mod descriptors;
mod requests;
mod rig;

use anyhow::{Context as _, Result};

use crate::runner::{FIGURE, Test};
use crate::scenarios::Scenario;
use crate::world::World;
use rig::Rig;

/// One check on a device that was just configured.
type Check = fn(&Rig) -> Result<()>;

fn on(world: &World, check: Check) -> Result<()> {
    let rig = Rig::start(world)?;
    check(&rig)?;
    rig.finish()
}

/// The functional checks.
const CHECKS: [(&str, Check); 9] = [
    ("control_request", requests::control_request),
    ("control_data", requests::control_data),
    ("control_data_static", requests::control_data_static),
    ("control_error", requests::control_error),
    ("string_descriptors", descriptors::string_descriptors),
    ("interface_descriptor", descriptors::interface_descriptor),
    (
        "iso_endpoint_descriptors",
        descriptors::iso_endpoint_descriptors,
    ),
    ("bulk_loopback", data::bulk_loopback),
    ("interrupt_loopback", data::interrupt_loopback),
];

pub(crate) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        ("firmware::test_class::every_check", |world| {
            on(world, every_check)
        }),
        ("firmware::test_class::bench_bulk_write", |world| {
            on(world, bench::bulk_write)
        }),
        ("firmware::test_class::bench_bulk_read", |world| {
            on(world, bench::bulk_read)
        }),
    ]
}

/// One after the other on one device, each named when it has passed.
fn every_check(rig: &Rig) -> Result<()> {
    for (name, check) in CHECKS {
        check(rig).context(name)?;
        println!("{FIGURE}{name} passed");
    }
    Ok(())
}

/// The same over gadgetfs: the device has an isochronous endpoint.
pub(crate) fn tests() -> Vec<Test> {
    let scenarios = scenarios().into_iter();
    scenarios
        .map(|(name, run)| Test::isochronous_firmware(name, run))
        .collect()
}
