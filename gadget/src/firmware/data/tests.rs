//! An endpoint over a pipe whose completions are the test's doing.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::*;

#[derive(Debug, Default)]
struct Scripted {
    state: Mutex<Script>,
}

#[derive(Debug, Default)]
struct Script {
    waiting: VecDeque<Buffer>,
    done: VecDeque<Completion>,
    submissions: usize,
    /// The controller refuses whatever it is given.
    fails: bool,
    /// Comes while the halt is being set.
    late: Option<Vec<u8>>,
}

impl Script {
    fn complete(&mut self, bytes: &[u8]) {
        let mut buffer = self.waiting.pop_front().unwrap();
        assert!(bytes.len() <= buffer.requested_length());
        buffer.clear();
        buffer.extend_from_slice(bytes);
        self.done.push_back(Completion {
            buffer,
            actual_length: bytes.len(),
            status: Ok(()),
        });
    }
}

impl Scripted {
    fn with<T>(&self, act: impl FnOnce(&mut Script) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Pipe for Scripted {
    fn submit(&self, buffer: Buffer) {
        self.with(|script| {
            script.submissions += 1;
            if script.fails {
                script.done.push_back(Completion {
                    buffer: Buffer::new(),
                    actual_length: 0,
                    status: Err(EndpointError::TooLong {
                        length: buffer.requested_length(),
                        limit: 1,
                    }),
                });
            } else {
                script.waiting.push_back(buffer);
            }
        });
    }

    fn wait_begun(&self) {}

    fn pending(&self) -> usize {
        self.with(|script| script.waiting.len() + script.done.len())
    }

    fn wait(&self, _deadline: Option<Instant>) -> Option<Completion> {
        self.with(|script| script.done.pop_front())
    }

    fn poll_next(&self, _cx: &mut Context<'_>) -> Poll<Completion> {
        self.with(|script| script.done.pop_front().map_or(Poll::Pending, Poll::Ready))
    }

    fn cancel_all(&self) {}

    fn set_halt(&self) -> Result<(), EndpointError> {
        self.with(|script| {
            if let Some(bytes) = script.late.take() {
                script.complete(&bytes);
            }
        });
        Ok(())
    }

    fn clear_halt(&self) -> Result<(), EndpointError> {
        Ok(())
    }

    fn disable(&self) {}

    fn wait_disabled(&self) {}

    fn take_over(&self) -> Option<Arc<dyn Pipe>> {
        None
    }
}

/// A bulk OUT endpoint of a class with packets of 512 bytes.
struct Rig {
    endpoint: DataEndpoint,
    pipe: Arc<Scripted>,
    counters: FirmwareCounters,
    status: Status,
}

impl Rig {
    fn new() -> Self {
        let address = EndpointAddress::new(1, Direction::Out).unwrap();
        Self {
            endpoint: DataEndpoint::new(address, TransferType::Bulk, 512),
            pipe: Arc::default(),
            counters: FirmwareCounters::default(),
            status: Status::new(),
        }
    }

    fn open(&mut self, packet_size: u16) {
        let pipe = Arc::clone(&self.pipe);
        self.endpoint.open(pipe, packet_size, &mut self.counters);
    }

    fn halt(&mut self) {
        self.endpoint
            .change_halt(true, Waker::noop(), &mut self.counters);
    }

    fn collect(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.endpoint
            .collect(&mut cx, &mut self.counters, &mut None, &self.status)
    }
}

#[test]
fn what_comes_while_an_out_endpoint_is_halted_is_dropped_and_leaves_it_halted() {
    let mut rig = Rig::new();
    rig.open(512);
    rig.pipe.with(|script| script.complete(b"seen"));
    assert!(rig.collect());
    rig.pipe.with(|script| script.late = Some(b"late".to_vec()));
    rig.halt();
    assert!(!rig.collect());
    assert!(rig.endpoint.is_halted());
    assert_eq!(rig.counters.packets_dropped, 2);
    // The host has ended the halt.
    rig.pipe.with(|script| script.complete(b"after"));
    assert!(rig.collect());
    assert!(!rig.endpoint.is_halted());
    rig.endpoint.show();
    let mut buffer = [0; 512];
    assert_eq!(rig.endpoint.read(&mut buffer), Ok(5));
}

#[test]
fn a_full_endpoint_that_is_halted_receives_again() {
    let mut rig = Rig::new();
    rig.open(512);
    for _ in 0..16 {
        rig.pipe.with(|script| script.complete(b"unread"));
        assert!(rig.collect());
    }
    assert_eq!(rig.pipe.pending(), 0);
    rig.halt();
    assert_eq!((rig.pipe.pending(), rig.counters.packets_dropped), (16, 16));
}

#[test]
fn an_endpoint_whose_transfers_all_fail_is_given_up_until_it_is_enabled_again() {
    let mut rig = Rig::new();
    rig.pipe.with(|script| script.fails = true);
    rig.open(512);
    for _ in 0..3 {
        assert!(!rig.collect());
    }
    let submissions = rig.pipe.with(|script| script.submissions);
    assert!(submissions <= FAILURES_IN_A_ROW + 16, "{submissions}");
    assert_eq!(rig.counters.transfers_failed, submissions as u64);
    let failures = rig.status.failures();
    assert_eq!(failures.len(), 1);
    let message = failures[0].to_string();
    assert!(message.contains("too long"), "{message}");
    rig.pipe.with(|script| script.fails = false);
    rig.open(512);
    assert_eq!(rig.pipe.pending(), 16);
}

#[test]
fn transfers_are_no_longer_than_the_kernel_takes() {
    let mut rig = Rig::new();
    rig.open(512);
    for packets in [usize::MAX, (4 << 20) / 512 + 1] {
        let refused = rig.endpoint.set_packets_per_transfer(packets);
        assert_eq!(refused, Err(UsbError::BufferOverflow));
    }
    assert_eq!(rig.endpoint.packets_per_transfer, 1);
    assert_eq!(
        rig.endpoint.set_packets_per_transfer((4 << 20) / 512),
        Ok(())
    );
}

#[test]
fn transfers_of_several_packets_are_refused_where_they_would_never_be_read() {
    let address = EndpointAddress::new(1, Direction::Out).unwrap();
    for (transfer_type, most) in [(TransferType::Interrupt, 2), (TransferType::Isochronous, 1)] {
        let mut endpoint = DataEndpoint::new(address, transfer_type, 64);
        assert_eq!(endpoint.set_packets_per_transfer(most), Ok(()));
        let refused = endpoint.set_packets_per_transfer(most + 1);
        assert_eq!(refused, Err(UsbError::BufferOverflow));
        assert_eq!(endpoint.packets_per_transfer, most);
    }
}

#[test]
fn what_has_come_unseen_is_dropped_by_a_flush() {
    let mut rig = Rig::new();
    rig.open(512);
    rig.pipe
        .with(|script| script.complete(b"of a command given up"));
    rig.endpoint.flush(Waker::noop(), &mut rig.counters);
    assert!(!rig.collect());
    assert_eq!((rig.counters.packets_dropped, rig.pipe.pending()), (1, 16));
    rig.pipe.with(|script| script.complete(b"next"));
    assert!(rig.collect());
}

#[test]
fn what_is_written_while_a_setting_is_selected_is_for_that_setting() {
    let address = EndpointAddress::new(1, Direction::In).unwrap();
    let mut counters = FirmwareCounters::default();
    let mut endpoint = DataEndpoint::new(address, TransferType::Interrupt, 8);
    let lengths = |pipe: &Scripted| {
        pipe.with(|script| {
            script
                .waiting
                .iter()
                .map(|one| one.len())
                .collect::<Vec<_>>()
        })
    };
    let pipe: Arc<Scripted> = Arc::default();
    endpoint.open(Arc::clone(&pipe) as Arc<_>, 8, &mut counters);
    endpoint.write(&[1]).unwrap();
    endpoint.hold();
    endpoint.write(&[2; 2]).unwrap();
    assert_eq!(lengths(&pipe), [1]);
    // It stays as it was.
    endpoint.release();
    assert_eq!(lengths(&pipe), [1, 2]);
    endpoint.hold();
    for _ in 0..2 {
        endpoint.write(&[3; 3]).unwrap();
    }
    assert_eq!(endpoint.write(&[3; 3]), Err(UsbError::WouldBlock));
    drop(endpoint.close(&mut counters));
    let next: Arc<Scripted> = Arc::default();
    endpoint.open(Arc::clone(&next) as Arc<_>, 8, &mut counters);
    assert_eq!(lengths(&next), [3, 3]);
    assert_eq!(counters.packets_dropped, 2);
}

#[test]
fn on_a_slower_host_packets_are_as_long_as_it_has_them() {
    let mut rig = Rig::new();
    rig.open(64);
    assert_eq!(
        rig.pipe.with(|script| script.waiting[0].requested_length()),
        64
    );
    rig.endpoint.set_packets_per_transfer(2).unwrap();
    // Those with packets of their own come first.
    for _ in 0..16 {
        rig.pipe.with(|script| script.complete(&[1; 64]));
    }
    assert!(rig.collect());
    rig.endpoint.show();
    let mut buffer = [0; 512];
    for _ in 0..16 {
        assert_eq!(rig.endpoint.read(&mut buffer), Ok(64));
    }
    rig.pipe.with(|script| script.complete(&[2; 100]));
    assert!(rig.collect());
    rig.endpoint.show();
    assert_eq!(rig.endpoint.read(&mut buffer), Ok(64));
    assert_eq!(rig.endpoint.read(&mut buffer), Ok(36));
}
