//! Bytes to commands.

use thiserror::Error;

use super::encode::{
    DISABLE_BLOCK_DESCRIPTORS, FORCE_UNIT_ACCESS, SERVICE_ACTION_READ_CAPACITY_16,
    SYNCHRONIZE_IMMEDIATE,
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
            op::REPORT_LUNS => {
                let c = fields::<12>(bytes)?;
                Ok(Self::ReportLuns {
                    select_report: c.0[2],
                    allocation_length: c.u32(6),
                })
            }
            op::TEST_UNIT_READY
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scsi::{SenseKey, Transfer};

    fn page_control() -> impl Strategy<Value = ModePageControl> {
        prop::sample::select(vec![
            ModePageControl::Current,
            ModePageControl::Changeable,
            ModePageControl::Default,
            ModePageControl::Saved,
        ])
    }

    fn byte_check() -> impl Strategy<Value = ByteCheck> {
        prop::sample::select(vec![
            ByteCheck::MediumOnly,
            ByteCheck::EachBlock,
            ByteCheck::OneBlock,
        ])
    }

    /// Every command, with every value its fields can carry.
    fn command() -> impl Strategy<Value = Command> {
        use Command as C;
        let small = prop_oneof![
            Just(C::TestUnitReady),
            Just(C::ReadCapacity10),
            any::<(bool, u8)>().prop_map(|(descriptor_format, allocation_length)| {
                C::RequestSense {
                    descriptor_format,
                    allocation_length,
                }
            }),
            any::<(Option<u8>, u16)>().prop_map(|(page, allocation_length)| C::Inquiry {
                page,
                allocation_length
            }),
            any::<(bool, u8)>().prop_map(|(save_pages, parameter_list_length)| {
                C::ModeSelect6 {
                    save_pages,
                    parameter_list_length,
                }
            }),
            any::<(bool, u16)>().prop_map(|(save_pages, parameter_list_length)| {
                C::ModeSelect10 {
                    save_pages,
                    parameter_list_length,
                }
            }),
            (any::<[bool; 3]>(), 0..16_u8).prop_map(
                |([immediate, load_eject, start], power_condition)| {
                    C::StartStopUnit {
                        immediate,
                        load_eject,
                        start,
                        power_condition,
                    }
                }
            ),
            any::<bool>().prop_map(|prevent| C::PreventAllowMediumRemoval { prevent }),
            any::<u16>()
                .prop_map(|allocation_length| C::ReadFormatCapacities { allocation_length }),
            any::<u32>().prop_map(|allocation_length| C::ReadCapacity16 { allocation_length }),
            any::<(u8, u32)>().prop_map(|(select_report, allocation_length)| {
                C::ReportLuns {
                    select_report,
                    allocation_length,
                }
            }),
        ];
        let mode_sense = prop_oneof![
            (
                any::<bool>(),
                page_control(),
                0..64_u8,
                any::<u8>(),
                any::<u8>()
            )
                .prop_map(
                    |(
                        disable_block_descriptors,
                        page_control,
                        page,
                        subpage,
                        allocation_length,
                    )| {
                        C::ModeSense6 {
                            disable_block_descriptors,
                            page_control,
                            page,
                            subpage,
                            allocation_length,
                        }
                    }
                ),
            (
                any::<bool>(),
                page_control(),
                0..64_u8,
                any::<u8>(),
                any::<u16>()
            )
                .prop_map(
                    |(
                        disable_block_descriptors,
                        page_control,
                        page,
                        subpage,
                        allocation_length,
                    )| {
                        C::ModeSense10 {
                            disable_block_descriptors,
                            page_control,
                            page,
                            subpage,
                            allocation_length,
                        }
                    }
                ),
        ];
        let blocks_10 = any::<(u32, u16, bool)>().prop_flat_map(|(lba, blocks, flag)| {
            byte_check().prop_flat_map(move |byte_check| {
                prop::sample::select(vec![
                    C::Read10 {
                        lba,
                        blocks,
                        force_unit_access: flag,
                    },
                    C::Write10 {
                        lba,
                        blocks,
                        force_unit_access: flag,
                    },
                    C::Verify10 {
                        lba,
                        blocks,
                        byte_check,
                    },
                    C::SynchronizeCache10 {
                        lba,
                        blocks,
                        immediate: flag,
                    },
                ])
            })
        });
        let blocks_16 = any::<(u64, u32, bool)>().prop_flat_map(|(lba, blocks, flag)| {
            byte_check().prop_flat_map(move |byte_check| {
                prop::sample::select(vec![
                    C::Read16 {
                        lba,
                        blocks,
                        force_unit_access: flag,
                    },
                    C::Write16 {
                        lba,
                        blocks,
                        force_unit_access: flag,
                    },
                    C::Verify16 {
                        lba,
                        blocks,
                        byte_check,
                    },
                    C::SynchronizeCache16 {
                        lba,
                        blocks,
                        immediate: flag,
                    },
                ])
            })
        });
        prop_oneof![small, mode_sense, blocks_10, blocks_16]
    }

    proptest! {
        #[test]
        fn any_command_round_trips(command in command()) {
            prop_assert_eq!(Command::decode(command.encode().as_bytes()), Ok(command));
        }

        #[test]
        fn padding_after_a_command_is_ignored(command in command()) {
            prop_assert_eq!(Command::decode(command.encode().padded()), Ok(command));
        }

        #[test]
        fn a_cut_command_is_an_error(command in command(), cut in 1..16_usize) {
            let block = command.encode();
            let length = block.as_bytes().len().saturating_sub(cut);
            let error = Command::decode(&block.as_bytes()[..length]).unwrap_err();
            let too_short = matches!(error, InvalidCommand::TooShort { .. });
            prop_assert!(too_short, "{error}");
        }

        #[test]
        fn any_bytes_are_a_command_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            match Command::decode(&bytes) {
                Ok(command) => {
                    prop_assert_eq!(Command::decode(command.encode().as_bytes()), Ok(command));
                }
                Err(error) => {
                    prop_assert_eq!(error.sense().key, SenseKey::IllegalRequest);
                }
            }
        }
    }

    #[test]
    fn commands_have_the_bytes_of_their_tables() {
        let cases: [(Command, &[u8]); 12] = [
            (Command::TestUnitReady, &[0; 6]),
            (
                Command::Inquiry {
                    page: Some(0x83),
                    allocation_length: 255,
                },
                &[0x12, 1, 0x83, 0, 255, 0],
            ),
            (
                Command::RequestSense {
                    descriptor_format: false,
                    allocation_length: 18,
                },
                &[3, 0, 0, 0, 18, 0],
            ),
            (
                Command::ModeSense6 {
                    disable_block_descriptors: true,
                    page_control: ModePageControl::Changeable,
                    page: 0x3f,
                    subpage: 0,
                    allocation_length: 192,
                },
                &[0x1a, 8, 0x7f, 0, 192, 0],
            ),
            (
                Command::StartStopUnit {
                    immediate: true,
                    load_eject: true,
                    start: false,
                    power_condition: 0,
                },
                &[0x1b, 1, 0, 0, 2, 0],
            ),
            (
                Command::ReadFormatCapacities {
                    allocation_length: 252,
                },
                &[0x23, 0, 0, 0, 0, 0, 0, 0, 252, 0],
            ),
            (Command::ReadCapacity10, &[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            (
                Command::ReadCapacity16 {
                    allocation_length: 32,
                },
                &[0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0],
            ),
            (
                Command::Write10 {
                    lba: 0x0102_0304,
                    blocks: 0x0506,
                    force_unit_access: true,
                },
                &[0x2a, 8, 1, 2, 3, 4, 0, 5, 6, 0],
            ),
            (
                Command::Read16 {
                    lba: 0x0102_0304_0506_0708,
                    blocks: 9,
                    force_unit_access: false,
                },
                &[0x88, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 9, 0, 0],
            ),
            (
                Command::SynchronizeCache10 {
                    lba: 0,
                    blocks: 0,
                    immediate: true,
                },
                &[0x35, 2, 0, 0, 0, 0, 0, 0, 0, 0],
            ),
            (
                Command::ReportLuns {
                    select_report: 0,
                    allocation_length: 16,
                },
                &[0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0],
            ),
        ];
        for (command, bytes) in cases {
            assert_eq!(command.encode().as_bytes(), bytes, "{command}");
        }
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_with_the_sense_that_says_so() {
        let unknown = Command::decode(&[0xc0; 16]).unwrap_err();
        assert_eq!(unknown, InvalidCommand::OperationCode(0xc0));
        assert_eq!(unknown.sense(), Sense::INVALID_COMMAND_OPERATION_CODE);
        let cases: [&[u8]; 7] = [
            &[0x12, 0, 0x80, 0, 36, 0],            // page without EVPD
            &[0x12, 0, 0, 0, 36, 4],               // NACA
            &[0x1e, 0, 0, 0, 2, 0],                // PREVENT 10b
            &[0x25, 0, 0, 0, 0, 0, 0, 0, 1, 0],    // PMI
            &[0x28, 0x20, 0, 0, 0, 0, 0, 0, 1, 0], // RDPROTECT
            &[0x2f, 0x04, 0, 0, 0, 0, 0, 0, 1, 0], // BYTCHK 10b
            &[0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0], // GET LBA STATUS
        ];
        for bytes in cases {
            let error = Command::decode(bytes).unwrap_err();
            assert!(matches!(error, InvalidCommand::Field { .. }), "{error}");
            assert_eq!(error.sense(), Sense::INVALID_FIELD_IN_COMMAND);
        }
    }

    #[test]
    fn large_addresses_take_the_long_form() {
        let short = Command::read(u64::from(u32::MAX), u32::from(u16::MAX));
        assert_eq!(short.encode().length(), 10);
        assert_eq!(Command::read(1 << 32, 1).encode().length(), 16);
        assert_eq!(Command::write(0, 0x1_0000).encode().length(), 16);
        assert_eq!(
            Command::verify(1 << 32, 1, ByteCheck::MediumOnly)
                .encode()
                .length(),
            16
        );
    }

    #[test]
    fn a_transfer_is_what_the_data_stage_carries() {
        assert_eq!(Command::read(0, 8).transfer(512), Transfer::In(4096));
        assert_eq!(Command::write(0, u32::MAX).transfer(u32::MAX), {
            Transfer::Out(u64::from(u32::MAX) * u64::from(u32::MAX))
        });
        assert_eq!(
            Command::verify(0, 9, ByteCheck::OneBlock).transfer(512),
            Transfer::Out(512)
        );
        assert_eq!(
            Command::verify(0, 9, ByteCheck::MediumOnly).transfer(512),
            Transfer::None
        );
        assert_eq!(Command::ReadCapacity10.transfer(512), Transfer::In(8));
    }
}
