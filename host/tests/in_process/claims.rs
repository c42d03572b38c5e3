//! Claims, alternate settings, configurations, and the checks when an endpoint is opened.

use crate::rig::{Rig, SOON};
use usbfs2_host::{
    AlternateSettingError, Bulk, ClaimError, ConfigurationError, EndpointError, Host, In,
    Interrupt, OpenError, Out,
};

#[test]
fn an_interface_has_one_claim_until_everything_of_it_is_dropped() {
    let rig = Rig::new();
    let other = Host::on(&rig.bus).open(&"1-1".into()).unwrap();
    assert!(matches!(other.claim(0), Err(ClaimError::Busy(0))));
    assert!(matches!(rig.device.claim(0), Err(ClaimError::Busy(0))));
    let second = other.claim(1).unwrap();
    assert_eq!(second.number(), 1);

    let input = rig.input();
    let Rig {
        interface,
        echo: _echo,
        ..
    } = rig;
    let clone = interface.clone();
    drop(interface);
    assert!(matches!(other.claim(0), Err(ClaimError::Busy(0))));
    drop(clone);
    // The endpoint still needs the claim.
    assert!(matches!(other.claim(0), Err(ClaimError::Busy(0))));
    drop(input);
    assert_eq!(other.claim(0).unwrap().number(), 0);
}

#[test]
fn a_missing_interface_is_named_with_those_there_are() {
    let rig = Rig::new();
    let error = rig.device.claim(7).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no interface 7 in the active configuration, which has 0, 1"
    );
}

#[test]
fn endpoints_are_checked_when_opened() {
    let rig = Rig::new();
    let interface = &rig.interface;
    let message = |error: EndpointError| error.to_string();
    let existing = "0x01 bulk OUT, 0x81 bulk IN";

    let direction = interface.endpoint::<Bulk, In>(0x01).unwrap_err();
    assert!(matches!(direction, EndpointError::WrongDirection { .. }));
    assert_eq!(
        message(direction),
        format!("endpoint 0x01 is OUT, not IN: the interface has {existing}")
    );
    let kind = interface.endpoint::<Interrupt, In>(0x81).unwrap_err();
    assert!(matches!(kind, EndpointError::WrongTransferType { .. }));
    assert_eq!(
        message(kind),
        format!("endpoint 0x81 is bulk, not interrupt: the interface has {existing}")
    );
    let absent = interface.endpoint::<Interrupt, In>(0x82).unwrap_err();
    assert!(matches!(absent, EndpointError::NotFound { .. }));
    assert_eq!(
        message(absent),
        format!("no endpoint 0x82 in alternate setting 0 of interface 0, which has {existing}")
    );
    let invalid = interface.endpoint::<Bulk, In>(0x91).unwrap_err();
    assert!(matches!(invalid, EndpointError::InvalidAddress(_)));
}

#[test]
fn an_endpoint_has_one_opener() {
    let rig = Rig::new();
    let first = rig.input();
    let second = rig.interface.endpoint::<Bulk, In>(0x81);
    assert!(matches!(second, Err(EndpointError::Busy(_))));
    drop(first);
    rig.interface.endpoint::<Bulk, In>(0x81).unwrap();
}

#[test]
fn a_failed_open_leaves_the_endpoint_free() {
    let rig = Rig::new();
    rig.interface.endpoint::<Bulk, Out>(0x81).unwrap_err();
    rig.interface.endpoint::<Bulk, In>(0x81).unwrap();
}

#[test]
fn alternate_settings_have_endpoints_of_their_own() {
    let rig = Rig::new();
    let interface = &rig.interface;
    assert_eq!(interface.alternate_setting().unwrap().endpoints.len(), 2);

    let input = rig.input();
    let open = interface.set_alternate_setting(1);
    assert!(matches!(open, Err(AlternateSettingError::EndpointsOpen(_))));
    drop(input);

    interface.set_alternate_setting(1).unwrap();
    assert_eq!(interface.alternate_setting().unwrap().alternate_setting, 1);
    interface.endpoint::<Bulk, In>(0x81).unwrap_err();
    let mut reports = interface.endpoint::<Interrupt, In>(0x82).unwrap();
    rig.echo.send(0x82, b"report");
    let received = reports.transfer_blocking(usbfs2_host::Buffer::with_capacity(64), SOON);
    assert_eq!(&received.buffer[..], b"report");

    drop(reports);
    interface.set_alternate_setting(0).unwrap();
    interface.endpoint::<Bulk, In>(0x81).unwrap();
}

#[test]
fn a_missing_alternate_setting_is_named_with_those_there_are() {
    let rig = Rig::new();
    let error = rig.interface.set_alternate_setting(4).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no alternate setting 4: the interface has 0, 1"
    );
    assert_eq!(
        rig.interface.alternate_setting().unwrap().alternate_setting,
        0
    );
}

#[test]
fn a_configuration_changes_only_with_no_claims() {
    let rig = Rig::new();
    let device = rig.device.clone();
    assert!(matches!(
        device.set_configuration(1),
        Err(ConfigurationError::Busy)
    ));
    let Rig {
        interface,
        echo: _echo,
        ..
    } = rig;
    drop(interface);
    device.set_configuration(1).unwrap();
    assert!(matches!(
        device.set_configuration(9),
        Err(ConfigurationError::NotFound(9))
    ));
    assert_eq!(device.configuration().unwrap().value, 1);
    device.set_configuration(0).unwrap();
    let none = device.configuration();
    assert!(matches!(none, Err(ConfigurationError::NotConfigured)));
    let claim = device.claim(0);
    assert!(matches!(
        claim,
        Err(ClaimError::Configuration(ConfigurationError::NotConfigured))
    ));
}

#[test]
fn an_unplugged_device_refuses_everything() {
    let rig = Rig::new();
    rig.echo.port().cable().pull();
    assert!(matches!(
        rig.device.configuration(),
        Err(ConfigurationError::Disconnected)
    ));
    let endpoint = rig.interface.endpoint::<Bulk, In>(0x81);
    assert!(matches!(endpoint, Err(EndpointError::Disconnected)));
    let alternate = rig.interface.set_alternate_setting(1);
    assert!(matches!(
        alternate,
        Err(AlternateSettingError::Disconnected)
    ));
    let open = rig.host.open(&"1-1".into());
    assert!(matches!(open, Err(OpenError::NotFound(_))));
}
