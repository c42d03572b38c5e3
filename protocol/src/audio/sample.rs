//! Samples as they travel: PCM, little endian, left-justified.

use std::fmt;

/// How one sample of one channel travels (Audio Data Formats 2.0 2.3.1.7.1): signed, little endian, its bits at the
/// top of its bytes, zeros below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sample {
    bits: u8,
    bytes: u8,
}

impl Sample {
    /// 16 bits in 2 bytes.
    pub const S16: Self = Self { bits: 16, bytes: 2 };
    /// 24 bits in 3 bytes.
    pub const S24: Self = Self { bits: 24, bytes: 3 };
    /// 24 bits in 4 bytes: the lowest byte is 0.
    pub const S24_IN_4: Self = Self { bits: 24, bytes: 4 };
    /// 32 bits in 4 bytes.
    pub const S32: Self = Self { bits: 32, bytes: 4 };

    /// `bits` that count in so many `bytes`; `None` where they do not fit, or there are more than 4 bytes. A single
    /// byte is not taken: its samples have another zero (Audio Data Formats 1.0 2.2.2).
    #[must_use]
    pub const fn new(bits: u8, bytes: u8) -> Option<Self> {
        let fits = bits > 0 && bytes >= 2 && bytes <= 4 && bits as u32 <= bytes as u32 * 8;
        if fits {
            Some(Self { bits, bytes })
        } else {
            None
        }
    }

    /// Bits that count.
    #[doc(alias = "bBitResolution")]
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.bits
    }

    /// Bytes it takes.
    #[doc(alias = "bSubslotSize")]
    #[doc(alias = "bSubframeSize")]
    #[must_use]
    pub const fn bytes(self) -> u8 {
        self.bytes
    }

    /// The bits of a sample at the full scale of `i32` that travel; zeros below.
    #[must_use]
    pub const fn truncate(self, sample: i32) -> i32 {
        sample & (-1 << (32 - self.bits as u32))
    }

    /// Appends samples as they travel. Full scale is that of `i32`; bits the format does not have are cut off.
    pub fn encode(self, samples: &[i32], to: &mut Vec<u8>) {
        let skipped = 4 - usize::from(self.bytes);
        to.reserve(samples.len() * usize::from(self.bytes));
        for &sample in samples {
            to.extend_from_slice(&self.truncate(sample).to_le_bytes()[skipped..]);
        }
    }

    /// Appends the samples in `bytes`, at the full scale of `i32`. Bits the format does not have are cut off, and bytes
    /// of a last sample that is not whole are left out.
    pub fn decode(self, bytes: &[u8], to: &mut Vec<i32>) {
        let size = usize::from(self.bytes);
        to.extend(bytes.chunks_exact(size).map(|sample| {
            let mut whole = [0; 4];
            whole[4 - size..].copy_from_slice(sample);
            self.truncate(i32::from_le_bytes(whole))
        }));
    }
}

impl fmt::Display for Sample {
    /// `16 bits`, `24 bits in 4 bytes`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bits", self.bits)?;
        if self.bits != self.bytes * 8 {
            write!(f, " in {} bytes", self.bytes)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(sample: Sample, value: i32) -> Vec<u8> {
        let mut bytes = Vec::new();
        sample.encode(&[value], &mut bytes);
        bytes
    }

    #[test]
    fn samples_are_left_justified() {
        assert_eq!(encoded(Sample::S16, 0x1234_5678), [0x34, 0x12]);
        assert_eq!(encoded(Sample::S24, 0x1234_5678), [0x56, 0x34, 0x12]);
        assert_eq!(
            encoded(Sample::S24_IN_4, 0x1234_5678),
            [0, 0x56, 0x34, 0x12]
        );
        assert_eq!(encoded(Sample::S32, -2), [0xfe, 0xff, 0xff, 0xff]);
        let twenty = Sample::new(20, 3).unwrap();
        assert_eq!(encoded(twenty, 0x1234_5678), [0x50, 0x34, 0x12]);
    }

    #[test]
    fn bits_below_those_that_count_are_no_sound() {
        let mut decoded = Vec::new();
        // The last sample is not whole.
        Sample::S24_IN_4.decode(&[0xaa, 0x56, 0x34, 0x12, 1, 2], &mut decoded);
        Sample::S24.decode(&[0x56, 0x34, 0x12], &mut decoded);
        assert_eq!(decoded, [0x1234_5600; 2]);
    }

    #[test]
    fn what_does_not_fit_is_no_format() {
        assert_eq!(Sample::new(24, 2), None);
        assert_eq!(Sample::new(8, 1), None);
        assert_eq!(Sample::new(0, 2), None);
        assert_eq!(Sample::new(40, 5), None);
        assert_eq!(Sample::new(32, 4), Some(Sample::S32));
    }

    proptest! {
        #[test]
        fn what_the_format_keeps_comes_back(bits in 1..=32_u8, bytes in 2..=4_u8, values: Vec<i32>) {
            if let Some(sample) = Sample::new(bits, bytes) {
                let (mut encoded, mut decoded) = (Vec::new(), Vec::new());
                sample.encode(&values, &mut encoded);
                sample.decode(&encoded, &mut decoded);
                let kept = values.iter().map(|value| value >> (32 - u32::from(bits)) << (32 - u32::from(bits)));
                prop_assert_eq!(decoded, kept.collect::<Vec<_>>());
            }
        }
    }
}
