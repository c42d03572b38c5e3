//! What an endpoint has done so far.

/// What the host's transfers on one endpoint came to, over all plugs of the port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EndpointCounters {
    /// Transfers completed, however they ended.
    pub transfers: u64,
    /// Bytes of payload that reached the receiver.
    pub bytes: u64,
    /// Stalls, babbles, bus errors and unplugs met, of transfers and of isochronous packets. Neither cancelled
    /// transfers nor missed packets are any.
    pub errors: u64,
    /// Isochronous packets that had their turn, the missed ones included.
    pub packets: u64,
    /// Isochronous packets that were missed, whichever end was late.
    pub missed: u64,
}
