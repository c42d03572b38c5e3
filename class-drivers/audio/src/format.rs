//! Formats, and which of them a stream has.

use std::fmt;
use std::ops::RangeInclusive;

use usbfs2_protocol::audio::Sample;

use crate::error::StreamError;

/// What a stream carries: interleaved PCM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AudioFormat {
    /// Sample frames a second.
    pub rate: u32,
    /// Samples in a frame, one for each channel.
    pub channels: u8,
    /// How each sample travels.
    pub sample: Sample,
}

impl AudioFormat {
    /// A format.
    #[must_use]
    pub const fn new(rate: u32, channels: u8, sample: Sample) -> Self {
        Self {
            rate,
            channels,
            sample,
        }
    }

    pub(crate) fn check_whole(&self, bytes: &[u8]) -> Result<(), StreamError> {
        let frame_bytes = self.frame_bytes();
        if !bytes.len().is_multiple_of(frame_bytes.max(1)) {
            let bytes = bytes.len();
            return Err(StreamError::NotWholeFrames { bytes, frame_bytes });
        }
        Ok(())
    }

    /// Bytes of a sample frame.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        usize::from(self.channels) * usize::from(self.sample.bytes())
    }
}

impl fmt::Display for AudioFormat {
    /// `48000 Hz, 2 channels, 16 bits`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.channels == 1 { "" } else { "s" };
        write!(
            f,
            "{} Hz, {} channel{plural}, {}",
            self.rate, self.channels, self.sample
        )
    }
}

/// The rates a stream can have, in frames a second, in ascending order and without overlap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rates(Vec<RangeInclusive<u32>>);

impl Rates {
    /// Rates from these ranges; a single rate is a range of one. Zero and ranges upside down are left out.
    #[must_use]
    pub fn new(ranges: impl IntoIterator<Item = RangeInclusive<u32>>) -> Self {
        let mut ranges: Vec<_> = ranges
            .into_iter()
            .filter(|range| *range.start() > 0 && !range.is_empty())
            .collect();
        ranges.sort_by_key(|range| (*range.start(), *range.end()));
        let mut merged: Vec<RangeInclusive<u32>> = Vec::new();
        for range in ranges {
            match merged.last_mut() {
                Some(last) if range.start() <= last.end() => {
                    *last = *last.start()..=*last.end().max(range.end());
                }
                _ => merged.push(range),
            }
        }
        Self(merged)
    }

    /// Whether the stream can have this rate.
    #[must_use]
    pub fn contains(&self, rate: u32) -> bool {
        self.0.iter().any(|range| range.contains(&rate))
    }

    /// The ranges, a single rate as a range of one.
    #[must_use]
    pub fn ranges(&self) -> &[RangeInclusive<u32>] {
        &self.0
    }

    /// The rate nearest to this one; the higher of two that are as near. `None` where there is no rate at all.
    #[must_use]
    pub fn nearest(&self, rate: u32) -> Option<u32> {
        let each = self
            .0
            .iter()
            .map(|range| rate.clamp(*range.start(), *range.end()));
        each.rev().min_by_key(|found| found.abs_diff(rate))
    }
}

impl fmt::Display for Rates {
    /// `44100, 48000 to 96000 Hz`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no rate");
        }
        let ranges = self.0.iter().map(|range| {
            if range.start() == range.end() {
                range.start().to_string()
            } else {
                format!("{} to {}", range.start(), range.end())
            }
        });
        write!(f, "{} Hz", ranges.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn formats_read_as_people_say_them() {
        let format = AudioFormat::new(48_000, 2, Sample::S24_IN_4);
        assert_eq!(
            format.to_string(),
            "48000 Hz, 2 channels, 24 bits in 4 bytes"
        );
        assert_eq!(format.frame_bytes(), 8);
        let rates = Rates::new([48_000..=96_000, 44_100..=44_100, 0..=0]);
        assert_eq!(rates.to_string(), "44100, 48000 to 96000 Hz");
        assert_eq!(Rates::default().to_string(), "no rate");
    }

    #[test]
    fn the_nearest_rate_is_found() {
        let rates = Rates::new([32_000..=32_000, 44_100..=44_100, 48_000..=48_000]);
        assert_eq!(rates.nearest(44_000), Some(44_100));
        assert_eq!(rates.nearest(192_000), Some(48_000));
        assert_eq!(rates.nearest(38_050), Some(44_100));
        assert_eq!(Rates::default().nearest(1), None);
    }

    proptest! {
        #[test]
        fn what_was_given_is_contained(pairs in prop::collection::vec((1..1_000_u32, 0..50_u32), 0..20), rate in 1..1_100_u32) {
            let ranges: Vec<_> = pairs.iter().map(|&(low, length)| low..=low + length).collect();
            let rates = Rates::new(ranges.clone());
            prop_assert_eq!(rates.contains(rate), ranges.iter().any(|range| range.contains(&rate)));
            prop_assert!(rates.ranges().windows(2).all(|two| two[0].end() < two[1].start()));
            if let Some(nearest) = rates.nearest(rate) {
                prop_assert!(rates.contains(nearest));
            }
        }
    }
}
