//! Devices coming and going.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::mailbox::Mailbox;
use crate::{BusDevice, PlugId};

/// A device came or went.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum WatchEvent {
    /// A device was plugged in.
    Arrived(BusDevice),
    /// A device was unplugged.
    Left {
        /// The port's name, as `1-1`.
        name: String,
        /// Which plug ended.
        plug: PlugId,
    },
}

/// Sees devices come and go, from [`Bus::watch`](crate::Bus::watch) on: first an arrival for every
/// device present.
pub struct BusWatch {
    events: Arc<Mailbox<WatchEvent>>,
}

impl BusWatch {
    pub(crate) fn new(events: Arc<Mailbox<WatchEvent>>) -> Self {
        Self { events }
    }

    /// Takes the next event if there is one.
    #[must_use]
    pub fn try_next(&self) -> Option<WatchEvent> {
        self.events.try_take()
    }

    /// Takes the next event, waiting for it up to `timeout` (without end for `None`).
    #[must_use]
    pub fn wait(&self, timeout: Option<Duration>) -> Option<WatchEvent> {
        self.events.wait_timeout(timeout)
    }

    /// Takes the next event, or has the task woken when there is one.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<WatchEvent> {
        self.events.poll(cx)
    }
}

impl fmt::Debug for BusWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusWatch").finish_non_exhaustive()
    }
}
