//! Formats: what the bytes of a stream mean (Audio Data Formats 1.0 and 2.0).

use std::fmt;

use super::super::codes::streaming_subtype as subtype;
use super::super::fields::{Fields, write_descriptor};
use super::super::{AudioError, Version};
use crate::descriptor::RawDescriptor;
use crate::standard::descriptor_type;

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

/// The sampling frequencies an Audio 1.0 format says it can have, in Hz.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Rates {
    /// These.
    Discrete(
        /// The first 80 of them are sent; each has three bytes.
        Vec<u32>,
    ),
    /// All between two.
    Continuous {
        /// The lowest.
        minimum: u32,
        /// The highest.
        maximum: u32,
    },
}

impl Rates {
    const MAX_DISCRETE: usize = 80;

    /// Whether the format can have this rate.
    #[must_use]
    pub fn contains(&self, rate: u32) -> bool {
        match self {
            Self::Discrete(rates) => rates.contains(&rate),
            Self::Continuous { minimum, maximum } => (*minimum..=*maximum).contains(&rate),
        }
    }

    fn read(fields: &mut Fields<'_>, problems: &mut Vec<AudioError>) -> Result<Self, AudioError> {
        let offset = fields.offset();
        let count = fields.u8()?;
        if count == 0 {
            let (minimum, maximum) = (fields.u24()?, fields.u24()?);
            if minimum == 0 || minimum > maximum {
                problems.push(AudioError::Rates {
                    offset,
                    found: format!("from {minimum} to {maximum} Hz"),
                });
            }
            return Ok(Self::Continuous { minimum, maximum });
        }
        let mut rates = Vec::new();
        for _ in 0..count {
            match fields.u24() {
                Ok(rate) => rates.push(rate),
                Err(problem) if rates.is_empty() => return Err(problem),
                Err(problem) => {
                    problems.push(problem);
                    break;
                }
            }
        }
        if rates.contains(&0) {
            rates.retain(|rate| *rate != 0);
            let problem = AudioError::Rates {
                offset,
                found: format!("{count}, one of which is 0 Hz"),
            };
            if rates.is_empty() {
                return Err(problem);
            }
            problems.push(problem);
        }
        Ok(Self::Discrete(rates))
    }

    /// `bSamFreqType`, and the rates it counts.
    fn write_to(&self, to: &mut Vec<u8>) {
        let (count, rates) = match self {
            Self::Continuous { minimum, maximum } => (0, &[*minimum, *maximum][..]),
            Self::Discrete(rates) => {
                let sent = &rates[..rates.len().min(Self::MAX_DISCRETE)];
                (u8::try_from(sent.len()).unwrap_or(u8::MAX), sent)
            }
        };
        to.push(count);
        for rate in rates {
            to.extend_from_slice(&rate.to_le_bytes()[..3]);
        }
    }
}

impl fmt::Display for Rates {
    /// `44100, 48000 Hz`, or `8000 to 96000 Hz`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discrete(rates) => {
                let rates: Vec<String> = rates.iter().map(u32::to_string).collect();
                write!(f, "{} Hz", rates.join(", "))
            }
            Self::Continuous { minimum, maximum } => write!(f, "{minimum} to {maximum} Hz"),
        }
    }
}

/// A sample of one channel: its bytes, and how many bits of them count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SampleFormat {
    /// Audio 1.0: the channels; Audio 2.0 has them in [`StreamingSetting::channels`](super::StreamingSetting).
    #[doc(alias = "bNrChannels")]
    pub channels: u8,
    /// The bytes of a sample, 1 to 4.
    #[doc(alias = "bSubframeSize")]
    #[doc(alias = "bSubslotSize")]
    pub subslot_size: u8,
    /// The bits of it that count, the most significant ones.
    #[doc(alias = "bBitResolution")]
    pub bit_resolution: u8,
}

/// The format type descriptor of an alternate setting (Audio Data Formats 1.0 2.2 to 2.4, 2.0 2.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FormatType {
    /// Type I: a sample for each channel, over and over.
    I {
        /// The samples.
        samples: SampleFormat,
        /// Audio 1.0: the sampling frequencies. Audio 2.0 asks the clock, and has `None`.
        rates: Option<Rates>,
    },
    /// Type II: coded frames of many samples, as MPEG and AC-3.
    Ii {
        /// The most kilobits a second.
        #[doc(alias = "wMaxBitRate")]
        max_bit_rate: u16,
        /// The samples in a coded frame; Audio 2.0 calls them slots.
        #[doc(alias = "wSamplesPerFrame")]
        #[doc(alias = "wSlotsPerFrame")]
        samples_per_frame: u16,
        /// Audio 1.0: the sampling frequencies. Audio 2.0 asks the clock, and has `None`.
        rates: Option<Rates>,
    },
    /// Type III: coded frames wrapped as samples, as S/PDIF does (IEC 61937).
    Iii {
        /// The samples they are wrapped as.
        samples: SampleFormat,
        /// Audio 1.0: the sampling frequencies. Audio 2.0 asks the clock, and has `None`.
        rates: Option<Rates>,
    },
    /// Another, as Audio 2.0's type IV and extended types.
    Other {
        /// `bFormatType`.
        format_type: u8,
        /// What follows it.
        bytes: Vec<u8>,
    },
}

impl FormatType {
    /// `bFormatType`.
    #[must_use]
    pub const fn number(&self) -> u8 {
        match self {
            Self::I { .. } => 1,
            Self::Ii { .. } => 2,
            Self::Iii { .. } => 3,
            Self::Other { format_type, .. } => *format_type,
        }
    }

    pub(super) fn from_raw(
        version: Version,
        raw: RawDescriptor<'_>,
        problems: &mut Vec<AudioError>,
    ) -> Result<Self, AudioError> {
        let section = match version {
            Version::Uac1 => "Audio Data Formats 1.0 2.2.5",
            Version::Uac2 => "Audio Data Formats 2.0 2.3.1.6",
        };
        let mut fields = Fields::after_subtype(raw, "format type", section);
        let format_type = fields.u8()?;
        Ok(match format_type {
            1 | 3 => {
                let samples = SampleFormat::read(version, &mut fields)?;
                let rates = read_rates(version, &mut fields, problems)?;
                match format_type {
                    1 => Self::I { samples, rates },
                    _ => Self::Iii { samples, rates },
                }
            }
            2 => Self::Ii {
                max_bit_rate: fields.u16()?,
                samples_per_frame: fields.u16()?,
                rates: read_rates(version, &mut fields, problems)?,
            },
            format_type => Self::Other {
                format_type,
                bytes: fields.rest().to_vec(),
            },
        })
    }

    pub(super) fn write_to(&self, version: Version, to: &mut Vec<u8>) {
        let mut contents = vec![self.number()];
        let write_rates = |rates: &Option<Rates>, contents: &mut Vec<u8>| {
            if version == Version::Uac1 {
                let none = Rates::Discrete(Vec::new());
                rates.as_ref().unwrap_or(&none).write_to(contents);
            }
        };
        match self {
            Self::I { samples, rates } | Self::Iii { samples, rates } => {
                if version == Version::Uac1 {
                    contents.push(samples.channels);
                }
                contents.extend_from_slice(&[samples.subslot_size, samples.bit_resolution]);
                write_rates(rates, &mut contents);
            }
            Self::Ii {
                max_bit_rate,
                samples_per_frame,
                rates,
            } => {
                contents.extend_from_slice(&max_bit_rate.to_le_bytes());
                contents.extend_from_slice(&samples_per_frame.to_le_bytes());
                write_rates(rates, &mut contents);
            }
            Self::Other { bytes, .. } => contents.extend_from_slice(bytes),
        }
        write_descriptor(
            to,
            descriptor_type::CS_INTERFACE,
            subtype::FORMAT_TYPE,
            &contents,
        );
    }
}

fn read_rates(
    version: Version,
    fields: &mut Fields<'_>,
    problems: &mut Vec<AudioError>,
) -> Result<Option<Rates>, AudioError> {
    match version {
        Version::Uac1 => Rates::read(fields, problems).map(Some),
        Version::Uac2 => Ok(None),
    }
}

impl SampleFormat {
    fn read(version: Version, fields: &mut Fields<'_>) -> Result<Self, AudioError> {
        let offset = fields.start();
        let samples = Self {
            channels: match version {
                Version::Uac1 => fields.u8()?,
                Version::Uac2 => 0,
            },
            subslot_size: fields.u8()?,
            bit_resolution: fields.u8()?,
        };
        let Self {
            subslot_size,
            bit_resolution,
            channels,
        } = samples;
        if version == Version::Uac1 && channels == 0 {
            return Err(AudioError::NoChannel {
                descriptor: "format",
                offset,
            });
        }
        let fits = (1..=4).contains(&subslot_size) && bit_resolution <= 8 * subslot_size;
        if !fits || bit_resolution == 0 {
            return Err(AudioError::SampleSize {
                offset,
                subslot_size,
                bit_resolution,
            });
        }
        Ok(samples)
    }
}

/// What a host has to know to play or record through an alternate setting.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Format {
    /// How many channels.
    pub channels: u8,
    /// The bytes of a sample of one channel.
    pub subslot_size: u8,
    /// The bits of it that count, the most significant ones.
    pub bit_resolution: u8,
    /// How a sample is encoded.
    pub encoding: Encoding,
    /// Audio 1.0: the sampling frequencies. Audio 2.0 asks the clock, and has `None`.
    pub rates: Option<Rates>,
}

impl Format {
    /// The bytes of a sample of all channels.
    #[must_use]
    pub const fn frame_size(&self) -> usize {
        self.channels as usize * self.subslot_size as usize
    }
}

impl fmt::Display for Format {
    /// `2 channels, PCM, 24 bits in 3 bytes`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count| if count == 1 { "" } else { "s" };
        write!(
            f,
            "{} channel{}, {}, {} bits in {} byte{}",
            self.channels,
            plural(self.channels),
            self.encoding,
            self.bit_resolution,
            self.subslot_size,
            plural(self.subslot_size)
        )
    }
}
