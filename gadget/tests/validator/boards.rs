//! What fits on the controllers of real boards.

use std::time::Duration;

use usbfs2_gadget::functions::audio::AudioOptions;
use usbfs2_gadget::functions::mass_storage::{Disk, DiskOptions};
use usbfs2_gadget::functions::{Audio, Keyboard, Mouse};
use usbfs2_gadget::scsi::MemoryMedium;
use usbfs2_gadget::{
    Direction, EndpointRequest, Gadget, GadgetBuilder, InterfaceClass, PerSpeed, Speed, Target, Udc,
};

use crate::{IDS, described};

fn udc(name: &str) -> Udc {
    Udc::known(name).expect("in the table")
}

fn on(name: &str, builder: GadgetBuilder) -> Vec<String> {
    let gadget: Gadget = builder.build().expect("sound but for the controller");
    let problems = gadget.check(&Target::Gadgetfs(udc(name)));
    problems.iter().map(ToString::to_string).collect()
}

fn endpoints(requests: &[EndpointRequest]) -> GadgetBuilder {
    let requests = requests.to_vec();
    described(move |builder| {
        let mut interface = builder.interface(InterfaceClass::VENDOR);
        for request in &requests {
            interface.endpoint(request.clone());
        }
    })
}

fn bulk_pairs(count: usize) -> Vec<EndpointRequest> {
    let pair = [Direction::In, Direction::Out].map(EndpointRequest::bulk);
    pair.iter().cycle().take(2 * count).cloned().collect()
}

#[test]
fn keyboard_mouse_and_disk_fit_on_every_board() {
    for entry in usbfs2_gadget::KnownUdc::ALL {
        let disk = Disk::new(MemoryMedium::new(1 << 20), DiskOptions::default()).unwrap();
        let gadget = Gadget::builder(IDS)
            .function(Keyboard::new())
            .function(Mouse::new())
            .function(disk);
        let problems = on(entry.name(), gadget);
        assert_eq!(problems, [""; 0], "{}", entry.name());
    }
}

#[test]
fn a_sound_card_needs_isochronous_endpoints() {
    let card = || {
        let card = Audio::new(AudioOptions::default()).unwrap();
        Gadget::builder(IDS).function(card)
    };
    for name in ["dwc2", "dwc3", "musb", "ci_hdrc", "cdns3", "atmel_usba"] {
        assert_eq!(on(name, card()), [""; 0], "{name}");
    }
    for name in ["tegra-xudc", "dummy_udc", "renesas_usb3"] {
        let problems = on(name, card());
        assert!(!problems.is_empty(), "{name}");
        for problem in problems {
            assert!(
                problem
                    .ends_with("carries no isochronous transfers: use bulk, or another controller"),
                "{name}: {problem}"
            );
        }
    }
}

#[test]
fn a_raspberry_pi_has_seven_endpoints_each_way() {
    assert_eq!(on("dwc2", endpoints(&bulk_pairs(7))), [""; 0]);
    assert_eq!(
        on("dwc2", endpoints(&bulk_pairs(8))),
        [
            "function described, endpoint 14 (bulk IN): dwc2 has no free endpoint for it \
             (7 suit, all taken): use fewer endpoints of this direction and type",
            "function described, endpoint 15 (bulk OUT): dwc2 has no free endpoint for it \
             (7 suit, all taken): use fewer endpoints of this direction and type",
        ]
    );
}

#[test]
fn small_fifos_are_given_to_small_packets() {
    let every = Duration::from_millis(1);
    let interrupt = EndpointRequest::interrupt(Direction::In, 64, every);
    let mut requests = vec![interrupt.clone(); 7];
    requests.push(EndpointRequest::bulk(Direction::In));
    assert_eq!(on("dwc2-stm32mp1", endpoints(&requests)), [""; 0]);
    requests[0] = EndpointRequest::bulk(Direction::In);
    let problems = on("dwc2-stm32mp1", endpoints(&requests));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].contains(
            "dwc2-stm32mp1 has no transmit FIFO left for 512 bytes (they have 1024, 64, 64"
        ),
        "{problems:?}"
    );
    // At full speed bulk packets have 64 bytes.
    let slow = endpoints(&requests).speeds(Speed::Full, Speed::Full);
    assert_eq!(on("dwc2-stm32mp1", slow), [""; 0]);
}

#[test]
fn a_packet_goes_where_it_fits() {
    // Nine IN endpoints of 512 bytes and the three of either direction.
    let bulk = |count| vec![EndpointRequest::bulk(Direction::In); count];
    assert_eq!(on("musb", endpoints(&bulk(12))), [""; 0]);
    let problems = on("musb", endpoints(&bulk(13)));
    assert!(problems[0].contains("(12 suit, all taken)"), "{problems:?}");
    let large = EndpointRequest::isochronous(Direction::Out, 1000, Duration::from_millis(1));
    assert_eq!(on("musb", endpoints(&vec![large.clone(); 3])), [""; 0]);
    let problems = on("musb-h3", endpoints(&[large]));
    assert!(
        problems[0].contains("packets of 1000 bytes, and musb-h3 takes 512 at most here"),
        "{problems:?}"
    );
}

#[test]
fn types_that_no_endpoint_has_are_told() {
    // Interrupt pipes of 64 bytes are all that takes interrupts there.
    let sizes = PerSpeed {
        full: 64,
        high: 512,
        super_speed: 512,
    };
    let long = EndpointRequest::interrupt(Direction::In, 64, Duration::from_millis(1));
    let problems = on("renesas_usbhs", endpoints(&[long.max_packet_sizes(sizes)]));
    assert!(
        problems[0].contains("packets of 512 bytes, and renesas_usbhs takes 64 at most here"),
        "{problems:?}"
    );
    let interrupt = EndpointRequest::interrupt(Direction::Out, 8, Duration::from_millis(1));
    let small = Target::Gadgetfs(Udc::from_endpoint_names(
        "small",
        ["ep1in-bulk", "ep2out-bulk"],
    ));
    let gadget = endpoints(&[interrupt]).build().unwrap();
    let problems = gadget.check(&small);
    assert!(
        problems[0]
            .to_string()
            .contains("small has no endpoint of this direction and type"),
        "{problems:?}"
    );
}
