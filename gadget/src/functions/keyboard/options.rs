//! How a keyboard presents itself.

use std::time::Duration;

use crate::functions::hid::DEFAULT_POLL_INTERVAL;

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
    /// Adds consumer controls, in the same interface: reports are numbered then, 1 for keys and lights and
    /// 2 for the controls, but in the boot protocol, which has no controls and no numbers.
    pub media_keys: bool,
}

impl Default for KeyboardOptions {
    /// A report every 4 ms, no endpoint for the lights, no media keys.
    fn default() -> Self {
        Self {
            poll_interval: DEFAULT_POLL_INTERVAL,
            led_endpoint: false,
            media_keys: false,
        }
    }
}
