//! Events made of reports: the queue of reports on one side, a decoder on the other.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_io::Timer;
use futures::Stream;
use usbfs2_host::{Blocking, NextBlocking};

use crate::error::HidError;
use crate::reports::Reports;

/// Makes events of reports. The decoders of this crate are public, for whoever wants several at once, as
/// for a keyboard with a trackball; an own one works with [`Reports::decode`] as they do.
pub trait Decode {
    /// What it makes.
    type Event;

    /// Takes the next report, its ID first where the device numbers its reports, and adds what it says. A
    /// report it makes no sense of adds nothing.
    fn decode(&mut self, report: &[u8], events: &mut VecDeque<Self::Event>);

    /// When [`tick`](Self::tick) has something to add without a report; `None` for not before the next
    /// report.
    fn due(&self) -> Option<Instant> {
        None
    }

    /// Adds what time alone brings about, such as the repetition of a key.
    fn tick(&mut self, now: Instant, events: &mut VecDeque<Self::Event>) {
        let _ = (now, events);
    }
}

/// The events of a device, in order: a `for` loop over it blocks, and it is a [`Stream`].
///
/// Errors and cancellation are those of [`Reports`].
#[derive(Debug)]
pub struct Decoded<D: Decode> {
    reports: Reports,
    pub(crate) decoder: D,
    events: VecDeque<D::Event>,
    /// Set to when the decoder is due.
    timer: Option<(Instant, Timer)>,
}

impl<D: Decode> Decoded<D> {
    pub(crate) fn new(reports: Reports, decoder: D) -> Self {
        Self {
            reports,
            decoder,
            events: VecDeque::new(),
            timer: None,
        }
    }

    /// As [`Reports::overflows`]: events may be missing.
    #[must_use]
    pub fn overflows(&self) -> u64 {
        self.reports.overflows()
    }

    /// The next event, blocking until it comes or `timeout` has passed.
    ///
    /// # Errors
    /// See [`Reports`].
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<D::Event>, HidError> {
        self.next_by(Instant::now().checked_add(timeout))
    }

    /// The next event, blocking until it comes; `None` after an error.
    pub fn next_blocking(&mut self) -> Option<Result<D::Event, HidError>> {
        self.next_by(None).transpose()
    }

    fn next_by(&mut self, deadline: Option<Instant>) -> Result<Option<D::Event>, HidError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            let due = self.decoder.due();
            // What has come is older than what only now is due.
            let until = match (deadline, due) {
                (Some(deadline), Some(due)) => Some(deadline.min(due)),
                (deadline, due) => deadline.or(due),
            };
            if let Some(report) = self.reports.next_by(until)? {
                self.decoder.decode(&report.bytes, &mut self.events);
                continue;
            }
            let now = Instant::now();
            if self.reports.has_ended() {
                return Ok(None);
            }
            if due.is_some_and(|due| due <= now) {
                self.decoder.tick(now, &mut self.events);
            } else if deadline.is_some_and(|deadline| deadline <= now) {
                return Ok(None);
            }
        }
    }

    /// Ready when the decoder is due.
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.decoder.due() else {
            self.timer = None;
            return Poll::Pending;
        };
        if self.timer.as_ref().is_none_or(|&(set, _)| set != due) {
            self.timer = Some((due, Timer::at(due)));
        }
        match &mut self.timer {
            Some((_, timer)) => Pin::new(timer).poll(cx).map(|_| ()),
            None => Poll::Pending,
        }
    }
}

impl<D: Decode> NextBlocking for Decoded<D> {
    type Item = Result<D::Event, HidError>;

    fn next_blocking(&mut self) -> Option<Self::Item> {
        Self::next_blocking(self)
    }
}

impl<D: Decode> IntoIterator for Decoded<D> {
    type Item = Result<D::Event, HidError>;
    type IntoIter = Blocking<Self>;

    fn into_iter(self) -> Self::IntoIter {
        Blocking::new(self)
    }
}

impl<'a, D: Decode> IntoIterator for &'a mut Decoded<D> {
    type Item = Result<D::Event, HidError>;
    type IntoIter = Blocking<&'a mut Decoded<D>>;

    fn into_iter(self) -> Self::IntoIter {
        Blocking::new(self)
    }
}

impl<D: Decode + Unpin> Stream for Decoded<D>
where
    D::Event: Unpin,
{
    type Item = Result<D::Event, HidError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(event) = this.events.pop_front() {
                return Poll::Ready(Some(Ok(event)));
            }
            match Pin::new(&mut this.reports).poll_next(cx) {
                Poll::Ready(Some(Ok(report))) => {
                    this.decoder.decode(&report.bytes, &mut this.events);
                    continue;
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {}
            }
            if this.poll_due(cx).is_pending() {
                return Poll::Pending;
            }
            this.timer = None;
            this.decoder.tick(Instant::now(), &mut this.events);
        }
    }
}
