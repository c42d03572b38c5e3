//! The thermometer's driver, tested on the thermometer without hardware: the tests of the tutorial.

use std::sync::Arc;

use usbfs2_examples::thermometer::device::{self, Thermometer};
use usbfs2_examples::thermometer::{Unit, driver};
use usbfs2_gadget::Running;
use usbfs2_host::{Direction, EndpointAddress, Host, Speed, TransferError};
use usbfs2_loopback::{Bus, Fault};

/// A thermometer, plugged in and opened.
struct Bench {
    bus: Bus,
    running: Running,
    device: Arc<Thermometer>,
    driver: driver::Thermometer,
}

fn bench() -> Bench {
    let bus = Bus::new();
    let device = Arc::new(Thermometer::default());
    let gadget = device::gadget(Arc::clone(&device)).unwrap();
    let running = gadget.start_on(&bus, Speed::High).unwrap();
    let driver = driver::Thermometer::open(&Host::on(&bus)).unwrap();
    Bench {
        bus,
        running,
        device,
        driver,
    }
}

#[test]
fn what_is_measured_is_read() {
    let mut bench = bench();
    bench.device.measure(-1234);
    // The report that was queued before is the first to come.
    bench.driver.read().unwrap();
    assert_eq!(bench.driver.read().unwrap(), -12.34);
}

#[test]
fn fahrenheit_can_be_had() {
    let mut bench = bench();
    bench.device.measure(10_000);
    bench.driver.set_unit(Unit::Fahrenheit).unwrap();
    bench.driver.read().unwrap();
    assert_eq!(bench.driver.read().unwrap(), 212.0);
}

#[test]
fn a_stall_is_recovered_from() {
    let mut bench = bench();
    bench.driver.read().unwrap();
    let reports = EndpointAddress::new(1, Direction::In).unwrap();
    let faults = bench.bus.faults(bench.running.port_name()).unwrap();
    faults
        .inject(reports, faults.next_transfer(reports), Fault::Stall)
        .unwrap();
    bench.driver.read().unwrap();
    assert_eq!(faults.pending(), 0, "the stall was met");
}

#[test]
fn a_pulled_cable_is_told() {
    let mut bench = bench();
    let cable = bench.bus.cable(bench.running.port_name()).unwrap();
    cable.pull();
    let error = bench.driver.read().unwrap_err();
    assert_eq!(
        error.downcast_ref::<TransferError>(),
        Some(&TransferError::Disconnected)
    );
}
