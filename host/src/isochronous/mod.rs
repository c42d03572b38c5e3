//! Isochronous endpoints as queues of requests, each of many packets.

mod checked;
mod endpoint;
mod packet;
mod transfer;

pub use endpoint::IsochronousEndpoint;
pub use packet::{IsochronousPacket, PacketError};
pub use transfer::{IsochronousCompletion, IsochronousTransfer};

/// Requests in the kernel at a time unless told otherwise. A request is worth milliseconds, and a stream with
/// more than this queued would answer its caller late.
pub(crate) const DEFAULT_DEPTH: u32 = 64;
