//! Which host transfer of an endpoint is to go wrong.

use std::collections::BTreeMap;

use crate::mailbox::Rings;
use crate::pipe::Wire;
use crate::transfer::Pending;
use crate::{BusError, EndpointCounters, Fault, FaultError, PacketFault};

/// The host's transfers on one endpoint, numbered, and the faults and counts that go with them.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    next: u64,
    faults: BTreeMap<u64, Fault>,
    next_packet: u64,
    packet_faults: BTreeMap<u64, PacketFault>,
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

    /// Numbers the packets of an isochronous transfer that was just submitted. Returns the first one's.
    pub(crate) fn number_packets(&mut self, count: usize) -> u64 {
        let first = self.next_packet;
        self.next_packet += count as u64;
        first
    }

    pub(crate) fn next_packet(&self) -> u64 {
        self.next_packet
    }

    /// Plans a packet's fault, given the transfers that wait, in order.
    pub(crate) fn inject_packet<'a>(
        &mut self,
        waiting: impl Iterator<Item = &'a Pending>,
        packet: u64,
        fault: PacketFault,
    ) -> Result<(), FaultError> {
        let mut waiting = waiting.filter_map(|pending| pending.course);
        if packet < self.next_packet {
            let first = waiting.find(|course| course.number().max(packet) < course.behind());
            // A packet between those that wait was cancelled, so it is over too.
            if !first.is_some_and(|course| course.awaits(packet)) {
                return Err(FaultError::PacketPassed {
                    asked: packet,
                    next: first.map_or(self.next_packet, |course| course.number()),
                });
            }
        }
        self.packet_faults.insert(packet, fault);
        Ok(())
    }

    /// The fault planned for a packet whose turn it is.
    pub(crate) fn take_packet_fault(&mut self, packet: u64) -> Option<PacketFault> {
        if self.packet_faults.is_empty() {
            return None;
        }
        self.packet_faults.remove(&packet)
    }

    /// Packets were late before they were queued.
    pub(crate) fn count_missed(&mut self, packets: usize) {
        self.counters.packets += packets as u64;
        self.counters.missed += packets as u64;
    }

    /// A packet had its turn, and this many bytes reached the receiver.
    pub(crate) fn count_packet(&mut self, arrived: usize, status: Result<(), BusError>) {
        self.counters.packets += 1;
        self.counters.bytes += arrived as u64;
        match status {
            Ok(()) => {}
            Err(BusError::Missed) => self.counters.missed += 1,
            Err(_) => self.counters.errors += 1,
        }
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
        self.faults.len() + self.packet_faults.len()
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
        self.count(&pending, status);
        pending.complete(status, rings);
    }

    /// Ends a transfer as [`Pending::interrupt`] does.
    pub(crate) fn interrupt(
        &mut self,
        pending: Pending,
        error: BusError,
        rings: &mut Rings,
    ) -> bool {
        self.count(&pending, Err(error));
        pending.interrupt(error, rings)
    }

    fn count(&mut self, pending: &Pending, status: Result<(), BusError>) {
        self.faults.remove(&pending.ordinal);
        if let Some(course) = pending.course {
            self.packet_faults
                .retain(|&packet, _| !course.awaits(packet));
        }
        self.counters.transfers += 1;
        if status.is_err_and(|error| error != BusError::Cancelled) {
            self.counters.errors += 1;
        }
    }

    /// Forgets what belongs to one plug: numbers and faults, not counts.
    pub(crate) fn reset(&mut self) {
        self.next = 0;
        self.faults.clear();
        self.next_packet = 0;
        self.packet_faults.clear();
    }
}
