//! Isochronous endpoints: one packet a service interval, whoever is ready.

use usbfs2_loopback::{BusError, Completed, EndpointSpec, HaltError, PacketOutcome, Transfer};
use usbfs2_protocol::{SetupPacket, Speed, TransferType};

use crate::rig::{Rig, address, drain, outcome, pattern};

pub(crate) const IN: u8 = 0x82;
pub(crate) const OUT: u8 = 0x02;
/// Microframes from packet to packet: 2^(4 - 1).
pub(crate) const INTERVAL: u64 = 8;

pub(crate) fn isochronous(byte: u8, max_packet_size: u16) -> EndpointSpec {
    EndpointSpec {
        address: address(byte),
        transfer_type: TransferType::Isochronous,
        max_packet_size,
        interval: 4,
    }
}

/// A rig with an IN and an OUT endpoint of 192 bytes a millisecond.
pub(crate) fn rig() -> Rig {
    let rig = Rig::new();
    for byte in [IN, OUT] {
        rig.port.enable(isochronous(byte, 192)).unwrap();
    }
    rig
}

/// What became of a packet: its bytes, or why not.
pub(crate) fn packets(done: &Completed) -> Vec<Result<u32, BusError>> {
    let outcome = |packet: &PacketOutcome| packet.status.map(|()| packet.actual_length);
    done.packets.iter().map(outcome).collect()
}

pub(crate) const MISSED: Result<u32, BusError> = Err(BusError::Missed);
const CANCELLED: Result<u32, BusError> = Err(BusError::Cancelled);

#[test]
fn packets_come_in_slots_one_an_interval() {
    let rig = rig();
    for length in [100, 0, 192] {
        rig.gadget_submit(IN, Transfer::send(pattern(length)));
    }
    rig.host_submit(IN, Transfer::isochronous_receive([192; 4]).user_data(7));
    rig.bus.step(INTERVAL - 1);
    assert_eq!(rig.gadget_outcomes(), []);
    rig.bus.step(1);
    assert_eq!(rig.gadget_outcomes(), [Ok(100)]);
    rig.bus.step(2 * INTERVAL);
    let sent = drain(&rig.gadget);
    let starts: Vec<_> = sent.iter().map(|done| done.start_microframe).collect();
    assert_eq!(starts, [Some(2 * INTERVAL), Some(3 * INTERVAL)]);
    assert_eq!(rig.host_outcomes(), []);
    rig.bus.step(INTERVAL);
    let done = rig.host.try_next().unwrap();
    assert_eq!((done.status, done.user_data), (Ok(()), 7));
    assert_eq!(packets(&done), [Ok(100), Ok(0), Ok(192), MISSED]);
    assert_eq!(done.start_microframe, Some(INTERVAL));
    assert_eq!(done.actual_length, 292);
    assert_eq!(done.buffer.len(), 4 * 192);
    assert_eq!(done.buffer[..100], pattern(100));
    assert_eq!(done.buffer[100..384], [0; 284]);
    assert_eq!(done.buffer[384..576], pattern(192));
}

#[test]
fn sent_packets_are_one_transfer_each_at_the_device() {
    let rig = rig();
    for _ in 0..3 {
        rig.gadget_submit(OUT, Transfer::receive(192));
    }
    let transfer = Transfer::isochronous_send(pattern(300), [180, 0, 100, 20]);
    rig.host_submit(OUT, transfer);
    rig.bus.step(4 * INTERVAL);
    let received: Vec<_> = drain(&rig.gadget)
        .into_iter()
        .map(|done| done.buffer)
        .collect();
    let all = pattern(300);
    assert_eq!(received, [&all[..180], &[], &all[180..280]]);
    let done = rig.host.try_next().unwrap();
    assert_eq!(packets(&done), [Ok(180), Ok(0), Ok(100), MISSED]);
    assert_eq!((done.actual_length, done.buffer), (280, all));
}

#[test]
fn transfers_follow_each_other_without_a_gap_until_the_queue_runs_dry() {
    let rig = rig();
    for _ in 0..2 {
        rig.host_submit(IN, Transfer::isochronous_receive([10; 3]));
    }
    rig.bus.step(6 * INTERVAL + 3);
    rig.host_submit(IN, Transfer::isochronous_receive([10]));
    rig.bus.step(INTERVAL);
    let starts: Vec<_> = drain(&rig.host)
        .iter()
        .map(|done| done.start_microframe.unwrap() / INTERVAL)
        .collect();
    assert_eq!(starts, [1, 4, 7]);
}

#[test]
fn a_start_can_be_asked_for_and_what_is_late_is_missed() {
    let rig = rig();
    for byte in 0..9 {
        rig.gadget_submit(IN, Transfer::send(vec![byte]));
    }
    let ask = |packets: usize, microframe| {
        let transfer = Transfer::isochronous_receive(vec![10; packets]);
        rig.host_submit(IN, transfer.start_microframe(microframe));
    };
    rig.bus.step(2 * INTERVAL);
    ask(4, 0);
    ask(2, 40);
    ask(1, 41);
    ask(1, 100);
    rig.host_submit(IN, Transfer::isochronous_receive([10]));
    rig.bus.step(200);
    let done: Vec<_> = drain(&rig.host)
        .iter()
        .map(|done| (done.start_microframe.unwrap(), packets(done)))
        .collect();
    assert_eq!(
        done,
        [
            (0, vec![MISSED, MISSED, MISSED, Ok(1)]),
            (40, vec![Ok(1); 2]),
            (48, vec![MISSED]),
            (104, vec![Ok(1)]),
            (112, vec![Ok(1)]),
        ]
    );
    assert_eq!(rig.gadget_outcomes().len(), 5, "none for a missed one");
}

#[test]
fn all_of_it_late_is_told_at_once() {
    let rig = rig();
    rig.bus.step(100);
    rig.host_submit(
        IN,
        Transfer::isochronous_receive([10; 2]).start_microframe(8),
    );
    let done = rig.host.try_next().unwrap();
    assert_eq!((done.status, packets(&done)), (Ok(()), vec![MISSED; 2]));
}

#[test]
fn one_that_is_late_as_a_whole_waits_for_its_turn_and_takes_no_place() {
    let rig = rig();
    let ask = || Transfer::isochronous_receive([1; 4]);
    rig.host_submit(IN, ask());
    rig.host_submit(IN, ask().start_microframe(0));
    rig.host_submit(IN, ask());
    rig.bus.step(4 * INTERVAL);
    let starts: Vec<_> = drain(&rig.host)
        .iter()
        .map(|done| done.start_microframe.unwrap() / INTERVAL)
        .collect();
    assert_eq!(starts, [1, 0]);
    rig.bus.step(4 * INTERVAL);
    let done = rig.host.try_next().unwrap();
    assert_eq!(done.start_microframe, Some(5 * INTERVAL));
}

#[test]
fn a_packet_that_does_not_fit_its_slot_is_lost() {
    let rig = rig();
    rig.gadget_submit(IN, Transfer::send(pattern(100)));
    rig.gadget_submit(IN, Transfer::send(pattern(50)));
    rig.host_submit(IN, Transfer::isochronous_receive([99, 50]));
    rig.gadget_submit(OUT, Transfer::receive(60));
    rig.gadget_submit(OUT, Transfer::receive(60));
    rig.host_submit(OUT, Transfer::isochronous_send(pattern(130), [70, 60]));
    rig.bus.step(2 * INTERVAL);
    let done = rig.host.try_next().unwrap();
    // Both end in the same microframe; OUT is served first.
    assert_eq!(packets(&done), [Ok(70), Ok(60)]);
    let done = rig.host.try_next().unwrap();
    assert_eq!(packets(&done), [Err(BusError::Overflow), Ok(50)]);
    assert_eq!(done.buffer[..99], [0; 99]);
    let device = drain(&rig.gadget);
    let outcomes: Vec<_> = device.iter().map(outcome).collect();
    let overflow = Err(BusError::Overflow);
    assert_eq!(outcomes, [overflow, Ok(100), Ok(60), Ok(50)]);
    assert_eq!(device[0].buffer, pattern(60), "what fitted");
}

#[test]
fn a_cancel_delivers_what_is_done_and_leaves_the_others_in_their_time() {
    let rig = rig();
    for _ in 0..9 {
        rig.gadget_submit(IN, Transfer::send(vec![1]));
    }
    let [first, second, third] = [3, 2, 2]
        .map(|packets| rig.host_submit(IN, Transfer::isochronous_receive(vec![4; packets])));
    rig.bus.step(INTERVAL);
    assert!(rig.device.cancel(second));
    assert!(rig.device.cancel(first));
    assert!(!rig.device.cancel(first));
    let done = drain(&rig.host);
    assert_eq!(
        (done[0].id, done[0].status),
        (second, Err(BusError::Cancelled))
    );
    assert_eq!(packets(&done[0]), [CANCELLED; 2]);
    assert_eq!((done[1].id, done[1].status), (first, Ok(())));
    assert_eq!(packets(&done[1]), [Ok(1), CANCELLED, CANCELLED]);
    rig.bus.step(4 * INTERVAL);
    assert_eq!(rig.host_outcomes(), []);
    rig.bus.step(2 * INTERVAL);
    let done = rig.host.try_next().unwrap();
    assert_eq!(
        (done.id, done.start_microframe),
        (third, Some(6 * INTERVAL))
    );
    assert_eq!(packets(&done), [Ok(1); 2]);
    assert_eq!(rig.gadget_outcomes().len(), 3);
}

#[test]
fn a_cancelled_packet_of_the_device_leaves_its_turn_to_the_next() {
    let rig = rig();
    let first = rig.gadget_submit(IN, Transfer::send(vec![1]));
    rig.gadget_submit(IN, Transfer::send(vec![2]));
    assert!(rig.port.cancel(first));
    rig.host_submit(IN, Transfer::isochronous_receive([1]));
    rig.bus.step(INTERVAL);
    assert_eq!(rig.host.try_next().unwrap().buffer, [2]);
    assert_eq!(rig.gadget_outcomes(), [Err(BusError::Cancelled), Ok(1)]);
}

#[test]
fn unplugging_ends_both_ends() {
    let rig = rig();
    for _ in 0..2 {
        rig.gadget_submit(IN, Transfer::send(vec![1]));
        rig.host_submit(IN, Transfer::isochronous_receive([1, 1]));
    }
    rig.bus.step(INTERVAL);
    rig.port.cable().pull();
    let unplugged = Err(BusError::Unplugged);
    let done = drain(&rig.host);
    assert_eq!(
        (done[0].status, packets(&done[0])),
        (Ok(()), vec![Ok(1), unplugged])
    );
    assert_eq!(done[1].status, Err(BusError::Unplugged));
    assert_eq!(packets(&done[1]), [unplugged; 2]);
    assert_eq!(rig.gadget_outcomes(), [Ok(1), Err(BusError::Unplugged)]);
    rig.bus.step(100);
    assert_eq!(rig.host.pending(), 0);
}

#[test]
fn a_disabled_endpoint_answers_nothing_until_it_is_enabled_again() {
    let rig = rig();
    rig.gadget_submit(IN, Transfer::send(vec![1]));
    rig.host_submit(IN, Transfer::isochronous_receive([1; 3]));
    rig.port.disable(address(IN));
    assert_eq!(rig.gadget_outcomes(), [Err(BusError::NotEnabled)]);
    rig.bus.step(INTERVAL);
    rig.port.enable(isochronous(IN, 1)).unwrap();
    rig.gadget_submit(IN, Transfer::send(vec![2]));
    rig.bus.step(2 * INTERVAL);
    let done = rig.host.try_next().unwrap();
    assert_eq!(packets(&done), [Err(BusError::Protocol), Ok(1), MISSED]);
    rig.port.disable(address(IN));
    rig.host_submit(IN, Transfer::isochronous_receive([1]));
    let refused = rig.host.try_next().unwrap();
    assert_eq!(refused.status, Err(BusError::Protocol));
    assert_eq!(packets(&refused), [Err(BusError::Protocol)]);
    rig.port.enable(isochronous(IN, 1)).unwrap();
    rig.host_submit(IN, Transfer::isochronous_receive([1]));
    rig.bus.step(INTERVAL);
    let done = rig.host.try_next().unwrap();
    assert_eq!(packets(&done), [MISSED], "it never was stopped");
}

#[test]
fn a_new_configuration_ends_what_the_host_asked_for() {
    let rig = rig();
    rig.gadget_submit(IN, Transfer::send(vec![1]));
    rig.host_submit(IN, Transfer::isochronous_receive([1; 2]));
    rig.host_submit(IN, Transfer::isochronous_receive([1; 2]));
    rig.bus.step(INTERVAL);
    rig.control(
        SetupPacket::set_configuration(1),
        Transfer::send(Vec::new()),
    );
    let done = drain(&rig.host);
    assert_eq!(
        (done[0].status, packets(&done[0])),
        (Ok(()), vec![Ok(1), CANCELLED])
    );
    assert_eq!(done[1].status, Err(BusError::Cancelled));
}

#[test]
fn intervals_pass_while_the_device_is_suspended() {
    let rig = rig();
    rig.gadget_submit(IN, Transfer::send(vec![1]));
    rig.host_submit(IN, Transfer::isochronous_receive([1; 2]));
    rig.device.suspend();
    rig.bus.step(INTERVAL);
    rig.device.resume();
    rig.bus.step(INTERVAL);
    assert_eq!(packets(&rig.host.try_next().unwrap()), [MISSED, Ok(1)]);
}

#[test]
fn isochronous_endpoints_have_no_halt() {
    let rig = rig();
    let refused = rig.port.set_halt(address(IN), true);
    assert_eq!(refused, Err(HaltError::Isochronous(address(IN))));
    rig.host_submit(IN, Transfer::isochronous_receive([1]));
    rig.control(
        SetupPacket::clear_endpoint_halt(address(IN)),
        Transfer::send(Vec::new()),
    );
    assert_eq!(rig.host_outcomes(), [Err(BusError::Stall)]);
    rig.control(
        SetupPacket::get_endpoint_status(address(IN)),
        Transfer::receive(2),
    );
    assert_eq!(rig.host.try_next().unwrap().buffer, [0, 0]);
    rig.bus.step(INTERVAL);
    assert_eq!(packets(&rig.host.try_next().unwrap()), [MISSED]);
}

#[test]
fn transfers_that_do_not_fit_the_endpoint_are_refused() {
    let rig = rig();
    let refused = [
        (IN, Transfer::receive(192)),
        (OUT, Transfer::send(pattern(192))),
        (IN, Transfer::isochronous_receive([])),
        (IN, Transfer::isochronous_receive([193])),
        (IN, Transfer::isochronous_receive([u32::MAX; 4])),
        (OUT, Transfer::isochronous_send(pattern(10), [5, 6])),
        (OUT, Transfer::isochronous_receive([5])),
        (0x81, Transfer::isochronous_receive([5])),
        (
            IN,
            Transfer::isochronous_receive([5]).start_microframe(u64::MAX),
        ),
    ];
    for (endpoint, transfer) in refused {
        rig.host_submit(endpoint, transfer.clone());
        let done = rig.host.try_next().unwrap();
        assert_eq!(done.status, Err(BusError::InvalidRequest), "{transfer:?}");
    }
    rig.gadget_submit(IN, Transfer::send(pattern(193)));
    rig.gadget_submit(IN, Transfer::isochronous_send(vec![1], [1]));
    assert_eq!(rig.gadget_outcomes(), [Err(BusError::InvalidRequest); 2]);
    let setup = SetupPacket::get_configuration();
    rig.control(setup, Transfer::isochronous_receive([1]));
    assert_eq!(rig.host_outcomes(), [Err(BusError::InvalidRequest)]);
}

#[test]
fn high_bandwidth_and_super_speed_packets_move_whole() {
    for (speed, bulk, size, capacity) in [
        (Speed::Full, 64, 1023, 1023),
        (Speed::High, 512, 0x1400, 3072),
        (Speed::Super, 1024, 49_152, 49_152),
    ] {
        let rig = Rig::with_packets_of(speed, bulk);
        let spec = EndpointSpec {
            interval: 1,
            ..isochronous(IN, size)
        };
        rig.port.enable(spec).unwrap();
        rig.gadget_submit(IN, Transfer::send(pattern(capacity)));
        rig.gadget_submit(IN, Transfer::send(pattern(capacity + 1)));
        let lengths = [capacity as u32];
        rig.host_submit(IN, Transfer::isochronous_receive(lengths));
        rig.bus.step(if speed == Speed::Full { 8 } else { 1 });
        assert_eq!(rig.host.try_next().unwrap().buffer, pattern(capacity));
        assert_eq!(
            rig.gadget_outcomes(),
            [Err(BusError::InvalidRequest), Ok(capacity)]
        );
    }
}

#[test]
fn counters_tell_packets_and_misses() {
    let rig = rig();
    rig.gadget_submit(IN, Transfer::send(pattern(5)));
    rig.gadget_submit(IN, Transfer::send(pattern(9)));
    rig.host_submit(IN, Transfer::isochronous_receive([8; 3]));
    rig.bus.step(3 * INTERVAL);
    let (_, counters) = rig.bus.counters("1-1").unwrap().pop().unwrap();
    assert_eq!((counters.transfers, counters.packets), (1, 3));
    assert_eq!(
        (counters.bytes, counters.errors, counters.missed),
        (5, 1, 1)
    );
}
