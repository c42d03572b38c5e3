//! How patient the driver is.

use std::time::Duration;

/// How to talk to a device: [`MassStorage::open_with`](crate::MassStorage::open_with).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How long one try of a command may take. A device that falls silent is given up after three
    /// tries, so after three times this.
    pub command_timeout: Duration,
    /// How long a unit may report that it is becoming ready: a disk spins up.
    pub ready_timeout: Duration,
    /// The most bytes one command moves, rounded down to whole blocks but one block at least. By
    /// default what the device's speed allows: 120 KiB, or 1 MiB at SuperSpeed. A few older bridges
    /// need 64 KiB.
    pub max_transfer_bytes: Option<usize>,
}

impl Default for Options {
    /// 30 s for each, as the kernel's disk driver allows.
    fn default() -> Self {
        Self {
            command_timeout: Duration::from_secs(30),
            ready_timeout: Duration::from_secs(30),
            max_transfer_bytes: None,
        }
    }
}
