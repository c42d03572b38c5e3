//! usb-device's own conformance test: the device that the crate brings for testing its peripheral drivers
//! (`usb_device::test_class`), on our bus, and each check of the host's part under the name it has there
//! (tests/test_class_host, which wants hardware and libusb), written anew over our host.

mod bench;
mod data;
mod descriptors;
mod requests;
mod rig;

use anyhow::Result;

use crate::runner::Test;
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

/// The checks, each on a device of its own.
pub(crate) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        ("firmware::test_class::control_request", |world| {
            on(world, requests::control_request)
        }),
        ("firmware::test_class::control_data", |world| {
            on(world, requests::control_data)
        }),
        ("firmware::test_class::control_data_static", |world| {
            on(world, requests::control_data_static)
        }),
        ("firmware::test_class::control_error", |world| {
            on(world, requests::control_error)
        }),
        ("firmware::test_class::string_descriptors", |world| {
            on(world, descriptors::string_descriptors)
        }),
        ("firmware::test_class::interface_descriptor", |world| {
            on(world, descriptors::interface_descriptor)
        }),
        ("firmware::test_class::iso_endpoint_descriptors", |world| {
            on(world, descriptors::iso_endpoint_descriptors)
        }),
        ("firmware::test_class::bulk_loopback", |world| {
            on(world, data::bulk_loopback)
        }),
        ("firmware::test_class::interrupt_loopback", |world| {
            on(world, data::interrupt_loopback)
        }),
        ("firmware::test_class::bench_bulk_write", |world| {
            on(world, bench::bulk_write)
        }),
        ("firmware::test_class::bench_bulk_read", |world| {
            on(world, bench::bulk_read)
        }),
    ]
}

/// The same over gadgetfs: the device has an isochronous endpoint.
pub(crate) fn tests() -> Vec<Test> {
    let scenarios = scenarios().into_iter();
    scenarios
        .map(|(name, run)| Test::isochronous_firmware(name, run))
        .collect()
}
