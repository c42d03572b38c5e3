//! When operations are to end that were given a time.

use std::collections::BTreeSet;
use std::io;
use std::time::Instant;

use crate::{Completion, OperationId};

/// The deadlines of the operations in a context.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    by_time: BTreeSet<(Instant, OperationId)>,
    /// For each slot of the context, what its operation was given; no longer than the last slot that was given one.
    slots: Vec<Deadline>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deadline {
    None,
    At(Instant),
    /// It has passed, and the operation was asked to end.
    Passed,
}

impl Deadlines {
    pub(crate) fn set(&mut self, id: OperationId, deadline: Instant) {
        let slot = id.slot as usize;
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, Deadline::None);
        }
        self.slots[slot] = Deadline::At(deadline);
        self.by_time.insert((deadline, id));
    }

    /// The first to come.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|&(deadline, _)| deadline)
    }

    /// An operation whose deadline has passed, each once.
    pub(crate) fn pop_passed(&mut self) -> Option<OperationId> {
        let &(deadline, id) = self.by_time.first()?;
        if deadline > Instant::now() {
            return None;
        }
        self.by_time.pop_first();
        self.slots[id.slot as usize] = Deadline::Passed;
        Some(id)
    }

    /// Forgets an operation that is over; one that was cancelled because of its deadline has timed out.
    pub(crate) fn settle(&mut self, completion: &mut Completion) {
        let id = completion.id;
        let Some(deadline) = self.slots.get_mut(id.slot as usize) else {
            return;
        };
        match std::mem::replace(deadline, Deadline::None) {
            Deadline::None => {}
            Deadline::At(deadline) => {
                self.by_time.remove(&(deadline, id));
            }
            Deadline::Passed if completion.is_cancelled() => {
                completion.result = Err(io::Error::from_raw_os_error(libc::ETIMEDOUT));
            }
            Deadline::Passed => {}
        }
    }
}
