//! What gadgetfs and its controllers refuse: check() tells.

use std::time::Duration;

use usbfs2_gadget::{
    Direction, EndpointRequest, Gadget, GadgetBuilder, InterfaceClass, Speed, Target, Udc,
};

use crate::{described, plain};

fn on_dummy(builder: GadgetBuilder) -> Vec<String> {
    on(&Target::Gadgetfs(Udc::dummy_hcd()), builder)
}

fn on(target: &Target, builder: GadgetBuilder) -> Vec<String> {
    let gadget: Gadget = builder.build().expect("sound but for the target");
    gadget
        .check(target)
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn endpoints(count: usize, request: EndpointRequest) -> GadgetBuilder {
    described(move |builder| {
        let mut interface = builder.interface(InterfaceClass::VENDOR);
        for _ in 0..count {
            interface.endpoint(request.clone());
        }
    })
}

#[test]
fn a_sound_gadget_runs_everywhere() {
    assert_eq!(on_dummy(plain()), [""; 0]);
    for speed in [Speed::Full, Speed::High, Speed::Super] {
        assert_eq!(on(&Target::Loopback(speed), plain()), [""; 0]);
    }
}

#[test]
fn dummy_hcd_runs_out_of_endpoints() {
    let interrupt = EndpointRequest::interrupt(Direction::In, 8, Duration::from_millis(1));
    // Three of the type and five of any.
    assert_eq!(on_dummy(endpoints(8, interrupt.clone())), [""; 0]);
    assert_eq!(
        on_dummy(endpoints(9, interrupt)),
        [
            "function described, endpoint 8 (interrupt IN): dummy_udc has no free endpoint for it \
          (8 suit, all taken): use fewer endpoints of this direction and type"
        ]
    );
    let bulk = EndpointRequest::bulk(Direction::Out);
    assert_eq!(on_dummy(endpoints(12, bulk.clone())), [""; 0]);
    assert_eq!(on_dummy(endpoints(13, bulk)).len(), 1);
}

#[test]
fn scarce_endpoints_go_to_those_that_need_them() {
    // Greedy in order of declaration would give the bulk endpoint the interrupt one's only place.
    let udc = Udc::from_endpoint_names("small", ["ep1", "ep2in-bulk"]);
    let gadget = described(|builder| {
        let mut interface = builder.interface(InterfaceClass::VENDOR);
        interface.endpoint(EndpointRequest::bulk(Direction::In));
        let every = Duration::from_millis(1);
        interface.endpoint(EndpointRequest::interrupt(Direction::In, 8, every));
    });
    assert_eq!(on(&Target::Gadgetfs(udc), gadget), [""; 0]);
}

#[test]
fn isochronous_is_not_for_every_controller() {
    let isochronous = EndpointRequest::isochronous(Direction::In, 192, Duration::from_millis(1));
    let hardware = Target::Gadgetfs(Udc::from_endpoint_names("fsl-usb2-udc", ["ep1in"]));
    assert_eq!(on(&hardware, endpoints(1, isochronous.clone())), [""; 0]);
    let loopback = Target::Loopback(Speed::High);
    assert_eq!(on(&loopback, endpoints(1, isochronous.clone())), [""; 0]);
    let extended = Target::Gadgetfs(Udc::dummy_hcd_isochronous());
    assert_eq!(on(&extended, endpoints(3, isochronous.clone())), [""; 0]);
    assert_eq!(
        on(&extended, endpoints(4, isochronous.clone())),
        [
            "function described, endpoint 3 (isochronous IN): dummy_udc has no free endpoint for it \
          (3 suit, all taken): use fewer endpoints of this direction and type"
        ]
    );
    assert_eq!(
        on_dummy(endpoints(1, isochronous)),
        [
            "function described, endpoint 0 (isochronous IN): dummy_udc carries no isochronous \
          transfers: use bulk, or another controller"
        ]
    );
}

#[test]
fn gadgetfs_needs_full_speed_and_has_no_super_speed() {
    let super_only = on_dummy(plain().speeds(Speed::Super, Speed::Super));
    assert_eq!(
        super_only,
        ["gadget: gadgetfs has no super speed: let speeds(..) start at full speed"]
    );
    let high_only = on_dummy(plain().speeds(Speed::High, Speed::High));
    assert_eq!(
        high_only,
        ["gadget: gadgetfs needs a full-speed configuration: let speeds(..) start at full speed"]
    );
    assert_eq!(on_dummy(plain().speeds(Speed::Full, Speed::Full)), [""; 0]);
}

#[test]
fn gadgetfs_refuses_remote_wakeup() {
    assert_eq!(
        on_dummy(plain().remote_wakeup(true)),
        ["gadget: gadgetfs refuses remote wake-up: use remote_wakeup(false)"]
    );
}

#[test]
fn what_endpoint_0_sends_at_once_is_256_bytes() {
    let class_bytes = |length: u8| {
        described(move |builder| {
            let mut bytes = vec![0; usize::from(length)];
            bytes[..2].copy_from_slice(&[length, 0x24]);
            builder
                .interface(InterfaceClass::VENDOR)
                .class_descriptor(bytes);
        })
    };
    assert_eq!(on_dummy(class_bytes(238)), [""; 0]);
    let too_long = on_dummy(class_bytes(239));
    assert_eq!(too_long.len(), 2, "one for each speed: {too_long:?}");
    assert!(
        too_long[0].contains("the full speed configuration has 257 bytes, gadgetfs can send 256"),
        "{too_long:?}"
    );
    assert_eq!(
        on(&Target::Loopback(Speed::High), class_bytes(239)),
        [""; 0]
    );

    let report = |length| {
        described(move |builder| {
            builder
                .interface(InterfaceClass::VENDOR)
                .descriptor(0x22, vec![0; length]);
        })
    };
    assert_eq!(on_dummy(report(256)), [""; 0]);
    assert_eq!(
        on_dummy(report(257)),
        [
            "function described, interface 0, alternate setting 0: the descriptor of type 0x22 has \
          257 bytes, gadgetfs can send 256: shorten it"
        ]
    );
}

#[test]
fn the_in_process_bus_runs_at_the_speeds_on_offer() {
    let slow = plain().speeds(Speed::Full, Speed::High);
    assert_eq!(
        on(&Target::Loopback(Speed::Super), slow),
        ["gadget: the target runs at super speed, which speeds(..) excludes: widen it"]
    );
}
