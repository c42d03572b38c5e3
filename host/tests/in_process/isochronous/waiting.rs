//! Blocking and async, with and without a deadline.

use std::time::{Duration, Instant};

use futures::future::{Either, select};
use usbfs2_host::{Buffer, IsochronousTransfer, Speed, Waiting, block_on};
use usbfs2_loopback::Bus;

use super::sound::{PACKET, Sound};
use crate::rig::{SHORT, SOON};

fn receive(packets: usize) -> IsochronousTransfer {
    IsochronousTransfer::receive(Buffer::new(), vec![PACKET; packets])
}

#[test]
fn a_wait_that_times_out_cancels_nothing() {
    let sound = Sound::new();
    let mut input = sound.input();
    assert!(input.wait(None).is_none(), "nothing is pending");
    input.submit(receive(2));
    assert!(input.wait(Some(SHORT)).is_none());
    for waiting in [Waiting::Blocking, Waiting::Async] {
        let deadline = Some(Instant::now() + SHORT);
        assert!(block_on(input.complete(waiting, deadline)).is_none());
    }
    assert_eq!(input.pending(), 1);
    sound.send(&[9]);
    sound.pass(2);
    assert_eq!(input.wait(Some(SOON)).unwrap().actual_length(), 1);
}

#[test]
fn a_dropped_future_loses_no_completion() {
    let sound = Sound::new();
    let mut input = sound.input();
    input.submit(receive(1));
    block_on(async {
        let timer = async_io::Timer::after(Duration::from_millis(1));
        let first = select(Box::pin(input.next_complete()), timer).await;
        assert!(matches!(first, Either::Right(_)));
        drop(first);
        sound.send(&[6]);
        sound.pass(1);
        let done = input.next_complete().await.unwrap();
        assert_eq!(done.actual_length(), 1);
        assert!(input.next_complete().await.is_none());
    });
}

/// A quarter of a second both ways at once, in real time.
#[test]
fn a_stream_runs_by_itself_both_ways() {
    const PACKETS: usize = 256;
    for waiting in [Waiting::Blocking, Waiting::Async] {
        let sound = Sound::on(Bus::new(), Speed::High);
        let (mut output, mut input) = (sound.output(), sound.input());
        for number in 0..PACKETS {
            sound.send(&number.to_le_bytes());
        }
        sound.receive(PACKETS);
        let started = Instant::now();
        let numbers: Vec<u8> = (0..PACKETS).flat_map(usize::to_le_bytes).collect();
        output.submit_all(numbers.chunks(64).map(|bytes| {
            let lengths = vec![8; bytes.len() / 8];
            IsochronousTransfer::send(Buffer::from(bytes), lengths)
        }));
        input.submit_all((0..PACKETS / 8).map(|_| receive(8)));
        let mut got = Vec::new();
        block_on(async {
            while let Some(done) = input.complete(waiting, None).await {
                got.extend(
                    done.payloads()
                        .flat_map(|payload| payload.unwrap().to_vec()),
                );
            }
            while let Some(done) = output.complete(waiting, None).await {
                assert!(done.packets.iter().all(|packet| packet.status.is_ok()));
            }
        });
        assert_eq!(got, numbers);
        assert!(started.elapsed() >= Duration::from_millis(PACKETS as u64 - 1));
        assert_eq!(sound.received().concat(), numbers);
    }
}
