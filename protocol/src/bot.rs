//! Bulk-Only Transport: the wrappers around every SCSI command and its status (BOT 1.0).
//!
//! A command is three bulk transfers: a [`CommandBlockWrapper`] out, the data either way, a
//! [`CommandStatusWrapper`] in. What both sides must check is here; who recovers how is not.

use std::fmt;

use thiserror::Error;

use crate::scsi::{CommandBlock, InvalidCommandBlock};
use crate::{Direction, SetupPacket};

/// `bInterfaceSubClass` of a mass-storage interface that speaks SCSI (MSC Overview 1.4, 2).
pub const SUBCLASS_SCSI: u8 = 0x06;
/// `bInterfaceProtocol` of a mass-storage interface that speaks Bulk-Only Transport (BOT 4.3).
pub const PROTOCOL_BULK_ONLY: u8 = 0x50;

/// The class request that reads the highest LUN (BOT 3.2).
pub const GET_MAX_LUN: u8 = 0xfe;
/// The class request that makes the device ready for the next CBW (BOT 3.1).
pub const BULK_ONLY_RESET: u8 = 0xff;

/// Get Max LUN: one byte, 0 to 15; a device with one logical unit may stall instead (BOT 3.2).
#[must_use]
pub const fn get_max_lun(interface: u8) -> SetupPacket {
    SetupPacket::class_interface_in(GET_MAX_LUN, 0, interface, 1)
}

/// Bulk-Only Mass Storage Reset. Halts and toggles stay: clear both endpoints next (BOT 3.1, 5.3.4).
#[must_use]
pub const fn bulk_only_reset(interface: u8) -> SetupPacket {
    SetupPacket::class_interface_out(BULK_ONLY_RESET, 0, interface, 0)
}

/// What opens a command: which logical unit, how much data, which way (BOT 5.1).
#[doc(alias = "CBW")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommandBlockWrapper {
    /// The device echoes it in the status, so a stale status shows.
    #[doc(alias = "dCBWTag")]
    pub tag: u32,
    /// Bytes the host expects to move in the data stage.
    #[doc(alias = "dCBWDataTransferLength")]
    pub data_transfer_length: u32,
    /// Which way the data goes; says nothing when the length is 0.
    #[doc(alias = "bmCBWFlags")]
    pub direction: Direction,
    /// The logical unit, 0 to 15.
    #[doc(alias = "bCBWLUN")]
    pub lun: u8,
    /// The command.
    #[doc(alias = "CBWCB")]
    pub command: CommandBlock,
}

impl CommandBlockWrapper {
    /// Bytes of a CBW.
    pub const LENGTH: usize = 31;
    /// "USBC", little-endian.
    #[doc(alias = "dCBWSignature")]
    pub const SIGNATURE: u32 = 0x4342_5355;
    /// The highest logical unit a CBW can name.
    pub const MAX_LUN: u8 = 15;

    /// The wrapper as it travels. Of `lun` the low four bits are sent.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[0..4].copy_from_slice(&Self::SIGNATURE.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.tag.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.data_transfer_length.to_le_bytes());
        bytes[12] = self.direction.bit();
        bytes[13] = self.lun & Self::MAX_LUN;
        bytes[14] = self.command.length();
        bytes[15..].copy_from_slice(self.command.padded());
        bytes
    }

    /// Reads a wrapper that is valid and meaningful (BOT 6.2).
    ///
    /// # Errors
    /// A device answers a wrapper of another length or signature with a stall of both bulk endpoints
    /// that lasts until reset recovery (BOT 6.6.1); what it does with the others is its own choice.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidCbw> {
        let bytes: &[u8; Self::LENGTH] = bytes
            .try_into()
            .map_err(|_| InvalidCbw::Length(bytes.len()))?;
        let signature = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        if signature != Self::SIGNATURE {
            return Err(InvalidCbw::Signature(signature));
        }
        if bytes[12] & !Direction::IN_BIT != 0 {
            return Err(InvalidCbw::Flags(bytes[12]));
        }
        if bytes[13] > Self::MAX_LUN {
            return Err(InvalidCbw::Lun(bytes[13]));
        }
        let length = usize::from(bytes[14]);
        let command = bytes[15..]
            .get(..length)
            .ok_or(InvalidCommandBlock(length))
            .and_then(CommandBlock::new)?;
        Ok(Self {
            tag: u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
            data_transfer_length: u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]),
            direction: Direction::from_bit(bytes[12]),
            lun: bytes[13],
            command,
        })
    }
}

/// Why bytes are not a command a device may act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidCbw {
    /// A CBW is exactly 31 bytes.
    #[error("a CBW is 31 bytes, this is {0} (BOT 6.2.1)")]
    Length(usize),
    /// The signature is missing.
    #[error("a CBW starts with 0x43425355, this with {0:#010x} (BOT 6.2.1)")]
    Signature(u32),
    /// Reserved bits of bmCBWFlags are set.
    #[error("bmCBWFlags is {0:#04x}: bits 0 to 6 must be 0 (BOT 6.2.2)")]
    Flags(u8),
    /// The logical unit is above 15.
    #[error("bCBWLUN is {0:#04x}: a logical unit is 0 to 15 (BOT 6.2.2)")]
    Lun(u8),
    /// The command length is 0 or above 16.
    #[error("bCBWCBLength: {0} (BOT 6.2.2)")]
    Command(#[from] InvalidCommandBlock),
}

/// How a command ended (BOT table 5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommandStatus {
    /// The command did what it was asked.
    Passed,
    /// It did not; REQUEST SENSE says why.
    Failed,
    /// Host and device disagree about the data; only reset recovery helps.
    PhaseError,
}

impl CommandStatus {
    const fn to_byte(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::PhaseError => 2,
        }
    }
}

impl fmt::Display for CommandStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Passed => "command passed",
            Self::Failed => "command failed",
            Self::PhaseError => "phase error",
        })
    }
}

/// What closes a command: whether it passed and how much data was not moved (BOT 5.2).
#[doc(alias = "CSW")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommandStatusWrapper {
    /// The tag of the command this answers.
    #[doc(alias = "dCSWTag")]
    pub tag: u32,
    /// Bytes of the expected length that were not processed.
    #[doc(alias = "dCSWDataResidue")]
    pub data_residue: u32,
    /// How the command ended.
    #[doc(alias = "bCSWStatus")]
    pub status: CommandStatus,
}

impl CommandStatusWrapper {
    /// Bytes of a CSW.
    pub const LENGTH: usize = 13;
    /// "USBS", little-endian.
    #[doc(alias = "dCSWSignature")]
    pub const SIGNATURE: u32 = 0x5342_5355;

    /// The wrapper as it travels.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[0..4].copy_from_slice(&Self::SIGNATURE.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.tag.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.data_residue.to_le_bytes());
        bytes[12] = self.status.to_byte();
        bytes
    }

    /// Reads a status wrapper. Whether it answers the command at hand, [`check`](Self::check) says.
    ///
    /// # Errors
    /// Any of the first three of [`InvalidCsw`]: reset recovery is due (BOT 5.3.4).
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidCsw> {
        Self::parse_signed(bytes, Self::SIGNATURE)
    }

    /// As [`parse`](Self::parse), for a device that is known to sign its statuses otherwise than the
    /// standard says.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_signed(bytes: &[u8], expected_signature: u32) -> Result<Self, InvalidCsw> {
        let bytes: &[u8; Self::LENGTH] = bytes
            .try_into()
            .map_err(|_| InvalidCsw::Length(bytes.len()))?;
        let signature = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        if signature != expected_signature {
            return Err(InvalidCsw::Signature(signature));
        }
        Ok(Self {
            tag: u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
            data_residue: u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]),
            status: match bytes[12] {
                0 => CommandStatus::Passed,
                1 => CommandStatus::Failed,
                2 => CommandStatus::PhaseError,
                reserved => return Err(InvalidCsw::Status(reserved)),
            },
        })
    }

    /// Checks that this answers `command` and means something (BOT 6.3): the tags are equal and the
    /// residue is no more than the host expected. A phase error's residue says nothing.
    ///
    /// # Errors
    /// [`InvalidCsw::Tag`] or [`InvalidCsw::Residue`]: reset recovery is due (BOT 5.3.4).
    pub fn check(&self, command: &CommandBlockWrapper) -> Result<(), InvalidCsw> {
        if self.tag != command.tag {
            return Err(InvalidCsw::Tag {
                sent: command.tag,
                found: self.tag,
            });
        }
        if self.status != CommandStatus::PhaseError
            && self.data_residue > command.data_transfer_length
        {
            return Err(InvalidCsw::Residue {
                expected: command.data_transfer_length,
                residue: self.data_residue,
            });
        }
        Ok(())
    }
}

/// Why bytes are not the status of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidCsw {
    /// A CSW is exactly 13 bytes.
    #[error("a CSW is 13 bytes, this is {0} (BOT 6.3.1)")]
    Length(usize),
    /// The signature is missing.
    #[error("a CSW starts with 0x53425355, this with {0:#010x} (BOT 6.3.1)")]
    Signature(u32),
    /// The status is none of BOT's three.
    #[error("bCSWStatus is {0:#04x}: use 0, 1 or 2 (BOT table 5.3)")]
    Status(u8),
    /// It answers another command.
    #[error("the CSW answers tag {found:#010x}, the command was {sent:#010x} (BOT 6.3.1)")]
    Tag {
        /// The command's tag.
        sent: u32,
        /// The status's tag.
        found: u32,
    },
    /// More is said to be missing than was asked for.
    #[error("the CSW's residue is {residue} of {expected} bytes (BOT 6.3.2)")]
    Residue {
        /// The command's data transfer length.
        expected: u32,
        /// The status's residue.
        residue: u32,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_10() -> CommandBlockWrapper {
        CommandBlockWrapper {
            tag: 0x1234_5678,
            data_transfer_length: 4096,
            direction: Direction::In,
            lun: 1,
            command: CommandBlock::new(&[0x28, 0, 0, 0, 0, 7, 0, 0, 8, 0]).unwrap(),
        }
    }

    #[test]
    fn a_cbw_has_the_bytes_of_table_5_1() {
        let mut expected = [0; 31];
        expected[..25].copy_from_slice(&[
            b'U', b'S', b'B', b'C', 0x78, 0x56, 0x34, 0x12, 0x00, 0x10, 0, 0, 0x80, 1, 10, //
            0x28, 0, 0, 0, 0, 7, 0, 0, 8, 0,
        ]);
        assert_eq!(read_10().to_bytes(), expected);
        assert_eq!(CommandBlockWrapper::parse(&expected), Ok(read_10()));
    }

    #[test]
    fn a_cbw_that_is_not_valid_or_not_meaningful_is_refused() {
        let change = |offset: usize, byte: u8| {
            let mut bytes = read_10().to_bytes();
            bytes[offset] = byte;
            CommandBlockWrapper::parse(&bytes).unwrap_err()
        };
        assert_eq!(change(0, b'X'), InvalidCbw::Signature(0x4342_5358));
        assert_eq!(change(12, 0x81), InvalidCbw::Flags(0x81));
        assert_eq!(change(13, 16), InvalidCbw::Lun(16));
        assert_eq!(change(14, 0), InvalidCbw::Command(InvalidCommandBlock(0)));
        assert_eq!(change(14, 17), InvalidCbw::Command(InvalidCommandBlock(17)));
        let bytes = read_10().to_bytes();
        assert_eq!(
            CommandBlockWrapper::parse(&bytes[..30]),
            Err(InvalidCbw::Length(30))
        );
    }

    #[test]
    fn a_csw_must_answer_the_command() {
        let passed = CommandStatusWrapper {
            tag: 0x1234_5678,
            data_residue: 4096,
            status: CommandStatus::Passed,
        };
        assert_eq!(passed.check(&read_10()), Ok(()));
        let stale = CommandStatusWrapper { tag: 1, ..passed };
        assert!(matches!(
            stale.check(&read_10()),
            Err(InvalidCsw::Tag { found: 1, .. })
        ));
        let lying = CommandStatusWrapper {
            data_residue: 4097,
            ..passed
        };
        assert!(matches!(
            lying.check(&read_10()),
            Err(InvalidCsw::Residue { residue: 4097, .. })
        ));
        let phase_error = CommandStatusWrapper {
            status: CommandStatus::PhaseError,
            ..lying
        };
        assert_eq!(phase_error.check(&read_10()), Ok(()));
    }

    #[test]
    fn a_reserved_status_is_an_error() {
        let mut bytes = [0; 13];
        bytes[..4].copy_from_slice(b"USBS");
        bytes[12] = 3;
        assert_eq!(
            CommandStatusWrapper::parse(&bytes),
            Err(InvalidCsw::Status(3))
        );
    }

    #[test]
    fn requests_have_the_bytes_of_tables_3_1_and_3_2() {
        assert_eq!(get_max_lun(2).to_bytes(), [0xa1, 0xfe, 0, 0, 2, 0, 1, 0]);
        assert_eq!(
            bulk_only_reset(2).to_bytes(),
            [0x21, 0xff, 0, 0, 2, 0, 0, 0]
        );
    }

    prop_compose! {
        fn cbw()(
            tag: u32,
            data_transfer_length: u32,
            is_in: bool,
            lun in 0..=15_u8,
            command in prop::collection::vec(any::<u8>(), 1..=16),
        ) -> CommandBlockWrapper {
            CommandBlockWrapper {
                tag,
                data_transfer_length,
                direction: if is_in { Direction::In } else { Direction::Out },
                lun,
                command: CommandBlock::new(&command).unwrap(),
            }
        }
    }

    proptest! {
        #[test]
        fn any_cbw_round_trips(cbw in cbw()) {
            prop_assert_eq!(CommandBlockWrapper::parse(&cbw.to_bytes()), Ok(cbw));
        }

        #[test]
        fn a_cut_cbw_is_an_error(cbw in cbw(), length in 0..31_usize) {
            prop_assert!(CommandBlockWrapper::parse(&cbw.to_bytes()[..length]).is_err());
        }

        #[test]
        fn any_csw_round_trips(tag: u32, data_residue: u32, status in 0..3_usize) {
            let status = [CommandStatus::Passed, CommandStatus::Failed, CommandStatus::PhaseError][status];
            let csw = CommandStatusWrapper { tag, data_residue, status };
            prop_assert_eq!(CommandStatusWrapper::parse(&csw.to_bytes()), Ok(csw));
        }

        #[test]
        fn any_bytes_are_a_wrapper_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert!(CommandStatusWrapper::parse(&bytes).is_err() || bytes.len() == 13);
            prop_assert!(CommandBlockWrapper::parse(&bytes).is_err() || bytes.len() == 31);
        }
    }
}
