//! Blocking and polling: who is woken, when, and never under the bus lock.

use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use futures::executor::block_on;
use futures::future::poll_fn;
use usbfs2_loopback::{
    Bus, CompletionQueue, DeviceEvent, Fault, PortOptions, Target, Transfer, WatchEvent,
};
use usbfs2_protocol::Speed;

use crate::rig::{Count, Rig, address, bulk, outcome, pattern};

/// Stops a hang; nothing waits for it to pass.
const LONG: Duration = Duration::from_secs(30);

#[test]
fn a_thread_that_waits_is_woken_by_the_other_end() {
    let rig = Rig::new();
    rig.read(512);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| rig.host.wait(Some(LONG)).map(|done| outcome(&done)));
        rig.send(pattern(3));
        assert_eq!(waiter.join().unwrap(), Some(Ok(3)));
    });
}

#[test]
fn a_wait_ends_with_its_timeout_and_the_transfer_stays() {
    let rig = Rig::new();
    rig.read(512);
    assert!(rig.host.wait(Some(Duration::from_millis(1))).is_none());
    rig.send(pattern(3));
    assert_eq!(rig.host_outcomes(), [Ok(3)]);
}

#[test]
fn a_task_is_woken_once_something_is_there() {
    let rig = Rig::new();
    let wakes = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut cx = Context::from_waker(&waker);
    rig.read(512);
    assert!(rig.host.poll_next(&mut cx).is_pending());
    assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
    rig.send(pattern(3));
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
    match rig.host.poll_next(&mut cx) {
        Poll::Ready(done) => assert_eq!(outcome(&done), Ok(3)),
        Poll::Pending => panic!("the completion is there"),
    }
}

#[test]
fn events_and_watches_can_be_polled() {
    let bus = Bus::new();
    let watch = bus.watch();
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || tell.send(block_on(poll_fn(|cx| watch.poll_next(cx)))));
        let port = bus.plug(PortOptions::new(Speed::High)).unwrap();
        assert_eq!(
            block_on(poll_fn(|cx| port.poll_event(cx))),
            DeviceEvent::Reset
        );
        let arrived = told.recv_timeout(LONG).unwrap();
        assert!(matches!(arrived, WatchEvent::Arrived(device) if device.name() == "1-1"));
    });
}

/// A waker that uses the bus, which would never return if it were woken under the lock.
struct UsesBus {
    bus: Bus,
    done: mpsc::Sender<usize>,
}

impl Wake for UsesBus {
    fn wake(self: Arc<Self>) {
        // The test has ended where nobody listens.
        let _ = self.done.send(self.bus.devices().len());
    }
}

#[test]
fn wakers_run_outside_the_bus_lock() {
    let (done, woken) = mpsc::channel();
    // Not scoped: a thread that deadlocked could not be joined.
    let test = std::thread::spawn(move || {
        let rig = Rig::new();
        let waker = Waker::from(Arc::new(UsesBus {
            bus: rig.bus.clone(),
            done,
        }));
        let mut cx = Context::from_waker(&waker);
        rig.read(512);
        assert!(rig.host.poll_next(&mut cx).is_pending());
        rig.send(pattern(3));
        assert!(rig.gadget.poll_next(&mut cx).is_ready());
        rig.receive(512);
        assert!(rig.gadget.poll_next(&mut cx).is_pending());
        rig.port.cable().pull();
    });
    assert_eq!(woken.recv_timeout(LONG), Ok(1));
    assert_eq!(woken.recv_timeout(LONG), Ok(0));
    test.join().unwrap();
}

/// A bus on the real clock whose next read is held by NAK for 40 microframes, 5 ms.
fn held_on_the_real_clock() -> (Bus, impl Fn(&CompletionQueue) -> Instant) {
    let bus = Bus::new();
    let port = bus.plug(PortOptions::new(Speed::High)).unwrap();
    port.enable(bulk(0x81, 512)).unwrap();
    let gadget = CompletionQueue::new(&bus);
    port.submit(&gadget, address(0x81), Transfer::send(pattern(5)));
    let nak = Fault::Nak { microframes: 40 };
    port.faults().inject(address(0x81), 0, nak).unwrap();
    let device = bus.devices().pop().unwrap();
    let submit = move |queue: &CompletionQueue| {
        let (_port, _gadget) = (&port, &gadget);
        let target = Target::Endpoint(address(0x81));
        let begin = Instant::now();
        device.submit(queue, target, Transfer::receive(512));
        begin
    };
    (bus, submit)
}

/// A microframe may have begun already, so the hold is at least 39 of them.
const HELD: Duration = Duration::from_micros(39 * 125);

#[test]
fn on_the_real_clock_a_waiting_thread_ends_the_nak() {
    let (bus, submit) = held_on_the_real_clock();
    let queue = CompletionQueue::new(&bus);
    let begin = submit(&queue);
    assert!(queue.try_next().is_none());
    assert_eq!(
        queue.wait(Some(LONG)).map(|done| outcome(&done)),
        Some(Ok(5))
    );
    assert!((HELD..LONG).contains(&begin.elapsed()));
}

#[test]
fn on_the_real_clock_a_polling_task_ends_the_nak() {
    let (bus, submit) = held_on_the_real_clock();
    let queue = CompletionQueue::new(&bus);
    let begin = submit(&queue);
    let done = block_on(poll_fn(|cx| queue.poll_next(cx)));
    assert_eq!(outcome(&done), Ok(5));
    assert!((HELD..LONG).contains(&begin.elapsed()));
}

#[test]
fn a_nak_that_begins_during_a_wait_is_seen_by_the_waiter() {
    let (bus, submit) = held_on_the_real_clock();
    let queue = CompletionQueue::new(&bus);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| queue.wait(Some(LONG)).map(|done| outcome(&done)));
        let begin = submit(&queue);
        assert_eq!(waiter.join().unwrap(), Some(Ok(5)));
        assert!(begin.elapsed() < LONG);
    });
}

#[test]
fn threads_that_wait_together_get_one_completion_each() {
    let rig = Rig::new();
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| rig.host.wait(Some(LONG)).unwrap().user_data))
            .collect();
        for number in 0..4 {
            rig.host_submit(0x81, Transfer::receive(512).user_data(number));
            rig.send(vec![1]);
        }
        let mut numbers: Vec<_> = waiters
            .into_iter()
            .map(|waiter| waiter.join().unwrap())
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1, 2, 3]);
    });
    assert_eq!(rig.host.pending(), 0);
}
