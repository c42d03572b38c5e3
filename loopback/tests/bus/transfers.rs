//! Where transfers end: full buffers, short packets, zero-length packets, packets that do not fit.

use usbfs2_loopback::{BusError, Transfer};
use usbfs2_protocol::Speed;

use crate::rig::{Rig, drain, pattern};

#[test]
fn bytes_arrive_whole_and_in_order_both_ways() {
    let rig = Rig::new();
    rig.read(4096);
    rig.send(pattern(4096));
    let read = rig.host.try_next().unwrap();
    assert_eq!((read.status, read.actual_length), (Ok(()), 4096));
    assert_eq!(read.buffer, pattern(4096));

    rig.receive(4096);
    rig.write(pattern(4096));
    let sent = rig.gadget.try_next().unwrap();
    assert_eq!(sent.buffer, pattern(4096), "a sender gets its buffer back");
    let received = rig.gadget.try_next().unwrap();
    assert_eq!(received.buffer, pattern(4096));
}

#[test]
fn nothing_moves_until_both_sides_are_ready() {
    let rig = Rig::new();
    rig.read(10);
    assert_eq!(rig.host_outcomes(), []);
    rig.send(pattern(10));
    assert_eq!(rig.host_outcomes(), [Ok(10)]);
    rig.write(pattern(10));
    assert_eq!(rig.host_outcomes(), []);
    assert_eq!(rig.host.pending(), 1);
    rig.receive(512);
    assert_eq!(rig.host_outcomes(), [Ok(10)]);
    assert_eq!(rig.host.pending(), 0);
}

#[test]
fn a_short_packet_ends_a_read() {
    let rig = Rig::new();
    rig.read(4096);
    rig.send(pattern(700));
    assert_eq!(rig.host_outcomes(), [Ok(700)]);
}

#[test]
fn full_packets_alone_do_not_end_a_read() {
    let rig = Rig::new();
    rig.read(4096);
    rig.send(pattern(1024));
    assert_eq!(rig.gadget_outcomes(), [Ok(1024)]);
    assert_eq!(rig.host_outcomes(), []);
    rig.send(pattern(3072));
    assert_eq!(rig.host_outcomes(), [Ok(4096)]);
}

#[test]
fn a_zero_length_packet_ends_a_read_after_full_packets() {
    let rig = Rig::new();
    rig.read(4096);
    rig.gadget_submit(0x81, Transfer::send(pattern(1024)).zero_length_packet(true));
    assert_eq!(rig.host_outcomes(), [Ok(1024)]);
    assert_eq!(rig.gadget_outcomes(), [Ok(1024)]);
}

#[test]
fn a_zero_length_packet_is_not_added_to_a_short_one() {
    let rig = Rig::new();
    rig.gadget_submit(0x81, Transfer::send(pattern(1025)).zero_length_packet(true));
    rig.read(1025);
    rig.read(512);
    assert_eq!(rig.host_outcomes(), [Ok(1025)]);
}

#[test]
fn a_zero_length_packet_due_after_a_full_buffer_waits_for_the_next_read() {
    let rig = Rig::new();
    rig.gadget_submit(0x81, Transfer::send(pattern(1024)).zero_length_packet(true));
    rig.read(1024);
    assert_eq!(rig.host_outcomes(), [Ok(1024)]);
    assert_eq!(
        rig.gadget_outcomes(),
        [],
        "the zero-length packet is still to go"
    );
    rig.read(1024);
    assert_eq!(rig.host_outcomes(), [Ok(0)]);
    assert_eq!(rig.gadget_outcomes(), [Ok(1024)]);
}

#[test]
fn sending_nothing_is_one_zero_length_packet() {
    let rig = Rig::new();
    rig.send(Vec::new());
    rig.read(64);
    assert_eq!(rig.host_outcomes(), [Ok(0)]);
    rig.write(Vec::new());
    rig.receive(512);
    assert_eq!(rig.host_outcomes(), [Ok(0)]);
    assert_eq!(rig.gadget_outcomes(), [Ok(0), Ok(0)]);
}

#[test]
fn one_transfer_of_a_side_may_be_many_of_the_other() {
    let rig = Rig::new();
    for _ in 0..4 {
        rig.receive(1024);
    }
    rig.write(pattern(4096));
    assert_eq!(rig.gadget_outcomes(), [Ok(1024); 4]);
    rig.send(pattern(4096));
    for _ in 0..4 {
        rig.read(1024);
    }
    let reads = drain(&rig.host);
    let bytes: Vec<u8> = reads[1..]
        .iter()
        .flat_map(|read| read.buffer.clone())
        .collect();
    assert_eq!(bytes, pattern(4096));
}

#[test]
fn a_read_that_is_no_multiple_of_the_packet_size_babbles_after_its_whole_packets() {
    let rig = Rig::new();
    rig.send(pattern(2048));
    rig.read(1000);
    let read = rig.host.try_next().unwrap();
    assert_eq!((read.status, read.buffer), (Ok(()), pattern(512)));
    rig.read(1024);
    rig.read(1024);
    assert_eq!(
        rig.host_outcomes(),
        [Err(BusError::Overflow), Err(BusError::Stall)]
    );

    // The packet that did not fit was not acknowledged, so the device still has it.
    rig.clear_halt(0x81);
    rig.read(1536);
    assert_eq!(rig.host.try_next().unwrap().buffer, pattern(2048)[512..]);
}

#[test]
fn a_read_shorter_than_a_packet_babbles_at_once() {
    let rig = Rig::new();
    rig.read(0);
    rig.send(pattern(1));
    assert_eq!(rig.host_outcomes(), [Err(BusError::Overflow)]);
}

#[test]
fn a_device_buffer_that_is_no_multiple_of_the_packet_size_loses_what_does_not_fit() {
    let rig = Rig::new();
    rig.receive(600);
    rig.write(pattern(1500));
    let received = rig.gadget.try_next().unwrap();
    assert_eq!(received.status, Err(BusError::Overflow));
    assert_eq!(received.buffer, pattern(600));
    rig.receive(1024);
    assert_eq!(rig.gadget.try_next().unwrap().buffer, pattern(1500)[1024..]);
    assert_eq!(
        rig.host_outcomes(),
        [Ok(1500)],
        "the host saw every packet acknowledged"
    );
}

#[test]
fn a_buffer_is_used_again_without_growing() {
    let rig = Rig::new();
    let mut buffer = Vec::with_capacity(4096);
    buffer.push(7);
    let memory = buffer.as_ptr();
    rig.host_submit(0x81, Transfer::receive_into(buffer, 4096));
    rig.send(pattern(4096));
    let read = rig.host.try_next().unwrap();
    assert_eq!((read.buffer.as_ptr(), read.buffer.len()), (memory, 4096));
}

#[test]
fn user_data_and_id_come_back() {
    let rig = Rig::new();
    let id = rig.host_submit(0x01, Transfer::send(vec![1]).user_data(99));
    rig.receive(512);
    let written = rig.host.try_next().unwrap();
    assert_eq!((written.id, written.user_data), (id, 99));
}

#[test]
fn transfers_that_contradict_their_endpoint_are_refused() {
    let rig = Rig::new();
    rig.host_submit(0x81, Transfer::send(vec![1]));
    rig.host_submit(0x01, Transfer::receive(1));
    rig.host_submit(0x00, Transfer::send(vec![1]));
    rig.gadget_submit(0x81, Transfer::receive(1));
    rig.gadget_submit(0x01, Transfer::send(vec![1]));
    rig.gadget_submit(0x00, Transfer::send(vec![1]));
    assert_eq!(rig.host_outcomes(), [Err(BusError::InvalidRequest); 3]);
    assert_eq!(rig.gadget_outcomes(), [Err(BusError::InvalidRequest); 3]);
}

#[test]
fn a_length_beyond_all_memory_is_an_error() {
    let rig = Rig::new();
    rig.read(usize::MAX);
    rig.receive(usize::MAX);
    assert_eq!(rig.host_outcomes(), [Err(BusError::InvalidRequest)]);
    assert_eq!(rig.gadget_outcomes(), [Err(BusError::InvalidRequest)]);
}

#[test]
fn packet_size_decides_what_is_short() {
    let rig = Rig::with_packets_of(Speed::Super, 1024);
    rig.read(4096);
    rig.send(pattern(512));
    assert_eq!(rig.host_outcomes(), [Ok(512)]);
    let rig = Rig::with_packets_of(Speed::Full, 64);
    rig.read(4096);
    rig.send(pattern(512));
    assert_eq!(rig.host_outcomes(), []);
}

#[test]
fn interleaved_endpoints_keep_their_own_order() {
    let rig = Rig::new();
    rig.read(512);
    rig.write(vec![2; 5]);
    rig.receive(512);
    rig.send(vec![1; 3]);
    let lengths = rig.host_outcomes();
    assert_eq!(lengths, [Ok(5), Ok(3)]);
}
