//! How a HID interface presents itself.

use std::time::Duration;

/// How often hosts ask unless told otherwise.
pub const DEFAULT_POLL_INTERVAL: Duration = Duration::from_millis(4);

/// Options of a [`HidFunction`](super::HidFunction).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HidOptions {
    /// The report descriptor (HID 1.11 6.2.2).
    pub report_descriptor: Vec<u8>,
    /// The boot protocol the interface has (HID 1.11 4.3), as `bInterfaceProtocol`:
    /// [`PROTOCOL_KEYBOARD`](usbfs2_protocol::hid::PROTOCOL_KEYBOARD) or
    /// [`PROTOCOL_MOUSE`](usbfs2_protocol::hid::PROTOCOL_MOUSE); `None` for none.
    pub boot_protocol: Option<u8>,
    /// How often the host asks for a report: 1 to 255 ms at full speed, and 125 us and its powers of two
    /// above, rounded down.
    #[doc(alias = "bInterval")]
    pub poll_interval: Duration,
    /// Adds an interrupt OUT endpoint for output reports. Without it the host sends them by SET_REPORT alone,
    /// which every host can and which works with the endpoint too.
    pub output_endpoint: bool,
}

impl HidOptions {
    /// A report every 4 ms, no boot protocol and no endpoint for output reports.
    #[must_use]
    pub fn new(report_descriptor: impl Into<Vec<u8>>) -> Self {
        Self {
            report_descriptor: report_descriptor.into(),
            boot_protocol: None,
            poll_interval: DEFAULT_POLL_INTERVAL,
            output_endpoint: false,
        }
    }
}
