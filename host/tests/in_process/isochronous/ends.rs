//! Every request completes once, however it ends.

use usbfs2_host::{Buffer, In, IsochronousTransfer, PacketError, TransferError};

use super::sound::{PACKET, Sound};
use crate::rig::SOON;

fn receive(packets: usize) -> IsochronousTransfer {
    IsochronousTransfer::receive(Buffer::with_capacity(4096), vec![PACKET; packets])
}

/// The statuses of a request of four packets, of which two were done.
fn half_done(rest: PacketError) -> [Result<(), PacketError>; 4] {
    [Ok(()), Ok(()), Err(rest), Err(rest)]
}

#[test]
fn a_cancel_delivers_the_packets_that_were_done() {
    let sound = Sound::new();
    let mut input = sound.input();
    sound.send(&[1; 5]);
    sound.send(&[2; 6]);
    input.submit_all((0..8).map(|_| receive(4)));
    sound.pass(2);
    input.cancel_all();
    let first = input.wait(Some(SOON)).unwrap();
    let statuses: Vec<_> = first.packets.iter().map(|packet| packet.status).collect();
    assert_eq!(first.status, Ok(()));
    assert_eq!(statuses, half_done(PacketError::Cancelled));
    assert_eq!(first.actual_length(), 11);
    for _ in 1..8 {
        let done = input.wait(Some(SOON)).unwrap();
        assert_eq!(done.status, Err(TransferError::Cancelled));
        assert_eq!(done.packets.len(), 4);
        let cancelled = Err(PacketError::Cancelled);
        assert!(done.payloads().all(|payload| payload == cancelled));
    }
    assert!(input.wait(Some(SOON)).is_none());
    // The endpoint goes on, with no halt to clear.
    sound.send(&[3]);
    input.submit(receive(1));
    sound.pass(1);
    assert_eq!(input.wait(Some(SOON)).unwrap().actual_length(), 1);
}

#[test]
fn a_cable_that_goes_ends_every_request_once() {
    let sound = Sound::new();
    let mut input = sound.input();
    sound.send(&[1]);
    sound.send(&[2]);
    input.submit_all((0..32).map(|_| receive(4)));
    sound.pass(2);
    sound.port.cable().pull();
    let first = input.wait(Some(SOON)).unwrap();
    let statuses: Vec<_> = first.packets.iter().map(|packet| packet.status).collect();
    assert_eq!((first.status, first.actual_length()), (Ok(()), 2));
    assert_eq!(statuses, half_done(PacketError::Disconnected));
    for _ in 1..32 {
        let done = input.wait(Some(SOON)).unwrap();
        assert_eq!(done.status, Err(TransferError::Disconnected));
    }
    assert!(input.wait(Some(SOON)).is_none());
    input.submit(receive(1));
    let late = input.wait(Some(SOON)).unwrap();
    assert_eq!(late.status, Err(TransferError::Disconnected));
    assert_eq!(late.packets[0].status, Err(PacketError::Disconnected));
    drop(input);
    let again = sound.interface.isochronous_endpoint::<In>(0x82);
    assert!(matches!(
        again,
        Err(usbfs2_host::EndpointError::Disconnected)
    ));
}

#[test]
fn a_dropped_endpoint_takes_no_packet_any_more() {
    let sound = Sound::new();
    let mut input = sound.input();
    input.submit_all((0..8).map(|_| receive(4)));
    sound.pass(1);
    drop(input);
    sound.send(&[7; 7]);
    sound.pass(10);
    let mut input = sound.input();
    input.submit(receive(1));
    sound.pass(1);
    assert_eq!(input.wait(Some(SOON)).unwrap().actual_length(), 7);
}

#[test]
fn a_queue_that_ran_dry_goes_on_in_the_next_interval() {
    let sound = Sound::new();
    let mut output = sound.output();
    let send = || IsochronousTransfer::send(Buffer::from(vec![1, 2]), vec![1; 2]);
    sound.receive(100);
    output.submit(send());
    sound.pass(10);
    let first = output.wait(Some(SOON)).unwrap();
    output.submit(send());
    sound.pass(2);
    let second = output.wait(Some(SOON)).unwrap();
    assert_eq!(first.start_frame, Some(8));
    assert_eq!(second.start_frame, Some(11 * 8));
    assert_eq!(second.actual_length(), 2);
}
