//! A queue whose transfers may have a time each.

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use aio_rs::Buffer;
use async_io::Timer;

use crate::backend::{InFlight, Queue};
use crate::{Completion, TransferError};

/// A backend's queue, and the deadlines of transfers in it.
///
/// Only the oldest transfer can have moved bytes or come back, so only its deadline is watched. One behind it whose time is
/// over meanwhile ends when its turn comes.
#[derive(Debug)]
pub(super) struct TimedQueue {
    queue: Box<dyn Queue>,
    /// Transfers ever submitted, and ever returned.
    submitted: u64,
    returned: u64,
    /// The numbers of those with a deadline, oldest first.
    due: VecDeque<(u64, Instant)>,
    /// The oldest transfer was asked to end because its time is over.
    passed: bool,
    timer: Option<(Instant, Timer)>,
}

impl TimedQueue {
    pub(super) fn new(queue: Box<dyn Queue>) -> Self {
        Self {
            queue,
            submitted: 0,
            returned: 0,
            due: VecDeque::new(),
            passed: false,
            timer: None,
        }
    }

    pub(super) fn submit_within(&mut self, buffer: Buffer, timeout: Duration) {
        // A time without end is none.
        if let Some(deadline) = Instant::now().checked_add(timeout) {
            self.due.push_back((self.submitted, deadline));
        }
        self.submit_one(buffer);
    }

    /// The deadline of the oldest transfer, if it has one that has not been acted upon.
    fn watched(&self) -> Option<Instant> {
        let &(number, deadline) = self.due.front()?;
        (number == self.returned && !self.passed).then_some(deadline)
    }

    fn end_oldest(&mut self) {
        self.passed = true;
        self.queue.cancel_oldest();
    }

    /// Counts a transfer that comes back.
    #[inline]
    fn settle(&mut self, completion: Completion) -> Completion {
        if self.due.front().is_some_and(|due| due.0 == self.returned) {
            self.due.pop_front();
        }
        self.returned += 1;
        if std::mem::take(&mut self.passed) {
            completion.cancelled_by_deadline()
        } else {
            completion
        }
    }

    /// Every transfer is about to end in another way.
    fn forget_deadlines(&mut self) {
        self.due.clear();
    }

    fn poll_timer(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let timer = match self.timer.take() {
            Some((at, timer)) if at == deadline => timer,
            _ => Timer::at(deadline),
        };
        let (_, timer) = self.timer.insert((deadline, timer));
        Pin::new(timer).poll(cx).map(drop)
    }
}

impl InFlight for TimedQueue {
    fn pending(&self) -> usize {
        self.queue.pending()
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Completion> {
        loop {
            if let Poll::Ready(completion) = self.queue.poll_next(cx) {
                return Poll::Ready(self.settle(completion));
            }
            let Some(deadline) = self.watched() else {
                return Poll::Pending;
            };
            if self.poll_timer(deadline, cx).is_pending() {
                return Poll::Pending;
            }
            self.end_oldest();
        }
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Option<Completion> {
        if self.due.is_empty() && !self.passed {
            let completion = self.queue.wait(timeout);
            self.returned += u64::from(completion.is_some());
            return completion;
        }
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let watched = self.watched();
            let until = watched.into_iter().chain(end).min();
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if let Some(completion) = self.queue.wait(left) {
                return Some(self.settle(completion));
            }
            let is_over = |end: Instant| end <= Instant::now();
            if self.queue.pending() == 0 {
                return None;
            }
            if watched.is_some_and(is_over) {
                self.end_oldest();
            }
            if end.is_some_and(is_over) {
                return None;
            }
        }
    }

    fn cancel_all(&mut self) {
        self.forget_deadlines();
        self.queue.cancel_all();
    }
}

impl Queue for TimedQueue {
    fn submit(&mut self, buffers: &mut dyn Iterator<Item = Buffer>) {
        let submitted = &mut self.submitted;
        self.queue.submit(&mut buffers.inspect(|_| *submitted += 1));
    }

    #[inline]
    fn submit_one(&mut self, buffer: Buffer) {
        self.submitted += 1;
        self.queue.submit_one(buffer);
    }

    fn prepare(&mut self, buffer: Buffer) {
        self.submitted += 1;
        self.queue.prepare(buffer);
    }

    fn allocate(&self, capacity: usize) -> Buffer {
        self.queue.allocate(capacity)
    }

    fn cancel_oldest(&mut self) {
        self.queue.cancel_oldest();
    }

    fn set_zero_packet(&mut self, wanted: bool) {
        self.queue.set_zero_packet(wanted);
    }

    fn clear_halt(&mut self) -> Result<(), TransferError> {
        self.forget_deadlines();
        self.queue.clear_halt()
    }
}
