//! A transfer as it is submitted, and as it comes back.

use usbfs2_protocol::EndpointAddress;

use crate::BusError;

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
