//! What can go wrong, one error for each question.

use std::fmt;
use std::io;

use thiserror::Error;
use usbfs2_host::{ClaimError, ConfigurationError, EndpointError, TransferError};
use usbfs2_protocol::bot::InvalidCsw;
use usbfs2_protocol::scsi::{InvalidResponse, Sense};

/// Why a device cannot be used as a mass-storage device.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No interface of class 08, subclass 06, protocol 50 in the active configuration.
    #[error(
        "no mass-storage interface (class 08, subclass 06, protocol 50) in the active configuration"
    )]
    NoInterface,
    /// The interface lacks a bulk endpoint of this direction.
    #[error("interface {interface} has no bulk {direction} endpoint, so it is no Bulk-Only device")]
    NoEndpoint {
        /// The interface's number.
        interface: u8,
        /// The direction missing.
        direction: usbfs2_protocol::Direction,
    },
    /// The device is not configured, or its descriptors are wrong.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// The interface cannot be had.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// An endpoint cannot be had.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The alternate setting cannot be had.
    #[error(transparent)]
    AlternateSetting(#[from] usbfs2_host::AlternateSettingError),
    /// The device fails the first request to it.
    #[error("the device does not answer GET MAX LUN (BOT 3.2)")]
    GetMaxLun(#[source] TransferError),
}

/// The part of a command that failed (BOT 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Sending the command block wrapper.
    Command,
    /// Moving data.
    Data,
    /// Reading the command status wrapper.
    Status,
    /// Bringing the device back after an error: Bulk-Only Reset and clearing both halts (BOT 5.3.4).
    Recovery,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Command => "command stage",
            Self::Data => "data stage",
            Self::Status => "status stage",
            Self::Recovery => "reset recovery",
        })
    }
}

/// What broke a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TransportFault {
    /// The transfer failed.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// What came as status is none, or none of this command's.
    #[error(transparent)]
    Status(#[from] InvalidCsw),
    /// The device reports that it and the host disagree about the data (BOT 5.3.3.1).
    #[error("phase error: the device and the host disagree about the data")]
    Phase,
    /// The device passed the command without taking or sending all of its data.
    #[error("the device left the data unfinished: {moved} of {expected} bytes")]
    Unfinished {
        /// Bytes moved.
        moved: usize,
        /// Bytes the command was about.
        expected: usize,
    },
}

/// Why a command to a disk failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DiskError {
    /// The device was unplugged.
    #[error("the disk is disconnected: plug it in and open it again")]
    Disconnected,
    /// The transport failed as often as it was tried, with reset recovery in between.
    #[error("{command} failed in its {stage}, tried {attempts} times: {fault}")]
    Transport {
        /// The command.
        command: &'static str,
        /// The stage that failed last.
        stage: Stage,
        /// How it failed.
        fault: TransportFault,
        /// How often it was tried.
        attempts: u32,
    },
    /// The device executed the command, and refused or failed it.
    #[error("{command}: {sense}")]
    Sense {
        /// The command.
        command: &'static str,
        /// Why, in the device's words.
        sense: Sense,
    },
    /// No medium is inserted.
    #[error("no medium is inserted")]
    NoMedium,
    /// The medium is another one than was opened, or has another size.
    #[error("the medium was changed: refresh before using the new one")]
    MediumChanged,
    /// The medium is write-protected.
    #[error("the medium is write-protected")]
    ReadOnly,
    /// The medium is locked in.
    #[error("the medium is locked in: allow its removal, then eject it")]
    RemovalPrevented,
    /// The range is not on the medium.
    #[error("bytes {offset} to {end} are beyond the medium's {size} bytes")]
    OutOfRange {
        /// The first byte asked for.
        offset: u64,
        /// The byte after the last.
        end: u64,
        /// The medium's size.
        size: u64,
    },
    /// The answer to a command means nothing.
    #[error("{command}: the device's answer is wrong: {reason}")]
    Answer {
        /// The command.
        command: &'static str,
        /// What is wrong with it.
        reason: InvalidAnswer,
    },
    /// There is no such logical unit.
    #[error("no logical unit {lun}: this device has 0 to {max_lun}")]
    NoUnit {
        /// The unit asked for.
        lun: u8,
        /// The highest there is.
        max_lun: u8,
    },
}

/// Why an answer means nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidAnswer {
    /// The bytes break a rule.
    #[error(transparent)]
    Response(#[from] InvalidResponse),
    /// A block size no disk has.
    #[error("a block of {0} bytes: a power of two from 512 to 65536 was expected")]
    BlockSize(u32),
}

impl From<DiskError> for io::Error {
    fn from(error: DiskError) -> Self {
        let kind = match &error {
            DiskError::Disconnected => io::ErrorKind::NotConnected,
            DiskError::ReadOnly => io::ErrorKind::ReadOnlyFilesystem,
            DiskError::OutOfRange { .. } => io::ErrorKind::InvalidInput,
            DiskError::Transport {
                fault: TransportFault::Transfer(TransferError::TimedOut),
                ..
            } => io::ErrorKind::TimedOut,
            DiskError::Answer { .. } => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
