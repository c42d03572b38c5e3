//! Serving an isochronous endpoint: one packet a service interval, whether or not both ends have one.

use std::sync::Arc;

use usbfs2_protocol::Direction;

use crate::isochronous::{Course, Service};
use crate::mailbox::Mailbox;
use crate::pipe::{Flow, Pipe, Wire};
use crate::transfer::Pending;
use crate::{BusError, Completed, PacketFault};

impl Pipe {
    /// Why the bus does not take a host's transfer, isochronous or not.
    pub(crate) fn misfit(&self, pending: &Pending) -> Option<BusError> {
        let fits = match (&pending.transfer.packets, self.service) {
            // Its type is not known, so nobody answers.
            (_, None) if self.enabled.is_none() => true,
            (Some(packets), Some(service)) => packets.longest() <= service.capacity,
            (packets, service) => packets.is_some() == service.is_some(),
        };
        (!fits).then_some(BusError::InvalidRequest)
    }

    /// Queues a host's isochronous transfer behind those there are.
    pub(crate) fn submit_isochronous(&mut self, mut pending: Pending, wire: &mut Wire<'_>) {
        self.schedule.number(&mut pending);
        let (Some(packets), Some(service)) = (&pending.transfer.packets, self.service) else {
            // The device never enabled the endpoint.
            return self
                .schedule
                .complete(pending, Err(BusError::Protocol), wire.rings);
        };
        // Those that are late as a whole have no place on the schedule.
        let mut courses = self.host.iter().rev().filter_map(|other| other.course);
        let last = courses.find(|course| course.due().is_some());
        let free = last.map(|course| course.end());
        let first = self.schedule.number_packets(packets.outcomes.len());
        // A clock that fell behind may have an interval before it that was served.
        let now = self.served.max(Some(wire.clock.now())).unwrap_or(0);
        let Some(course) = Course::plan(packets, service, now, free, first) else {
            return self
                .schedule
                .complete(pending, Err(BusError::InvalidRequest), wire.rings);
        };
        self.schedule.count_missed(course.done);
        pending.start_microframe = Some(course.start);
        pending.course = Some(course);
        if wire.clock.is_real() {
            if self.host.is_empty() {
                // Nobody who waits for the device's transfers has a time to look at the clock.
                self.alarm_device(wire);
            }
            if !self.host.iter().any(|other| other.is_with(&pending)) {
                pending.alarm(wire.rings);
            }
        }
        self.host.push_back(pending);
    }

    /// Has those who wait for the device's transfers look at the clock again.
    fn alarm_device(&self, wire: &mut Wire<'_>) {
        let mut last: Option<&Pending> = None;
        for pending in &self.device {
            if last.is_none_or(|last| !last.is_with(pending)) {
                pending.alarm(wire.rings);
            }
            last = Some(pending);
        }
    }

    /// Queues a device's packet.
    pub(crate) fn submit_packet(
        &mut self,
        pending: Pending,
        service: Service,
        wire: &mut Wire<'_>,
    ) {
        let length = pending.transfer.length;
        let fits = u32::try_from(length).is_ok_and(|length| length <= service.capacity);
        if pending.transfer.sends && !fits {
            return pending.complete(Err(BusError::InvalidRequest), wire.rings);
        }
        // Who waits for another transfer on the same queue knows the time of the next interval.
        let is_news = !self.device.iter().any(|other| other.is_with(&pending));
        if is_news && wire.clock.is_real() {
            pending.alarm(wire.rings);
        }
        self.device.push_back(pending);
    }

    /// Serves the intervals that have begun, up to the one in which another endpoint is due: that one is served
    /// first. `None` where the first transfer is not isochronous.
    ///
    /// The real clock falls behind where whoever was to look at it comes late and an end that had something queued
    /// runs out of it: nobody has had the time to take completions and queue more.
    pub(crate) fn serve_intervals(&mut self, live: bool, wire: &mut Wire<'_>) -> Option<Flow> {
        let now = wire.clock.now();
        let limit = wire.timers.next().map_or(now, |other| other.min(now));
        let mut served = None;
        loop {
            let Some(first) = self.host.front() else {
                if let Some((due, interval)) = served
                    && due + interval <= now
                    && is_late(interval, wire)
                {
                    wire.clock.fall_behind(due);
                }
                return None;
            };
            let id = first.id;
            let course = first.course?;
            let Some(due) = course.due() else {
                if let Some(ended) = self.host.pop_front() {
                    self.schedule.complete(ended, Ok(()), wire.rings);
                }
                continue;
            };
            let ran_out = self.drained == Some(wire.visit)
                && self.device.is_empty()
                && is_late(course.interval, wire);
            if due <= limit
                && ran_out
                && let Some(served) = self.served
            {
                wire.clock.fall_behind(served);
            }
            if due > limit || ran_out {
                self.timer = Some((due, (id.port, id.address)));
                wire.timers.set(due, (id.port, id.address));
                return Some(Flow::Waits);
            }
            if self.serve_packet(due, live, wire) == Flow::Unplugged {
                return Some(Flow::Unplugged);
            }
            served = Some((due, course.interval));
            self.served = Some(due);
        }
    }

    /// Serves the first transfer's next packet, in the interval that begins with microframe `due`.
    fn serve_packet(&mut self, due: u64, live: bool, wire: &mut Wire<'_>) -> Flow {
        let Some(host) = self.host.front_mut() else {
            return Flow::Waits;
        };
        let number = host.course.map_or(0, |course| course.number());
        let fault = self.schedule.take_packet_fault(number);
        if fault == Some(PacketFault::Unplug) {
            return Flow::Unplugged;
        }
        let to_host = host.id.address.direction() == Direction::In;
        let had_some = !self.device.is_empty();
        let outcome = if !live || fault == Some(PacketFault::Late) {
            Err(BusError::Missed)
        } else if self.service.is_none() {
            Err(BusError::Protocol)
        } else if to_host {
            take(host, self.device.pop_front(), fault, due, wire)
        } else if fault == Some(PacketFault::Lost) {
            // Nobody acknowledges an isochronous packet, so the host cannot know.
            Ok(host.slot().len())
        } else {
            give(host, self.device.pop_front(), fault, due, wire)
        };
        if had_some && self.device.is_empty() && wire.clock.is_real() {
            self.drained = Some(wire.visit);
        }
        host.packet_ended(outcome);
        let arrived = match fault {
            Some(PacketFault::Lost) => 0,
            _ => outcome.unwrap_or(0),
        };
        self.schedule.count_packet(arrived, outcome.map(drop));
        Flow::Waits
    }

    /// The microframe in which something may come to `queue`, this endpoint being due at `due`.
    pub(crate) fn next_for(&self, queue: &Arc<Mailbox<Completed>>, due: u64) -> Option<u64> {
        let is_isochronous = self
            .host
            .front()
            .is_some_and(|first| first.course.is_some());
        if !is_isochronous || self.device.iter().any(|packet| packet.is_queued_on(queue)) {
            return Some(due);
        }
        let first = self.host.iter().find(|pending| pending.is_queued_on(queue));
        // One whose packets are all late waits for those before it; too early a look does no harm.
        first
            .and_then(|first| first.course)
            .map(|course| course.last().max(due))
    }
}

/// Whether whoever was to come has missed a service interval.
fn is_late(interval: u64, wire: &Wire<'_>) -> bool {
    let expected = wire.expected;
    expected.is_some_and(|expected| wire.clock.now().saturating_sub(expected) >= interval)
}

/// The host takes what the device sends. Returns the bytes that arrived.
fn take(
    host: &mut Pending,
    device: Option<Pending>,
    fault: Option<PacketFault>,
    due: u64,
    wire: &mut Wire<'_>,
) -> Result<usize, BusError> {
    if fault == Some(PacketFault::Babble) && device.is_none() {
        return Err(BusError::Overflow);
    }
    let mut device = device.ok_or(BusError::Missed)?;
    let sent = shortened(&device.transfer.buffer, fault);
    let outcome = match host.slot_mut().get_mut(..sent.len()) {
        _ if fault == Some(PacketFault::Lost) => Err(BusError::Protocol),
        _ if fault == Some(PacketFault::Babble) => Err(BusError::Overflow),
        None => Err(BusError::Overflow),
        Some(slot) => {
            slot.copy_from_slice(sent);
            corrupt(slot, fault);
            Ok(sent.len())
        }
    };
    device.moved = device.transfer.length;
    device.start_microframe = Some(due);
    // Nobody acknowledges an isochronous packet, so the device cannot know what became of it.
    device.complete(Ok(()), wire.rings);
    outcome
}

/// The host gives the device its packet. Returns the bytes that went.
fn give(
    host: &mut Pending,
    device: Option<Pending>,
    fault: Option<PacketFault>,
    due: u64,
    wire: &mut Wire<'_>,
) -> Result<usize, BusError> {
    let mut device = device.ok_or(BusError::Missed)?;
    let sent = shortened(host.slot(), fault);
    let fits = sent.len().min(device.room());
    let buffer = &mut device.transfer.buffer;
    buffer.extend_from_slice(&sent[..fits]);
    corrupt(buffer, fault);
    device.moved = fits;
    device.start_microframe = Some(due);
    let whole = fits == sent.len();
    let status = if whole {
        Ok(())
    } else {
        Err(BusError::Overflow)
    };
    let sent = sent.len();
    device.complete(status, wire.rings);
    Ok(sent)
}

fn shortened(packet: &[u8], fault: Option<PacketFault>) -> &[u8] {
    match fault {
        Some(PacketFault::Short { length }) => &packet[..length.min(packet.len())],
        _ => packet,
    }
}

fn corrupt(packet: &mut [u8], fault: Option<PacketFault>) {
    if let Some(PacketFault::Corrupt { offset, mask }) = fault
        && let Some(byte) = packet.get_mut(offset)
    {
        *byte ^= mask;
    }
}
