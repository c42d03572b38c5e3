//! The words USB speaks, as values: what travels in transfers, and nothing about how it travels.
//!
//! | module | what it holds | specification |
//! |---|---|---|
//! | this one | [`EndpointAddress`], [`TransferType`], [`Speed`], [`SetupPacket`] | USB 2.0 chapters 5 and 9 |
//! | [`standard`] | request, descriptor type, feature and class codes | USB 2.0 9.4, USB 3.2 9.4 |
//! | [`descriptor`] | what a device says it is | USB 2.0 9.5, 9.6, USB 3.2 9.6 |
//! | [`audio`] | what a sound card is, plays and is asked | UAC1, UAC2 |
//! | [`hid`] | a keyboard's requests, reports and keys | HID 1.11, HID Usage Tables 1.5 |
//! | [`bot`] | the wrappers around a disk's commands, data and status | Bulk-Only Transport 1.0 |
//! | [`scsi`] | a disk's commands, their answers, sense | SPC-3, SBC-2 |
//!
//! There is no I/O here and no unsafe code. Every parser takes bytes a device, a host or a file may
//! have made up: it returns a value or an error that names the offset and the rule, and never
//! panics. Every value writes itself as bytes that parse to it again.
//!
//! ```
//! use usbfs2_protocol::{SetupPacket, standard::descriptor_type};
//!
//! let setup = SetupPacket::get_descriptor(descriptor_type::DEVICE, 0, 0, 18);
//! assert_eq!(setup.to_bytes(), [0x80, 0x06, 0x00, 0x01, 0x00, 0x00, 0x12, 0x00]);
//! assert_eq!(SetupPacket::from_bytes(setup.to_bytes()), setup);
//! ```

#![forbid(unsafe_code)]

mod address;
pub mod audio;
pub mod bot;
pub mod descriptor;
pub mod hid;
mod request_type;
pub mod scsi;
mod setup;
pub mod standard;

pub use address::{Direction, EndpointAddress, InvalidEndpointAddress, Speed, TransferType};
pub use request_type::{Recipient, RequestKind, RequestType};
pub use setup::SetupPacket;
