//! Host and device on threads of their own: nothing is lost, doubled or reordered.

use std::time::Duration;

use usbfs2_loopback::{CompletionQueue, Target, Transfer};

use crate::rig::{Rig, address};

const LONG: Duration = Duration::from_secs(60);
const TOTAL: usize = 16 << 20;
const PIECE: usize = 64 << 10;
const DEPTH: usize = 4;

fn stream(from: usize) -> Vec<u8> {
    (from..from + PIECE)
        .map(|place| (place % 65_521) as u8)
        .collect()
}

/// Keeps `DEPTH` transfers submitted until `TOTAL` bytes have moved. Received bytes are checked.
fn pump(queue: &CompletionQueue, sends: bool, submit: impl Fn(Transfer)) {
    let mut submitted = 0;
    let mut moved = 0;
    while moved < TOTAL {
        while submitted < TOTAL && queue.pending() < DEPTH {
            submit(if sends {
                Transfer::send(stream(submitted))
            } else {
                Transfer::receive(PIECE)
            });
            submitted += PIECE;
        }
        let done = queue.wait(Some(LONG)).expect("the other end goes on");
        assert_eq!((done.status, done.actual_length), (Ok(()), PIECE));
        assert!(sends || done.buffer == stream(moved), "at byte {moved}");
        moved += PIECE;
    }
}

#[test]
fn both_directions_at_once() {
    let rig = Rig::new();
    std::thread::scope(|scope| {
        for (endpoint, host_sends) in [(0x81, false), (0x01, true)] {
            let rig = &rig;
            scope.spawn(move || {
                let queue = CompletionQueue::new(&rig.bus);
                let target = Target::Endpoint(address(endpoint));
                pump(&queue, host_sends, |transfer| {
                    rig.device.submit(&queue, target, transfer);
                });
            });
            scope.spawn(move || {
                let queue = CompletionQueue::new(&rig.bus);
                pump(&queue, !host_sends, |transfer| {
                    rig.port.submit(&queue, address(endpoint), transfer);
                });
            });
        }
    });
    let counters = rig.bus.counters("1-1").unwrap();
    let bytes: Vec<u64> = counters.iter().map(|(_, count)| count.bytes).collect();
    assert_eq!(bytes, [TOTAL as u64; 2]);
}
