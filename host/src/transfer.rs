//! What a transfer ends with.

use std::io;

use aio_rs::Buffer;
use thiserror::Error;

/// A finished transfer. It always gives the buffer back.
#[derive(Debug)]
#[must_use = "a completion carries the transfer's status"]
pub struct Completion {
    /// The buffer that was submitted, or one of the same capacity in its place
    /// ([`Endpoint::allocate`](crate::Endpoint::allocate)). After an IN transfer it holds the bytes received, after an OUT
    /// transfer those that were to be sent.
    pub buffer: Buffer,
    /// Bytes moved. Fewer than asked for is a short transfer: the device ended an IN transfer with
    /// a short packet, or a cancel, a deadline or an error came after some bytes had moved.
    pub actual_length: usize,
    /// Whether the transfer succeeded.
    ///
    /// Bytes come first: a transfer that moved bytes before a cancel, a deadline, a stall or a bus
    /// error succeeds with those bytes, and the next one reports what stopped the endpoint. So
    /// [`actual_length`](Self::actual_length) is 0 whenever this is an error.
    pub status: Result<(), TransferError>,
}

impl Completion {
    /// The buffer of a transfer that succeeded, or the error of one that did not.
    ///
    /// # Errors
    /// The transfer's [`status`](Self::status). No bytes are lost: a failed transfer moved none.
    #[inline]
    pub fn into_result(self) -> Result<Buffer, TransferError> {
        self.status.map(|()| self.buffer)
    }

    pub(crate) fn failed(buffer: Buffer, error: TransferError) -> Self {
        Self {
            buffer,
            actual_length: 0,
            status: Err(error),
        }
    }

    /// The caller cancelled because a deadline passed, which is what it wants to hear.
    pub(crate) fn cancelled_by_deadline(mut self) -> Self {
        if self.status == Err(TransferError::Cancelled) {
            self.status = Err(TransferError::TimedOut);
        }
        self
    }
}

/// Why a transfer moved nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The device answered with STALL, or the endpoint is stopped since an earlier error. A data
    /// endpoint stays so until `clear_halt`; a control pipe recovers with the next request
    /// (USB 2.0 8.5.3.4).
    #[error("the endpoint stalled: the device refused the request, or clear_halt is due")]
    Stall,
    /// The device sent more than was asked for (babble).
    #[error("the device sent more than was asked for: read with a larger buffer after clear_halt")]
    Overflow,
    /// A CRC, PID, bit-stuffing or timeout error that the controller's retries did not cure.
    #[error("bus error: check the cable and the hub, then retry after clear_halt")]
    BusError,
    /// Cancelled by the caller, or queued behind a transfer that stopped the endpoint.
    #[error("cancelled before any byte moved")]
    Cancelled,
    /// The deadline came before any byte moved.
    #[error("timed out before any byte moved")]
    TimedOut,
    /// The device is gone.
    #[error("the device is disconnected: plug it in and open it again")]
    Disconnected,
    /// A request to an interface or endpoint that somebody else has claimed.
    #[error("another program or driver has claimed the interface this request is for")]
    Busy,
    /// A request to the device by a process that was given interfaces of it alone.
    #[error("no permission: this process may ask only interfaces it has claimed, not the device")]
    PermissionDenied,
    /// The bus has promised its time to other periodic endpoints (USB 2.0 5.6.4, 5.7.4).
    #[error(
        "the bus has no bandwidth left for this endpoint: select an alternate setting with smaller packets, \
         or move a device to another host controller"
    )]
    NoBandwidth,
    /// Out of memory, or over a limit on locked or kernel memory.
    #[error("out of memory for the transfer: use fewer or smaller transfers")]
    NoMemory,
    /// The request itself is wrong: a length that differs from the setup packet's, a transfer
    /// submitted on a queue that had to be empty, a request that needs a claim, an endpoint that a forked
    /// child has from its parent.
    #[error("invalid request: the kernel or the bus refuses a transfer of this form")]
    InvalidRequest,
    /// Anything else the system reports.
    #[error("{}", io::Error::from_raw_os_error(*.0))]
    Other(i32),
}

impl TransferError {
    /// What an errno of a transfer means, on the module's files and on classic usbfs alike.
    pub(crate) fn from_errno(errno: i32) -> Self {
        use rustix::io::Errno;
        // What the kernel has no such number for, `Errno` cannot hold.
        if !(1..4096).contains(&errno) {
            return Self::Other(errno);
        }
        match Errno::from_raw_os_error(errno) {
            Errno::PIPE => Self::Stall,
            Errno::OVERFLOW => Self::Overflow,
            Errno::PROTO | Errno::ILSEQ | Errno::TIME | Errno::COMM | Errno::NOSR => Self::BusError,
            // usbfs reports an unlinked transfer with the kernel's own ENOENT or ECONNRESET.
            Errno::CANCELED | Errno::NOENT | Errno::CONNRESET | Errno::INTR => Self::Cancelled,
            Errno::TIMEDOUT => Self::TimedOut,
            Errno::NODEV | Errno::SHUTDOWN => Self::Disconnected,
            Errno::BUSY => Self::Busy,
            Errno::PERM | Errno::ACCESS => Self::PermissionDenied,
            Errno::NOMEM => Self::NoMemory,
            Errno::NOSPC => Self::NoBandwidth,
            Errno::INVAL | Errno::BADF | Errno::MSGSIZE | Errno::FBIG => Self::InvalidRequest,
            _ => Self::Other(errno),
        }
    }

    /// An error that is not the system's is the engine's own: the process is a fork of the one that
    /// opened the file, or the runtime's reactor is gone.
    pub(crate) fn from_io(error: &io::Error) -> Self {
        error
            .raw_os_error()
            .map_or(Self::InvalidRequest, Self::from_errno)
    }
}

impl From<TransferError> for io::Error {
    fn from(error: TransferError) -> Self {
        let kind = match error {
            TransferError::Stall => io::ErrorKind::BrokenPipe,
            TransferError::Overflow | TransferError::BusError => io::ErrorKind::InvalidData,
            TransferError::Cancelled => io::ErrorKind::ConnectionAborted,
            TransferError::TimedOut => io::ErrorKind::TimedOut,
            TransferError::Disconnected => io::ErrorKind::NotConnected,
            TransferError::Busy => io::ErrorKind::ResourceBusy,
            TransferError::PermissionDenied => io::ErrorKind::PermissionDenied,
            TransferError::NoMemory => io::ErrorKind::OutOfMemory,
            TransferError::NoBandwidth => io::ErrorKind::QuotaExceeded,
            TransferError::InvalidRequest => io::ErrorKind::InvalidInput,
            TransferError::Other(errno) => return Self::from_raw_os_error(errno),
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn every_errno_of_the_interface_has_one_meaning() {
        for (errno, meaning) in [
            (Errno::PIPE, TransferError::Stall),
            (Errno::OVERFLOW, TransferError::Overflow),
            (Errno::ILSEQ, TransferError::BusError),
            (Errno::PROTO, TransferError::BusError),
            (Errno::CANCELED, TransferError::Cancelled),
            (Errno::NODEV, TransferError::Disconnected),
            (Errno::BUSY, TransferError::Busy),
            (Errno::PERM, TransferError::PermissionDenied),
            (Errno::NOMEM, TransferError::NoMemory),
            (Errno::INVAL, TransferError::InvalidRequest),
            (Errno::MSGSIZE, TransferError::InvalidRequest),
            (Errno::NOSPC, TransferError::NoBandwidth),
            (
                Errno::DQUOT,
                TransferError::Other(Errno::DQUOT.raw_os_error()),
            ),
        ] {
            assert_eq!(TransferError::from_errno(errno.raw_os_error()), meaning);
        }
    }

    #[test]
    fn an_error_without_an_errno_has_a_meaning_too() {
        let error = io::Error::other("a fork");
        assert_eq!(
            TransferError::from_io(&error),
            TransferError::InvalidRequest
        );
        for errno in [0, -71, 70_000] {
            assert_eq!(
                TransferError::from_errno(errno),
                TransferError::Other(errno)
            );
        }
    }

    #[test]
    fn only_an_empty_cancelled_transfer_timed_out() {
        let moved = Completion {
            buffer: Buffer::from(vec![1, 2, 3]),
            actual_length: 3,
            status: Ok(()),
        };
        let moved = moved.cancelled_by_deadline();
        assert_eq!((moved.actual_length, moved.status), (3, Ok(())));

        let empty = Completion::failed(Buffer::from(vec![]), TransferError::Cancelled);
        assert_eq!(
            empty.cancelled_by_deadline().status,
            Err(TransferError::TimedOut)
        );
    }
}
