//! Disks with the known quirks of real devices, by name, for tests of hosts.

use std::{fmt, str::FromStr, sync::Arc};

use thiserror::Error;
use usbfs2_protocol::{
    Direction,
    bot::{CommandBlockWrapper, CommandStatus, CommandStatusWrapper},
    scsi::{Command, CommandBlock, StandardInquiry, operation_code},
};

use super::{Interruption, Script, ScriptedDisk, Wire};
use crate::scsi::{LogicalUnit, Target};

/// What a misbehaving disk does otherwise than the standard says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Misbehaviour {
    /// Statuses are signed "USBU" in place of "USBS" (BOT 5.2).
    StatusSignature,
    /// Statuses carry tag 0, whatever the command's is (BOT 5.2).
    ConstantTag,
    /// The residue is noise, larger than any transfer (BOT 5.2).
    ResidueNonsense,
    /// The residue is 0, however much is missing (BOT 5.2).
    NoResidue,
    /// READ CAPACITY answers with the number of blocks in place of the last block's address (SBC-2 5.10).
    CapacityOffByOne,
    /// An INQUIRY for anything but 36 bytes leaves the device silent until a reset.
    Inquiry36,
    /// MODE SENSE leaves the device silent until a reset.
    NoModeSense,
    /// SYNCHRONIZE CACHE is refused as unknown.
    NoSynchronizeCache,
    /// Get Max LUN is stalled, as BOT 3.2 allows a device with one unit.
    NoMaxLun,
    /// Get Max LUN names 15, whatever units there are.
    MaxLun15,
    /// An empty packet follows the data that the host expects in full.
    EmptyPacket,
    /// The medium is stopped after each reset, until START STOP UNIT.
    Stopped,
    /// REQUEST SENSE fails like the command it is to explain.
    NoSense,
    /// Every command meets a unit attention.
    EndlessAttention,
    /// A transfer of more than 64 KiB leaves the device silent until a reset.
    At64KiB,
    /// No command is ever answered; the control pipe works.
    Silent,
}

/// No misbehaviour has this name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no misbehaviour is called {0}: choose one of {names}", names = names())]
pub struct UnknownMisbehaviour(pub String);

fn names() -> String {
    Misbehaviour::ALL.map(Misbehaviour::name).join(", ")
}

impl Misbehaviour {
    /// All there are.
    pub const ALL: [Self; 16] = [
        Self::StatusSignature,
        Self::ConstantTag,
        Self::ResidueNonsense,
        Self::NoResidue,
        Self::CapacityOffByOne,
        Self::Inquiry36,
        Self::NoModeSense,
        Self::NoSynchronizeCache,
        Self::NoMaxLun,
        Self::MaxLun15,
        Self::EmptyPacket,
        Self::Stopped,
        Self::NoSense,
        Self::EndlessAttention,
        Self::At64KiB,
        Self::Silent,
    ];

    /// Its name on a command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::StatusSignature => "status-signature",
            Self::ConstantTag => "constant-tag",
            Self::ResidueNonsense => "residue-nonsense",
            Self::NoResidue => "no-residue",
            Self::CapacityOffByOne => "capacity-off-by-one",
            Self::Inquiry36 => "inquiry-36",
            Self::NoModeSense => "no-mode-sense",
            Self::NoSynchronizeCache => "no-synchronize-cache",
            Self::NoMaxLun => "no-max-lun",
            Self::MaxLun15 => "max-lun-15",
            Self::EmptyPacket => "empty-packet",
            Self::Stopped => "stopped",
            Self::NoSense => "no-sense",
            Self::EndlessAttention => "endless-attention",
            Self::At64KiB => "at-64-kib",
            Self::Silent => "silent",
        }
    }
}

impl fmt::Display for Misbehaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Misbehaviour {
    type Err = UnknownMisbehaviour;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|misbehaviour| misbehaviour.name() == name)
            .ok_or_else(|| UnknownMisbehaviour(name.to_owned()))
    }
}

impl ScriptedDisk {
    /// A disk of these units, the first of which is LUN 0, that keeps to the standard but for one thing.
    ///
    /// ```
    /// use usbfs2_gadget::functions::mass_storage::{DiskOptions, Misbehaviour, ScriptedDisk};
    /// use usbfs2_gadget::scsi::{LogicalUnit, MemoryMedium};
    ///
    /// let unit = LogicalUnit::with_medium(MemoryMedium::new(1 << 20), DiskOptions::default())?;
    /// let disk = ScriptedDisk::misbehaving([unit], Misbehaviour::ConstantTag);
    /// # Ok::<(), usbfs2_gadget::scsi::InsertError>(())
    /// ```
    #[must_use]
    pub fn misbehaving(
        units: impl IntoIterator<Item = Arc<LogicalUnit>>,
        misbehaviour: Misbehaviour,
    ) -> Arc<Self> {
        let disk = Misbehaving {
            target: Target::new(units),
            misbehaviour,
        };
        disk.stop_media();
        Self::new(disk)
    }
}

/// The script of a disk with one misbehaviour.
struct Misbehaving {
    target: Target,
    misbehaviour: Misbehaviour,
}

impl Misbehaving {
    fn stop_media(&self) {
        if self.misbehaviour == Misbehaviour::Stopped {
            for unit in self.target.units() {
                unit.set_stopped(true);
            }
        }
    }

    /// Whether the device chokes on a command.
    fn chokes(&self, command: &CommandBlockWrapper) -> bool {
        let bytes = command.command.as_bytes();
        match self.misbehaviour {
            Misbehaviour::Silent => true,
            Misbehaviour::Inquiry36 => {
                matches!(bytes, [operation_code::INQUIRY, _, _, high, low, ..]
                    if u16::from_be_bytes([*high, *low]) as usize != StandardInquiry::LENGTH)
            }
            Misbehaviour::NoModeSense => matches!(
                bytes,
                [
                    operation_code::MODE_SENSE_6 | operation_code::MODE_SENSE_10,
                    ..
                ]
            ),
            Misbehaviour::At64KiB => command.data_transfer_length > 64 << 10,
            _ => false,
        }
    }

    /// The command that is carried out in place of the host's.
    fn replace(&self, command: CommandBlockWrapper) -> CommandBlockWrapper {
        /// What no disk knows: the first of the vendors' own commands.
        const UNKNOWN: u8 = 0xc0;
        let operation = command.command.as_bytes().first().copied();
        let is_refused = match self.misbehaviour {
            Misbehaviour::NoSynchronizeCache => matches!(
                operation,
                Some(operation_code::SYNCHRONIZE_CACHE_10 | operation_code::SYNCHRONIZE_CACHE_16)
            ),
            Misbehaviour::NoSense => operation == Some(operation_code::REQUEST_SENSE),
            _ => false,
        };
        match CommandBlock::new(&[UNKNOWN; 6]) {
            Ok(unknown) if is_refused => CommandBlockWrapper {
                command: unknown,
                ..command
            },
            _ => command,
        }
    }

    /// What becomes of data on its way to the host.
    fn alter(&self, command: &CommandBlockWrapper, data: &mut [u8]) {
        if self.misbehaviour != Misbehaviour::CapacityOffByOne {
            return;
        }
        let decoded = Command::decode(command.command.as_bytes());
        let address = match decoded {
            Ok(Command::ReadCapacity10) => data.get_mut(..4),
            Ok(Command::ReadCapacity16 { .. }) => data.get_mut(..8),
            _ => None,
        };
        for byte in address.into_iter().flatten().rev() {
            let (next, carries) = byte.overflowing_add(1);
            *byte = next;
            if !carries {
                break;
            }
        }
    }

    /// What becomes of the status.
    fn spoil(&self, status: CommandStatusWrapper) -> [u8; CommandStatusWrapper::LENGTH] {
        let mut status = status;
        match self.misbehaviour {
            Misbehaviour::ConstantTag => status.tag = 0,
            Misbehaviour::ResidueNonsense => status.data_residue = 0xa5a5_a5a5,
            Misbehaviour::NoResidue => status.data_residue = 0,
            _ => {}
        }
        let mut bytes = status.to_bytes();
        if self.misbehaviour == Misbehaviour::StatusSignature {
            bytes[3] = b'U';
        }
        bytes
    }
}

impl Script for Misbehaving {
    fn command(&self, wire: &mut Wire<'_, '_>, bytes: &[u8]) -> Result<(), Interruption> {
        let command = match CommandBlockWrapper::parse(bytes) {
            Ok(command) => command,
            Err(error) => match wire.refuse_until_reset(error)? {},
        };
        if self.chokes(&command) {
            match wire.keep_silent()? {}
        }
        if self.misbehaviour == Misbehaviour::EndlessAttention {
            // Power on, reset, or bus device reset occurred (SPC-3 table 28), again and again.
            self.target.reset();
        }
        let command = self.replace(command);
        let status = wire.carry_out(&self.target, &command, |data| self.alter(&command, data))?;
        if self.misbehaviour == Misbehaviour::EmptyPacket
            && command.direction == Direction::In
            && command.data_transfer_length > 0
            && (status.status, status.data_residue) == (CommandStatus::Passed, 0)
        {
            wire.send(&[])?;
        }
        wire.send(&self.spoil(status))
    }

    fn max_lun(&self) -> Option<u8> {
        match self.misbehaviour {
            Misbehaviour::NoMaxLun => None,
            Misbehaviour::MaxLun15 => Some(CommandBlockWrapper::MAX_LUN),
            _ => Some(self.target.highest_lun()),
        }
    }

    fn reset(&self) {
        self.target.reset();
        self.stop_media();
    }
}
