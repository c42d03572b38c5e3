//! Faults happen to the transfer they name, and to no other.

use usbfs2_loopback::{BusError, Fault, FaultError, Transfer};
use usbfs2_protocol::{EndpointAddress, SetupPacket, Speed};

use crate::rig::{Rig, address, bulk, pattern};

fn inject(rig: &Rig, endpoint: u8, transfer: u64, fault: Fault) {
    let faults = rig.bus.faults("1-1").unwrap();
    faults.inject(address(endpoint), transfer, fault).unwrap();
}

#[test]
fn a_stall_hits_the_numbered_transfer_and_halts() {
    let rig = Rig::new();
    inject(&rig, 0x81, 1, Fault::Stall);
    for _ in 0..4 {
        rig.read(512);
    }
    rig.send(pattern(512));
    assert_eq!(
        rig.host_outcomes(),
        [
            Ok(512),
            Err(BusError::Stall),
            Err(BusError::Cancelled),
            Err(BusError::Cancelled)
        ]
    );
    assert!(rig.port.is_halted(address(0x81)));
    rig.clear_halt(0x81);
    rig.read(512);
    rig.send(pattern(8));
    assert_eq!(rig.host_outcomes(), [Ok(8)]);
}

#[test]
fn a_fault_may_come_for_a_transfer_that_waits() {
    let rig = Rig::new();
    rig.read(512);
    inject(&rig, 0x81, 0, Fault::Stall);
    assert_eq!(rig.host_outcomes(), [Err(BusError::Stall)]);
}

#[test]
fn nak_holds_a_transfer_for_its_microframes_and_what_is_behind_it() {
    let rig = Rig::new();
    inject(&rig, 0x81, 0, Fault::Nak { microframes: 8 });
    inject(&rig, 0x81, 1, Fault::Nak { microframes: 3 });
    rig.read(512);
    rig.read(512);
    rig.send(pattern(1));
    rig.send(pattern(2));
    rig.bus.step(7);
    assert_eq!(rig.host_outcomes(), []);
    rig.bus.step(1);
    assert_eq!(rig.host_outcomes(), [Ok(1)]);
    rig.bus.step(2);
    assert_eq!(rig.host_outcomes(), []);
    rig.bus.step(1);
    assert_eq!(rig.host_outcomes(), [Ok(2)]);
    assert_eq!(rig.bus.microframe(), 11);
}

#[test]
fn one_step_serves_chained_naks_each_in_its_time() {
    let rig = Rig::new();
    inject(&rig, 0x81, 0, Fault::Nak { microframes: 8 });
    inject(&rig, 0x81, 1, Fault::Nak { microframes: 3 });
    rig.read(512);
    rig.read(512);
    rig.send(pattern(1));
    rig.send(pattern(2));
    rig.bus.step(10);
    assert_eq!(rig.host_outcomes(), [Ok(1)]);
    rig.bus.step(1);
    assert_eq!(rig.host_outcomes(), [Ok(2)]);
}

#[test]
fn a_transfer_held_by_nak_can_be_cancelled() {
    let rig = Rig::new();
    inject(&rig, 0x81, 0, Fault::Nak { microframes: 8 });
    let id = rig.read(512);
    rig.send(pattern(1));
    rig.device.cancel(id);
    rig.read(512);
    assert_eq!(rig.host_outcomes(), [Err(BusError::Cancelled), Ok(1)]);
}

#[test]
fn a_fault_replaces_the_nak_that_holds_a_transfer() {
    let rig = Rig::new();
    inject(&rig, 0x81, 0, Fault::Nak { microframes: 8 });
    rig.read(512);
    rig.send(pattern(1));
    inject(&rig, 0x81, 0, Fault::Nak { microframes: 2 });
    rig.bus.step(1);
    assert_eq!(rig.host_outcomes(), []);
    inject(&rig, 0x81, 0, Fault::Corrupt { offset: 0, mask: 0 });
    assert_eq!(rig.host_outcomes(), [Ok(1)]);
}

#[test]
fn a_short_read_loses_the_rest_of_the_devices_transfer() {
    for length in [0, 100, 512, 700] {
        let rig = Rig::new();
        inject(&rig, 0x81, 0, Fault::Short { length });
        rig.read(4096);
        rig.send(pattern(2048));
        rig.read(4096);
        rig.send(pattern(13));
        assert_eq!(rig.host_outcomes(), [Ok(length), Ok(13)]);
        assert_eq!(rig.gadget_outcomes(), [Ok(2048), Ok(13)]);
    }
}

#[test]
fn a_read_cut_where_a_device_transfer_ends_spares_the_next_one() {
    let rig = Rig::new();
    inject(&rig, 0x81, 0, Fault::Short { length: 1024 });
    rig.read(4096);
    rig.send(pattern(1024));
    rig.send(pattern(13));
    rig.read(4096);
    assert_eq!(rig.host_outcomes(), [Ok(1024), Ok(13)]);
}

#[test]
fn a_short_write_is_short_at_both_ends() {
    for length in [0, 100, 512, 700] {
        let rig = Rig::new();
        inject(&rig, 0x01, 0, Fault::Short { length });
        rig.receive(4096);
        rig.write(pattern(2048));
        assert_eq!(rig.host_outcomes(), [Ok(length)]);
        let received = rig.gadget.try_next().unwrap();
        assert_eq!(received.buffer, pattern(2048)[..length]);
    }
}

#[test]
fn a_short_that_is_not_shorter_changes_nothing() {
    let rig = Rig::new();
    inject(&rig, 0x81, 0, Fault::Short { length: 2048 });
    inject(&rig, 0x01, 0, Fault::Short { length: 2048 });
    rig.read(2048);
    rig.send(pattern(2048));
    rig.write(pattern(2048));
    rig.receive(4096);
    assert_eq!(rig.host_outcomes(), [Ok(2048), Ok(2048)]);
    rig.write(pattern(1));
    assert_eq!(rig.gadget_outcomes(), [Ok(2048), Ok(2049)]);
}

#[test]
fn babble_overflows_and_leaves_the_devices_data() {
    let rig = Rig::new();
    inject(&rig, 0x81, 0, Fault::Babble);
    rig.send(pattern(6));
    rig.read(512);
    rig.read(512);
    assert_eq!(
        rig.host_outcomes(),
        [Err(BusError::Overflow), Err(BusError::Stall)]
    );
    rig.clear_halt(0x81);
    rig.read(512);
    assert_eq!(rig.host_outcomes(), [Ok(6)]);
}

#[test]
fn corruption_flips_the_bits_of_one_byte_wherever_it_arrives() {
    for (offset, room) in [(0, 4096), (700, 512), (2047, 1024)] {
        let rig = Rig::new();
        inject(&rig, 0x01, 1, Fault::Corrupt { offset, mask: 0x81 });
        rig.write(pattern(0));
        rig.receive(512);
        rig.gadget_outcomes();
        for _ in 0..2048_usize.div_ceil(room) {
            rig.receive(room);
        }
        let mut expected = pattern(2048);
        rig.write(expected.clone());
        expected[offset] ^= 0x81;
        rig.port.cable().pull();
        let completed = crate::rig::drain(&rig.gadget);
        let bytes: Vec<u8> = completed.into_iter().flat_map(|done| done.buffer).collect();
        assert_eq!(bytes, expected);
    }
}

#[test]
fn corruption_beyond_the_end_changes_nothing() {
    let rig = Rig::new();
    inject(
        &rig,
        0x81,
        0,
        Fault::Corrupt {
            offset: 5,
            mask: 0xff,
        },
    );
    rig.read(512);
    rig.send(pattern(5));
    assert_eq!(rig.host.try_next().unwrap().buffer, pattern(5));
}

#[test]
fn the_cable_comes_out_after_whole_packets() {
    let rig = Rig::new();
    inject(&rig, 0x81, 1, Fault::Unplug { after_bytes: 1600 });
    rig.read(512);
    rig.read(4096);
    rig.read(4096);
    rig.send(pattern(512));
    rig.send(pattern(4096));
    assert_eq!(
        rig.host_outcomes(),
        [Ok(512), Ok(1536), Err(BusError::Unplugged)]
    );
    assert_eq!(rig.gadget_outcomes(), [Ok(512), Ok(1536)]);
    assert!(!rig.port.cable().is_plugged());
}

#[test]
fn the_cable_comes_out_in_the_middle_of_a_write() {
    let rig = Rig::new();
    inject(&rig, 0x01, 0, Fault::Unplug { after_bytes: 1024 });
    rig.receive(512);
    rig.receive(512);
    rig.receive(512);
    rig.write(pattern(4096));
    assert_eq!(rig.host_outcomes(), [Ok(1024)]);
    assert_eq!(
        rig.gadget_outcomes(),
        [Ok(512), Ok(512), Err(BusError::Unplugged)]
    );
    let counters = rig.bus.counters("1-1").unwrap();
    let figures = counters
        .last()
        .map(|(_, count)| (count.bytes, count.errors));
    assert_eq!(figures, Some((1024, 1)));
}

#[test]
fn the_cable_comes_out_after_a_transfer_that_is_shorter() {
    let rig = Rig::new();
    inject(&rig, 0x81, 0, Fault::Unplug { after_bytes: 4096 });
    rig.read(4096);
    rig.send(pattern(100));
    assert_eq!(rig.host_outcomes(), [Ok(100)]);
    assert!(!rig.port.cable().is_plugged());
}

#[test]
fn the_cable_comes_out_before_the_first_byte() {
    let rig = Rig::new();
    inject(&rig, 0x81, 0, Fault::Unplug { after_bytes: 511 });
    rig.read(4096);
    assert_eq!(rig.host_outcomes(), [Err(BusError::Unplugged)]);
}

#[test]
fn a_fault_that_could_never_fire_is_refused() {
    let rig = Rig::new();
    let faults = rig.port.faults();
    rig.read(512);
    let cancelled = rig.read(512);
    rig.read(512);
    rig.device.cancel(cancelled);
    rig.send(pattern(1));
    let passed = |asked, next| Err(FaultError::Passed { asked, next });
    assert_eq!(faults.inject(address(0x81), 0, Fault::Stall), passed(0, 2));
    assert_eq!(faults.inject(address(0x81), 1, Fault::Stall), passed(1, 2));
    rig.send(pattern(1));
    assert_eq!(faults.inject(address(0x81), 2, Fault::Stall), passed(2, 3));
    assert_eq!(faults.next_transfer(address(0x81)), 3);
    assert_eq!(
        faults.inject(address(0x01), 0, Fault::Babble),
        Err(FaultError::BabbleNeedsIn)
    );
    drop(rig);
    assert_eq!(
        faults.inject(address(0x81), 9, Fault::Stall),
        Err(FaultError::PortGone)
    );
}

#[test]
fn a_fault_goes_with_its_transfer() {
    let rig = Rig::new();
    rig.read(512);
    let second = rig.read(512);
    inject(&rig, 0x81, 1, Fault::Stall);
    rig.device.cancel(second);
    assert_eq!(rig.port.faults().pending(), 0);
}

#[test]
fn a_request_the_device_was_told_of_can_not_fail_any_more() {
    let rig = Rig::new();
    rig.control(SetupPacket::get_configuration(), Transfer::receive(1));
    let late = rig.port.faults().inject(address(0x00), 0, Fault::Stall);
    assert_eq!(late, Err(FaultError::Passed { asked: 0, next: 1 }));
}

#[test]
fn faults_and_numbers_belong_to_one_plug() {
    let rig = Rig::new();
    let faults = rig.port.faults();
    rig.read(512);
    inject(&rig, 0x81, 5, Fault::Stall);
    assert_eq!(faults.pending(), 1);
    rig.port.cable().pull();
    assert_eq!(
        (faults.pending(), faults.next_transfer(address(0x81))),
        (0, 0)
    );
    inject(&rig, 0x00, 0, Fault::Stall);
    rig.port.cable().plug();
    assert_eq!(
        faults.pending(),
        1,
        "planned while the cable was out, for this plug"
    );
    let device = rig.bus.devices().pop().unwrap();
    let answer = device.control(
        SetupPacket::get_configuration(),
        &[],
        std::time::Duration::MAX,
    );
    assert_eq!(answer, Err(BusError::Stall));
    assert_eq!(faults.pending(), 0);
}

#[test]
fn counters_tell_transfers_bytes_and_errors_over_all_plugs() {
    let rig = Rig::with_packets_of(Speed::Full, 64);
    rig.read(64);
    rig.send(pattern(40));
    let cancelled = rig.read(64);
    rig.device.cancel(cancelled);
    inject(&rig, 0x81, 2, Fault::Stall);
    rig.read(64);
    rig.clear_halt(0x81);
    rig.write(pattern(10));
    rig.port.cable().pull();
    rig.port.cable().plug();
    rig.port.enable(bulk(0x81, 64)).unwrap();
    let counters = rig.bus.counters("1-1").unwrap();
    let figures: Vec<_> = counters
        .iter()
        .map(|(address, count)| {
            (
                address.to_byte(),
                count.transfers,
                count.bytes,
                count.errors,
            )
        })
        .collect();
    assert_eq!(
        figures,
        [(0x00, 1, 0, 0), (0x01, 1, 0, 1), (0x81, 3, 40, 1)]
    );
}

#[test]
fn control_transfers_have_faults_too() {
    let rig = Rig::new();
    let status = || {
        rig.control(
            SetupPacket::get_endpoint_status(address(0x81)),
            Transfer::receive(2),
        )
    };
    inject(&rig, 0x00, 0, Fault::Stall);
    inject(&rig, 0x00, 1, Fault::Babble);
    inject(&rig, 0x00, 2, Fault::Short { length: 1 });
    inject(
        &rig,
        0x00,
        3,
        Fault::Corrupt {
            offset: 1,
            mask: 0x40,
        },
    );
    inject(&rig, 0x00, 4, Fault::Nak { microframes: 2 });
    for _ in 0..4 {
        status();
    }
    let done = crate::rig::drain(&rig.host);
    assert_eq!(done[0].status, Err(BusError::Stall));
    assert_eq!(done[1].status, Err(BusError::Overflow));
    assert_eq!(done[2].buffer, [0]);
    assert_eq!(done[3].buffer, [0, 0x40]);
    status();
    assert_eq!(rig.host_outcomes(), []);
    rig.bus.step(2);
    assert_eq!(rig.host_outcomes(), [Ok(2)]);
    let number = rig.port.faults().next_transfer(EndpointAddress::CONTROL);
    inject(&rig, 0x00, number, Fault::Unplug { after_bytes: 0 });
    status();
    assert_eq!(rig.host_outcomes(), [Err(BusError::Unplugged)]);
}
