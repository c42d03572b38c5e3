//! A transfer as it is submitted, and as it comes back.

use std::sync::Arc;

use usbfs2_protocol::EndpointAddress;

use crate::BusError;
use crate::exchange::Offer;
use crate::fault::Fault;
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
        }
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
    /// Gets the memory it needs, before the bus is locked. False where there is not that much.
    pub(crate) fn allocate(&mut self) -> bool {
        self.sends || self.buffer.try_reserve_exact(self.length).is_ok()
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
    /// The transfer's buffer. After receiving it holds the bytes that came, `actual_length` of them;
    /// after sending it is as it was submitted.
    pub buffer: Vec<u8>,
    /// Bytes that moved.
    pub actual_length: usize,
    /// Success, or why not. Nothing moved where this is an error, with one exception: a device whose
    /// buffer was too small for a packet gets [`BusError::Overflow`] and the bytes that fitted.
    pub status: Result<(), BusError>,
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

    /// Has whoever waits for it look at the clock again.
    pub(crate) fn alarm(&self, rings: &mut Rings) {
        rings.add_alarm(Arc::clone(&self.queue));
    }

    /// Ends it.
    pub(crate) fn complete(self, status: Result<(), BusError>, rings: &mut Rings) {
        rings.watchers.ended(&self, status);
        self.queue.push(Completed {
            id: self.id,
            user_data: self.transfer.user_data,
            buffer: self.transfer.buffer,
            actual_length: self.moved,
            status,
        });
        rings.add(self.queue);
    }

    /// Ends it early: with the bytes that moved where there are any, or else with `error`. Returns
    /// whether bytes went before the error, which the next transfer then reports.
    pub(crate) fn interrupt(self, error: BusError, rings: &mut Rings) -> bool {
        let bytes_first = self.moved > 0;
        let status = if bytes_first { Ok(()) } else { Err(error) };
        self.complete(status, rings);
        bytes_first
    }
}
