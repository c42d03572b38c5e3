//! One packet of an isochronous request, and what becomes of it.

use std::io;

use thiserror::Error;

use crate::TransferError;

/// One packet of a request: what one service interval carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IsochronousPacket {
    /// Where its bytes start in the request's buffer: the sum of the lengths before it.
    pub offset: usize,
    /// Bytes to send, or room to receive.
    pub length: usize,
    /// Bytes that moved.
    pub actual_length: usize,
    /// Whether they are good. A packet of no bytes is, where its length says so or the device had none to send.
    pub status: Result<(), PacketError>,
}

/// Why a packet is missing or bad. Nothing is sent again: the stream goes on with the next packet
/// (USB 2.0 5.6.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum PacketError {
    /// Its interval went by without it: the request came too late, or the device had nothing ready.
    #[error("the packet's interval went by without it: queue more requests ahead")]
    Missed,
    /// The device sent more than the packet had room for (babble).
    #[error("the device sent more than the packet had room for: ask for max_packet_size() bytes")]
    Overflow,
    /// A CRC, PID, bit-stuffing or timeout error.
    #[error("bus error: check the cable and the hub")]
    BusError,
    /// A cancel came first.
    #[error("cancelled before the packet's turn")]
    Cancelled,
    /// The device is gone.
    #[error("the device is disconnected")]
    Disconnected,
    /// Anything else the system reports, as an errno.
    #[error("{}", io::Error::from_raw_os_error(*.0))]
    Other(i32),
}

impl PacketError {
    /// What an errno of a packet means (Documentation/driver-api/usb/error-codes.rst of the kernel).
    pub(crate) fn from_errno(errno: i32) -> Self {
        use rustix::io::Errno;
        // What the kernel has no such number for, `Errno` cannot hold.
        if !(1..4096).contains(&errno) {
            return Self::Other(errno);
        }
        match Errno::from_raw_os_error(errno) {
            Errno::XDEV => Self::Missed,
            Errno::OVERFLOW => Self::Overflow,
            Errno::PROTO | Errno::ILSEQ | Errno::TIME | Errno::COMM | Errno::NOSR => Self::BusError,
            Errno::CANCELED | Errno::NOENT | Errno::CONNRESET => Self::Cancelled,
            Errno::NODEV | Errno::SHUTDOWN => Self::Disconnected,
            _ => Self::Other(errno),
        }
    }

    /// What the packets of a request say that failed as a whole.
    pub(super) fn of_failed(error: TransferError) -> Self {
        match error {
            TransferError::Disconnected => Self::Disconnected,
            TransferError::BusError => Self::BusError,
            TransferError::Overflow => Self::Overflow,
            TransferError::Other(errno) => Self::Other(errno),
            _ => Self::Cancelled,
        }
    }
}

impl From<PacketError> for io::Error {
    fn from(error: PacketError) -> Self {
        let kind = match error {
            PacketError::Missed => io::ErrorKind::TimedOut,
            PacketError::Overflow | PacketError::BusError => io::ErrorKind::InvalidData,
            PacketError::Cancelled => io::ErrorKind::ConnectionAborted,
            PacketError::Disconnected => io::ErrorKind::NotConnected,
            PacketError::Other(errno) => return Self::from_raw_os_error(errno),
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn every_errno_of_a_packet_has_one_meaning() {
        for (errno, meaning) in [
            (Errno::XDEV, PacketError::Missed),
            (Errno::OVERFLOW, PacketError::Overflow),
            (Errno::ILSEQ, PacketError::BusError),
            (Errno::PROTO, PacketError::BusError),
            (Errno::CANCELED, PacketError::Cancelled),
            (Errno::NODEV, PacketError::Disconnected),
            (Errno::SHUTDOWN, PacketError::Disconnected),
        ] {
            assert_eq!(PacketError::from_errno(errno.raw_os_error()), meaning);
        }
        for errno in [0, -18, 70_000, 122] {
            assert_eq!(PacketError::from_errno(errno), PacketError::Other(errno));
        }
    }
}
