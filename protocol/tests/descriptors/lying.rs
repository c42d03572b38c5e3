//! Descriptors that lie get an error that says where and which rule, and cost nothing else.

use usbfs2_protocol::descriptor::{Configuration, DescriptorError, DescriptorSet};
use usbfs2_protocol::{EndpointAddress, InvalidEndpointAddress};

use crate::devices::{COMPOSITE, KEYBOARD, SUPERSPEED_DISK, device};

/// The keyboard with some bytes changed.
fn keyboard(changes: &[(usize, u8)]) -> Vec<u8> {
    let mut bytes = KEYBOARD.to_vec();
    for &(offset, byte) in changes {
        bytes[offset] = byte;
    }
    bytes
}

fn error(bytes: &[u8]) -> DescriptorError {
    Configuration::parse(bytes).unwrap_err()
}

/// A configuration of these descriptors whose header tells the truth about the number of bytes.
fn configuration(interface_count: u8, descriptors: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![9, 2, 0, 0, interface_count, 1, 0, 0x80, 50];
    bytes.extend(descriptors.concat());
    let total_length = u16::try_from(bytes.len()).unwrap();
    bytes[2..4].copy_from_slice(&total_length.to_le_bytes());
    bytes
}

const fn interface(number: u8, alternate_setting: u8, endpoint_count: u8) -> [u8; 9] {
    [
        9,
        4,
        number,
        alternate_setting,
        endpoint_count,
        0xff,
        0,
        0,
        0,
    ]
}

const fn bulk(address: u8) -> [u8; 7] {
    [7, 5, address, 2, 0, 2, 0]
}

#[test]
fn total_length_too_long() {
    assert_eq!(
        error(&keyboard(&[(2, 35)])).to_string(),
        "wTotalLength at byte 2 is 35, but the configuration has 34 bytes (USB 2.0 9.6.3)"
    );
}

#[test]
fn total_length_too_short() {
    let stated = |length| error(&keyboard(&[(2, length)]));
    assert!(matches!(
        stated(33),
        DescriptorError::TotalLength {
            stated: 33,
            found: 34,
            ..
        }
    ));
    assert!(matches!(
        stated(8),
        DescriptorError::TotalLength {
            stated: 8,
            found: 34,
            ..
        }
    ));
    assert!(matches!(
        stated(0),
        DescriptorError::TotalLength { stated: 0, .. }
    ));
}

#[test]
fn length_0_1_and_past_the_end() {
    assert_eq!(
        error(&keyboard(&[(18, 0)])).to_string(),
        "bLength at byte 18 is 0: a descriptor has at least 2 bytes (USB 2.0 9.5)"
    );
    let one = error(&keyboard(&[(9, 1)]));
    assert_eq!(
        one,
        DescriptorError::LengthTooSmall {
            offset: 9,
            length: 1
        }
    );
    assert_eq!(
        error(&keyboard(&[(27, 8)])).to_string(),
        "bLength at byte 27 is 8, but only 7 bytes are left (USB 2.0 9.5)"
    );
}

#[test]
fn length_too_small_for_the_type() {
    let short_endpoint = [6, 5, 0x81, 2, 0, 2];
    let bytes = configuration(1, &[&interface(0, 0, 1), &short_endpoint]);
    assert_eq!(
        error(&bytes).to_string(),
        "bLength at byte 18 is 6: endpoint descriptor has at least 7 bytes (USB 2.0 9.6.6)"
    );
    let short_interface = [8, 4, 0, 0, 0, 0xff, 0, 0];
    let short_interface = error(&configuration(1, &[&short_interface]));
    assert!(matches!(
        short_interface,
        DescriptorError::LengthForType {
            offset: 9,
            minimum: 9,
            ..
        }
    ));
    let short_header = error(&[8, 2, 8, 0, 0, 1, 0, 0x80]);
    assert!(matches!(
        short_header,
        DescriptorError::LengthForType {
            offset: 0,
            length: 8,
            ..
        }
    ));
}

#[test]
fn endpoint_twice_in_an_alternate_setting() {
    let bytes = configuration(1, &[&interface(0, 0, 2), &bulk(0x81), &bulk(0x81)]);
    assert_eq!(
        error(&bytes).to_string(),
        "endpoint 0x81 at byte 25 is already endpoint of interface 0 (USB 2.0 9.6.5)"
    );
}

#[test]
fn endpoint_twice_in_two_interfaces() {
    let first: [&[u8]; 2] = [&interface(0, 0, 1), &bulk(0x02)];
    let bytes = configuration(2, &[first[0], first[1], &interface(1, 0, 1), &bulk(0x02)]);
    let address = EndpointAddress::try_from(0x02).unwrap();
    assert_eq!(
        error(&bytes),
        DescriptorError::DuplicateEndpoint {
            offset: 34,
            address,
            interface: 0
        }
    );
    // Alternate settings share endpoints, and so do the two directions a number.
    let shared = configuration(
        1,
        &[
            first[0],
            first[1],
            &interface(0, 1, 2),
            &bulk(0x02),
            &bulk(0x82),
        ],
    );
    assert!(Configuration::parse(&shared).is_ok());
}

#[test]
fn endpoint_before_any_interface() {
    let bytes = configuration(1, &[&bulk(0x81), &interface(0, 0, 0)]);
    assert_eq!(
        error(&bytes).to_string(),
        "the endpoint at byte 9 follows no interface (USB 2.0 9.6.6)"
    );
}

#[test]
fn endpoint_addresses_that_are_none() {
    assert_eq!(
        error(&keyboard(&[(29, 0x91)])),
        DescriptorError::EndpointAddress {
            offset: 27,
            error: InvalidEndpointAddress::ReservedBits(0x91)
        }
    );
    assert_eq!(
        error(&keyboard(&[(29, 0x80)])),
        DescriptorError::EndpointZero { offset: 27 }
    );
}

#[test]
fn counts_of_interfaces_and_endpoints() {
    assert_eq!(
        error(&keyboard(&[(4, 32)])).to_string(),
        "bNumInterfaces at byte 4 is 32, but 1 interfaces follow (USB 2.0 9.6.3)"
    );
    assert_eq!(
        error(&keyboard(&[(13, 3)])).to_string(),
        "bNumEndpoints at byte 13 is 3, but 1 endpoints follow (USB 2.0 9.6.5)"
    );
}

#[test]
fn thirty_two_interfaces_are_the_most() {
    let interfaces: Vec<[u8; 9]> = (0..33).map(|number| interface(number, 0, 0)).collect();
    let slices: Vec<&[u8]> = interfaces.iter().map(<[u8; 9]>::as_slice).collect();
    let most = Configuration::parse(&configuration(32, &slices[..32])).unwrap();
    assert_eq!(most.interfaces.len(), 32);
    let too_many = configuration(33, &slices);
    assert_eq!(
        error(&too_many).to_string(),
        "interface 32 at byte 297 is one too many: a configuration has at most 32 interfaces \
         (Linux USB_MAXINTERFACES)"
    );
    let (salvaged, _) = Configuration::salvage(&too_many).unwrap();
    assert_eq!(salvaged.interfaces.len(), 32);
}

#[test]
fn alternate_settings_twice_or_without_0() {
    let twice = configuration(1, &[&interface(0, 0, 0), &interface(0, 0, 0)]);
    assert!(matches!(
        error(&twice),
        DescriptorError::DuplicateAlternateSetting {
            offset: 18,
            alternate_setting: 0,
            ..
        }
    ));
    let without_0 = configuration(1, &[&interface(4, 1, 0)]);
    assert_eq!(
        error(&without_0),
        DescriptorError::NoDefaultSetting { interface: 4 }
    );
}

#[test]
fn a_companion_or_an_association_that_is_cut() {
    let mut bytes = SUPERSPEED_DISK.to_vec();
    bytes[25] = 5;
    bytes.remove(30);
    bytes[2] = 43;
    assert!(matches!(
        error(&bytes),
        DescriptorError::LengthForType {
            offset: 25,
            minimum: 6,
            ..
        }
    ));
    let association = [7, 11, 0, 1, 0, 0, 0];
    let bytes = configuration(1, &[&association, &interface(0, 0, 0)]);
    assert!(matches!(
        error(&bytes),
        DescriptorError::LengthForType {
            offset: 9,
            minimum: 8,
            ..
        }
    ));
}

#[test]
fn a_hid_descriptor_that_lies_is_kept_as_it_is() {
    let configuration = Configuration::parse(&keyboard(&[(23, 2)])).unwrap();
    let setting = configuration.interfaces[0].default_setting().unwrap();
    assert_eq!(setting.hid(), None);
    assert_eq!(setting.extra.len(), 1);
    assert_eq!(configuration.to_bytes(), keyboard(&[(23, 2)]));
}

#[test]
fn salvage_tells_every_lie_and_keeps_the_rest() {
    let bytes = configuration(
        5,
        &[
            &bulk(0x81),         // before any interface
            &interface(0, 0, 3), // says 3, has 2
            &bulk(0x81),         // kept
            &bulk(0x81),         // again
            &[2, 0x30],          // behind the endpoint that is left out
            &interface(0, 0, 1), // again, with all that follows
            &bulk(0x03),         // left out
            &[3, 0xfe, 1],       // left out
            &interface(1, 0, 1), // kept
            &bulk(0x04),         // kept
            &[200, 0x24],        // past the end
        ],
    );
    let (salvaged, problems) = Configuration::salvage(&bytes).unwrap();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let begins = [
        "the endpoint at byte 9 follows",
        "endpoint 0x81 at byte 32 is already",
        "bNumEndpoints at byte 20 is 3, but 2",
        "interface 0 alternate setting 0 is there again at byte 41",
        "bLength at byte 76 is 200",
        "bNumInterfaces at byte 4 is 5, but 2",
    ];
    assert_eq!(told.len(), begins.len(), "{told:#?}");
    for (told, begin) in told.iter().zip(begins) {
        assert!(told.starts_with(begin), "{told}");
    }
    let endpoints = |interface: u8| -> Vec<u8> {
        let setting = salvaged
            .interface(interface)
            .unwrap()
            .default_setting()
            .unwrap();
        setting
            .endpoints
            .iter()
            .map(|endpoint| endpoint.address.to_byte())
            .collect()
    };
    assert_eq!((endpoints(0), endpoints(1)), (vec![0x81], vec![0x04]));
    assert_eq!(Configuration::parse(&salvaged.to_bytes()), Ok(salvaged));
}

/// The keyboard with changes between two configurations that tell the truth.
fn set_around(changes: &[(usize, u8)]) -> DescriptorSet {
    let mut bytes = device(3).to_vec();
    bytes.extend(COMPOSITE);
    bytes.extend(keyboard(changes));
    bytes.extend(SUPERSPEED_DISK);
    DescriptorSet::parse(&bytes)
}

#[test]
fn a_configuration_that_lies_hides_no_other() {
    let cases: [&[(usize, u8)]; 10] = [
        &[(2, 200)],          // wTotalLength past the end
        &[(2, 78)],           // wTotalLength to the end
        &[(2, 9)],            // wTotalLength of the header
        &[(2, 0)],            // wTotalLength of nothing
        &[(0, 0)],            // no bLength in the header
        &[(9, 0)],            // no bLength
        &[(27, 200)],         // bLength past the end
        &[(18, 0), (2, 255)], // both
        &[(27, 8)],           // bLength into the next configuration
        &[(13, 9)],           // bNumEndpoints
    ];
    for changes in cases {
        let set = set_around(changes);
        assert!(set.device.is_ok());
        assert_eq!(
            set.configurations.len(),
            3,
            "{changes:?}: {:#?}",
            set.configurations
        );
        assert_eq!(
            set.configurations[0],
            Configuration::parse(&COMPOSITE),
            "{changes:?}"
        );
        assert!(set.configurations[1].is_err(), "{changes:?}");
        assert_eq!(
            set.configurations[2],
            Configuration::parse(&SUPERSPEED_DISK),
            "{changes:?}"
        );
    }
}

#[test]
fn offsets_count_from_the_start_of_the_set() {
    let set = set_around(&[(18, 0)]);
    let offset = 18 + COMPOSITE.len() + 18;
    assert_eq!(
        set.configurations[1],
        Err(DescriptorError::LengthTooSmall { offset, length: 0 })
    );
}

#[test]
fn a_device_without_configurations_is_still_a_device() {
    let set = DescriptorSet::parse(&device(0));
    assert!(set.device.is_ok());
    assert_eq!(set.configurations, [Err(DescriptorError::NoConfiguration)]);
    let missing = DescriptorSet::parse(&device(2));
    assert_eq!(
        missing.configurations,
        [Err(DescriptorError::ConfigurationCount {
            stated: 2,
            found: 0
        })]
    );
}

#[test]
fn a_device_descriptor_that_lies_hides_no_configuration() {
    for (offset, byte) in [(0, 0), (0, 17), (0, 40), (0, 255), (1, 9)] {
        let mut bytes = device(1).to_vec();
        bytes[offset] = byte;
        bytes.extend(KEYBOARD);
        let set = DescriptorSet::parse(&bytes);
        assert_eq!(
            set.configurations,
            [Configuration::parse(&KEYBOARD)],
            "{byte}"
        );
        assert_eq!(set.device.is_ok(), (offset, byte) == (0, 40));
    }
    assert!(DescriptorSet::parse(&[]).device.is_err());
}
