//! Rules that hold for every target: build() refuses.

use std::time::Duration;

use usbfs2_gadget::{Direction, EndpointRequest, Gadget, InterfaceClass, PerSpeed, Speed};

use crate::{IDS, described, objections, plain};

fn endpoint(request: EndpointRequest) -> Vec<String> {
    objections(described(move |builder| {
        let mut interface = builder.interface(InterfaceClass::VENDOR);
        interface.endpoint(request.clone());
    }))
}

fn every(interval: Duration) -> Vec<String> {
    endpoint(EndpointRequest::interrupt(Direction::In, 8, interval))
}

#[test]
fn a_sound_gadget_has_no_problems() {
    assert_eq!(objections(plain()), [""; 0]);
    assert_eq!(endpoint(EndpointRequest::bulk(Direction::Out)), [""; 0]);
    assert_eq!(every(Duration::from_millis(1)), [""; 0]);
}

#[test]
fn emptiness_is_refused() {
    assert_eq!(
        objections(Gadget::builder(IDS)),
        ["gadget: no function: add one with function(..)"]
    );
    assert_eq!(
        objections(described(|_| {})),
        ["function described: no interface: call interface(..) in describe"]
    );
}

#[test]
fn packet_sizes_are_those_the_speed_has() {
    let sizes = |full, high, super_speed| PerSpeed {
        full,
        high,
        super_speed,
    };
    let bulk = EndpointRequest::bulk(Direction::In);
    let place = "function described, endpoint 0 (bulk IN)";
    assert_eq!(
        endpoint(bulk.clone().max_packet_sizes(sizes(48, 64, 512))),
        [
            format!(
                "{place}: max packet size 48 at full speed: use 8, 16, 32 or 64, \
                 set with max_packet_sizes(..)"
            ),
            format!(
                "{place}: max packet size 64 at high speed: use 512, set with max_packet_sizes(..)"
            ),
            format!(
                "{place}: max packet size 512 at super speed: use 1024, \
                 set with max_packet_sizes(..)"
            ),
        ]
    );
    // Only the speeds on offer count.
    let only_full = described(move |builder| {
        let mut interface = builder.interface(InterfaceClass::VENDOR);
        interface.endpoint(bulk.clone().max_packet_sizes(sizes(8, 64, 512)));
    });
    let only_full = only_full.speeds(Speed::Full, Speed::Full);
    assert_eq!(objections(only_full), [""; 0]);
}

#[test]
fn interrupt_and_isochronous_packets_have_their_limits() {
    let refused_at = |request: EndpointRequest, sizes: PerSpeed<u16>| -> Vec<String> {
        let speeds = ["full speed", "high speed", "super speed"];
        let objections = endpoint(request.max_packet_sizes(sizes));
        let refused = |speed: &&&str| objections.iter().any(|text| text.contains(**speed));
        speeds
            .iter()
            .filter(refused)
            .map(|&speed| speed.to_owned())
            .collect()
    };
    let millisecond = Duration::from_millis(1);
    let interrupt = || EndpointRequest::interrupt(Direction::In, 8, millisecond);
    let isochronous = || EndpointRequest::isochronous(Direction::In, 8, millisecond);
    let none = [""; 0];
    assert_eq!(
        refused_at(interrupt(), PerSpeed::all(0)),
        ["full speed", "high speed", "super speed"]
    );
    assert_eq!(refused_at(interrupt(), PerSpeed::all(64)), none);
    assert_eq!(refused_at(interrupt(), PerSpeed::all(65)), ["full speed"]);
    assert_eq!(
        refused_at(interrupt(), PerSpeed::all(1025)),
        ["full speed", "high speed", "super speed"]
    );
    assert_eq!(refused_at(isochronous(), PerSpeed::all(0)), none);
    assert_eq!(refused_at(isochronous(), PerSpeed::all(1023)), none);
    assert_eq!(
        refused_at(isochronous(), PerSpeed::all(1024)),
        ["full speed"]
    );

    // Additional transactions a microframe (USB 2.0 table 9-14).
    let at_high = |high| {
        let sizes = PerSpeed {
            high,
            ..PerSpeed::all(64)
        };
        refused_at(interrupt(), sizes)
    };
    assert_eq!(at_high(1 << 11 | 1024), none);
    assert_eq!(at_high(1 << 11 | 512), ["high speed"]);
    assert_eq!(at_high(2 << 11 | 683), none);
    assert_eq!(at_high(2 << 11 | 682), ["high speed"]);
    assert_eq!(at_high(3 << 11 | 1024), ["high speed"]);
    assert_eq!(at_high(1 << 13 | 64), ["high speed"]);
}

#[test]
fn intervals_are_within_what_the_speed_can_say() {
    let too_short = every(Duration::from_micros(500));
    assert_eq!(too_short.len(), 1, "{too_short:?}");
    assert!(
        too_short[0].contains("bInterval 0 at full speed: use 1 to 255"),
        "{too_short:?}"
    );
    assert_eq!(every(Duration::ZERO).len(), 3);
    let raw = EndpointRequest::interrupt(Direction::In, 8, Duration::from_millis(1));
    let raw = endpoint(raw.intervals(PerSpeed::all(17)));
    assert_eq!(raw.len(), 2, "{raw:?}");
    assert!(
        raw[0].contains("bInterval 17 at high speed: use 1 to 16"),
        "{raw:?}"
    );
}

#[test]
fn strings_fit_their_descriptor() {
    let longest = "é".repeat(126);
    assert_eq!(objections(plain().product(longest.clone())), [""; 0]);
    let objection = objections(plain().product(longest + "!"));
    assert_eq!(objection.len(), 1);
    assert!(
        objection[0].contains("127 UTF-16 units, a descriptor holds 126"),
        "{objection:?}"
    );
    // Characters beyond the basic plane take two units.
    assert_eq!(objections(plain().product("🎹".repeat(64))).len(), 1);
}

#[test]
fn counts_fit_their_bytes() {
    let interfaces = |count| {
        objections(described(move |builder| {
            for _ in 0..count {
                builder.interface(InterfaceClass::VENDOR);
            }
        }))
    };
    assert_eq!(interfaces(32), [""; 0]);
    assert_eq!(
        interfaces(33),
        ["gadget: 33 interfaces, 32 is the most: split the functions over several gadgets"]
    );
    assert_eq!(interfaces(300).len(), 1);
    let settings = |count| {
        objections(described(move |builder| {
            let mut interface = builder.interface(InterfaceClass::VENDOR);
            for _ in 1..count {
                interface.alternate_setting(InterfaceClass::VENDOR);
            }
        }))
    };
    assert_eq!(settings(256), [""; 0]);
    assert_eq!(settings(300).len(), 1);
    let strings = |count: usize| {
        objections(described(move |builder| {
            for number in 0..count {
                builder.string(&number.to_string());
            }
            builder.interface(InterfaceClass::VENDOR);
        }))
    };
    assert_eq!(strings(255), [""; 0]);
    assert_eq!(
        strings(256),
        ["gadget: 256 strings, 255 can be numbered: remove some"]
    );
}

#[test]
fn class_descriptors_are_descriptors_and_not_standard_ones() {
    let class = |bytes: &'static [u8]| {
        objections(described(move |builder| {
            builder
                .interface(InterfaceClass::VENDOR)
                .class_descriptor(bytes);
        }))
    };
    assert_eq!(class(&[3, 0x24, 1]), [""; 0]);
    for wrong in [&[][..], &[1], &[4, 0x24, 1], &[2, 0x24, 1], &[0, 0x24]] {
        let objections = class(wrong);
        assert_eq!(objections.len(), 1, "{wrong:?}");
        assert!(
            objections[0].contains("the first byte must be the length"),
            "{objections:?}"
        );
    }
    let smuggled = class(&[7, 5, 0x81, 2, 64, 0, 0]);
    assert_eq!(smuggled.len(), 1);
    assert!(smuggled[0].contains("standard type 0x05"), "{smuggled:?}");
    let behind_endpoint =
        endpoint(EndpointRequest::bulk(Direction::In).class_descriptor([9, 0x25]));
    assert_eq!(behind_endpoint.len(), 1);
}

#[test]
fn associations_need_their_device_class() {
    let associated = || {
        described(|builder| {
            builder.association(InterfaceClass::new(1, 0, 0x20), Some("Sound"));
            builder.interface(InterfaceClass::new(1, 1, 0x20));
            builder.interface(InterfaceClass::new(1, 2, 0x20));
        })
    };
    assert_eq!(objections(associated()), [""; 0]);
    let objection = objections(associated().device_class(InterfaceClass::default()));
    assert_eq!(objection.len(), 1);
    assert!(
        objection[0].contains("device class ef/02/01"),
        "{objection:?}"
    );
}

#[test]
fn power_and_speeds_are_within_the_specification() {
    assert_eq!(objections(plain().max_power_milliamperes(500)), [""; 0]);
    assert_eq!(
        objections(plain().max_power_milliamperes(501)),
        ["gadget: 501 mA from the bus, 500 is the most: use self_powered(true)"]
    );
    let super_only = plain().speeds(Speed::Super, Speed::Super);
    assert_eq!(objections(super_only.max_power_milliamperes(900)), [""; 0]);
    assert_eq!(
        objections(plain().speeds(Speed::High, Speed::Full)).len(),
        1
    );
    assert_eq!(objections(plain().speeds(Speed::Low, Speed::Full)).len(), 1);
}
