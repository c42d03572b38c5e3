//! Sound in WAV files. hound reads and writes the samples; what it finds too exotic in a header is put plainly
//! for it, or told in one line.
//!
//! Everywhere in the command a sample is an `i32` whose full scale is 2^31, whatever its width in a file or on
//! the bus: what is narrower stands in the upper bits, so that widths convert exactly where that is possible.

mod read;
mod riff;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;

pub(crate) use read::WavReader;
pub(crate) use write::WavWriter;

/// What the samples of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WavFormat {
    /// Frames in a second.
    pub(crate) rate: u32,
    pub(crate) channels: u16,
    /// Bits of a sample: 8, 16, 24 or 32.
    pub(crate) bits: u16,
    /// Whether they are floating-point numbers.
    pub(crate) float: bool,
}

impl WavFormat {
    /// How many seconds so many frames last.
    pub(crate) fn seconds(&self, frames: u64) -> f64 {
        frames as f64 / f64::from(self.rate)
    }
}

impl fmt::Display for WavFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let float = if self.float { " floating-point" } else { "" };
        write!(
            f,
            "{} Hz, {}, {}-bit{float}",
            self.rate,
            channels_in_words(usize::from(self.channels)),
            self.bits
        )
    }
}

/// `mono`, `stereo`, `6 channels`.
pub(crate) fn channels_in_words(channels: usize) -> String {
    match channels {
        1 => "mono".into(),
        2 => "stereo".into(),
        n => format!("{n} channels"),
    }
}
