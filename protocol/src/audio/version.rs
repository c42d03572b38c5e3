//! Which of the audio specifications a function follows.

use std::fmt;

use super::AudioError;
use crate::descriptor::{self, AlternateSetting};
use crate::standard::class;

/// The specification an audio function follows, as `bInterfaceProtocol` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// Audio 1.0.
    Uac1,
    /// Audio 2.0.
    Uac2,
}

impl Version {
    /// `bInterfaceProtocol` of Audio 3.0, which this crate does not speak.
    pub const PROTOCOL_UAC3: u8 = 0x30;

    /// The version an audio interface follows. What was never given out counts as Audio 1.0, as Linux has it:
    /// QEMU's usb-audio says 4.
    ///
    /// # Errors
    /// The interface is not of the audio class, or follows Audio 3.0 or something later.
    pub fn of(setting: &AlternateSetting) -> Result<Self, AudioError> {
        if setting.class != class::AUDIO {
            return Err(AudioError::NotAudio {
                interface: setting.interface_number,
                class: setting.class,
            });
        }
        Self::from_protocol(setting.protocol).ok_or(match setting.protocol {
            Self::PROTOCOL_UAC3 => AudioError::Uac3 {
                interface: setting.interface_number,
            },
            protocol => AudioError::UnknownVersion {
                interface: setting.interface_number,
                protocol,
            },
        })
    }

    /// The version this `bInterfaceProtocol` says; `None` for Audio 3.0 and later.
    #[must_use]
    pub const fn from_protocol(protocol: u8) -> Option<Self> {
        match protocol {
            0x00..0x20 => Some(Self::Uac1),
            0x20 => Some(Self::Uac2),
            _ => None,
        }
    }

    /// `bInterfaceProtocol` of the version's interfaces.
    #[must_use]
    pub const fn to_protocol(self) -> u8 {
        match self {
            Self::Uac1 => 0x00,
            Self::Uac2 => 0x20,
        }
    }

    /// `bcdADC` of the version.
    #[must_use]
    pub const fn release(self) -> descriptor::Version {
        match self {
            Self::Uac1 => descriptor::Version(0x0100),
            Self::Uac2 => descriptor::Version(0x0200),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Uac1 => "Audio 1.0",
            Self::Uac2 => "Audio 2.0",
        })
    }
}
