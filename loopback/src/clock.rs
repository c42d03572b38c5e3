//! Time on the bus, in microframes, and what waits for it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use usbfs2_protocol::EndpointAddress;

/// One microframe (USB 2.0 4.4.1).
const MICROFRAME: Duration = Duration::from_micros(125);

/// How time passes.
#[derive(Debug)]
pub(crate) enum Clock {
    /// By itself, since this instant, or a later one where it fell behind.
    Real(Instant),
    /// Only when told to: the microframes so far.
    Manual(u64),
}

impl Clock {
    pub(crate) fn real() -> Self {
        Self::Real(Instant::now())
    }

    pub(crate) fn is_real(&self) -> bool {
        matches!(self, Self::Real(_))
    }

    /// Microframes since the beginning.
    pub(crate) fn now(&self) -> u64 {
        match self {
            Self::Real(start) => {
                let microframes = start.elapsed().as_micros() / MICROFRAME.as_micros();
                u64::try_from(microframes).unwrap_or(u64::MAX)
            }
            Self::Manual(now) => *now,
        }
    }

    /// Puts a real clock back to the beginning of `microframe`, which is past: it goes on from there.
    pub(crate) fn fall_behind(&mut self, microframe: u64) {
        let Self::Real(start) = self else { return };
        let since = microframe.checked_mul(125).map(Duration::from_micros);
        let later = since.and_then(|since| Instant::now().checked_sub(since));
        *start = later.map_or(*start, |later| later.max(*start));
    }

    /// When a microframe begins. `None` for a manual clock, and for an instant past all telling.
    pub(crate) fn instant(&self, microframe: u64) -> Option<Instant> {
        match self {
            Self::Real(start) => {
                let since = Duration::from_micros(microframe.checked_mul(125)?);
                start.checked_add(since)
            }
            Self::Manual(_) => None,
        }
    }
}

/// An endpoint whose first transfer, or its next packet, waits for its time.
pub(crate) type Held = (u8, EndpointAddress);

/// Such endpoints by the microframe they wait for.
#[derive(Debug, Default)]
pub(crate) struct Timers(BTreeSet<(u64, Held)>);

impl Timers {
    pub(crate) fn set(&mut self, microframe: u64, held: Held) {
        self.0.insert((microframe, held));
    }

    pub(crate) fn unset(&mut self, microframe: u64, held: Held) {
        self.0.remove(&(microframe, held));
    }

    /// Everything that waits, the earliest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, Held)> {
        self.0.iter().copied()
    }

    pub(crate) fn next(&self) -> Option<u64> {
        self.0.first().map(|&(microframe, _)| microframe)
    }

    /// Takes the earliest one that is due at `now`.
    pub(crate) fn take_due(&mut self, now: u64) -> Option<Held> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, held)| held)
    }
}
