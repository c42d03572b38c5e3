//! How a keyboard presents itself.

use std::time::Duration;

/// Options of a [`Keyboard`](super::Keyboard).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyboardOptions {
    /// How often the host asks for a report. 1 to 255 ms at full speed, in powers of two of 125 us above,
    /// rounded down; each character typed takes two reports.
    #[doc(alias = "bInterval")]
    pub poll_interval: Duration,
    /// Adds an interrupt OUT endpoint for the lights. Without it the host sets them by SET_REPORT alone, which
    /// every host can and which works with the endpoint too.
    pub led_endpoint: bool,
}

impl Default for KeyboardOptions {
    /// A report every 4 ms, and no endpoint for the lights.
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_millis(4),
            led_endpoint: false,
        }
    }
}
