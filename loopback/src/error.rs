//! How a transfer fails.

use thiserror::Error;

/// Why a transfer did not end as asked.
///
/// Bytes that moved before an error are reported first, as a success with a short
/// `actual_length`; the error then comes with the next transfer on that endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum BusError {
    /// The endpoint answered STALL, or stopped after an earlier error and was not recovered since.
    #[error("the endpoint is stalled: clear its halt, then submit again")]
    Stall,
    /// A packet did not fit the receiver's buffer (babble, on the host's side).
    #[error("more data arrived than the buffer holds: receive multiples of the packet size")]
    Overflow,
    /// No endpoint answered, as when the device never enabled it.
    #[error(
        "the device did not answer on this endpoint: the device must enable it before it \
         acknowledges the configuration"
    )]
    Protocol,
    /// The transfer was cancelled, or was queued behind one that stopped the endpoint.
    #[error("the transfer was cancelled before any data moved")]
    Cancelled,
    /// The device is not on the bus any more, or not yet.
    #[error("the device is unplugged: plug it in and open it again")]
    Unplugged,
    /// Device side only: the endpoint is not enabled.
    #[error("the endpoint is not enabled: enable it first")]
    NotEnabled,
    /// A deadline passed first.
    #[error("the device did not answer in time")]
    TimedOut,
    /// Of an isochronous packet: its service interval passed without it, because nothing was queued at the
    /// device's end or because it was submitted too late.
    #[error(
        "the packet's service interval passed without it: queue more, and earlier, at both ends"
    )]
    Missed,
    /// The transfer contradicts itself or its endpoint: the wrong direction or type, a control buffer whose
    /// length is not wLength, isochronous packets that are too long or do not add up, or more bytes than
    /// memory can hold.
    #[error("the transfer does not fit its endpoint: check type, direction and lengths")]
    InvalidRequest,
}

/// The bus has no port of this name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no port {name} on this bus: a port appears with Bus::plug and goes with its DevicePort")]
pub struct UnknownPort {
    /// The name asked for.
    pub name: String,
}
