//! A ring of anonymous memory, served by a kernel of a few lines.

use std::collections::VecDeque;
use std::ptr;
use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::sys::{Answered, RingPage};

/// What becomes of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// All, or so many, bytes are read.
    Moves(usize),
    Fails(i32),
    /// Before the transfer has an answer, a signal ends the wait.
    Signal,
    /// Before the transfer has an answer, patience ends the wait.
    Patience,
}

#[derive(Debug, Default)]
struct State {
    in_flight: VecDeque<(u32, Asked)>,
    fates: VecDeque<Fate>,
    /// Refuses the next operations that would start something.
    refusals: VecDeque<i32>,
    operations: usize,
}

/// The kernel's side of [`operate`], for an IN endpoint. Transfer n brings bytes of value n.
#[derive(Debug, Default)]
pub(super) struct TestKernel(Mutex<State>);

impl State {
    /// Starts what is published.
    fn start(&mut self, page: &RingPage) {
        while page.prepared().wrapping_sub(page.started()).cast_signed() > 0 {
            let number = page.started();
            self.in_flight.push_back((number, page.asked(number)));
            page.set_started(number.wrapping_add(1));
        }
    }
}

impl TestKernel {
    /// Does what the kernel does by itself when nothing is under way.
    fn follow(&self, page: &RingPage) {
        let mut state = self.state();
        if state.in_flight.is_empty() {
            state.start(page);
        }
    }

    fn new(fates: &[Fate]) -> Self {
        let fates = fates.iter().copied().collect();
        Self(Mutex::new(State {
            fates,
            ..State::default()
        }))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().expect("the kernel does not panic")
    }

    pub(super) fn operate(&self, page: &RingPage, offset: u64) -> io::Result<()> {
        let mut state = self.state();
        state.operations += 1;
        let (count, target) = (((offset >> 32) & 0xffff) as u32, offset as u32);
        if offset >> 61 & 1 == 1 {
            let cancelled = |number: u32| number.wrapping_sub(target) < count;
            let mut left = VecDeque::new();
            while let Some((number, asked)) = state.in_flight.pop_front() {
                if cancelled(number) {
                    answer(page, number, 0, -libc::ECANCELED);
                } else {
                    left.push_back((number, asked));
                }
            }
            state.in_flight = left;
            publish(page, &state);
            return Ok(());
        }
        if count > 0
            && let Some(errno) = state.refusals.pop_front()
        {
            return Err(io::Error::from_raw_os_error(errno));
        }
        if count == u32::from(PREPARED) {
            state.start(page);
        }
        while target.wrapping_sub(page.done()).cast_signed() > 0 {
            match state.fates.pop_front() {
                Some(Fate::Signal) => return Err(io::Error::from_raw_os_error(libc::EINTR)),
                None | Some(Fate::Patience) => return Ok(()),
                Some(fate) => {
                    let Some((number, asked)) = state.in_flight.pop_front() else {
                        return Ok(());
                    };
                    let (moved, status) = match fate {
                        Fate::Moves(bytes) => (bytes.min(asked.length as usize), 0),
                        Fate::Fails(errno) => (0, -errno),
                        Fate::Signal | Fate::Patience => unreachable!("dealt with above"),
                    };
                    let memory = usize::try_from(asked.address).expect("an address");
                    let memory = ptr::with_exposed_provenance_mut::<u8>(memory);
                    // SAFETY: a test prepared this memory, of `length` bytes at least, and its buffer is in the queue
                    // until the answer stored below is taken.
                    unsafe { memory.write_bytes(number as u8, moved) };
                    answer(page, number, moved, status);
                    publish(page, &state);
                    if status != 0 || moved < asked.length as usize {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }
}

fn answer(page: &RingPage, number: u32, moved: usize, status: i32) {
    let moved = i32::try_from(moved).expect("few bytes");
    page.set_answer(number, Answered { moved, status });
}

/// Everything before the first transfer in flight is done.
fn publish(page: &RingPage, state: &State) {
    let done = state
        .in_flight
        .front()
        .map_or(page.started(), |(number, _)| *number);
    page.set_done(done);
}

fn transfers(size: u32, fates: &[Fate]) -> Transfers {
    let mark = Arc::new(ForkMark::new().expect("a mark"));
    let page = RingPage::anonymous(size, &mark);
    page.publish(u32::MAX - 2);
    // Numbers run over within the test.
    page.set_started(u32::MAX - 2);
    page.set_done(u32::MAX - 2);
    Transfers::new(page, Kernel::Test(TestKernel::new(fates)))
}

fn kernel(transfers: &Transfers) -> &TestKernel {
    match &transfers.kernel {
        Kernel::Test(kernel) => kernel,
        Kernel::File { .. } => panic!("a test's ring has no file"),
    }
}

fn wait_for(transfers: &mut Transfers, goal: u32) -> io::Result<()> {
    transfers.enter(Some(Waiting {
        goal,
        patience: Duration::from_millis(1),
        timeout: None,
    }))
}

fn buffer(bytes: usize) -> Buffer {
    Buffer::with_capacity(bytes)
}

#[test]
fn one_operation_starts_and_awaits_many() {
    let mut transfers = transfers(8, &[Fate::Moves(64); 8]);
    for _ in 0..8 {
        transfers.prepare(buffer(64), 0).expect("room");
    }
    assert!(transfers.prepare(buffer(64), 0).is_err(), "it is full");
    assert!(transfers.next().is_none());
    wait_for(&mut transfers, 4).expect("a wait");
    assert_eq!((transfers.answered(), transfers.outstanding()), (4, 8));
    for number in 0..4_u32 {
        let (buffer, result) = transfers.next().expect("an answer");
        assert_eq!(result, Ok(64));
        let value = (u32::MAX - 2).wrapping_add(number) as u8;
        assert_eq!(&buffer[..], [value; 64]);
    }
    assert!(transfers.next().is_none());
    assert_eq!(kernel(&transfers).state().operations, 1);
}

#[test]
fn refused_transfers_keep_their_place() {
    let mut transfers = transfers(8, &[Fate::Moves(8), Fate::Moves(8), Fate::Moves(8)]);
    transfers.prepare(buffer(8), 0).expect("room");
    transfers.enter(None).expect("started");
    kernel(&transfers).state().refusals.push_back(libc::ENODEV);
    transfers.prepare(buffer(9), 0).expect("room");
    transfers.prepare(buffer(10), 0).expect("room");
    transfers.enter(None).expect("answered in their place");
    transfers.prepare(buffer(11), 0).expect("room");
    transfers.prepare(buffer(0), 0).expect("a read of nothing");
    wait_for(&mut transfers, 2).expect("a wait");
    wait_for(&mut transfers, 2).expect("a wait");
    let mut ends = Vec::new();
    while let Some((buffer, result)) = transfers.next() {
        ends.push((buffer.capacity(), result));
    }
    let no_device = Err(libc::ENODEV);
    assert_eq!(
        ends,
        [
            (8, Ok(8)),
            (9, no_device),
            (10, no_device),
            (11, Ok(8)),
            (0, Ok(0))
        ]
    );
}

#[test]
fn a_signal_loses_nothing() {
    let mut transfers = transfers(4, &[Fate::Signal, Fate::Fails(libc::EPIPE)]);
    transfers.prepare(buffer(8), 0).expect("room");
    let interrupted = wait_for(&mut transfers, 1).expect_err("the signal");
    assert_eq!(interrupted.kind(), io::ErrorKind::Interrupted);
    assert!(transfers.next().is_none());
    wait_for(&mut transfers, 1).expect("a wait");
    let (_, result) = transfers.next().expect("an answer");
    assert_eq!(result, Err(libc::EPIPE));
}

#[test]
fn one_is_cancelled_and_no_other() {
    let mut transfers = transfers(8, &[Fate::Moves(1); 8]);
    for bytes in 1..=4 {
        transfers.prepare(buffer(bytes), 0).expect("room");
    }
    // Not even the oldest is started yet.
    transfers.cancel_oldest();
    let mut ends = Vec::new();
    while transfers.outstanding() > 0 {
        wait_for(&mut transfers, 1).expect("a wait");
        while let Some((buffer, result)) = transfers.next() {
            if buffer.capacity() == 2 {
                transfers.cancel_oldest();
            }
            ends.push((buffer.capacity(), result));
        }
    }
    let cancelled = Err(libc::ECANCELED);
    // A transfer of two bytes is short with one, and tells at once.
    assert_eq!(
        ends,
        [(1, cancelled), (2, Ok(1)), (3, cancelled), (4, Ok(1))]
    );
}

#[test]
fn what_is_published_starts_when_the_kernel_has_nothing_else() {
    let mut transfers = transfers(8, &[Fate::Moves(4); 3]);
    transfers.prepare(buffer(4), 0).expect("room");
    assert!(!transfers.publish(), "it is idle");
    transfers.enter(None).expect("started");
    transfers.prepare(buffer(4), 0).expect("room");
    transfers.needs_start = false;
    assert!(transfers.publish());
    transfers.prepare(buffer(4), 0).expect("room");
    assert!(!transfers.publish(), "it lies in memory of ours");
    wait_for(&mut transfers, 1).expect("a wait");
    assert!(transfers.next().is_some());
    let Kernel::Test(kernel) = &transfers.kernel else {
        panic!("a test's ring has no file");
    };
    kernel.follow(&transfers.page);
    assert_eq!(transfers.waiting_to_start(), 0);
}

#[test]
fn a_kernel_that_miscounts_is_not_believed() {
    let mut transfers = transfers(2, &[]);
    transfers.prepare(buffer(8), 0).expect("room");
    transfers.prepare(buffer(8), 0).expect("room");
    transfers.enter(None).expect("started");
    answer(&transfers.page, u32::MAX - 2, 9, 0);
    answer(&transfers.page, u32::MAX - 1, 0, i32::MIN);
    kernel(&transfers).state().in_flight.clear();
    transfers.page.set_done(u32::MAX);
    for _ in 0..2 {
        let (buffer, result) = transfers.next().expect("an answer");
        assert_eq!((buffer.len(), result), (0, Err(libc::EIO)));
    }
}

#[test]
fn dropping_cancels_and_waits() {
    let mut ring = transfers(4, &[]);
    ring.prepare(buffer(5000), 0).expect("room");
    ring.enter(None).expect("started");
    ring.prepare(buffer(5000), 0).expect("room");
    drop(ring);
}

#[derive(Debug, Clone)]
enum Step {
    Prepare(usize),
    Submit,
    Wait(u32),
    Take,
    CancelAll,
    CancelOldest,
    Follow,
    Publish,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..40_usize).prop_map(Step::Prepare),
        1 => Just(Step::Submit),
        3 => (1..9_u32).prop_map(Step::Wait),
        4 => Just(Step::Take),
        1 => Just(Step::CancelAll),
        1 => Just(Step::CancelOldest),
        1 => Just(Step::Follow),
        1 => Just(Step::Publish),
    ];
    prop::collection::vec(step, 0..200)
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        4 => (0..40_usize).prop_map(Fate::Moves),
        1 => Just(Fate::Fails(libc::EPROTO)),
        1 => Just(Fate::Signal),
        1 => Just(Fate::Patience),
    ];
    prop::collection::vec(fate, 0..200)
}

proptest! {
    /// Whatever happens in whatever order, each transfer ends once, in its turn, and its bytes are its own.
    #[test]
    fn every_transfer_ends_once_and_in_order(steps in steps(), fates in fates()) {
        let mut transfers = transfers(8, &fates);
        let mut expected = VecDeque::new();
        let mut next_label = 0_usize;
        let check = |transfers: &mut Transfers, expected: &mut VecDeque<usize>| {
            if let Some((buffer, result)) = transfers.next() {
                let label = buffer.capacity();
                prop_assert_eq!(Some(label), expected.pop_front());
                prop_assert_eq!(buffer.len(), result.unwrap_or(0));
                if let Some(first) = buffer.first() {
                    prop_assert!(buffer.iter().all(|byte| byte == first));
                }
            }
            Ok(())
        };
        for step in steps {
            match step {
                Step::Prepare(bytes) => {
                    // Each buffer is known by its capacity.
                    next_label += 1;
                    let mut buffer = Buffer::from(Vec::with_capacity(100 + next_label));
                    let label = buffer.capacity();
                    buffer.set_requested_length(bytes);
                    if transfers.prepare(buffer, 0).is_ok() {
                        expected.push_back(label);
                    }
                }
                Step::Submit => transfers.enter(None).expect("a start does not fail"),
                Step::Wait(goal) => drop(wait_for(&mut transfers, goal)),
                Step::Take => check(&mut transfers, &mut expected)?,
                Step::CancelAll => transfers.cancel_all(),
                Step::CancelOldest => transfers.cancel_oldest(),
                Step::Follow => kernel(&transfers).follow(&transfers.page),
                Step::Publish => drop(transfers.publish()),
            }
            prop_assert_eq!(transfers.outstanding(), expected.len());
        }
        transfers.cancel_all();
        while transfers.outstanding() > 0 {
            check(&mut transfers, &mut expected)?;
        }
    }
}
