//! HID devices that this crate describes by itself.

use std::sync::Arc;
use std::time::Duration;

use super::{Controls, DEFAULT_POLL_INTERVAL, HidFunction, HidOptions};

/// Controls with one report descriptor.
pub trait ReadyMade: Controls + Default {
    /// The report descriptor (HID 1.11 6.2.2).
    const REPORT_DESCRIPTOR: &'static [u8];
    /// The boot protocol, where it has one (HID 1.11 4.3).
    const BOOT_PROTOCOL: Option<u8> = None;
}

impl<C: ReadyMade> HidFunction<C> {
    /// A device that is polled every 4 ms.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Self::with_poll_interval(DEFAULT_POLL_INTERVAL)
    }

    /// A device that is polled this often; see [`HidOptions::poll_interval`].
    #[must_use]
    pub fn with_poll_interval(poll_interval: Duration) -> Arc<Self> {
        let options = HidOptions {
            boot_protocol: C::BOOT_PROTOCOL,
            poll_interval,
            ..HidOptions::new(C::REPORT_DESCRIPTOR)
        };
        Self::ready_made(options, C::default())
    }
}
