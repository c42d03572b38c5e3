//! HID as a keyboard speaks it (HID 1.11, HID Usage Tables 1.5).
//!
//! [`Request`] is both what a host asks and what a device is asked. [`BootKeyboardReport`] is what a
//! keyboard says, [`Keyboard`] turns reports into key events, [`us_layout`] keys into characters.
//!
//! ```
//! use usbfs2_protocol::hid::{BootKeyboardReport, Keyboard, Leds, us_layout, usage};
//!
//! let (modifiers, key) = us_layout::key('A').unwrap();
//! let report = BootKeyboardReport::pressing(modifiers, &[key]);
//! assert_eq!(report.to_bytes(), [0x02, 0, 0x04, 0, 0, 0, 0, 0]);
//!
//! let mut keyboard = Keyboard::new();
//! let changes = keyboard.update(&report);
//! assert_eq!(changes.len(), 2); // left shift, a
//! let a = changes[1];
//! assert!(a.pressed);
//! assert_eq!(usage::name(a.usage), Some("a"));
//! assert_eq!(us_layout::character(a.usage, keyboard.modifiers(), Leds::empty()), Some('A'));
//! ```

mod descriptor;
mod keyboard;
mod report;
pub mod report_descriptor;
mod request;
pub mod us_layout;
pub mod usage;

pub use descriptor::HidDescriptor;
pub use keyboard::{KeyChange, Keyboard};
pub use report::{
    BOOT_KEYBOARD_REPORT_DESCRIPTOR, BootKeyboardReport, Leds, Modifiers, ReportTooShort,
};
pub use report_descriptor::{ReportDescriptor, ReportDescriptorError, Usage};
pub use request::{IdleRate, Protocol, ReportType, Request, request_code};

/// `bInterfaceSubClass` of an interface that also speaks the boot protocol (HID 1.11 4.2).
pub const SUBCLASS_BOOT: u8 = 1;
/// `bInterfaceProtocol` of a boot keyboard (HID 1.11 4.3).
pub const PROTOCOL_KEYBOARD: u8 = 1;
/// `bInterfaceProtocol` of a boot mouse (HID 1.11 4.3).
pub const PROTOCOL_MOUSE: u8 = 2;
