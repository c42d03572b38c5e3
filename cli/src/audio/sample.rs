//! Samples that are wider than where they go.

/// Keeps the upper `bits` of samples: what has no more comes through as it is, what has more is rounded to the
/// nearest.
pub(crate) fn round(samples: &mut [i32], bits: u8) {
    if let 1..=31 = bits {
        let (half, kept) = (1 << (31 - bits), -1 << (32 - bits));
        for sample in samples {
            *sample = sample.saturating_add(half) & kept;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(sample: i32, bits: u8) -> i32 {
        let mut samples = [sample];
        round(&mut samples, bits);
        samples[0]
    }

    #[test]
    fn rounding_is_to_the_nearest_and_stays_in_range() {
        assert_eq!(rounded(0x0000_7fff, 16), 0);
        assert_eq!(rounded(0x0000_8000, 16), 0x0001_0000);
        assert_eq!(rounded(-0x0000_8001, 16), -0x0001_0000);
        assert_eq!(rounded(i32::MAX, 16), 0x7fff_0000);
        assert_eq!(rounded(i32::MIN, 16), i32::MIN);
    }

    #[test]
    fn what_fits_is_not_touched() {
        for (sample, bits) in [
            (0x1234_0000, 16),
            (-0x1234_5600, 24),
            (i32::MAX, 32),
            (0x7fff_0000, 16),
            (i32::MIN, 1),
        ] {
            assert_eq!(rounded(sample, bits), sample);
        }
    }
}
