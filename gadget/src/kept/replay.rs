//! What a gadget's controller does for the process after this one, and with what the process before has left.

use std::collections::VecDeque;

use usbfs2_protocol::{SetupPacket, Speed};

use super::{Kept, Request};
use crate::controller::Event;
use crate::keeper::Mark;

/// A gadget that may be kept, and the events that its process has to be told before those of the bus.
#[derive(Debug, Default)]
pub(crate) struct Keeping {
    /// Where somebody keeps the gadget.
    kept: Option<Kept>,
    /// What the host has done to the gadget of the process before this one.
    replay: VecDeque<Event>,
    /// Whether what was told last is of `replay`.
    is_replaying: bool,
}

/// What comes before the events of the bus.
pub(crate) enum Replayed {
    Event(Event),
    /// All is told. This is what the process before had not answered, if that is known.
    Pending(Option<Request>),
}

impl Keeping {
    /// A gadget that begins.
    pub(crate) fn new(kept: Option<Kept>) -> Self {
        Self {
            kept,
            ..Self::default()
        }
    }

    /// A gadget that goes on: if a host was there, with these events and then what it has set.
    pub(crate) fn restored(kept: Kept, connected: impl IntoIterator<Item = Event>) -> Self {
        let mut replay = VecDeque::new();
        if kept.history().speed.is_some() {
            replay.extend(connected);
            let settings = kept.history().settings.iter().cloned();
            replay.extend(settings.map(|Request { setup, data }| Event::Setup {
                setup,
                data: data.unwrap_or_default(),
            }));
        }
        Self {
            kept: Some(kept),
            replay,
            is_replaying: true,
        }
    }

    pub(crate) fn kept(&self) -> Option<&Kept> {
        self.kept.as_ref()
    }

    /// Where a function notes whether it has something in hand.
    pub(crate) fn mark(&self, function: usize) -> Option<Mark> {
        self.kept.as_ref()?.mark(function)
    }

    /// Whether what was told last is of the past: nobody waits for its answer.
    pub(crate) fn is_replaying(&self) -> bool {
        self.is_replaying
    }

    /// The next of what comes before the events of the bus.
    pub(crate) fn next(&mut self) -> Option<Replayed> {
        if !self.is_replaying {
            return None;
        }
        if let Some(event) = self.replay.pop_front() {
            return Some(Replayed::Event(event));
        }
        self.is_replaying = false;
        let kept = self.kept.as_ref()?;
        let pending = kept.history().pending.clone();
        if let Some(request) = &pending {
            log::debug!("{} was left to be answered", request.setup);
        }
        Some(Replayed::Pending(pending))
    }

    /// Notes that a host is there.
    pub(crate) fn connected(&mut self, speed: Speed) {
        if let Some(kept) = &mut self.kept {
            kept.connected(speed);
        }
    }

    /// Notes that none is.
    pub(crate) fn disconnected(&mut self) {
        if let Some(kept) = &mut self.kept {
            kept.disconnected();
        }
    }

    /// Notes a request for the process after this one, should it come to that.
    pub(crate) fn asked(&mut self, setup: SetupPacket, data: Option<&[u8]>) {
        if let Some(kept) = &mut self.kept {
            let data = data.map(<[u8]>::to_vec);
            kept.asked(Request { setup, data });
        }
    }

    /// Notes that it has been answered.
    pub(crate) fn answered(&mut self, accepted: bool) {
        if let Some(kept) = &mut self.kept {
            kept.answered(accepted);
        }
    }
}
