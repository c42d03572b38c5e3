//! A transfer as it is submitted, and as it comes back.

use std::ops::Range;
use std::sync::Arc;

use usbfs2_protocol::EndpointAddress;

use crate::BusError;
use crate::exchange::Offer;
use crate::fault::Fault;
use crate::isochronous::{Course, PacketOutcome, Packets};
use crate::mailbox::{Mailbox, Rings};
use crate::monitor::SeenAs;

/// A transfer to submit: bytes to send, or room to receive.
///
/// The same type serves both ends of the cable: the host sends on OUT endpoints and receives on IN
/// endpoints, the device the other way round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    pub(crate) buffer: Vec<u8>,
    pub(crate) length: usize,
    pub(crate) sends: bool,
    pub(crate) zero_length_packet: bool,
    pub(crate) user_data: u64,
    /// Of a host's isochronous transfer.
    pub(crate) packets: Option<Packets>,
}

impl Transfer {
    /// Sends `bytes`. Sending none is one zero-length packet.
    #[must_use]
    pub fn send(bytes: Vec<u8>) -> Self {
        Self {
            length: bytes.len(),
            buffer: bytes,
            sends: true,
            zero_length_packet: false,
            user_data: 0,
            packets: None,
        }
    }

    /// Receives up to `length` bytes. A short packet ends the transfer earlier.
    #[must_use]
    pub fn receive(length: usize) -> Self {
        Self::receive_into(Vec::new(), length)
    }

    /// Receives up to `length` bytes into `buffer`, whose old content is dropped and whose memory is
    /// used again: no allocation where its capacity is `length` or more.
    #[must_use]
    pub fn receive_into(mut buffer: Vec<u8>, length: usize) -> Self {
        buffer.clear();
        Self {
            buffer,
            length,
            sends: false,
            zero_length_packet: false,
            user_data: 0,
            packets: None,
        }
    }

    /// Sends `bytes` as packets of these lengths, one a service interval: the host's end of an isochronous
    /// OUT endpoint. A length of 0 is a zero-length packet. The lengths' sum is that of `bytes`, or the
    /// transfer ends with [`BusError::InvalidRequest`]. The device's end is [`send`](Self::send) and
    /// [`receive`](Self::receive), one transfer a packet.
    #[must_use]
    pub fn isochronous_send(bytes: Vec<u8>, packet_lengths: impl AsRef<[u32]>) -> Self {
        Self {
            packets: Some(Packets::new(packet_lengths.as_ref())),
            ..Self::send(bytes)
        }
    }

    /// Receives packets of up to these lengths, one a service interval: the host's end of an isochronous IN
    /// endpoint. The buffer has one slot a packet, of its length; what does not arrive is left zero.
    #[must_use]
    pub fn isochronous_receive(packet_lengths: impl AsRef<[u32]>) -> Self {
        Self::isochronous_receive_into(Vec::new(), packet_lengths)
    }

    /// The same into `buffer`, whose old content is dropped and whose memory is used again.
    #[must_use]
    pub fn isochronous_receive_into(buffer: Vec<u8>, packet_lengths: impl AsRef<[u32]>) -> Self {
        let packets = Packets::new(packet_lengths.as_ref());
        // allocate() refuses what has no total.
        let length = packets.total().unwrap_or(0);
        Self {
            packets: Some(packets),
            ..Self::receive_into(buffer, length)
        }
    }

    /// Begins an isochronous transfer in the service interval that begins in this microframe or after it
    /// ([`Bus::microframe`](crate::Bus::microframe)). Packets whose interval is past, or belongs to a
    /// transfer queued before, are missed. Without it the first packet follows the last one queued, or goes in
    /// the next interval. No effect on other transfers.
    #[must_use]
    pub fn start_microframe(mut self, microframe: u64) -> Self {
        if let Some(packets) = &mut self.packets {
            packets.start = Some(microframe);
        }
        self
    }

    /// Ends a sent transfer whose length is a multiple of the packet size with a zero-length packet,
    /// so that the receiver sees where it ends (USB 2.0 5.8.3).
    #[must_use]
    pub fn zero_length_packet(mut self, wanted: bool) -> Self {
        self.zero_length_packet = wanted;
        self
    }

    /// A number of the caller's choice that comes back with the completion.
    #[must_use]
    pub fn user_data(mut self, user_data: u64) -> Self {
        self.user_data = user_data;
        self
    }
}

impl Transfer {
    /// Gets the memory it needs, before the bus is locked. False where there is not that much, or where
    /// packets do not add up.
    pub(crate) fn allocate(&mut self) -> bool {
        if let Some(packets) = &self.packets
            && packets.total() != Some(self.length)
        {
            return false;
        }
        if self.sends {
            return true;
        }
        let allocated = self.buffer.try_reserve_exact(self.length).is_ok();
        if allocated && self.packets.is_some() {
            self.buffer.resize(self.length, 0);
        }
        allocated
    }
}

/// Names one submitted transfer on its bus, for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TransferId {
    pub(crate) number: u64,
    pub(crate) port: u8,
    pub(crate) address: EndpointAddress,
    pub(crate) end: End,
}

/// An end of the cable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum End {
    Host,
    Device,
}

/// How a transfer ended. Every submission gives exactly one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// The transfer, as submit named it.
    pub id: TransferId,
    /// The number its submitter chose.
    pub user_data: u64,
    /// The transfer's buffer. After receiving it holds the bytes that came, `actual_length` of them, or,
    /// where there are `packets`, each packet's bytes in its slot; after sending it is as it was submitted.
    pub buffer: Vec<u8>,
    /// Bytes that moved.
    pub actual_length: usize,
    /// Success, or why not. Nothing moved where this is an error, with one exception: a device whose
    /// buffer was too small for a packet gets [`BusError::Overflow`] and the bytes that fitted.
    ///
    /// A host's isochronous transfer succeeds once a packet of it had its turn, whatever came of it.
    pub status: Result<(), BusError>,
    /// How each packet of a host's isochronous transfer ended. Empty for other transfers.
    pub packets: Vec<PacketOutcome>,
    /// The microframe of the first packet, or of a device's isochronous packet the one it went in. `None` for
    /// other transfers, and where it never was on the bus's schedule.
    pub start_microframe: Option<u64>,
}

/// A submitted transfer that has not ended.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) id: TransferId,
    /// Its number among the host's transfers on its endpoint since plug. 0 for a device's.
    pub(crate) ordinal: u64,
    pub(crate) transfer: Transfer,
    /// Bytes that moved. A receiver's buffer holds exactly these.
    pub(crate) moved: usize,
    /// What is to go wrong with it, from when it is first in its queue.
    pub(crate) fault: Option<Fault>,
    /// The microframe an injected NAK ends in.
    pub(crate) held_until: Option<u64>,
    /// What a monitor sees of it; `None` for a device's, and until the bus has accepted it.
    pub(crate) seen_as: Option<SeenAs>,
    /// Where a host's isochronous transfer is, once queued.
    pub(crate) course: Option<Course>,
    /// What [`Completed::start_microframe`] will be.
    pub(crate) start_microframe: Option<u64>,
    queue: Arc<Mailbox<Completed>>,
}

impl Pending {
    pub(crate) fn new(id: TransferId, transfer: Transfer, queue: Arc<Mailbox<Completed>>) -> Self {
        Self {
            id,
            ordinal: 0,
            transfer,
            moved: 0,
            fault: None,
            held_until: None,
            seen_as: None,
            course: None,
            start_microframe: None,
            queue,
        }
    }

    /// What there is left to send.
    pub(crate) fn offer(&self, max_packet_size: usize) -> Offer {
        let length = self.transfer.length;
        let wanted = self.transfer.zero_length_packet && length.is_multiple_of(max_packet_size);
        Offer {
            bytes: length - self.moved,
            zero_length_packet: length == 0 || wanted,
        }
    }

    /// Bytes there is room left for.
    pub(crate) fn room(&self) -> usize {
        self.transfer.length - self.moved
    }

    pub(crate) fn is_queued_on(&self, queue: &Arc<Mailbox<Completed>>) -> bool {
        Arc::ptr_eq(&self.queue, queue)
    }

    /// Whether its completion goes where the other's does.
    pub(crate) fn is_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.queue, &other.queue)
    }

    /// The next packet's place in a host's isochronous buffer.
    fn slot_range(&self) -> Range<usize> {
        let course = self.course.as_ref();
        let outcomes = self
            .transfer
            .packets
            .as_ref()
            .map(|packets| &packets.outcomes);
        let (Some(course), Some(outcomes)) = (course, outcomes) else {
            return 0..0;
        };
        let outcome = outcomes.get(course.done);
        let length = outcome.and_then(|outcome| usize::try_from(outcome.length).ok());
        course.offset..course.offset + length.unwrap_or(0)
    }

    /// The next packet's bytes.
    pub(crate) fn slot(&self) -> &[u8] {
        self.transfer.buffer.get(self.slot_range()).unwrap_or(&[])
    }

    /// Room for the next packet's bytes.
    pub(crate) fn slot_mut(&mut self) -> &mut [u8] {
        let range = self.slot_range();
        self.transfer.buffer.get_mut(range).unwrap_or(&mut [])
    }

    /// The next packet had its turn: these bytes moved, or none did.
    pub(crate) fn packet_ended(&mut self, moved: Result<usize, BusError>) {
        let (Some(course), Some(packets)) = (&mut self.course, &mut self.transfer.packets) else {
            return;
        };
        if let Some(outcome) = packets.outcomes.get_mut(course.done) {
            let bytes = moved.unwrap_or(0);
            outcome.actual_length = u32::try_from(bytes).unwrap_or(outcome.length);
            outcome.status = moved.map(drop);
            course.offset += outcome.length as usize;
            self.moved += bytes;
        }
        course.done += 1;
    }

    /// The packets that had no turn will have none.
    fn give_up_packets(&mut self, error: BusError) {
        let done = self.course.map_or(0, |course| course.done);
        let Some(packets) = &mut self.transfer.packets else {
            return;
        };
        for outcome in packets.outcomes.iter_mut().skip(done) {
            outcome.status = Err(error);
        }
    }

    /// Has whoever waits for it look at the clock again.
    pub(crate) fn alarm(&self, rings: &mut Rings) {
        rings.add_alarm(Arc::clone(&self.queue));
    }

    /// Ends it.
    pub(crate) fn complete(mut self, status: Result<(), BusError>, rings: &mut Rings) {
        if let Err(error) = status {
            self.give_up_packets(error);
        }
        rings.watchers.ended(&self, status);
        self.queue.push(Completed {
            id: self.id,
            user_data: self.transfer.user_data,
            buffer: self.transfer.buffer,
            actual_length: self.moved,
            status,
            packets: self
                .transfer
                .packets
                .map_or_else(Vec::new, |packets| packets.outcomes),
            start_microframe: self.start_microframe,
        });
        rings.add(self.queue);
    }

    /// Ends it early: with the bytes that moved, or the packets that had their turn, where there are any, or
    /// else with `error`. Returns whether bytes went before the error, which the next transfer then reports.
    pub(crate) fn interrupt(mut self, error: BusError, rings: &mut Rings) -> bool {
        self.give_up_packets(error);
        let bytes_first = self.moved > 0 || self.course.is_some_and(|course| course.done > 0);
        let status = if bytes_first { Ok(()) } else { Err(error) };
        self.complete(status, rings);
        bytes_first
    }
}
