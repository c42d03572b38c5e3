//! What the host reads at enumeration.

use usbfs2_gadget::{Direction, SetupPacket, Speed};

use crate::echo::{PATIENCE, Setting, gadget};

/// Descriptors by type, in order, from a configuration whose lengths are right.
fn types(mut bytes: &[u8]) -> Vec<u8> {
    let mut types = Vec::new();
    while let [length, kind, ..] = *bytes {
        types.push(kind);
        bytes = &bytes[usize::from(length)..];
    }
    assert!(bytes.is_empty());
    types
}

#[test]
fn the_device_descriptor_says_who_it_is() {
    for (speed, usb, packet) in [
        (Speed::Full, [0x00, 0x02], 64),
        (Speed::High, [0x00, 0x02], 64),
        (Speed::Super, [0x00, 0x03], 9),
    ] {
        let setting = Setting::new(gadget().1, speed);
        let device = setting.host.enumerated().unwrap().device.clone();
        let expected = [
            18, 1, usb[0], usb[1], 0, 0, 0, packet, 0x09, 0x12, 0x01, 0x00, 0x23, 0x01, 1, 2, 3, 1,
        ];
        assert_eq!(device, expected, "{speed}");
    }
}

#[test]
fn the_configuration_has_everything_declared_in_order() {
    let setting = Setting::new(gadget().1, Speed::High);
    let configurations = setting.host.enumerated().unwrap().configurations.clone();
    let [configuration] = &configurations[..] else {
        panic!("{configurations:?}");
    };
    assert_eq!(
        configuration[..],
        [
            [9, 2, 9 + 9 + 4 + 7 + 7 + 7, 0, 1, 1, 0, 0x80, 50].as_slice(),
            &[9, 4, 0, 0, 3, 0xff, 0, 0, 4],
            &[4, 0x24, 0xaa, 0xbb],
            &[7, 5, 0x01, 2, 0, 2, 0],
            &[7, 5, 0x81, 2, 0, 2, 0],
            &[7, 5, 0x82, 3, 8, 0, 7],
        ]
        .concat()
    );
}

#[test]
fn super_speed_has_companions_and_a_bos() {
    let setting = Setting::new(gadget().1, Speed::Super);
    let enumerated = setting.host.enumerated().unwrap();
    let configuration = &enumerated.configurations[0];
    assert_eq!(types(configuration), [2, 4, 0x24, 5, 48, 5, 48, 5, 48]);
    let bos = enumerated.bos.as_ref().expect("a BOS");
    assert_eq!(types(bos), [15, 16, 16]);
    assert_eq!(usize::from(u16::from_le_bytes([bos[2], bos[3]])), bos.len());
}

#[test]
fn dual_speed_devices_describe_their_other_speed() {
    let get = |setting: &Setting, kind| {
        let setup = SetupPacket::get_descriptor(kind, 0, 0, 255);
        setting.host.control(setup, &[], PATIENCE)
    };
    let high = Setting::new(gadget().1, Speed::High);
    assert_eq!(get(&high, 6).unwrap(), [10, 6, 0, 2, 0, 0, 0, 64, 1, 0]);
    let other = get(&high, 7).unwrap();
    assert_eq!(types(&other), [7, 4, 0x24, 5, 5, 5]);
    let full = Setting::new(gadget().1, Speed::Full);
    let mut configuration = full.host.enumerated().unwrap().configurations[0].clone();
    configuration[1] = 7;
    assert_eq!(other, configuration);
    // A gadget without the other speed has no qualifier.
    let only = gadget().1.speeds(Speed::Full, Speed::Full);
    assert!(get(&Setting::new(only, Speed::Full), 6).is_err());
}

#[test]
fn endpoints_have_the_packet_sizes_of_the_speed() {
    let size = |speed| {
        let setting = Setting::new(gadget().1, speed);
        let configuration = setting.host.enumerated().unwrap().configurations[0].clone();
        let endpoint = configuration
            .windows(4)
            .find(|window| window[..2] == [7, 5]);
        let endpoint = endpoint.map(<[u8]>::to_vec).unwrap();
        assert_eq!(
            endpoint[2],
            crate::echo::address(1, Direction::Out).to_byte()
        );
        let start = 9 + 9 + 4;
        u16::from_le_bytes([configuration[start + 4], configuration[start + 5]])
    };
    assert_eq!(size(Speed::Full), 64);
    assert_eq!(size(Speed::High), 512);
    assert_eq!(size(Speed::Super), 1024);
}
