//! Faults of isochronous packets, by the host's packet number.

use usbfs2_loopback::{BusError, Fault, FaultError, PacketFault, Transfer};

use crate::isochronous::{IN, INTERVAL, MISSED, OUT, packets, rig};
use crate::rig::{Rig, address, drain, pattern};

fn inject(rig: &Rig, endpoint: u8, packet: u64, fault: PacketFault) {
    let faults = rig.port.faults();
    faults
        .inject_packet(address(endpoint), packet, fault)
        .unwrap();
}

/// Makes each of the first packets go wrong another way.
fn inject_all(rig: &Rig, endpoint: u8, faults: &[PacketFault]) {
    for (packet, fault) in (0..).zip(faults) {
        inject(rig, endpoint, packet, *fault);
    }
}

const CORRUPT: PacketFault = PacketFault::Corrupt {
    offset: 3,
    mask: 0x81,
};

#[test]
fn packets_go_wrong_on_their_way_in() {
    let rig = rig();
    let faults = [
        PacketFault::Lost,
        CORRUPT,
        PacketFault::Short { length: 2 },
        PacketFault::Babble,
        PacketFault::Late,
    ];
    inject_all(&rig, IN, &faults);
    for first in 0..5 {
        rig.gadget_submit(IN, Transfer::send(vec![first; 10]));
    }
    rig.host_submit(IN, Transfer::isochronous_receive([10; 6]));
    rig.bus.step(6 * INTERVAL);
    let done = rig.host.try_next().unwrap();
    assert_eq!(
        packets(&done),
        [
            Err(BusError::Protocol),
            Ok(10),
            Ok(2),
            Err(BusError::Overflow),
            MISSED,
            Ok(10)
        ]
    );
    let slots: Vec<&[u8]> = done.buffer.chunks(10).collect();
    assert_eq!(slots[0], [0; 10]);
    assert_eq!(slots[1], [1, 1, 1, 0x80, 1, 1, 1, 1, 1, 1]);
    assert_eq!(slots[2], [2, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(slots[3..5], [[0; 10]; 2]);
    assert_eq!(slots[5], [4; 10]);
    assert_eq!(rig.gadget_outcomes(), [Ok(10); 5], "none the wiser");
    assert_eq!(rig.port.faults().pending(), 0);
    let (_, counters) = rig.bus.counters("1-1").unwrap().pop().unwrap();
    assert_eq!((counters.packets, counters.missed), (6, 1));
    assert_eq!((counters.errors, counters.bytes), (2, 22));
}

#[test]
fn packets_go_wrong_on_their_way_out() {
    let rig = rig();
    let faults = [
        PacketFault::Lost,
        CORRUPT,
        PacketFault::Short { length: 2 },
        PacketFault::Late,
    ];
    inject_all(&rig, OUT, &faults);
    for _ in 0..3 {
        rig.gadget_submit(OUT, Transfer::receive(10));
    }
    let transfer = Transfer::isochronous_send(pattern(50), [10; 5]);
    rig.host_submit(OUT, transfer);
    rig.bus.step(5 * INTERVAL);
    let done = rig.host.try_next().unwrap();
    assert_eq!(packets(&done), [Ok(10), Ok(10), Ok(2), MISSED, Ok(10)]);
    let mut second = pattern(50)[10..20].to_vec();
    second[3] ^= 0x81;
    let received: Vec<_> = drain(&rig.gadget)
        .into_iter()
        .map(|done| done.buffer)
        .collect();
    assert_eq!(
        received,
        [&second, &pattern(50)[20..22], &pattern(50)[40..]]
    );
    let (_, counters) = rig.bus.counters("1-1").unwrap().remove(0);
    assert_eq!((counters.packets, counters.bytes), (5, 22));
}

#[test]
fn a_device_babbles_though_it_has_nothing_queued() {
    let rig = rig();
    inject(&rig, IN, 0, PacketFault::Babble);
    rig.host_submit(IN, Transfer::isochronous_receive([10; 2]));
    rig.bus.step(2 * INTERVAL);
    let done = rig.host.try_next().unwrap();
    assert_eq!(packets(&done), [Err(BusError::Overflow), MISSED]);
}

#[test]
fn the_cable_comes_out_before_a_packet() {
    let rig = rig();
    inject(&rig, IN, 1, PacketFault::Unplug);
    rig.gadget_submit(IN, Transfer::send(vec![7]));
    rig.host_submit(IN, Transfer::isochronous_receive([1; 3]));
    rig.bus.step(INTERVAL);
    assert!(rig.device.is_plugged());
    rig.bus.step(INTERVAL);
    assert!(!rig.device.is_plugged());
    let done = rig.host.try_next().unwrap();
    let unplugged = Err(BusError::Unplugged);
    assert_eq!(packets(&done), [Ok(1), unplugged, unplugged]);
}

#[test]
fn a_fault_that_could_never_fire_is_refused() {
    let rig = rig();
    let faults = rig.port.faults();
    rig.host_submit(IN, Transfer::isochronous_receive([1; 2]));
    let cancelled = rig.host_submit(IN, Transfer::isochronous_receive([1; 2]));
    inject(&rig, IN, 3, PacketFault::Lost);
    rig.host_submit(IN, Transfer::isochronous_receive([1; 2]));
    assert_eq!(faults.next_packet(address(IN)), 6);
    rig.device.cancel(cancelled);
    assert_eq!(faults.pending(), 0, "it went with its packet");
    rig.bus.step(INTERVAL);
    let lost =
        |endpoint, packet| faults.inject_packet(address(endpoint), packet, PacketFault::Lost);
    let passed = |asked, next| Err(FaultError::PacketPassed { asked, next });
    assert_eq!(lost(IN, 0), passed(0, 1));
    assert_eq!(lost(IN, 1), Ok(()));
    assert_eq!(lost(IN, 2), passed(2, 4));
    assert_eq!(lost(IN, 4), Ok(()));
    rig.bus.step(5 * INTERVAL);
    assert_eq!(lost(IN, 5), passed(5, 6));
    assert_eq!(lost(IN, 6), Ok(()));
    let bulk = Err(FaultError::NotIsochronous(address(0x81)));
    assert_eq!(lost(0x81, 0), bulk);
    let isochronous = Err(FaultError::Isochronous(address(IN)));
    assert_eq!(faults.inject(address(IN), 9, Fault::Stall), isochronous);
    assert_eq!(
        faults.inject_packet(address(OUT), 0, PacketFault::Babble),
        Err(FaultError::BabbleNeedsIn)
    );
    rig.port.cable().pull();
    assert_eq!((faults.pending(), faults.next_packet(address(IN))), (0, 0));
}
