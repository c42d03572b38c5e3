//! The sampling frequencies a format lists; Audio 1.0 alone does.

use std::fmt;

use super::super::AudioError;
use super::super::fields::Fields;

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

    pub(super) fn read(
        fields: &mut Fields<'_>,
        problems: &mut Vec<AudioError>,
    ) -> Result<Self, AudioError> {
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
    pub(super) fn write_to(&self, to: &mut Vec<u8>) {
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
