//! What each packet carries, and what becomes of it.

use usbfs2_host::{Buffer, IsochronousCompletion, IsochronousTransfer, PacketError};
use usbfs2_loopback::PacketFault;

use super::sound::{IN, INTERVAL, OUT, PACKET, Sound, address};
use crate::rig::SOON;

fn bytes(length: usize) -> Vec<u8> {
    (0..=250).cycle().take(length).collect()
}

fn receive(packets: usize) -> IsochronousTransfer {
    IsochronousTransfer::receive(Buffer::new(), vec![PACKET; packets])
}

fn lengths(done: &IsochronousCompletion) -> Vec<Result<usize, PacketError>> {
    let payloads = done.payloads();
    payloads.map(|payload| payload.map(<[u8]>::len)).collect()
}

#[test]
fn each_packet_is_one_at_the_device() {
    let sound = Sound::new();
    let mut output = sound.output();
    sound.receive(3);
    let all = bytes(300);
    output.submit(IsochronousTransfer::send(
        Buffer::from(&all[..]),
        vec![180, 0, 100, 20],
    ));
    assert_eq!(output.pending(), 1);
    sound.pass(4);
    assert_eq!(sound.received(), [&all[..180], &[], &all[180..280]]);
    let done = output.wait(Some(SOON)).unwrap();
    assert_eq!((done.status, output.pending()), (Ok(()), 0));
    assert_eq!(&done.buffer[..], all);
    let missed = Err(PacketError::Missed);
    let outcomes: Vec<_> = done
        .packets
        .iter()
        .map(|packet| {
            (
                packet.offset,
                packet.length,
                packet.actual_length,
                packet.status,
            )
        })
        .collect();
    let expected = [
        (0, 180, 180, Ok(())),
        (180, 0, 0, Ok(())),
        (180, 100, 100, Ok(())),
        (280, 20, 0, missed),
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(done.actual_length(), 280);
}

#[test]
fn each_packet_has_a_slot_at_the_host() {
    let sound = Sound::new();
    let mut input = sound.input();
    for length in [100, 0, 192] {
        sound.send(&bytes(length));
    }
    input.submit(receive(4));
    sound.pass(4);
    let done = input.wait(Some(SOON)).unwrap();
    assert_eq!(done.buffer.len(), 4 * 192);
    assert_eq!(
        lengths(&done),
        [Ok(100), Ok(0), Ok(192), Err(PacketError::Missed)]
    );
    assert_eq!(&done.buffer[384..576], bytes(192));
    assert_eq!(done.actual_length(), 292);
}

#[test]
fn requests_follow_each_other_and_their_memory_goes_round() {
    let sound = Sound::new();
    let mut input = sound.input();
    input.submit_all((0..4).map(|_| receive(2)));
    let mut next = 1_u8;
    for round in 0..50_u32 {
        for _ in 0..2 {
            sound.send(&[next; 4]);
            next = next.wrapping_add(1);
        }
        sound.pass(2);
        let done = input.wait(Some(SOON)).unwrap();
        let first = u8::try_from(round * 2 + 1).unwrap();
        let payloads: Vec<_> = done.payloads().collect();
        assert_eq!(payloads, [Ok([first; 4].as_slice()), Ok(&[first + 1; 4])]);
        assert_eq!(done.start_frame, Some((round * 2 + 1) * 8));
        input.submit(done.into_transfer());
    }
}

#[test]
fn a_request_starts_where_it_is_told() {
    let sound = Sound::new();
    let mut input = sound.input();
    for byte in 0..20 {
        sound.send(&[byte]);
    }
    sound.pass(2);
    let frame = |interval: u64| u32::try_from(interval * INTERVAL).unwrap();
    input.submit(receive(1).start_frame(frame(5)));
    input.submit(receive(1));
    // Partly over.
    input.submit(receive(4).start_frame(frame(5)));
    sound.pass(6);
    let starts = [(); 3].map(|()| {
        let done = input.wait(Some(SOON)).unwrap();
        (done.start_frame.unwrap(), lengths(&done))
    });
    let missed = Err(PacketError::Missed);
    let expected = [
        (frame(5), vec![Ok(1)]),
        (frame(6), vec![Ok(1)]),
        (frame(5), vec![missed, missed, Ok(1), Ok(1)]),
    ];
    assert_eq!(starts, expected);
}

#[test]
fn a_bad_packet_says_why_and_the_stream_goes_on() {
    let sound = Sound::new();
    let mut input = sound.input();
    let faults = sound.bus.faults("1-1").unwrap();
    let wrong = [
        (1, PacketFault::Lost),
        (2, PacketFault::Babble),
        (3, PacketFault::Late),
        (4, PacketFault::Short { length: 2 }),
    ];
    for (packet, fault) in wrong {
        faults.inject_packet(address(IN), packet, fault).unwrap();
    }
    for byte in 0..6 {
        sound.send(&[byte; 10]);
    }
    input.submit_all([receive(3), receive(3)]);
    sound.pass(6);
    let first = input.wait(Some(SOON)).unwrap();
    assert_eq!(
        lengths(&first),
        [
            Ok(10),
            Err(PacketError::BusError),
            Err(PacketError::Overflow)
        ]
    );
    let second = input.wait(Some(SOON)).unwrap();
    assert_eq!((first.status, second.status), (Ok(()), Ok(())));
    assert_eq!(lengths(&second), [Err(PacketError::Missed), Ok(2), Ok(10)]);
    assert_eq!(second.payloads().last(), Some(Ok([4; 10].as_slice())));
}

#[test]
fn a_packet_nobody_takes_is_missed_and_not_kept() {
    let sound = Sound::new();
    let mut output = sound.output();
    let faults = sound.bus.faults("1-1").unwrap();
    faults
        .inject_packet(address(OUT), 1, PacketFault::Late)
        .unwrap();
    sound.receive(2);
    output.submit(IsochronousTransfer::send(
        Buffer::from(b"abcd".as_slice()),
        vec![1; 4],
    ));
    sound.pass(4);
    assert_eq!(sound.received(), [b"a", b"c"]);
    let done = output.wait(Some(SOON)).unwrap();
    let missed = Err(PacketError::Missed);
    assert_eq!(lengths(&done), [Ok(1), missed, Ok(1), missed]);
}
