//! Key events of a keyboard.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures::Stream;
use hidreport::ReportDescriptor;
use usbfs2_host::{Blocking, NextBlocking};
use usbfs2_protocol::hid::{
    BootKeyboardReport, KeyChange, Keyboard, Leds, Modifiers, us_layout, usage,
};

use crate::described_keys::DescribedKeys;
use crate::error::HidError;
use crate::reports::{InputReport, Reports};

/// A key that went down or came up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyEvent {
    /// The key: a usage of the keyboard page (HID Usage Tables 10).
    pub usage: u8,
    /// It went down rather than came up.
    pub pressed: bool,
    /// The modifiers held down after this event.
    pub modifiers: Modifiers,
    /// What the key types when it goes down, on a US layout with the locks as pressed so far.
    pub text: Option<char>,
}

/// The key events of a keyboard, in order: a `for` loop over it blocks, and it is a [`Stream`].
///
/// Errors and cancellation are those of [`Reports`].
#[derive(Debug)]
pub struct Keys {
    reports: Reports,
    decoder: Decoder,
    modifiers: Modifiers,
    /// Caps and Num Lock, as pressed so far.
    locks: Leds,
    events: VecDeque<KeyEvent>,
}

/// Which keys a report says are down.
#[derive(Debug)]
enum Decoder {
    /// The fixed form of the boot protocol (HID B.1).
    Boot(Keyboard),
    /// As the report descriptor says.
    Described(DescribedKeys),
}

impl Keys {
    /// Of reports in the boot protocol.
    pub(crate) fn boot(reports: Reports) -> Self {
        Self::new(reports, Decoder::Boot(Keyboard::new()))
    }

    /// Of reports as `descriptor` says.
    pub(crate) fn described(reports: Reports, descriptor: Arc<ReportDescriptor>) -> Self {
        Self::new(reports, Decoder::Described(DescribedKeys::new(descriptor)))
    }

    fn new(reports: Reports, decoder: Decoder) -> Self {
        Self {
            reports,
            decoder,
            modifiers: Modifiers::empty(),
            locks: Leds::empty(),
            events: VecDeque::new(),
        }
    }

    /// As [`Reports::overflows`]: key events may be missing.
    #[must_use]
    pub fn overflows(&self) -> u64 {
        self.reports.overflows()
    }

    /// The next event, blocking until it comes or `timeout` has passed.
    ///
    /// # Errors
    /// See [`Reports`].
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<KeyEvent>, HidError> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            let left = deadline.map_or(Duration::MAX, |at| {
                at.saturating_duration_since(Instant::now())
            });
            match self.reports.next_timeout(left)? {
                Some(report) => self.decode(&report),
                None => return Ok(None),
            }
        }
    }

    /// The next event, blocking until it comes; `None` after an error.
    pub fn next_blocking(&mut self) -> Option<Result<KeyEvent, HidError>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(Ok(event));
            }
            match self.reports.next_blocking()? {
                Ok(report) => self.decode(&report),
                Err(error) => return Some(Err(error)),
            }
        }
    }

    fn decode(&mut self, report: &InputReport) {
        let changes = match &mut self.decoder {
            // A report too short for the boot protocol says nothing about keys.
            Decoder::Boot(keyboard) => BootKeyboardReport::parse(&report.bytes)
                .map_or_else(|_| Vec::new(), |report| keyboard.update(&report)),
            Decoder::Described(keys) => keys.update(&report.bytes),
        };
        for KeyChange { usage, pressed } in changes {
            let modifier = modifier_of(usage);
            self.modifiers.set(modifier, pressed);
            if pressed {
                self.locks.toggle(lock_of(usage));
            }
            self.events.push_back(KeyEvent {
                usage,
                pressed,
                modifiers: self.modifiers,
                text: pressed
                    .then(|| us_layout::character(usage, self.modifiers, self.locks))
                    .flatten(),
            });
        }
    }
}

/// The modifier a key is, or none: usages E0 to E7 are the bits of the first report byte.
fn modifier_of(usage: u8) -> Modifiers {
    match usage.checked_sub(usage::LEFT_CONTROL) {
        Some(bit @ 0..8) => Modifiers::from_bits_retain(1 << bit),
        _ => Modifiers::empty(),
    }
}

/// The lock a key toggles, or none.
fn lock_of(usage: u8) -> Leds {
    match usage {
        usage::CAPS_LOCK => Leds::CAPS_LOCK,
        usage::NUM_LOCK => Leds::NUM_LOCK,
        _ => Leds::empty(),
    }
}

impl NextBlocking for Keys {
    type Item = Result<KeyEvent, HidError>;

    fn next_blocking(&mut self) -> Option<Self::Item> {
        Self::next_blocking(self)
    }
}

impl IntoIterator for Keys {
    type Item = Result<KeyEvent, HidError>;
    type IntoIter = Blocking<Self>;

    fn into_iter(self) -> Self::IntoIter {
        Blocking::new(self)
    }
}

impl<'a> IntoIterator for &'a mut Keys {
    type Item = Result<KeyEvent, HidError>;
    type IntoIter = Blocking<&'a mut Keys>;

    fn into_iter(self) -> Self::IntoIter {
        Blocking::new(self)
    }
}

impl Stream for Keys {
    type Item = Result<KeyEvent, HidError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(Some(Ok(event)));
            }
            match ready!(Pin::new(&mut self.reports).poll_next(cx)) {
                Some(Ok(report)) => self.decode(&report),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}
