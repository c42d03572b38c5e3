//! Report descriptors: what a HID device's reports are made of (HID 6.2.2).
//!
//! [`ReportDescriptor::parse`] takes one apart into [`Report`]s of [`Field`]s; [`Items`] are its items one
//! by one, for whoever wants to print them.
//!
//! ```
//! use usbfs2_protocol::hid::{BOOT_KEYBOARD_REPORT_DESCRIPTOR, ReportDescriptor, ReportType};
//!
//! let descriptor = ReportDescriptor::parse(&BOOT_KEYBOARD_REPORT_DESCRIPTOR)?;
//! let report = descriptor.report(ReportType::Input, 0).unwrap();
//! assert_eq!(report.length(), 8);
//! let bytes = [0x02, 0, 0x04, 0, 0, 0, 0, 0]; // left shift and A
//! let down = report.values(&bytes).filter(|(.., value)| value.number() == Some(1));
//! let down = down.map(|(_, usage, _)| usage.id).collect::<Vec<_>>();
//! assert_eq!(down, [0xe1]);
//! assert!(report.selected(&bytes).any(|(_, usage)| usage.id == 0x04));
//! # Ok::<(), usbfs2_protocol::hid::ReportDescriptorError>(())
//! ```

mod error;
mod field;
mod item;
mod model;
mod parser;
mod unit;
mod usage;

pub use self::error::ReportDescriptorError;
pub use self::field::{Field, FieldFlags, Value};
pub use self::item::{Item, Items, tag};
pub use self::model::{Collection, CollectionKind, Report, ReportDescriptor};
pub use self::unit::Unit;
pub use self::usage::{Usage, UsageRange, Usages, page};
