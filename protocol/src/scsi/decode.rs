//! Bytes to commands.

use thiserror::Error;

use super::encode::{
    DEFAULT_SELF_TEST, DISABLE_BLOCK_DESCRIPTORS, FORCE_UNIT_ACCESS, REPORT_TIMEOUTS,
    SERVICE_ACTION_READ_CAPACITY_16, SERVICE_ACTION_REPORT_OPERATION_CODES, SYNCHRONIZE_IMMEDIATE,
};
use super::operation_code as op;
use super::{ByteCheck, Command, ModePageControl, Sense};

/// Why bytes are not a command this crate knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidCommand {
    /// No command, or none this crate knows, has this code.
    #[error("operation code {0:#04x} is not supported")]
    OperationCode(u8),
    /// The operation code implies more bytes.
    #[error(
        "the command with operation code {operation_code:#04x} has {needed} bytes, this {found}"
    )]
    TooShort {
        /// The operation code; 0 when there is not even that.
        operation_code: u8,
        /// The bytes it implies.
        needed: usize,
        /// The bytes there are.
        found: usize,
    },
    /// A field holds what it must not, or asks for what the encoding here does not carry.
    #[error("byte {offset} of the command is {value:#04x}: {rule}")]
    Field {
        /// The byte's offset.
        offset: u8,
        /// The byte.
        value: u8,
        /// What it breaks.
        rule: &'static str,
    },
}

impl InvalidCommand {
    /// The sense data with which a device refuses such a command.
    #[must_use]
    pub const fn sense(&self) -> Sense {
        match self {
            Self::OperationCode(_) => Sense::INVALID_COMMAND_OPERATION_CODE,
            Self::TooShort { .. } | Self::Field { .. } => Sense::INVALID_FIELD_IN_COMMAND,
        }
    }
}

/// A command's bytes, all that its operation code implies.
struct Fields<'a, const N: usize>(&'a [u8; N]);

impl<const N: usize> Fields<'_, N> {
    fn u16(&self, offset: usize) -> u16 {
        u16::from_be_bytes([self.0[offset], self.0[offset + 1]])
    }

    fn u32(&self, offset: usize) -> u32 {
        u32::from(self.u16(offset)) << 16 | u32::from(self.u16(offset + 2))
    }

    fn u64(&self, offset: usize) -> u64 {
        u64::from(self.u32(offset)) << 32 | u64::from(self.u32(offset + 4))
    }

    fn flag(&self, offset: usize, bit: u8) -> bool {
        self.0[offset] & bit != 0
    }

    /// An error when any of `bits` is set in the byte at `offset`.
    fn zero(&self, offset: u8, bits: u8, rule: &'static str) -> Result<(), InvalidCommand> {
        let value = self.0[usize::from(offset)];
        if value & bits != 0 {
            return Err(InvalidCommand::Field {
                offset,
                value,
                rule,
            });
        }
        Ok(())
    }

    /// The 21 bits of a six-byte READ or WRITE.
    fn lba_6(&self) -> u32 {
        u32::from(self.0[1] & 0x1f) << 16 | u32::from(self.u16(2))
    }

    /// READ and WRITE: this crate moves no protection information. DPO is a caching hint and may be
    /// ignored.
    fn force_unit_access(&self) -> Result<bool, InvalidCommand> {
        self.zero(
            1,
            0xe0,
            "protection information is not supported (SBC-2 5.6)",
        )?;
        Ok(self.flag(1, FORCE_UNIT_ACCESS))
    }

    fn byte_check(&self) -> Result<ByteCheck, InvalidCommand> {
        self.zero(
            1,
            0xe0,
            "protection information is not supported (SBC-2 5.20)",
        )?;
        match self.0[1] >> 1 & 0x03 {
            0 => Ok(ByteCheck::MediumOnly),
            1 => Ok(ByteCheck::EachBlock),
            3 => Ok(ByteCheck::OneBlock),
            _ => Err(InvalidCommand::Field {
                offset: 1,
                value: self.0[1],
                rule: "BYTCHK 10b is reserved (SBC-3)",
            }),
        }
    }
}

/// The first `N` bytes, which the operation code implies. What follows is padding: many hosts send
/// twelve or sixteen bytes whatever the command.
fn fields<const N: usize>(bytes: &[u8]) -> Result<Fields<'_, N>, InvalidCommand> {
    let Some(command) = bytes.first_chunk::<N>() else {
        return Err(InvalidCommand::TooShort {
            operation_code: bytes.first().copied().unwrap_or(0),
            needed: N,
            found: bytes.len(),
        });
    };
    // Six- and ten- and sixteen-byte commands end with the control byte; so do twelve-byte ones.
    let fields = Fields(command);
    if fields.flag(N - 1, 0x04) {
        return Err(InvalidCommand::Field {
            offset: u8::try_from(N - 1).unwrap_or(u8::MAX),
            value: command[N - 1],
            rule: "automatic contingent allegiance (NACA) is not supported (SAM-3 5.2)",
        });
    }
    Ok(fields)
}

impl Command {
    /// Reads a command. Bytes after those the operation code implies are padding; reserved fields
    /// are not looked at, those that ask for what [`Command`] cannot say are errors.
    ///
    /// # Errors
    /// [`InvalidCommand`], whose [`sense`](InvalidCommand::sense) is what a device answers with.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidCommand> {
        let Some(&operation_code) = bytes.first() else {
            return Err(InvalidCommand::TooShort {
                operation_code: 0,
                needed: 6,
                found: 0,
            });
        };
        match operation_code {
            op::READ_10
            | op::WRITE_10
            | op::VERIFY_10
            | op::SYNCHRONIZE_CACHE_10
            | op::READ_CAPACITY_10
            | op::READ_FORMAT_CAPACITIES
            | op::MODE_SENSE_10
            | op::MODE_SELECT_10 => decode_10(operation_code, &fields(bytes)?),
            op::READ_16
            | op::WRITE_16
            | op::VERIFY_16
            | op::SYNCHRONIZE_CACHE_16
            | op::SERVICE_ACTION_IN_16 => decode_16(operation_code, &fields(bytes)?),
            op::READ_12 | op::WRITE_12 | op::VERIFY_12 | op::REPORT_LUNS | op::MAINTENANCE_IN => {
                decode_12(operation_code, &fields(bytes)?)
            }
            op::TEST_UNIT_READY
            | op::READ_6
            | op::WRITE_6
            | op::SEND_DIAGNOSTIC
            | op::REQUEST_SENSE
            | op::INQUIRY
            | op::MODE_SENSE_6
            | op::MODE_SELECT_6
            | op::START_STOP_UNIT
            | op::PREVENT_ALLOW_MEDIUM_REMOVAL => decode_6(operation_code, &fields(bytes)?),
            unknown => Err(InvalidCommand::OperationCode(unknown)),
        }
    }
}

fn decode_6(operation_code: u8, c: &Fields<'_, 6>) -> Result<Command, InvalidCommand> {
    Ok(match operation_code {
        op::TEST_UNIT_READY => Command::TestUnitReady,
        op::REQUEST_SENSE => Command::RequestSense {
            descriptor_format: c.flag(1, 1),
            allocation_length: c.0[4],
        },
        op::INQUIRY => {
            let evpd = c.flag(1, 1);
            if !evpd {
                c.zero(2, 0xff, "a page code needs EVPD (SPC-3 6.4.1)")?;
            }
            Command::Inquiry {
                page: evpd.then_some(c.0[2]),
                allocation_length: c.u16(3),
            }
        }
        op::MODE_SENSE_6 => Command::ModeSense6 {
            disable_block_descriptors: c.flag(1, DISABLE_BLOCK_DESCRIPTORS),
            page_control: ModePageControl::from_byte(c.0[2]),
            page: c.0[2] & 0x3f,
            subpage: c.0[3],
            allocation_length: c.0[4],
        },
        op::MODE_SELECT_6 => Command::ModeSelect6 {
            save_pages: c.flag(1, 1),
            parameter_list_length: c.0[4],
        },
        op::READ_6 => Command::Read6 {
            lba: c.lba_6(),
            blocks: c.0[4],
        },
        op::WRITE_6 => Command::Write6 {
            lba: c.lba_6(),
            blocks: c.0[4],
        },
        op::SEND_DIAGNOSTIC => Command::SendDiagnostic {
            self_test: c.flag(1, DEFAULT_SELF_TEST),
            self_test_code: c.0[1] >> 5,
            parameter_list_length: c.u16(3),
        },
        op::START_STOP_UNIT => Command::StartStopUnit {
            immediate: c.flag(1, 1),
            load_eject: c.flag(4, 2),
            start: c.flag(4, 1),
            power_condition: c.0[4] >> 4,
        },
        op::PREVENT_ALLOW_MEDIUM_REMOVAL => {
            c.zero(4, 0xfe, "PREVENT is 00b or 01b (SPC-3 6.13)")?;
            Command::PreventAllowMediumRemoval {
                prevent: c.flag(4, 1),
            }
        }
        unknown => return Err(InvalidCommand::OperationCode(unknown)),
    })
}

fn decode_10(operation_code: u8, c: &Fields<'_, 10>) -> Result<Command, InvalidCommand> {
    let (lba, blocks) = (c.u32(2), c.u16(7));
    Ok(match operation_code {
        op::READ_10 => Command::Read10 {
            lba,
            blocks,
            force_unit_access: c.force_unit_access()?,
        },
        op::WRITE_10 => Command::Write10 {
            lba,
            blocks,
            force_unit_access: c.force_unit_access()?,
        },
        op::VERIFY_10 => Command::Verify10 {
            lba,
            blocks,
            byte_check: c.byte_check()?,
        },
        op::SYNCHRONIZE_CACHE_10 => Command::SynchronizeCache10 {
            lba,
            blocks,
            immediate: c.flag(1, SYNCHRONIZE_IMMEDIATE),
        },
        op::READ_CAPACITY_10 => {
            c.zero(8, 0x01, "the partial medium indicator (PMI) is obsolete")?;
            Command::ReadCapacity10
        }
        op::READ_FORMAT_CAPACITIES => Command::ReadFormatCapacities {
            allocation_length: blocks,
        },
        op::MODE_SENSE_10 => Command::ModeSense10 {
            disable_block_descriptors: c.flag(1, DISABLE_BLOCK_DESCRIPTORS),
            page_control: ModePageControl::from_byte(c.0[2]),
            page: c.0[2] & 0x3f,
            subpage: c.0[3],
            allocation_length: blocks,
        },
        op::MODE_SELECT_10 => Command::ModeSelect10 {
            save_pages: c.flag(1, 1),
            parameter_list_length: blocks,
        },
        unknown => return Err(InvalidCommand::OperationCode(unknown)),
    })
}

fn decode_12(operation_code: u8, c: &Fields<'_, 12>) -> Result<Command, InvalidCommand> {
    let (lba, blocks) = (c.u32(2), c.u32(6));
    Ok(match operation_code {
        op::READ_12 => Command::Read12 {
            lba,
            blocks,
            force_unit_access: c.force_unit_access()?,
        },
        op::WRITE_12 => Command::Write12 {
            lba,
            blocks,
            force_unit_access: c.force_unit_access()?,
        },
        op::VERIFY_12 => Command::Verify12 {
            lba,
            blocks,
            byte_check: c.byte_check()?,
        },
        op::REPORT_LUNS => Command::ReportLuns {
            select_report: c.0[2],
            allocation_length: blocks,
        },
        op::MAINTENANCE_IN => {
            if c.0[1] & 0x1f != SERVICE_ACTION_REPORT_OPERATION_CODES {
                return Err(InvalidCommand::Field {
                    offset: 1,
                    value: c.0[1],
                    rule: "of MAINTENANCE IN, only REPORT SUPPORTED OPERATION CODES, 0x0c, is supported",
                });
            }
            Command::ReportSupportedOperationCodes {
                timeouts: c.flag(2, REPORT_TIMEOUTS),
                reporting_options: c.0[2] & 0x07,
                operation_code: c.0[3],
                service_action: c.u16(4),
                allocation_length: blocks,
            }
        }
        unknown => return Err(InvalidCommand::OperationCode(unknown)),
    })
}

fn decode_16(operation_code: u8, c: &Fields<'_, 16>) -> Result<Command, InvalidCommand> {
    let (lba, blocks) = (c.u64(2), c.u32(10));
    Ok(match operation_code {
        op::READ_16 => Command::Read16 {
            lba,
            blocks,
            force_unit_access: c.force_unit_access()?,
        },
        op::WRITE_16 => Command::Write16 {
            lba,
            blocks,
            force_unit_access: c.force_unit_access()?,
        },
        op::VERIFY_16 => Command::Verify16 {
            lba,
            blocks,
            byte_check: c.byte_check()?,
        },
        op::SYNCHRONIZE_CACHE_16 => Command::SynchronizeCache16 {
            lba,
            blocks,
            immediate: c.flag(1, SYNCHRONIZE_IMMEDIATE),
        },
        op::SERVICE_ACTION_IN_16 => {
            if c.0[1] & 0x1f != SERVICE_ACTION_READ_CAPACITY_16 {
                return Err(InvalidCommand::Field {
                    offset: 1,
                    value: c.0[1],
                    rule: "of SERVICE ACTION IN (16), only READ CAPACITY (16), 0x10, is supported",
                });
            }
            Command::ReadCapacity16 {
                allocation_length: blocks,
            }
        }
        unknown => return Err(InvalidCommand::OperationCode(unknown)),
    })
}
