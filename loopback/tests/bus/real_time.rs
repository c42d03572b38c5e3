//! Isochronous endpoints on the real clock: who serves, who is woken, and that nobody sleeps for ever.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures::executor::block_on;
use futures::future::poll_fn;
use usbfs2_loopback::{
    Bus, BusDevice, Completed, CompletionQueue, DevicePort, EndpointSpec, PortOptions, Target,
    Transfer,
};
use usbfs2_protocol::Speed;

use crate::isochronous::{IN, OUT, isochronous};
use crate::rig::{Count, address, pattern};

/// Stops a hang; nothing waits for it to pass.
const LONG: Duration = Duration::from_secs(30);

fn plugged(interval: u8) -> (Bus, DevicePort, BusDevice) {
    let bus = Bus::new();
    let port = bus.plug(PortOptions::new(Speed::High)).unwrap();
    for byte in [IN, OUT] {
        let endpoint = EndpointSpec {
            interval,
            ..isochronous(byte, 192)
        };
        port.enable(endpoint).unwrap();
    }
    let device = bus.devices().pop().unwrap();
    (bus, port, device)
}

fn ask(device: &BusDevice, queue: &CompletionQueue, lengths: &[u32]) {
    let transfer = Transfer::isochronous_receive(lengths);
    device.submit(queue, Target::Endpoint(address(IN)), transfer);
}

fn received(done: Option<Completed>) -> usize {
    let done = done.expect("somebody serves it");
    assert_eq!(done.status, Ok(()));
    done.actual_length
}

#[test]
fn a_host_that_waits_serves_the_intervals_in_their_time() {
    let (bus, port, device) = plugged(4);
    let [host, gadget] = [CompletionQueue::new(&bus), CompletionQueue::new(&bus)];
    for _ in 0..5 {
        port.submit(&gadget, address(IN), Transfer::send(pattern(10)));
    }
    let begin = Instant::now();
    ask(&device, &host, &[10; 5]);
    assert!(host.try_next().is_none());
    assert_eq!(received(host.wait(Some(LONG))), 50);
    // The first may go at once; four whole intervals of 1 ms lie between it and the last.
    assert!((Duration::from_millis(4)..LONG).contains(&begin.elapsed()));
    assert_eq!(std::iter::from_fn(|| gadget.try_next()).count(), 5);
}

#[test]
fn a_device_that_waits_serves_them_too() {
    let (bus, port, device) = plugged(4);
    let [host, gadget] = [CompletionQueue::new(&bus), CompletionQueue::new(&bus)];
    ask(&device, &host, &[10; 1000]);
    port.submit(&gadget, address(IN), Transfer::send(pattern(10)));
    assert_eq!(received(gadget.wait(Some(LONG))), 10);
}

#[test]
fn who_has_a_timer_is_told_when_to_look_and_not_woken() {
    let (bus, port, device) = plugged(4);
    let [host, gadget] = [CompletionQueue::new(&bus), CompletionQueue::new(&bus)];
    let count = Arc::new(Count::default());
    let task = Waker::from(Arc::clone(&count));
    let mut cx = Context::from_waker(&task);
    let mut due = None;
    ask(&device, &host, &[10; 3]);
    assert!(host.poll_timed(&mut cx, &mut due).is_pending());
    let first = due.expect("the clock brings the end");
    assert!(first > Instant::now() - LONG && first < Instant::now() + LONG);
    assert_eq!(count.0.load(Ordering::SeqCst), 0, "it was woken");
    // An earlier one stays.
    let mut earlier = Some(first - LONG);
    assert!(host.poll_timed(&mut cx, &mut earlier).is_pending());
    assert_eq!(earlier, Some(first - LONG));
    // What others do wakes it; the device's packet is served by whoever looks when it is due.
    port.submit(&gadget, address(IN), Transfer::send(pattern(10)));
    let hang = Instant::now() + LONG;
    loop {
        let (mut due, woken) = (None, count.0.load(Ordering::SeqCst));
        if let Poll::Ready(done) = host.poll_timed(&mut cx, &mut due) {
            assert_eq!(done.packets.len(), 3);
            break;
        }
        assert!(Instant::now() < hang, "nothing comes");
        match due {
            Some(due) => std::thread::sleep(due.saturating_duration_since(Instant::now())),
            // The look itself has brought it.
            None => assert!(count.0.load(Ordering::SeqCst) > woken, "for ever"),
        }
    }
}

#[test]
fn a_late_look_finds_all_that_was_queued() {
    let (bus, port, device) = plugged(1);
    let [host, gadget] = [CompletionQueue::new(&bus), CompletionQueue::new(&bus)];
    for byte in 0..20 {
        port.submit(&gadget, address(IN), Transfer::send(vec![byte]));
    }
    ask(&device, &host, &[1; 20]);
    let last = bus.microframe() + 21;
    while bus.microframe() < last {
        std::thread::yield_now();
    }
    let done = host.try_next().expect("every interval has passed");
    assert_eq!(done.buffer, (0..20).collect::<Vec<u8>>());
}

/// Nobody looks at the bus for 100 ms.
fn nobody_comes() {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(100) {
        std::thread::yield_now();
    }
}

#[test]
fn the_clock_falls_behind_where_a_late_look_finds_the_device_out_of_packets() {
    let (bus, port, device) = plugged(4);
    let [host, gadget] = [CompletionQueue::new(&bus), CompletionQueue::new(&bus)];
    for byte in 0..3 {
        port.submit(&gadget, address(IN), Transfer::send(vec![byte]));
    }
    ask(&device, &host, &[1; 50]);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(gadget.poll_next(&mut cx).is_pending(), "it would be back");
    nobody_comes();
    assert!(host.try_next().is_none(), "50 ms of 100 have not passed");
    assert_eq!(std::iter::from_fn(|| gadget.try_next()).count(), 3);
    let done = host.wait(Some(LONG)).expect("they do after all");
    assert_eq!((done.packets.len(), done.actual_length), (50, 3));
}

#[test]
fn the_clock_falls_behind_where_a_late_look_finds_the_host_out_of_requests() {
    let (bus, _port, device) = plugged(4);
    let host = CompletionQueue::new(&bus);
    let mut cx = Context::from_waker(Waker::noop());
    ask(&device, &host, &[1; 3]);
    let (begin, before) = (Instant::now(), bus.microframe());
    assert!(host.poll_next(&mut cx).is_pending());
    nobody_comes();
    assert_eq!(host.try_next().expect("3 ms have passed").packets.len(), 3);
    let passed = Duration::from_micros(125) * u32::try_from(bus.microframe() - before).unwrap();
    assert!(
        begin.elapsed() > passed + Duration::from_millis(90),
        "100 have not"
    );
}

#[test]
fn a_look_that_nobody_waited_for_is_not_late() {
    let (bus, port, device) = plugged(4);
    let [host, gadget] = [CompletionQueue::new(&bus), CompletionQueue::new(&bus)];
    port.submit(&gadget, address(IN), Transfer::send(vec![1]));
    ask(&device, &host, &[1; 50]);
    nobody_comes();
    assert_eq!(received(host.try_next()), 1);
}

#[test]
fn a_wait_that_began_first_is_told_of_a_transfer() {
    for waits_for_host in [true, false] {
        let (bus, port, device) = plugged(4);
        let [host, gadget] = [CompletionQueue::new(&bus), CompletionQueue::new(&bus)];
        // What the device has queued has no time while the host asks for nothing.
        port.submit(&gadget, address(IN), Transfer::send(pattern(10)));
        let queue = if waits_for_host { &host } else { &gadget };
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| received(queue.wait(Some(LONG))));
            std::thread::yield_now();
            ask(&device, &host, &[10]);
            assert_eq!(waiter.join().unwrap(), 10);
        });
    }
}

#[test]
fn a_waiting_device_is_told_of_its_own_packet() {
    let (bus, port, device) = plugged(1);
    let [host, gadget] = [CompletionQueue::new(&bus), CompletionQueue::new(&bus)];
    ask(&device, &host, &[10; 80_000]);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| received(gadget.wait(Some(LONG))));
        std::thread::yield_now();
        port.submit(&gadget, address(IN), Transfer::send(pattern(9)));
        assert_eq!(waiter.join().unwrap(), 9);
    });
}

#[test]
fn a_task_that_polls_serves_them() {
    let (bus, port, device) = plugged(4);
    let [host, gadget] = [CompletionQueue::new(&bus), CompletionQueue::new(&bus)];
    port.submit(&gadget, address(IN), Transfer::send(pattern(10)));
    ask(&device, &host, &[10; 2]);
    let done = block_on(poll_fn(|cx| host.poll_next(cx)));
    assert_eq!(received(Some(done)), 10);
}

#[test]
fn a_task_sleeps_until_time_can_bring_it_something() {
    let (bus, port, device) = plugged(4);
    let [host, gadget] = [CompletionQueue::new(&bus), CompletionQueue::new(&bus)];
    let wakes = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut cx = Context::from_waker(&waker);
    let wakes = || wakes.0.swap(0, Ordering::SeqCst);
    port.submit(&gadget, address(IN), Transfer::send(pattern(10)));
    port.submit(&gadget, address(OUT), Transfer::receive(10));
    assert!(gadget.poll_next(&mut cx).is_pending());
    assert_eq!(wakes(), 0, "the host asks nothing");
    ask(&device, &host, &[10; 80_000]);
    assert!(wakes() > 0, "now it does");

    // A task of the host.
    let other = CompletionQueue::new(&bus);
    assert!(other.poll_next(&mut cx).is_pending());
    assert_eq!(wakes(), 0, "the intervals are not for it");
    ask(&device, &other, &[10]);
    assert!(wakes() > 0, "until it has a transfer");

    // Another task of the device, with nothing queued.
    let gadget = CompletionQueue::new(&bus);
    assert!(gadget.poll_next(&mut cx).is_pending());
    wakes();
    assert!(gadget.poll_next(&mut cx).is_pending());
    assert_eq!(wakes(), 0, "the intervals are not for it");
    port.submit(&gadget, address(IN), Transfer::send(pattern(10)));
    assert!(wakes() > 0, "until it has a packet");
}

/// Both ends on threads of their own, each keeping a queue: numbered packets arrive in order, none twice, and as
/// many as the device was told had gone.
#[test]
fn packets_stay_in_order_between_two_threads() {
    const PACKETS: u32 = 4000;
    let (bus, port, device) = plugged(1);
    let numbers = std::thread::scope(|scope| {
        let gadget = scope.spawn(|| {
            let queue = CompletionQueue::new(&bus);
            let mut sent = Vec::new();
            let mut next = 0_u32;
            while sent.len() < PACKETS as usize {
                while queue.pending() < 64 && next < PACKETS {
                    let number = next.to_le_bytes().to_vec();
                    port.submit(&queue, address(IN), Transfer::send(number));
                    next += 1;
                }
                let done = queue.wait(Some(LONG)).expect("the host asks");
                assert_eq!(done.status, Ok(()));
                sent.push(done.start_microframe.unwrap());
            }
            assert!(
                sent.is_sorted_by(|one, next| one < next),
                "an interval each"
            );
        });
        let queue = CompletionQueue::new(&bus);
        let mut numbers = Vec::new();
        let mut end = 0;
        while numbers.len() < PACKETS as usize {
            while queue.pending() < 8 {
                ask(&device, &queue, &[4; 16]);
            }
            let done = queue.wait(Some(LONG)).expect("the intervals pass");
            let start = done.start_microframe.unwrap();
            assert!(start >= end, "transfers do not overlap");
            end = start + 16;
            for (packet, slot) in done.packets.iter().zip(done.buffer.chunks(4)) {
                if packet.status.is_ok() {
                    numbers.push(u32::from_le_bytes(slot.try_into().unwrap()));
                }
            }
        }
        gadget.join().unwrap();
        numbers
    });
    assert!(numbers.into_iter().eq(0..PACKETS));
}
