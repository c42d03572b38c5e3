//! What a verification may do.

use std::time::Duration;

/// What a verification may do, and for how long.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long a device may take for one request or transfer. The default is the 5 s that USB 2.0 9.2.6.1 gives
    /// to any request.
    pub deadline: Duration,
    /// Whether to check the device's mass-storage interface too.
    pub mass_storage: bool,
    /// Whether write commands may be sent to the disk. What they overwrite is put back.
    pub allow_writes: bool,
    /// How often the device is configured anew, and how often it is unplugged.
    pub rounds: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(5),
            mass_storage: false,
            allow_writes: false,
            rounds: 200,
        }
    }
}
