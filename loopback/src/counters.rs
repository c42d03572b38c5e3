//! What an endpoint has done so far.

/// What the host's transfers on one endpoint came to, over all plugs of the port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EndpointCounters {
    /// Transfers completed, however they ended.
    pub transfers: u64,
    /// Bytes of payload that reached the receiver.
    pub bytes: u64,
    /// Stalls, babbles, bus errors and unplugs met. Cancelled transfers are none.
    pub errors: u64,
}
