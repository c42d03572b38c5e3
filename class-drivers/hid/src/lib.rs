//! HID host class driver: reports, events of keyboards, pointers, gamepads and media keys, LEDs.
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
//! [`HidDevice`] is the claimed interface: its report descriptor, and the requests of HID 7.2. What it sends
//! comes as [`Reports`], or made into events:
//!
//! | method | event | of |
//! |---|---|---|
//! | [`keys`](HidDevice::keys) | [`KeyEvent`] | keyboards; [`repeating`](Keys::repeating) has held keys repeat |
//! | [`pointer`](HidDevice::pointer) | [`PointerEvent`] | mice, tablets, pens, touch |
//! | [`gamepad`](HidDevice::gamepad) | [`GamepadState`] | gamepads, joysticks |
//! | [`controls`](HidDevice::controls) | [`ControlEvent`] | volume, playback, power |
//! | [`usages`](HidDevice::usages) | [`UsageEvent`] | anything: each change of each control |
//!
//! A `for` loop over any of them blocks, and all are streams for any executor. An endpoint has one reader;
//! who wants several kinds of events of one interface gives its reports to several decoders, which are public.
//! Methods have blocking twins that run the same code and need neither a runtime nor a helper thread.
//!
//! Report descriptors of every shape are understood
//! ([`report_descriptor`]). A device may write anything into one: what makes no sense is refused with the
//! byte and the rule, and raw reports can be read all the same.
//!
//! For whoever comes from hidapi, module [`hidapi`] has its calls.

mod backoff;
mod controls;
mod decoded;
mod device;
mod error;
mod gamepad;
mod held;
pub mod hidapi;
mod keys;
mod pointer;
mod reports;
mod requests;
mod usages;

pub use controls::{ControlDecoder, ControlEvent, Controls};
pub use decoded::{Decode, Decoded};
pub use device::HidDevice;
pub use error::{HidError, OpenError};
pub use gamepad::{Gamepad, GamepadDecoder, GamepadState};
pub use keys::{KeyDecoder, KeyEvent, KeyRepeat, Keys};
pub use pointer::{Axis, Pointer, PointerDecoder, PointerEvent};
pub use reports::{InputReport, Reports};
pub use usages::{Change, UsageDecoder, UsageEvent, Usages};
pub use usbfs2_protocol::hid::{
    Leds, Modifiers, Protocol, ReportDescriptor, ReportDescriptorError, ReportType, Usage,
    report_descriptor,
};
