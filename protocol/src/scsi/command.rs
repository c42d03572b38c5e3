//! The commands: one enum, encoded for who asks, decoded for who serves.

use std::fmt;

/// Which values MODE SENSE asks for (SPC-3 6.9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ModePageControl {
    /// Those in force.
    Current,
    /// A mask of what MODE SELECT may change.
    Changeable,
    /// The defaults.
    Default,
    /// Those saved.
    Saved,
}

impl ModePageControl {
    pub(super) const fn from_byte(byte: u8) -> Self {
        match byte >> 6 {
            0 => Self::Current,
            1 => Self::Changeable,
            2 => Self::Default,
            _ => Self::Saved,
        }
    }

    pub(super) const fn to_byte(self) -> u8 {
        let code = match self {
            Self::Current => 0,
            Self::Changeable => 1,
            Self::Default => 2,
            Self::Saved => 3,
        };
        code << 6
    }
}

/// What VERIFY compares the medium with (SBC-3, BYTCHK).
#[doc(alias = "BYTCHK")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ByteCheck {
    /// Nothing: the medium is read and its error correction trusted. No data stage.
    MediumOnly,
    /// As many blocks of data as are verified.
    EachBlock,
    /// One block of data, with every block verified.
    OneBlock,
}

impl ByteCheck {
    pub(super) const fn to_byte(self) -> u8 {
        let code = match self {
            Self::MediumOnly => 0,
            Self::EachBlock => 1,
            Self::OneBlock => 3,
        };
        code << 1
    }
}

/// The data a command moves, seen from who asks, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transfer {
    /// None.
    None,
    /// Up to this many bytes come from the device.
    In(u64),
    /// This many bytes go to the device.
    Out(u64),
}

/// A command to a logical unit. Block addresses and counts are in logical blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Command {
    /// Can the medium be used now? (SPC-3 6.33)
    TestUnitReady,
    /// Why did the last command fail? (SPC-3 6.27)
    RequestSense {
        /// Ask for descriptor rather than fixed format.
        #[doc(alias = "DESC")]
        descriptor_format: bool,
        /// The most bytes to answer with.
        allocation_length: u8,
    },
    /// What are you? (SPC-3 6.4)
    Inquiry {
        /// A vital product data page, or `None` for the standard data.
        #[doc(alias = "EVPD")]
        page: Option<u8>,
        /// The most bytes to answer with.
        allocation_length: u16,
    },
    /// Read mode pages (SPC-3 6.9).
    ModeSense6 {
        /// Leave out the block descriptors.
        #[doc(alias = "DBD")]
        disable_block_descriptors: bool,
        /// Which values.
        page_control: ModePageControl,
        /// The page, 0 to 0x3f; 0x3f for all.
        page: u8,
        /// The subpage; 0xff for all.
        subpage: u8,
        /// The most bytes to answer with.
        allocation_length: u8,
    },
    /// Read mode pages (SPC-3 6.10).
    ModeSense10 {
        /// Leave out the block descriptors.
        #[doc(alias = "DBD")]
        disable_block_descriptors: bool,
        /// Which values.
        page_control: ModePageControl,
        /// The page, 0 to 0x3f; 0x3f for all.
        page: u8,
        /// The subpage; 0xff for all.
        subpage: u8,
        /// The most bytes to answer with.
        allocation_length: u16,
    },
    /// Write mode pages (SPC-3 6.7).
    ModeSelect6 {
        /// Keep the pages over power cycles.
        #[doc(alias = "SP")]
        save_pages: bool,
        /// Bytes of parameters that follow.
        parameter_list_length: u8,
    },
    /// Write mode pages (SPC-3 6.8).
    ModeSelect10 {
        /// Keep the pages over power cycles.
        #[doc(alias = "SP")]
        save_pages: bool,
        /// Bytes of parameters that follow.
        parameter_list_length: u16,
    },
    /// Start, stop, load or eject (SBC-2 5.17).
    StartStopUnit {
        /// Answer before it is done.
        #[doc(alias = "IMMED")]
        immediate: bool,
        /// With this, start or stop includes loading or ejecting the medium.
        #[doc(alias = "LOEJ")]
        load_eject: bool,
        /// Start rather than stop.
        start: bool,
        /// A power condition to enter, 1 to 15; 0 to obey the two flags above.
        power_condition: u8,
    },
    /// Lock or unlock the medium (SPC-3 6.13).
    PreventAllowMediumRemoval {
        /// Lock rather than unlock.
        prevent: bool,
    },
    /// How large is the medium, and what could it be formatted to? (UFI 4.10)
    ReadFormatCapacities {
        /// The most bytes to answer with.
        allocation_length: u16,
    },
    /// How large is the medium? Up to 2^32 - 1 blocks (SBC-2 5.10).
    ReadCapacity10,
    /// How large is the medium? (SBC-2 5.11)
    ReadCapacity16 {
        /// The most bytes to answer with.
        allocation_length: u32,
    },
    /// Read blocks; as old as SCSI (SBC-2 5.5).
    Read6 {
        /// The first block, below 2^21.
        lba: u32,
        /// How many; 0 for 256.
        blocks: u8,
    },
    /// Read blocks (SBC-2 5.6).
    Read10 {
        /// The first block.
        lba: u32,
        /// How many.
        blocks: u16,
        /// Read the medium, not a cache.
        #[doc(alias = "FUA")]
        force_unit_access: bool,
    },
    /// Read blocks (SBC-2 5.7).
    Read12 {
        /// The first block.
        lba: u32,
        /// How many.
        blocks: u32,
        /// Read the medium, not a cache.
        #[doc(alias = "FUA")]
        force_unit_access: bool,
    },
    /// Read blocks (SBC-2 5.8).
    Read16 {
        /// The first block.
        lba: u64,
        /// How many.
        blocks: u32,
        /// Read the medium, not a cache.
        #[doc(alias = "FUA")]
        force_unit_access: bool,
    },
    /// Write blocks; as old as SCSI (SBC-2 5.24).
    Write6 {
        /// The first block, below 2^21.
        lba: u32,
        /// How many; 0 for 256.
        blocks: u8,
    },
    /// Write blocks (SBC-2 5.25).
    Write10 {
        /// The first block.
        lba: u32,
        /// How many.
        blocks: u16,
        /// Answer when the medium has the data.
        #[doc(alias = "FUA")]
        force_unit_access: bool,
    },
    /// Write blocks (SBC-2 5.26).
    Write12 {
        /// The first block.
        lba: u32,
        /// How many.
        blocks: u32,
        /// Answer when the medium has the data.
        #[doc(alias = "FUA")]
        force_unit_access: bool,
    },
    /// Write blocks (SBC-2 5.27).
    Write16 {
        /// The first block.
        lba: u64,
        /// How many.
        blocks: u32,
        /// Answer when the medium has the data.
        #[doc(alias = "FUA")]
        force_unit_access: bool,
    },
    /// Check blocks (SBC-2 5.20).
    Verify10 {
        /// The first block.
        lba: u32,
        /// How many.
        blocks: u16,
        /// Against what.
        byte_check: ByteCheck,
    },
    /// Check blocks (SBC-2 5.21).
    Verify12 {
        /// The first block.
        lba: u32,
        /// How many.
        blocks: u32,
        /// Against what.
        byte_check: ByteCheck,
    },
    /// Check blocks (SBC-2 5.22).
    Verify16 {
        /// The first block.
        lba: u64,
        /// How many.
        blocks: u32,
        /// Against what.
        byte_check: ByteCheck,
    },
    /// Write cached blocks to the medium (SBC-2 5.18).
    SynchronizeCache10 {
        /// The first block.
        lba: u32,
        /// How many; 0 for all from `lba` on.
        blocks: u16,
        /// Answer before it is done.
        #[doc(alias = "IMMED")]
        immediate: bool,
    },
    /// Write cached blocks to the medium (SBC-2 5.19).
    SynchronizeCache16 {
        /// The first block.
        lba: u64,
        /// How many; 0 for all from `lba` on.
        blocks: u32,
        /// Answer before it is done.
        #[doc(alias = "IMMED")]
        immediate: bool,
    },
    /// Test yourself (SPC-3 6.28).
    SendDiagnostic {
        /// The default test, with its outcome for a status; else nothing but the parameters are.
        #[doc(alias = "SELFTEST")]
        self_test: bool,
        /// Another test, 1 to 7; 0 for none.
        self_test_code: u8,
        /// Bytes of parameters that follow.
        parameter_list_length: u16,
    },
    /// Which commands do you know? (SPC-4 6.35)
    ReportSupportedOperationCodes {
        /// Say how long each takes, too.
        #[doc(alias = "RCTD")]
        timeouts: bool,
        /// 0 for all, 1 to 3 for the one below.
        reporting_options: u8,
        /// The command asked about.
        operation_code: u8,
        /// Its service action.
        service_action: u16,
        /// The most bytes to answer with.
        allocation_length: u32,
    },
    /// Which logical units are there? (SPC-3 6.21)
    ReportLuns {
        /// Which kinds of units; 0 for the ordinary ones.
        select_report: u8,
        /// The most bytes to answer with.
        allocation_length: u32,
    },
}

impl Command {
    /// The shortest READ that reaches these blocks.
    #[must_use]
    pub fn read(lba: u64, blocks: u32) -> Self {
        let force_unit_access = false;
        match (u32::try_from(lba), u16::try_from(blocks)) {
            (Ok(lba), Ok(blocks)) => Self::Read10 {
                lba,
                blocks,
                force_unit_access,
            },
            _ => Self::Read16 {
                lba,
                blocks,
                force_unit_access,
            },
        }
    }

    /// The shortest WRITE that reaches these blocks.
    #[must_use]
    pub fn write(lba: u64, blocks: u32) -> Self {
        let force_unit_access = false;
        match (u32::try_from(lba), u16::try_from(blocks)) {
            (Ok(lba), Ok(blocks)) => Self::Write10 {
                lba,
                blocks,
                force_unit_access,
            },
            _ => Self::Write16 {
                lba,
                blocks,
                force_unit_access,
            },
        }
    }

    /// The shortest VERIFY that reaches these blocks.
    #[must_use]
    pub fn verify(lba: u64, blocks: u32, byte_check: ByteCheck) -> Self {
        match (u32::try_from(lba), u16::try_from(blocks)) {
            (Ok(lba), Ok(blocks)) => Self::Verify10 {
                lba,
                blocks,
                byte_check,
            },
            _ => Self::Verify16 {
                lba,
                blocks,
                byte_check,
            },
        }
    }

    /// The command's name as the specifications write it, `READ (10)`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::TestUnitReady => "TEST UNIT READY",
            Self::RequestSense { .. } => "REQUEST SENSE",
            Self::Inquiry { .. } => "INQUIRY",
            Self::ModeSense6 { .. } => "MODE SENSE (6)",
            Self::ModeSense10 { .. } => "MODE SENSE (10)",
            Self::ModeSelect6 { .. } => "MODE SELECT (6)",
            Self::ModeSelect10 { .. } => "MODE SELECT (10)",
            Self::StartStopUnit { .. } => "START STOP UNIT",
            Self::PreventAllowMediumRemoval { .. } => "PREVENT ALLOW MEDIUM REMOVAL",
            Self::ReadFormatCapacities { .. } => "READ FORMAT CAPACITIES",
            Self::ReadCapacity10 => "READ CAPACITY (10)",
            Self::ReadCapacity16 { .. } => "READ CAPACITY (16)",
            Self::Read6 { .. } => "READ (6)",
            Self::Read10 { .. } => "READ (10)",
            Self::Read12 { .. } => "READ (12)",
            Self::Read16 { .. } => "READ (16)",
            Self::Write6 { .. } => "WRITE (6)",
            Self::Write10 { .. } => "WRITE (10)",
            Self::Write12 { .. } => "WRITE (12)",
            Self::Write16 { .. } => "WRITE (16)",
            Self::Verify10 { .. } => "VERIFY (10)",
            Self::Verify12 { .. } => "VERIFY (12)",
            Self::Verify16 { .. } => "VERIFY (16)",
            Self::SynchronizeCache10 { .. } => "SYNCHRONIZE CACHE (10)",
            Self::SynchronizeCache16 { .. } => "SYNCHRONIZE CACHE (16)",
            Self::SendDiagnostic { .. } => "SEND DIAGNOSTIC",
            Self::ReportSupportedOperationCodes { .. } => "REPORT SUPPORTED OPERATION CODES",
            Self::ReportLuns { .. } => "REPORT LUNS",
        }
    }

    /// The data the command moves on a medium of this block size: the transport's data stage.
    #[must_use]
    pub fn transfer(&self, block_size: u32) -> Transfer {
        let bytes = |blocks: u32| u64::from(blocks) * u64::from(block_size);
        let verified = |blocks: u32, byte_check| match byte_check {
            ByteCheck::MediumOnly => Transfer::None,
            ByteCheck::EachBlock => Transfer::Out(bytes(blocks)),
            ByteCheck::OneBlock => Transfer::Out(bytes(1)),
        };
        match *self {
            Self::TestUnitReady
            | Self::StartStopUnit { .. }
            | Self::PreventAllowMediumRemoval { .. }
            | Self::SynchronizeCache10 { .. }
            | Self::SynchronizeCache16 { .. } => Transfer::None,
            Self::RequestSense {
                allocation_length, ..
            }
            | Self::ModeSense6 {
                allocation_length, ..
            } => Transfer::In(allocation_length.into()),
            Self::Inquiry {
                allocation_length, ..
            }
            | Self::ModeSense10 {
                allocation_length, ..
            }
            | Self::ReadFormatCapacities { allocation_length } => {
                Transfer::In(allocation_length.into())
            }
            Self::ReadCapacity10 => Transfer::In(8),
            Self::ReadCapacity16 { allocation_length }
            | Self::ReportSupportedOperationCodes {
                allocation_length, ..
            }
            | Self::ReportLuns {
                allocation_length, ..
            } => Transfer::In(allocation_length.into()),
            Self::SendDiagnostic {
                parameter_list_length,
                ..
            } => Transfer::Out(parameter_list_length.into()),
            Self::ModeSelect6 {
                parameter_list_length,
                ..
            } => Transfer::Out(parameter_list_length.into()),
            Self::ModeSelect10 {
                parameter_list_length,
                ..
            } => Transfer::Out(parameter_list_length.into()),
            Self::Read6 { blocks, .. } => Transfer::In(bytes(blocks_6(blocks))),
            Self::Read10 { blocks, .. } => Transfer::In(bytes(blocks.into())),
            Self::Read12 { blocks, .. } | Self::Read16 { blocks, .. } => {
                Transfer::In(bytes(blocks))
            }
            Self::Write6 { blocks, .. } => Transfer::Out(bytes(blocks_6(blocks))),
            Self::Write10 { blocks, .. } => Transfer::Out(bytes(blocks.into())),
            Self::Write12 { blocks, .. } | Self::Write16 { blocks, .. } => {
                Transfer::Out(bytes(blocks))
            }
            Self::Verify10 {
                blocks, byte_check, ..
            } => verified(blocks.into(), byte_check),
            Self::Verify12 {
                blocks, byte_check, ..
            }
            | Self::Verify16 {
                blocks, byte_check, ..
            } => verified(blocks, byte_check),
        }
    }
}

/// The blocks that a six-byte READ or WRITE means by its count.
#[must_use]
pub const fn blocks_6(count: u8) -> u32 {
    match count {
        0 => 256,
        // No `From` in a constant function; nothing is lost.
        count => count as u32,
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
