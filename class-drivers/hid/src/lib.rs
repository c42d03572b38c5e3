//! HID host class driver: reports, key events, LEDs.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use usbfs2_hid::{HidDevice, Leds};
//! use usbfs2_host::Host;
//!
//! let host = Host::system()?;
//! let keyboard = HidDevice::open_blocking(&host.open(&"1-1".into())?)?;
//! keyboard.set_leds_blocking(Leds::CAPS_LOCK)?;
//! for event in keyboard.keys()? {
//!     let event = event?;
//!     if let Some(text) = event.text {
//!         print!("{text}");
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! [`HidDevice`] is the claimed interface: its report descriptor, and the requests of HID 7.2.
//! [`Reports`] and [`Keys`] are what it sends: a `for` loop over them blocks, and they are streams for any
//! executor. Methods have blocking twins that run the same code and need neither a runtime nor a
//! helper thread.
//!
//! Report descriptors are parsed by the [`hidreport`] crate, which is exported for its types. A device
//! may write anything into one: what makes no sense is refused with the byte and the rule, and raw
//! reports can be read all the same.

mod backoff;
mod described_keys;
mod device;
mod error;
mod keys;
mod report_descriptor;
mod reports;

pub use device::HidDevice;
pub use error::{HidError, OpenError};
pub use hidreport;
pub use keys::{KeyEvent, Keys};
pub use report_descriptor::ReportDescriptorError;
pub use reports::{DEFAULT_DEPTH, InputReport, Reports};
pub use usbfs2_protocol::hid::{Leds, Modifiers, Protocol, ReportType};
