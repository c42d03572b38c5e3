//! What devices of each kind send reads as what they are, and writes back byte for byte.

use usbfs2_protocol::descriptor::{
    AlternateSetting, ClassDescriptor, Configuration, DescriptorSet, InterfaceAssociation,
    SuperSpeedCompanion, UnknownDescriptor,
};
use usbfs2_protocol::hid::HidDescriptor;
use usbfs2_protocol::{Direction, EndpointAddress, Speed, TransferType};

use crate::devices::{CAMERA, COMPOSITE, KEYBOARD, MICROPHONE, SUPERSPEED_DISK, device};

fn parse(bytes: &[u8]) -> Configuration {
    let configuration = Configuration::parse(bytes).unwrap();
    assert_eq!(configuration.to_bytes(), bytes);
    configuration
}

fn setting(
    configuration: &Configuration,
    interface: u8,
    alternate_setting: u8,
) -> &AlternateSetting {
    let interface = configuration.interface(interface).unwrap();
    interface.alternate_setting(alternate_setting).unwrap()
}

fn address(byte: u8) -> EndpointAddress {
    EndpointAddress::try_from(byte).unwrap()
}

#[test]
fn a_keyboard() {
    let configuration = parse(&KEYBOARD);
    assert!(configuration.remote_wakeup && !configuration.self_powered);
    assert_eq!(configuration.max_power_milliamperes(Speed::Low), 98);
    let keyboard = setting(&configuration, 0, 0);
    assert_eq!(
        (keyboard.class, keyboard.subclass, keyboard.protocol),
        (3, 1, 1)
    );
    assert_eq!(keyboard.hid(), Some(HidDescriptor::new(63)));
    let endpoint = keyboard.endpoint(address(0x81)).unwrap();
    assert_eq!(endpoint.transfer_type(), TransferType::Interrupt);
    assert_eq!(endpoint.max_packet_size(), 8);
    assert_eq!(endpoint.interval_microframes(Speed::Low), Some(80));
}

#[test]
fn a_superspeed_disk() {
    let configuration = parse(&SUPERSPEED_DISK);
    assert_eq!(configuration.max_power_milliamperes(Speed::Super), 896);
    let disk = setting(&configuration, 0, 0);
    let bulk_in = disk
        .find_endpoint(TransferType::Bulk, Direction::In)
        .unwrap();
    let bulk_out = disk
        .find_endpoint(TransferType::Bulk, Direction::Out)
        .unwrap();
    assert_eq!(
        (bulk_in.address, bulk_out.address),
        (address(0x81), address(0x02))
    );
    let companion = SuperSpeedCompanion {
        max_burst: 15,
        attributes: 0,
        bytes_per_interval: 0,
    };
    assert_eq!(
        (bulk_in.companion, bulk_out.companion),
        (Some(companion), Some(companion))
    );
}

#[test]
fn a_composite_device_with_an_association() {
    let configuration = parse(&COMPOSITE);
    assert!(configuration.self_powered);
    assert_eq!(
        configuration.associations,
        [InterfaceAssociation {
            first_interface: 0,
            interface_count: 2,
            class: 2,
            subclass: 2,
            protocol: 1,
            string_index: 5,
        }]
    );
    assert_eq!(configuration.interfaces.len(), 3);
    let control = setting(&configuration, 0, 0);
    assert_eq!(control.extra.len(), 4);
    assert_eq!(
        control.extra[3],
        ClassDescriptor::Unknown(UnknownDescriptor {
            descriptor_type: 0x24,
            bytes: vec![6, 0, 1]
        })
    );
    assert_eq!(
        setting(&configuration, 2, 0).hid().unwrap().country_code,
        33
    );
}

#[test]
fn a_microphone_keeps_what_this_crate_does_not_read() {
    let configuration = parse(&MICROPHONE);
    assert_eq!(setting(&configuration, 0, 0).extra.len(), 3);
    assert_eq!(setting(&configuration, 1, 0).endpoints, []);
    let streaming = setting(&configuration, 1, 1);
    assert_eq!(streaming.extra.len(), 2);
    let endpoint = &streaming.endpoints[0];
    assert_eq!(endpoint.transfer_type(), TransferType::Isochronous);
    assert_eq!(endpoint.trailing, [0, 0]);
    assert_eq!(endpoint.interval_microframes(Speed::Full), Some(8));
    let kept: Vec<u8> = endpoint
        .extra
        .iter()
        .map(|extra| extra.descriptor_type)
        .collect();
    assert_eq!(kept, [0x25, 0xfe, 0x41]);
}

#[test]
fn a_camera_with_three_transactions_a_microframe() {
    let configuration = parse(&CAMERA);
    assert!(configuration.associations[0].contains(1));
    let endpoint = &setting(&configuration, 1, 1).endpoints[0];
    assert_eq!(endpoint.max_packet_size(), 1024);
    assert_eq!(endpoint.transactions_per_microframe(), 3);
    assert_eq!(endpoint.interval_microframes(Speed::High), Some(1));
}

#[test]
fn the_other_speeds_configuration_differs_in_its_type_alone() {
    let configuration = parse(&KEYBOARD);
    let mut expected = KEYBOARD;
    expected[1] = 7;
    assert_eq!(configuration.to_other_speed_bytes(), expected);
    assert_eq!(Configuration::parse(&expected), Ok(configuration));
}

#[test]
fn an_association_of_no_interface_is_kept() {
    let bytes = [
        9, 2, 26, 0, 1, 1, 0, 0x80, 0, 8, 11, 7, 1, 0, 0, 0, 0, 9, 4, 0, 0, 0, 255, 0, 0,
    ];
    let mut bytes = bytes.to_vec();
    bytes.push(0);
    assert_eq!(parse(&bytes).associations[0].first_interface, 7);
}

#[test]
fn interfaces_whose_settings_are_interleaved_are_put_together() {
    let mut bytes = vec![9, 2, 36, 0, 2, 1, 0, 0x80, 0];
    for (interface, alternate_setting) in [(0, 0), (1, 0), (0, 1)] {
        bytes.extend([9, 4, interface, alternate_setting, 0, 255, 0, 0, 0]);
    }
    let configuration = Configuration::parse(&bytes).unwrap();
    let settings = configuration
        .alternate_settings()
        .map(|setting| (setting.interface_number, setting.alternate_setting));
    assert_eq!(settings.collect::<Vec<_>>(), [(0, 0), (0, 1), (1, 0)]);
    assert_eq!(
        Configuration::parse(&configuration.to_bytes()),
        Ok(configuration)
    );
}

#[test]
fn a_set_is_a_device_and_its_configurations() {
    let mut bytes = device(2).to_vec();
    bytes.extend(COMPOSITE);
    bytes.extend(KEYBOARD);
    let set = DescriptorSet::parse(&bytes);
    assert_eq!(
        set.device.as_ref().map(|device| device.vendor_id),
        Ok(0x1234)
    );
    assert_eq!(
        set.configurations,
        [Ok(parse(&COMPOSITE)), Ok(parse(&KEYBOARD))]
    );
    assert_eq!(set.configuration(1), Some(&parse(&COMPOSITE)));
    assert_eq!(set.configuration(3), None);
}
