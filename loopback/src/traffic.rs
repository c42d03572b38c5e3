//! Moving data through an endpoint, whole transfers at a time.

use usbfs2_protocol::Direction;

use crate::exchange::{Exchange, Offer};
use crate::pipe::{Flow, Pipe, Wire};
use crate::transfer::Pending;
use crate::{BusError, Fault};

/// How an injected fault limits what is left of a host transfer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Limit {
    None,
    /// A short packet ends the transfer after these bytes.
    Short(usize),
    /// The cable comes out after these bytes.
    Unplug(usize),
}

impl Pipe {
    /// Serves the host's transfers as far as the device's, and the clock, allow. Only isochronous packets'
    /// intervals pass while the device is not `live`.
    pub(crate) fn advance(&mut self, live: bool, wire: &mut Wire<'_>) -> Flow {
        self.clear_timer(wire);
        loop {
            if let Some(flow) = self.serve_intervals(live, wire) {
                return flow;
            }
            let Some(first) = self.host.front_mut() else {
                return Flow::Waits;
            };
            if !live || self.schedule.holds(first, wire) {
                return Flow::Waits;
            }
            let fault = first.fault;
            let Some(endpoint) = self.enabled.filter(|_| self.service.is_none()) else {
                self.stop(BusError::Protocol, wire);
                return Flow::Waits;
            };
            if fault == Some(Fault::Stall) {
                self.halted = true;
            }
            if self.halted {
                self.stop(BusError::Stall, wire);
                return Flow::Waits;
            }
            if fault == Some(Fault::Babble) {
                self.stop(BusError::Overflow, wire);
                return Flow::Waits;
            }
            let max_packet_size = usize::from(endpoint.max_packet_size);
            let limit = limit(first, max_packet_size);
            if limit == Limit::Unplug(0) {
                return Flow::Unplugged;
            }
            let Some(device) = self.device.front_mut() else {
                return Flow::Waits;
            };
            let to_host = endpoint.address.direction() == Direction::In;
            let (sender, receiver) = if to_host {
                (device, first)
            } else {
                (first, device)
            };
            let meeting = if self.host_toggle == self.device_toggle {
                meet(sender, receiver, limit, max_packet_size, to_host)
            } else {
                repeat(sender, max_packet_size)
            };
            self.settle(meeting, to_host, wire);
            if meeting.host_ended(to_host) && matches!(fault, Some(Fault::Unplug { .. })) {
                return Flow::Unplugged;
            }
        }
    }

    /// Does the bookkeeping after a sender met a receiver.
    fn settle(&mut self, meeting: Meeting, to_host: bool, wire: &mut Wire<'_>) {
        let odd = !meeting.sent_packets.is_multiple_of(2);
        let sender_toggle = if to_host {
            &mut self.device_toggle
        } else {
            &mut self.host_toggle
        };
        *sender_toggle ^= odd;
        let odd = !meeting.taken_packets.is_multiple_of(2);
        let receiver_toggle = if to_host {
            &mut self.host_toggle
        } else {
            &mut self.device_toggle
        };
        *receiver_toggle ^= odd;
        self.schedule.count_bytes(meeting.bytes);

        let device_ended = if to_host {
            meeting.sender_ended
        } else {
            meeting.receiver_ended
        };
        if device_ended && let Some(device) = self.device.pop_front() {
            let status = if meeting.overflow && !to_host {
                Err(BusError::Overflow)
            } else {
                Ok(())
            };
            device.complete(status, wire.rings);
        }
        if meeting.overflow && to_host {
            self.stop(BusError::Overflow, wire);
        } else if meeting.host_ended(to_host)
            && let Some(host) = self.host.pop_front()
        {
            self.schedule.complete(host, Ok(()), wire.rings);
        }
    }
}

/// What came of a sender meeting a receiver.
#[derive(Debug, Clone, Copy)]
struct Meeting {
    bytes: usize,
    /// Packets the sender saw acknowledged, and packets the receiver took as new. They differ where the
    /// toggles did.
    sent_packets: usize,
    taken_packets: usize,
    sender_ended: bool,
    receiver_ended: bool,
    overflow: bool,
}

impl Meeting {
    fn host_ended(self, to_host: bool) -> bool {
        if to_host {
            self.receiver_ended
        } else {
            self.sender_ended
        }
    }
}

/// The limit a fault sets to a host transfer, in bytes from here on.
fn limit(host: &Pending, max_packet_size: usize) -> Limit {
    match host.fault {
        Some(Fault::Short { length }) => Limit::Short(length.saturating_sub(host.moved)),
        Some(Fault::Unplug { after_bytes }) => {
            let whole_packets = after_bytes - after_bytes % max_packet_size;
            Limit::Unplug(whole_packets.saturating_sub(host.moved))
        }
        _ => Limit::None,
    }
}

/// Moves data until one of the two transfers ends, or a packet does not fit, or a fault says so.
fn meet(
    sender: &mut Pending,
    receiver: &mut Pending,
    limit: Limit,
    max_packet_size: usize,
    to_host: bool,
) -> Meeting {
    let room = receiver.room();
    let whole = sender.offer(max_packet_size);
    let (offer, is_short) = match limit {
        Limit::Short(bytes) if cuts_short(bytes, whole.bytes, room, to_host) => {
            let zero_length_packet = bytes.is_multiple_of(max_packet_size);
            let offer = Offer {
                bytes,
                zero_length_packet,
            };
            (offer, true)
        }
        Limit::Unplug(bytes) if bytes < whole.bytes => {
            let offer = Offer {
                bytes,
                zero_length_packet: false,
            };
            (offer, false)
        }
        _ => (whole, false),
    };
    let exchange = Exchange::new(offer, room, max_packet_size);
    let before = if to_host {
        receiver.moved
    } else {
        sender.moved
    };
    let arrived_from = receiver.moved;
    copy(sender, receiver, exchange.bytes);
    let mut packets = exchange.packets(max_packet_size);
    let mut bytes = exchange.bytes;
    let mut left = offer.bytes - exchange.bytes;
    let zero_length_packet_left = offer.zero_length_packet && !exchange.zero_length_packet;

    if exchange.overflow && !to_host {
        // The device acknowledges the packet, keeps what fits, and the rest is gone.
        let fits = room - exchange.bytes;
        let lost = left.min(max_packet_size) - fits;
        copy(sender, receiver, fits);
        sender.moved += lost;
        packets += 1;
        bytes += fits;
        left -= fits + lost;
    }
    let host = if to_host { &receiver } else { &sender };
    if let Some(Fault::Corrupt { offset, mask }) = host.fault
        && let Some(place) = offset.checked_sub(before)
        && place < bytes
        && let Some(byte) = receiver.transfer.buffer.get_mut(arrived_from + place)
    {
        *byte ^= mask;
    }
    let sent = left == 0 && !zero_length_packet_left;
    let sender_ended = sent && (is_short || offer == whole);
    if sender_ended && is_short && to_host {
        // The device believes that the rest was sent too.
        sender.moved = sender.transfer.length;
    }
    Meeting {
        bytes,
        sent_packets: packets,
        taken_packets: packets,
        sender_ended,
        receiver_ended: exchange.is_short(max_packet_size)
            || receiver.room() == 0
            || exchange.overflow,
        overflow: exchange.overflow,
    }
}

/// Whether a host transfer that may move `bytes` more ends earlier than it would anyway.
fn cuts_short(bytes: usize, offered: usize, room: usize, to_host: bool) -> bool {
    if to_host {
        // Without the fault the host would wait for more, even after all of this offer.
        bytes <= offered && bytes < room
    } else {
        bytes < offered
    }
}

/// With the toggles apart the receiver takes the next packet for one it has already: it acknowledges
/// it and throws it away (USB 2.0 8.6.4).
fn repeat(sender: &mut Pending, max_packet_size: usize) -> Meeting {
    let offer = sender.offer(max_packet_size);
    let packet = offer.bytes.min(max_packet_size);
    sender.moved += packet;
    let zero_length_packet_left = offer.zero_length_packet && packet > 0;
    Meeting {
        bytes: 0,
        sent_packets: 1,
        taken_packets: 0,
        sender_ended: sender.room() == 0 && !zero_length_packet_left,
        receiver_ended: false,
        overflow: false,
    }
}

fn copy(sender: &mut Pending, receiver: &mut Pending, bytes: usize) {
    let from = sender.moved;
    receiver
        .transfer
        .buffer
        .extend_from_slice(&sender.transfer.buffer[from..from + bytes]);
    sender.moved += bytes;
    receiver.moved += bytes;
}
