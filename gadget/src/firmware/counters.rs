//! What a firmware's bus has done so far.

/// Figures since the bus was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FirmwareCounters {
    /// Packets that went to the host, endpoint 0's aside.
    pub packets_in: u64,
    /// Bytes that went to the host.
    pub bytes_in: u64,
    /// Packets that came from the host.
    pub packets_out: u64,
    /// Bytes that came from the host.
    pub bytes_out: u64,
    /// Control requests of the host that came as far as the firmware.
    pub setups: u64,
    /// Of those, the ones that were stalled.
    pub requests_stalled: u64,
    /// Of those stalled, the ones the firmware neither answered nor stalled itself: a class wrote more than its
    /// control buffer holds, or the request carried more than fits.
    pub requests_unanswered: u64,
    /// Stalls of requests that gadgetfs had acknowledged before the firmware saw them.
    pub stalls_too_late: u64,
    /// Bulk-Only Mass Storage Resets that a class refused, as `usbd-storage` does, and that were carried out by
    /// telling the firmware of a reset of the bus.
    pub storage_resets: u64,
    /// Calls of `force_reset`, which Linux cannot do.
    pub force_resets_refused: u64,
    /// Transfers that the controller failed.
    pub transfers_failed: u64,
    /// Packets dropped with the configuration they belonged to, or refused by halting their endpoint.
    pub packets_dropped: u64,
    /// Times the host has connected or reset the bus.
    pub resets: u64,
}
