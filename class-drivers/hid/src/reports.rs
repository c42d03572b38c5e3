//! Input reports as they come: a queue that is always refilled, read blocking or as a stream.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use async_io::Timer;
use futures::Stream;
use usbfs2_host::{
    Blocking, Buffer, Completion, Endpoint, In, Interrupt, NextBlocking, TransferError,
};

use crate::backoff::Backoff;
use crate::decoded::{Decode, Decoded};
use crate::error::HidError;

/// For so long nobody need read, unless a depth is given: a second, and an eighth for good measure.
const ABSENCE_MICROFRAMES: u32 = 9_000;
/// Transfers in flight where reports are rare: a keyboard's text comes in bursts.
const LEAST_DEPTH: usize = 64;

/// How many transfers to keep in flight for an endpoint that is polled this often.
pub(crate) fn default_depth(interval_microframes: Option<u32>) -> usize {
    let interval = interval_microframes.unwrap_or(u32::MAX).max(1);
    let reports = usize::try_from(ABSENCE_MICROFRAMES.div_ceil(interval)).unwrap_or(usize::MAX);
    reports.max(LEAST_DEPTH)
}

/// An input report (HID 5.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputReport {
    /// How often the queue had run full between the report before this one and this one: where it is not 0,
    /// the device had to hold back or drop reports that would have been here.
    pub overflows_before: u64,
    /// The report as it came; the first byte is the report ID where the device numbers its reports.
    pub bytes: Vec<u8>,
}

/// The input reports of a device, in order: a `for` loop over it blocks, and it is a [`Stream`].
///
/// Transfers are kept in flight whether or not anybody reads, so that reports that arrive meanwhile
/// wait in order, in the kernel, whatever the program does. When all of them have filled, the device has
/// to hold back or drop reports: the report after the gap says so
/// ([`overflows_before`](InputReport::overflows_before)), and [`overflows`](Self::overflows) counts.
///
/// # Errors
/// A halt is cleared, a bus error tried again after a pause that doubles from 13 ms, as the kernel's
/// driver does; [`HidError::Input`] comes once that has gone on for about a second. Reports that came
/// before an error are given before it; after it there are no more.
///
/// # Cancellation
/// Dropping a future that waits for the next report loses nothing. Dropping this ends the transfers
/// in flight, with the reports nobody read.
#[derive(Debug)]
pub struct Reports {
    endpoint: Endpoint<Interrupt, In>,
    depth: usize,
    report_length: usize,
    ready: VecDeque<InputReport>,
    /// Buffers to go back in flight.
    spare: Vec<Buffer>,
    /// Transfers that have filled since the last refill.
    filled: usize,
    overflows: u64,
    /// Those the next report is to tell of.
    untold_overflows: u64,
    /// Transfers in flight that were submitted before the last recovery: an error of theirs is of the
    /// same halt, and counts once.
    stale: usize,
    backoff: Backoff,
    /// Runs while the bus is left alone after an error.
    timer: Option<Timer>,
    /// To be told once the reports before it have been given.
    error: Option<HidError>,
    ended: bool,
}

impl Reports {
    pub(crate) fn new(
        endpoint: Endpoint<Interrupt, In>,
        depth: usize,
        report_length: usize,
    ) -> Self {
        let depth = depth.max(1);
        // Whole packets, so that a report longer than described is seen as it is, not as an overflow.
        let packet = endpoint.max_packet_size();
        let report_length = report_length.max(1).div_ceil(packet) * packet;
        let spare = (0..depth)
            .map(|_| Buffer::with_capacity(report_length))
            .collect();
        let mut reports = Self {
            endpoint,
            depth,
            report_length,
            ready: VecDeque::new(),
            spare,
            filled: 0,
            overflows: 0,
            untold_overflows: 0,
            stale: 0,
            backoff: Backoff::default(),
            timer: None,
            error: None,
            ended: false,
        };
        reports.refill();
        reports
    }

    /// Events made of these reports.
    pub fn decode<D: Decode>(self, decoder: D) -> Decoded<D> {
        Decoded::new(self, decoder)
    }

    /// How often every transfer in flight had filled before any was read: each time, the device may
    /// have dropped reports. Read more often, or ask for a greater depth.
    #[must_use]
    pub fn overflows(&self) -> u64 {
        self.overflows
    }

    /// Bytes one transfer has room for: the longest report, in whole packets.
    #[must_use]
    pub fn report_length(&self) -> usize {
        self.report_length
    }

    /// The next report, blocking until it comes or `timeout` has passed.
    ///
    /// # Errors
    /// See [`Reports`].
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<InputReport>, HidError> {
        self.next_by(Instant::now().checked_add(timeout))
    }

    /// The next report, blocking until it comes; `None` after an error.
    pub fn next_blocking(&mut self) -> Option<Result<InputReport, HidError>> {
        self.next_by(None).transpose()
    }

    /// Whether there is nothing left to come.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended && self.error.is_none() && self.ready.is_empty()
    }

    pub(crate) fn next_by(
        &mut self,
        deadline: Option<Instant>,
    ) -> Result<Option<InputReport>, HidError> {
        let left = || deadline.map(|at| at.saturating_duration_since(Instant::now()));
        loop {
            if let Some(report) = self.ready.pop_front() {
                return Ok(Some(report));
            }
            if let Some(error) = self.error.take() {
                return Err(error);
            }
            if self.ended {
                return Ok(None);
            }
            let Some(completion) = self.endpoint.wait(left()) else {
                return Ok(None);
            };
            let mut pause = self.take(completion);
            let none_waiting = Some(Duration::ZERO);
            while let Some(completion) = self.endpoint.wait(none_waiting) {
                pause = pause.max(self.take(completion));
            }
            if let Some(pause) = pause {
                thread::sleep(left().map_or(pause, |left| left.min(pause)));
            }
            self.refill();
        }
    }

    /// Handles one completion. Says how long to leave the bus alone, when it was an error that may pass.
    fn take(&mut self, completion: Completion) -> Option<Duration> {
        let Completion { buffer, status, .. } = completion;
        let is_stale = self.stale > 0;
        self.stale = self.stale.saturating_sub(1);
        match status {
            Ok(()) => {
                self.backoff.succeeded();
                self.filled += 1;
                // A zero-length packet is no report.
                if !buffer.is_empty() {
                    self.ready.push_back(InputReport {
                        overflows_before: std::mem::take(&mut self.untold_overflows),
                        bytes: buffer.to_vec(),
                    });
                }
            }
            // Queued behind the transfer that met the error.
            Err(TransferError::Cancelled) => {}
            // What is queued behind a final error fails alike: the first is told.
            Err(_) if self.ended => {}
            Err(error) if is_stale && error != TransferError::Disconnected => {}
            Err(error) => match self.recover(error) {
                Ok(pause) => {
                    self.spare.push(buffer);
                    return Some(pause);
                }
                Err(error) => {
                    self.ended = true;
                    self.error = Some(error);
                }
            },
        }
        self.spare.push(buffer);
        None
    }

    /// Makes a failed endpoint work again. Says how long to leave the bus alone first.
    fn recover(&mut self, error: TransferError) -> Result<Duration, HidError> {
        if error == TransferError::Disconnected {
            return Err(HidError::Disconnected);
        }
        let pause = self.backoff.failed(error)?;
        log::debug!("input endpoint {}: {error}", self.endpoint.address());
        self.endpoint
            .clear_halt()
            .map_err(HidError::request("CLEAR_FEATURE(ENDPOINT_HALT)"))?;
        self.stale = self.endpoint.pending();
        Ok(pause)
    }

    /// Puts every buffer at hand back in flight.
    fn refill(&mut self) {
        if self.filled == self.depth && self.depth > 1 {
            self.overflows += 1;
            self.untold_overflows += 1;
        }
        self.filled = 0;
        if !self.spare.is_empty() && !self.ended {
            self.endpoint
                .submit_all(self.spare.drain(..).map(|mut buffer| {
                    buffer.clear();
                    buffer
                }));
        }
    }

    /// Takes what has completed; pending until something has.
    fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Poll::Ready(Some(completion)) = self.endpoint.poll_next_complete(cx) {
            if let Some(pause) = self.take(completion) {
                self.timer = Some(Timer::after(pause));
            }
        }
        if self.spare.is_empty() {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }
}

impl NextBlocking for Reports {
    type Item = Result<InputReport, HidError>;

    fn next_blocking(&mut self) -> Option<Self::Item> {
        Self::next_blocking(self)
    }
}

impl IntoIterator for Reports {
    type Item = Result<InputReport, HidError>;
    type IntoIter = Blocking<Self>;

    fn into_iter(self) -> Self::IntoIter {
        Blocking::new(self)
    }
}

impl<'a> IntoIterator for &'a mut Reports {
    type Item = Result<InputReport, HidError>;
    type IntoIter = Blocking<&'a mut Reports>;

    fn into_iter(self) -> Self::IntoIter {
        Blocking::new(self)
    }
}

impl Stream for Reports {
    type Item = Result<InputReport, HidError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(report) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(report)));
            }
            if let Some(error) = this.error.take() {
                return Poll::Ready(Some(Err(error)));
            }
            if this.ended {
                return Poll::Ready(None);
            }
            if let Some(timer) = &mut this.timer {
                if Pin::new(timer).poll(cx).is_pending() {
                    return Poll::Pending;
                }
                this.timer = None;
                this.refill();
            }
            if this.poll_take(cx).is_pending() {
                return Poll::Pending;
            }
            if this.timer.is_none() {
                this.refill();
            }
        }
    }
}
