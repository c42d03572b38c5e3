//! Lists of devices, and devices whose descriptors lie.

use crate::rig::{CONFIGURATION, DEVICE, Echo, Rig};
use usbfs2_host::{BackendKind, ClaimError, ConfigurationError, Host, HostError, Speed};
use usbfs2_loopback::Bus;

#[test]
fn a_listed_device_is_described() {
    let rig = Rig::new();
    let devices = rig.host.devices().unwrap();
    let [info] = &devices[..] else {
        panic!("one device is plugged in, {} are listed", devices.len());
    };
    assert_eq!(info.id().as_str(), "1-1");
    assert_eq!(info.speed(), Some(Speed::High));
    assert_eq!(
        (info.vendor_id(), info.product_id()),
        (Some(0x1209), Some(0x0001))
    );
    assert_eq!(info.manufacturer(), Some("Nobody"));
    assert_eq!(info.product(), Some("Echo"));
    assert_eq!(info.serial_number(), Some("1"));
    assert_eq!(info.active_configuration(), Some(1));
    assert_eq!(info.configurations().len(), 1);
    assert_eq!(info.driver(0), None);
    assert_eq!(rig.device.info().product(), Some("Echo"));
}

#[test]
fn the_host_says_which_way_and_why() {
    let host = Host::on(&Bus::new());
    assert_eq!(host.backend(), BackendKind::Loopback);
    assert_eq!(host.reason(), "an in-process bus was given");
    assert!(host.devices().unwrap().is_empty());
}

#[test]
fn a_directory_without_usbfs2_is_refused_with_the_remedy() {
    let error = Host::usbfs2("/proc".as_ref()).unwrap_err();
    assert!(matches!(&error, HostError::NotUsbfs2(path) if path.as_os_str() == "/proc"));
    assert_eq!(
        error.to_string(),
        "/proc is not a usbfs2 mount: mount -t usbfs2 usbfs2 /proc"
    );
}

/// Every way a configuration can lie gives a listed device and a claim refused with the reason.
fn assert_listed_but_not_claimed(configuration: Vec<u8>) {
    let bus = Bus::new();
    let _echo = Echo::plug_with(&bus, DEVICE.to_vec(), configuration);
    let host = Host::on(&bus);
    let devices = host.devices().unwrap();
    assert_eq!(devices.len(), 1);
    assert_eq!(devices[0].vendor_id(), Some(0x1209));
    let device = host.open(devices[0].id()).unwrap();
    let Err(ClaimError::Configuration(error)) = device.claim(0) else {
        panic!("a configuration that lies was claimed");
    };
    assert!(
        matches!(error, ConfigurationError::Descriptor(_)),
        "{error}"
    );
}

#[test]
fn a_total_length_that_lies_hides_nothing_else() {
    let mut configuration = CONFIGURATION.to_vec();
    configuration[2] = 200;
    assert_listed_but_not_claimed(configuration);
}

#[test]
fn a_descriptor_of_length_zero_hides_nothing_else() {
    let mut configuration = CONFIGURATION.to_vec();
    configuration[18] = 0;
    assert_listed_but_not_claimed(configuration);
}

#[test]
fn an_endpoint_listed_twice_hides_nothing_else() {
    let mut configuration = CONFIGURATION.to_vec();
    configuration[27] = 0x01;
    assert_listed_but_not_claimed(configuration);
}

#[test]
fn a_device_without_configurations_is_listed() {
    let bus = Bus::new();
    let mut device = DEVICE.to_vec();
    device[17] = 0;
    let _echo = Echo::plug_with(&bus, device, Vec::new());
    let host = Host::on(&bus);
    let devices = host.devices().unwrap();
    assert_eq!(devices.len(), 1);
    assert_eq!(devices[0].active_configuration(), None);
    let device = host.open(devices[0].id()).unwrap();
    let none = device.configuration();
    assert!(matches!(none, Err(ConfigurationError::Descriptor(_))));
}
