//! Formats: what the bytes of a stream mean (Audio Data Formats 1.0 and 2.0).

use std::fmt;

use super::super::codes::streaming_subtype as subtype;
use super::super::fields::{Fields, write_descriptor};
use super::super::{AudioError, Version};
use super::{Encoding, Rates};
use crate::descriptor::RawDescriptor;
use crate::standard::descriptor_type;

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
