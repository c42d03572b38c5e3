//! Feedback: how many samples a device wants in each interval.

use std::fmt;

/// How a feedback value is written (USB 2.0 5.12.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FeedbackFormat {
    /// Three bytes: 10 bits before the point and 14 behind it, as full speed has it.
    Bytes3Q10_14,
    /// Four bytes: 16 bits before the point and 16 behind it, as high speed has it.
    Bytes4Q16_16,
}

impl FeedbackFormat {
    /// The bytes of a value.
    #[must_use]
    pub const fn length(self) -> usize {
        match self {
            Self::Bytes3Q10_14 => 3,
            Self::Bytes4Q16_16 => 4,
        }
    }

    /// The format of as many bytes; `None` where no value has as many.
    #[must_use]
    pub const fn of_length(length: usize) -> Option<Self> {
        match length {
            3 => Some(Self::Bytes3Q10_14),
            4 => Some(Self::Bytes4Q16_16),
            _ => None,
        }
    }
}

/// Sample frames in a frame of 1 ms at full speed or in a microframe of 125 us above, in steps of 1/65536.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Feedback(
    /// 16 bits before the point, 16 behind it.
    pub u32,
);

impl Feedback {
    /// The value at exactly this rate: samples a second, and frames or microframes a second (1000 or 8000).
    /// Rounded to the nearest step.
    #[must_use]
    pub fn nominal(rate: u32, intervals_per_second: u32) -> Self {
        let intervals = u64::from(intervals_per_second.max(1));
        let steps = ((u64::from(rate) << 16) + intervals / 2) / intervals;
        Self(u32::try_from(steps).unwrap_or(u32::MAX))
    }

    /// The value in these bytes; `None` when they are neither three nor four.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        match *bytes {
            [b0, b1, b2] => Some(Self(u32::from_le_bytes([b0, b1, b2, 0]) << 2)),
            [b0, b1, b2, b3] => Some(Self(u32::from_le_bytes([b0, b1, b2, b3]))),
            _ => None,
        }
    }

    /// The value as it travels. Ten bits before the point hold 1023 samples: a larger value is cut to that.
    #[must_use]
    pub fn to_bytes(self, format: FeedbackFormat) -> Vec<u8> {
        match format {
            FeedbackFormat::Bytes3Q10_14 => {
                let value = (self.0 >> 2).min(0x00ff_ffff);
                value.to_le_bytes()[..3].to_vec()
            }
            FeedbackFormat::Bytes4Q16_16 => self.0.to_le_bytes().to_vec(),
        }
    }

    /// Samples in a frame or microframe.
    #[must_use]
    pub fn samples(self) -> f64 {
        f64::from(self.0) / 65536.0
    }

    /// Samples in a second.
    #[must_use]
    pub fn rate(self, intervals_per_second: u32) -> f64 {
        self.samples() * f64::from(intervals_per_second)
    }
}

impl fmt::Display for Feedback {
    /// `44.1000 samples`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4} samples", self.samples())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_have_their_point_where_the_speed_puts_it() {
        let full = Feedback::nominal(48_000, 1000);
        assert_eq!(full.to_bytes(FeedbackFormat::Bytes3Q10_14), [0, 0, 0x0c]);
        assert_eq!(Feedback::parse(&[0, 0, 0x0c]), Some(full));
        let high = Feedback::nominal(48_000, 8000);
        assert_eq!(high.to_bytes(FeedbackFormat::Bytes4Q16_16), [0, 0, 6, 0]);
        assert_eq!(
            Feedback::nominal(44_100, 1000).to_string(),
            "44.1000 samples"
        );
        assert_eq!(Feedback::parse(&[0, 0]), None);
        assert_eq!(Feedback::parse(&[]), None);
        assert_eq!(
            Feedback(u32::MAX).to_bytes(FeedbackFormat::Bytes3Q10_14),
            [0xff; 3]
        );
    }

    proptest! {
        #[test]
        fn values_round_trip(value: u32) {
            let bytes = Feedback(value).to_bytes(FeedbackFormat::Bytes4Q16_16);
            prop_assert_eq!(Feedback::parse(&bytes), Some(Feedback(value)));
            let short = Feedback(value & 0x03ff_fffc);
            let bytes = short.to_bytes(FeedbackFormat::Bytes3Q10_14);
            prop_assert_eq!(Feedback::parse(&bytes), Some(short));
        }
    }
}
