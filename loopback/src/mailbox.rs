//! Things that wait for a thread or a task to take them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::task::AtomicWaker;

use crate::monitor::Watchers;

/// A queue whose takers may block or poll.
///
/// Putting something in and telling the takers are two steps, because a mailbox is filled under the
/// bus lock, which no waker may be called under: [`Rings`] carries the second step out of the lock.
pub(crate) struct Mailbox<T> {
    content: Mutex<Content<T>>,
    changed: Condvar,
    /// Threads in `changed.wait`; counted under the mutex, so that a notification without a waiter,
    /// which would be a system call for nothing, can be left out.
    waiting: AtomicUsize,
    waker: AtomicWaker,
}

struct Content<T> {
    items: VecDeque<T>,
    /// Counts the reasons other than an item to look again: a timer that was set meanwhile.
    alarms: u64,
}

impl<T> Mailbox<T> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            content: Mutex::new(Content {
                items: VecDeque::new(),
                alarms: 0,
            }),
            changed: Condvar::new(),
            waiting: AtomicUsize::new(0),
            waker: AtomicWaker::new(),
        })
    }

    fn content(&self) -> MutexGuard<'_, Content<T>> {
        // Nothing between lock and unlock can leave the content half changed.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, item: T) {
        self.content().items.push_back(item);
    }

    pub(crate) fn retain(&self, keep: impl FnMut(&T) -> bool) {
        self.content().items.retain(keep);
    }

    pub(crate) fn try_take(&self) -> Option<T> {
        self.content().items.pop_front()
    }

    /// What to hand to [`wait`](Self::wait), read before deciding how long to wait.
    pub(crate) fn alarms(&self) -> u64 {
        self.content().alarms
    }

    /// Waits for an item until `until`, or until an alarm since `alarms` was read.
    pub(crate) fn wait(&self, until: Option<Instant>, alarms: u64) -> Option<T> {
        let mut content = self.content();
        loop {
            if let Some(item) = content.items.pop_front() {
                return Some(item);
            }
            if content.alarms != alarms {
                return None;
            }
            let left = match until {
                Some(until) => Some(until.checked_duration_since(Instant::now())?),
                None => None,
            };
            self.waiting.fetch_add(1, Ordering::SeqCst);
            content = match left {
                Some(left) => {
                    self.changed
                        .wait_timeout(content, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
                None => self
                    .changed
                    .wait(content)
                    .unwrap_or_else(PoisonError::into_inner),
            };
            self.waiting.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Waits for an item for at most `timeout`, whatever the bus's clock does.
    pub(crate) fn wait_timeout(&self, timeout: Option<Duration>) -> Option<T> {
        let until = deadline(timeout);
        loop {
            let item = self.wait(until, self.alarms());
            if item.is_some() || is_past(until) {
                return item;
            }
        }
    }

    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<T> {
        if let Some(item) = self.try_take() {
            return Poll::Ready(item);
        }
        self.waker.register(cx.waker());
        // Something put in before the waker was registered has woken nobody.
        match self.try_take() {
            Some(item) => Poll::Ready(item),
            None => Poll::Pending,
        }
    }
}

impl<T> fmt::Debug for Mailbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox")
            .field("items", &self.content().items.len())
            .finish_non_exhaustive()
    }
}

/// The instant `timeout` from now; `None`, for never, where there is no timeout or no such instant.
pub(crate) fn deadline(timeout: Option<Duration>) -> Option<Instant> {
    timeout.and_then(|timeout| Instant::now().checked_add(timeout))
}

pub(crate) fn is_past(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| deadline <= Instant::now())
}

/// Something whose takers can be told that it changed.
trait Ring: Send + Sync {
    fn ring(&self);
    fn alarm(&self);
}

impl<T: Send> Ring for Mailbox<T> {
    fn alarm(&self) {
        self.content().alarms += 1;
    }

    fn ring(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.changed.notify_all();
        }
        self.waker.wake();
    }
}

/// Mailboxes that changed while the bus was locked, to be rung when it no longer is.
#[derive(Default)]
pub(crate) struct Rings {
    changed: Vec<Arc<dyn Ring>>,
    /// Those whose takers are to look at the clock again.
    alarmed: Vec<Arc<dyn Ring>>,
    /// Those who are told at once, under the lock.
    pub(crate) watchers: Watchers,
}

impl Rings {
    pub(crate) fn add<T: Send + 'static>(&mut self, mailbox: Arc<Mailbox<T>>) {
        let mailbox: Arc<dyn Ring> = mailbox;
        let last = self.changed.last();
        if last.is_none_or(|last| !Arc::ptr_eq(last, &mailbox)) {
            self.changed.push(mailbox);
        }
    }

    pub(crate) fn add_alarm<T: Send + 'static>(&mut self, mailbox: Arc<Mailbox<T>>) {
        self.alarmed.push(mailbox);
    }

    /// Only to be called without any lock: wakers run arbitrary code.
    pub(crate) fn ring(self) {
        for mailbox in self.alarmed {
            mailbox.alarm();
            mailbox.ring();
        }
        for mailbox in self.changed {
            mailbox.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits until a thread is blocked in `mailbox`; the deadline only stops a hang.
    fn until_somebody_waits(mailbox: &Mailbox<u8>) {
        let hang = Instant::now() + Duration::from_secs(30);
        while mailbox.waiting.load(Ordering::SeqCst) == 0 {
            assert!(Instant::now() < hang, "nobody waits");
            std::thread::yield_now();
        }
    }

    #[test]
    fn an_alarm_ends_a_wait_without_an_item() {
        let mailbox = Mailbox::<u8>::new();
        let alarms = mailbox.alarms();
        let hang = deadline(Some(Duration::from_secs(30)));
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| (mailbox.wait(hang, alarms), is_past(hang)));
            until_somebody_waits(&mailbox);
            let mut rings = Rings::default();
            rings.add_alarm(Arc::clone(&mailbox));
            rings.ring();
            assert_eq!(waiter.join().unwrap(), (None, false));
        });
        assert_eq!(
            mailbox.wait(hang, alarms),
            None,
            "nor is it missed by a later wait"
        );
        assert!(!is_past(hang));
    }

    #[test]
    fn a_ring_ends_a_wait_with_the_item() {
        let mailbox = Mailbox::new();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| mailbox.wait(None, 0));
            until_somebody_waits(&mailbox);
            mailbox.push(5);
            let mut rings = Rings::default();
            rings.add(Arc::clone(&mailbox));
            rings.ring();
            assert_eq!(waiter.join().unwrap(), Some(5));
        });
    }

    #[test]
    fn a_mailbox_is_rung_once_for_many_items() {
        let [one, other] = [Mailbox::<u8>::new(), Mailbox::new()];
        let mut rings = Rings::default();
        for mailbox in [&one, &one, &other, &one] {
            rings.add(Arc::clone(mailbox));
        }
        assert_eq!(rings.changed.len(), 3, "repetitions in a row are left out");
    }
}
