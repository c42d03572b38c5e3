//! Which host transfer of an endpoint is to go wrong.

use std::collections::BTreeMap;

use crate::mailbox::Rings;
use crate::pipe::Wire;
use crate::transfer::Pending;
use crate::{BusError, EndpointCounters, Fault, FaultError};

/// The host's transfers on one endpoint, numbered, and the faults and counts that go with them.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    next: u64,
    faults: BTreeMap<u64, Fault>,
    counters: EndpointCounters,
}

impl Schedule {
    /// Numbers a transfer that was just submitted.
    pub(crate) fn number(&mut self, pending: &mut Pending) {
        pending.ordinal = self.next;
        self.next += 1;
    }

    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Plans a fault, given the transfers that wait, in order.
    pub(crate) fn inject<'a>(
        &mut self,
        mut waiting: impl Iterator<Item = &'a Pending>,
        transfer: u64,
        fault: Fault,
    ) -> Result<(), FaultError> {
        if transfer < self.next {
            let first = waiting.find(|pending| pending.ordinal >= transfer);
            // A transfer between those that wait was cancelled, so it is over too.
            if first.is_none_or(|pending| pending.ordinal != transfer) {
                return Err(FaultError::Passed {
                    asked: transfer,
                    next: first.map_or(self.next, |pending| pending.ordinal),
                });
            }
        }
        self.faults.insert(transfer, fault);
        Ok(())
    }

    /// Gives a transfer that is first in its queue the fault planned for it. Returns whether an
    /// injected NAK holds it back.
    pub(crate) fn holds(&mut self, first: &mut Pending, wire: &mut Wire<'_>) -> bool {
        if !self.faults.is_empty()
            && let Some(fault) = self.faults.remove(&first.ordinal)
        {
            wire.release(first);
            if let Fault::Nak { microframes } = fault {
                wire.hold(first, microframes);
            }
            first.fault = Some(fault);
        }
        wire.holds(first)
    }

    /// Faults whose transfer has not become first in its queue.
    pub(crate) fn planned(&self) -> usize {
        self.faults.len()
    }

    pub(crate) fn count_bytes(&mut self, bytes: usize) {
        self.counters.bytes += bytes as u64;
    }

    pub(crate) fn counters(&self) -> EndpointCounters {
        self.counters
    }

    /// Ends a transfer as [`Pending::complete`] does.
    pub(crate) fn complete(
        &mut self,
        pending: Pending,
        status: Result<(), BusError>,
        rings: &mut Rings,
    ) {
        self.count(pending.ordinal, status);
        pending.complete(status, rings);
    }

    /// Ends a transfer as [`Pending::interrupt`] does.
    pub(crate) fn interrupt(
        &mut self,
        pending: Pending,
        error: BusError,
        rings: &mut Rings,
    ) -> bool {
        self.count(pending.ordinal, Err(error));
        pending.interrupt(error, rings)
    }

    fn count(&mut self, ordinal: u64, status: Result<(), BusError>) {
        self.faults.remove(&ordinal);
        self.counters.transfers += 1;
        if status.is_err_and(|error| error != BusError::Cancelled) {
            self.counters.errors += 1;
        }
    }

    /// Forgets what belongs to one plug: numbers and faults, not counts.
    pub(crate) fn reset(&mut self) {
        self.next = 0;
        self.faults.clear();
    }
}
