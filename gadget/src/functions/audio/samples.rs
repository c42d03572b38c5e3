//! Samples as they travel and as they are here: in 32 bits, the most significant first (left-justified), so that what
//! reads and writes them need not know which format the host has chosen.

use usbfs2_protocol::audio::Sample;

/// How a sample of linear PCM travels (UAC1 and UAC2 Data Formats 2.3.1.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SampleSize {
    /// 16 bits in 2 bytes.
    Bits16,
    /// 24 bits in 3 bytes.
    Bits24,
    /// 24 bits in 4 bytes, in the upper three.
    Bits24In32,
    /// 32 bits in 4 bytes.
    Bits32,
}

impl SampleSize {
    /// Bytes a sample takes.
    #[must_use]
    #[doc(alias = "bSubslotSize")]
    #[doc(alias = "bSubframeSize")]
    pub fn bytes(self) -> u8 {
        self.format().bytes()
    }

    /// Bits of it that are sound.
    #[must_use]
    #[doc(alias = "bBitResolution")]
    pub fn bits(self) -> u8 {
        self.format().bits()
    }

    /// The bits of a left-justified sample that travel.
    #[must_use]
    pub fn truncate(self, sample: i32) -> i32 {
        self.format().truncate(sample)
    }

    /// Appends the samples in these bytes. An incomplete one at the end is left out.
    pub(super) fn decode(self, bytes: &[u8], to: &mut Vec<i32>) {
        self.format().decode(bytes, to);
    }

    /// Hands on the bytes of the samples.
    pub(super) fn encode(self, samples: &[i32], mut write: impl FnMut(&[u8])) {
        let mut bytes = Vec::new();
        self.format().encode(samples, &mut bytes);
        write(&bytes);
    }

    fn format(self) -> Sample {
        match self {
            Self::Bits16 => Sample::S16,
            Self::Bits24 => Sample::S24,
            Self::Bits24In32 => Sample::S24_IN_4,
            Self::Bits32 => Sample::S32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [SampleSize; 4] = [
        SampleSize::Bits16,
        SampleSize::Bits24,
        SampleSize::Bits24In32,
        SampleSize::Bits32,
    ];

    #[test]
    fn samples_survive_the_journey_in_as_many_bits_as_travel() {
        let samples = [0, -1, i32::MAX, i32::MIN, 0x1234_5678, -0x1234_5678];
        for size in SIZES {
            let mut bytes = Vec::new();
            size.encode(&samples, |sample| bytes.extend_from_slice(sample));
            assert_eq!(bytes.len(), samples.len() * usize::from(size.bytes()));
            // An incomplete sample behind them changes nothing.
            bytes.push(0x55);
            let mut decoded = Vec::new();
            size.decode(&bytes, &mut decoded);
            assert_eq!(decoded, samples.map(|sample| size.truncate(sample)));
        }
    }

    #[test]
    fn the_least_significant_byte_travels_first() {
        let mut decoded = Vec::new();
        SampleSize::Bits16.decode(&[0x34, 0x12, 0xfe, 0xff], &mut decoded);
        assert_eq!(decoded, [0x1234_0000, -0x0002_0000]);
        decoded.clear();
        SampleSize::Bits24.decode(&[0x56, 0x34, 0x12], &mut decoded);
        SampleSize::Bits24In32.decode(&[0xaa, 0x56, 0x34, 0x12], &mut decoded);
        assert_eq!(decoded, [0x1234_5600; 2]);
    }
}
