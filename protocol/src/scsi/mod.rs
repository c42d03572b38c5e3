//! SCSI as disks speak it: commands, the data they answer with, and sense (SPC-3, SBC-2; SBC-3 where named).
//!
//! [`Command`] encodes for who asks and decodes for who serves. The answers have one type each, with
//! `parse` and `to_bytes`; an answer may be cut anywhere by the command's allocation length, so a
//! server truncates what `to_bytes` gives. Nothing here knows what carries the bytes.
//!
//! ```
//! use usbfs2_protocol::scsi::{Command, Sense};
//!
//! let command = Command::Read10 { lba: 7, blocks: 8, force_unit_access: false };
//! let block = command.encode();
//! assert_eq!(block.as_bytes(), [0x28, 0, 0, 0, 0, 7, 0, 0, 8, 0]);
//! assert_eq!(Command::decode(block.as_bytes()), Ok(command));
//!
//! assert_eq!(Sense::MEDIUM_NOT_PRESENT.to_string(), "medium not present (2/3A/00)");
//! ```

mod additional_sense;
mod capacity;
mod command;
mod command_block;
mod decode;
mod encode;
mod inquiry;
mod logical_units;
mod mode;
pub mod operation_code;
mod response;
mod sense;
mod vital_product_data;

pub use additional_sense::additional_sense_text;
pub use capacity::{Capacity, FormatCapacities, FormatCapacity, FormatCapacityKind};
pub use command::{ByteCheck, Command, ModePageControl, Transfer, blocks_6};
pub use command_block::{CommandBlock, InvalidCommandBlock};
pub use decode::InvalidCommand;
pub use inquiry::{PaddedText, StandardInquiry, peripheral_type};
pub use logical_units::LogicalUnits;
pub use mode::{ModePage, ModeParameters};
pub use response::InvalidResponse;
pub use sense::{Sense, SenseKey};
pub use vital_product_data::{
    BlockDeviceCharacteristics, BlockLimits, Designator, VitalProductData, page_code,
};
