//! What holds for any configuration and for any bytes.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use usbfs2_protocol::descriptor::{
    AlternateSetting, ClassDescriptor, Configuration, DescriptorSet, Descriptors, Endpoint,
    Interface, InterfaceAssociation, SuperSpeedCompanion, UnknownDescriptor, Version,
};
use usbfs2_protocol::hid::HidDescriptor;
use usbfs2_protocol::{EndpointAddress, TransferType};

use crate::devices::{CAMERA, COMPOSITE, KEYBOARD, MICROPHONE, SUPERSPEED_DISK, device};

fn unknown() -> impl Strategy<Value = UnknownDescriptor> {
    (0x40_u8..0xff, vec(any::<u8>(), 0..12)).prop_map(|(descriptor_type, bytes)| {
        UnknownDescriptor {
            descriptor_type,
            bytes,
        }
    })
}

fn companion() -> impl Strategy<Value = SuperSpeedCompanion> {
    any::<(u8, u8, u16)>().prop_map(|(max_burst, attributes, bytes_per_interval)| {
        SuperSpeedCompanion {
            max_burst,
            attributes,
            bytes_per_interval,
        }
    })
}

/// An endpoint, its address still to be given.
fn endpoint() -> impl Strategy<Value = Endpoint> {
    (
        any::<(u8, u16, u8)>(),
        vec(any::<u8>(), 0..3),
        prop::option::of(companion()),
        vec(unknown(), 0..3),
    )
        .prop_map(
            |((attributes, packet_size, interval), trailing, companion, extra)| Endpoint {
                attributes,
                trailing,
                companion,
                extra,
                ..Endpoint::new(
                    EndpointAddress::CONTROL,
                    TransferType::Bulk,
                    packet_size,
                    interval,
                )
            },
        )
}

fn hid() -> impl Strategy<Value = HidDescriptor> {
    (any::<(u16, u8)>(), vec(any::<(u8, u16)>(), 0..4)).prop_map(
        |((version, country_code), descriptors)| HidDescriptor {
            version: Version(version),
            country_code,
            descriptors,
        },
    )
}

/// An alternate setting, its numbers still to be given.
fn setting() -> impl Strategy<Value = AlternateSetting> {
    let vendor = (
        Just(0xff),
        vec(unknown().prop_map(ClassDescriptor::Unknown), 0..4),
    );
    let hid = (Just(3), vec(hid().prop_map(ClassDescriptor::Hid), 0..2));
    (
        prop_oneof![vendor, hid],
        any::<(u8, u8, u8)>(),
        prop::collection::btree_map((1..16_u8, any::<bool>()), endpoint(), 0..4),
    )
        .prop_map(
            |((class, extra), (subclass, protocol, string_index), endpoints)| {
                let endpoints = endpoints.into_iter().map(|((number, is_in), endpoint)| {
                    let address = number | if is_in { 0x80 } else { 0 };
                    Endpoint {
                        address: EndpointAddress::try_from(address).unwrap(),
                        ..endpoint
                    }
                });
                AlternateSetting {
                    class,
                    subclass,
                    protocol,
                    string_index,
                    endpoints: endpoints.collect(),
                    extra,
                    ..AlternateSetting::default()
                }
            },
        )
}

/// Interfaces by number, no endpoint in two of them.
fn interfaces() -> impl Strategy<Value = Vec<Interface>> {
    prop::collection::btree_map(any::<u8>(), vec(setting(), 1..4), 0..5).prop_map(|interfaces| {
        let mut owners = BTreeMap::new();
        let mut own = |number: u8, settings: Vec<AlternateSetting>| Interface {
            number,
            alternate_settings: (0..)
                .zip(settings)
                .map(|(alternate_setting, mut setting)| {
                    setting.interface_number = number;
                    setting.alternate_setting = alternate_setting;
                    setting.endpoints.retain(|endpoint| {
                        *owners.entry(endpoint.address).or_insert(number) == number
                    });
                    setting
                })
                .collect(),
        };
        interfaces
            .into_iter()
            .map(|(number, settings)| own(number, settings))
            .collect()
    })
}

prop_compose! {
    /// Any configuration, its associations in the order they are sent in.
    fn configuration()(
        interfaces in interfaces(),
    )(
        numbers in vec(any::<(u8, u8, u8)>(), 3),
        (value, string_index, max_power) in any::<(u8, u8, u8)>(),
        (self_powered, remote_wakeup) in any::<(bool, bool)>(),
        associated in vec(any::<bool>(), interfaces.len()),
        extra in vec(unknown(), 0..3),
        interfaces in Just(interfaces),
    ) -> Configuration {
        let first_interfaces = interfaces.iter().zip(associated).filter(|(_, is)| *is);
        let associations = first_interfaces
            .zip(numbers)
            .map(|((interface, _), (class, subclass, interface_count))| InterfaceAssociation {
                first_interface: interface.number,
                interface_count,
                class,
                subclass,
                protocol: 1,
                string_index: 0,
            })
            .collect();
        Configuration {
            value,
            string_index,
            self_powered,
            remote_wakeup,
            max_power,
            interfaces,
            associations,
            extra,
        }
    }
}

/// A real configuration with a few bytes changed: lies that go further than noise does.
fn nearly_real() -> impl Strategy<Value = Vec<u8>> {
    let real = prop::sample::select(vec![
        KEYBOARD.to_vec(),
        SUPERSPEED_DISK.to_vec(),
        COMPOSITE.to_vec(),
        MICROPHONE.to_vec(),
        CAMERA.to_vec(),
    ]);
    let byte = prop_oneof![any::<u8>(), 0..12_u8, Just(0xff)];
    (real, vec((any::<Index>(), byte), 0..4)).prop_map(|(mut bytes, changes)| {
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #[test]
    fn any_configuration_round_trips(configuration in configuration()) {
        let bytes = configuration.to_bytes();
        prop_assert_eq!(Configuration::total_length(&bytes), Ok(u16::try_from(bytes.len())?));
        prop_assert_eq!(Configuration::parse(&bytes), Ok(configuration));
    }

    #[test]
    fn a_cut_configuration_is_an_error(configuration in configuration(), cut in any::<Index>()) {
        let bytes = configuration.to_bytes();
        prop_assert!(Configuration::parse(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn what_is_salvaged_tells_the_truth(bytes in nearly_real()) {
        if let Ok((salvaged, problems)) = Configuration::salvage(&bytes) {
            let parsed = Configuration::parse(&bytes);
            match problems.first() {
                None => prop_assert_eq!(parsed.as_ref(), Ok(&salvaged)),
                Some(first) => prop_assert_eq!(parsed.as_ref(), Err(first)),
            }
            for problem in &problems {
                prop_assert!(!problem.to_string().is_empty());
            }
            // Left without what broke a rule, it breaks none; but an interface may have lost setting 0.
            let (again, problems) = Configuration::salvage(&salvaged.to_bytes()).unwrap();
            prop_assert_eq!(&again, &salvaged);
            let has_default = |interface: &Interface| interface.alternate_setting(0).is_some();
            prop_assert_eq!(problems.is_empty(), salvaged.interfaces.iter().all(has_default));
        }
    }

    #[test]
    fn a_lie_between_two_configurations_hides_neither(bytes in nearly_real()) {
        let mut all = device(3).to_vec();
        all.extend(SUPERSPEED_DISK);
        all.extend(&bytes);
        all.extend(KEYBOARD);
        let set = DescriptorSet::parse(&all);
        prop_assert!(set.device.is_ok());
        prop_assert!(set.configurations.len() >= 2);
        if bytes.starts_with(&[9, 2]) {
            prop_assert_eq!(&set.configurations[0], &Configuration::parse(&SUPERSPEED_DISK));
        }
        let last = set.configurations.iter().rfind(|configuration| configuration.is_ok());
        prop_assert_eq!(last, Some(&Configuration::parse(&KEYBOARD)));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        let walked: usize = Descriptors::new(&bytes).flatten().map(|raw| raw.bytes.len()).sum();
        prop_assert!(walked <= bytes.len());
        let set = DescriptorSet::parse(&bytes);
        prop_assert_eq!(set.device.is_ok(), bytes.len() >= 18 && bytes[0] >= 18
            && usize::from(bytes[0]) <= bytes.len() && bytes[1] == 1);
        prop_assert!(Configuration::parse(&bytes).is_err() || bytes[1] == 2 || bytes[1] == 7);
    }
}
