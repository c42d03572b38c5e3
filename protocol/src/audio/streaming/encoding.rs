//! How samples are encoded.

use std::fmt;

use super::super::Version;

/// How a sample is encoded, of formats that have a sample for each channel (Audio Data Formats 1.0 A.1, 2.0 A.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// Two's complement, the most significant bits first in a subslot of little-endian bytes.
    Pcm,
    /// Eight bits, offset by 128.
    Pcm8,
    /// IEEE 754.
    Float,
    /// A-law.
    ALaw,
    /// Mu-law.
    MuLaw,
    /// Audio 2.0: anything, passed on as it is.
    RawData,
    /// Another: Audio 1.0's tag, or the number of Audio 2.0's bit.
    Other(u16),
}

impl Encoding {
    /// The encoding of an Audio 1.0 `wFormatTag`.
    #[must_use]
    pub const fn from_tag(tag: u16) -> Self {
        match tag {
            1 => Self::Pcm,
            2 => Self::Pcm8,
            3 => Self::Float,
            4 => Self::ALaw,
            5 => Self::MuLaw,
            other => Self::Other(other),
        }
    }

    /// The encoding of a bit of Audio 2.0's `bmFormats`.
    #[must_use]
    pub const fn from_bit(bit: u8) -> Self {
        match bit {
            0 => Self::Pcm,
            1 => Self::Pcm8,
            2 => Self::Float,
            3 => Self::ALaw,
            4 => Self::MuLaw,
            31 => Self::RawData,
            other => Self::Other(other as u16),
        }
    }

    /// `wFormatTag` or `bmFormats`, as the version writes it.
    #[must_use]
    pub const fn to_formats(self, version: Version) -> u32 {
        let bit = match self {
            Self::Pcm => 0,
            Self::Pcm8 => 1,
            Self::Float => 2,
            Self::ALaw => 3,
            Self::MuLaw => 4,
            Self::RawData => 31,
            Self::Other(other) => match version {
                Version::Uac1 => return other as u32,
                Version::Uac2 => other as u32 & 31,
            },
        };
        match version {
            Version::Uac1 => bit + 1,
            Version::Uac2 => 1 << bit,
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pcm => "PCM",
            Self::Pcm8 => "PCM8",
            Self::Float => "IEEE float",
            Self::ALaw => "A-law",
            Self::MuLaw => "mu-law",
            Self::RawData => "raw data",
            Self::Other(other) => return f.pad(&format!("format {other:#06x}")),
        })
    }
}
