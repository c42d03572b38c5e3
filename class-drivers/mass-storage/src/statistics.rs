//! What a driver did and what it survived.

use usbfs2_protocol::Direction;

/// Counts since the device was opened.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Commands sent, retries and REQUEST SENSE included.
    pub commands: u64,
    /// Data bytes from the device.
    pub bytes_in: u64,
    /// Data bytes to the device.
    pub bytes_out: u64,
    /// Commands whose transport failed, retried or not.
    pub failures: u64,
    /// Halts cleared within a command, as the transport foresees.
    pub halts_cleared: u64,
    /// Reset recoveries (BOT 5.3.4).
    pub resets: u64,
    /// Unit attentions reported by the device.
    pub unit_attentions: u64,
}

impl Statistics {
    pub(crate) fn count_data(&mut self, direction: Direction, bytes: usize) {
        match direction {
            Direction::In => self.bytes_in += bytes as u64,
            Direction::Out => self.bytes_out += bytes as u64,
        }
    }
}
