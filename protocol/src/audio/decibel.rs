//! Volume.

use std::fmt;

/// A volume in steps of 1/256 dB (UAC1 5.2.2.4.3.2, UAC2 5.2.5.7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Decibel(
    /// The volume as it travels.
    pub i16,
);

impl Decibel {
    /// No sound at all.
    pub const SILENCE: Self = Self(i16::MIN);
    /// What comes in goes out.
    pub const ZERO: Self = Self(0);

    /// The nearest volume to this many decibels, between -127.9961 and 127.9961. Silence for minus infinity
    /// and what is no number.
    #[must_use]
    pub fn from_db(db: f64) -> Self {
        if db.is_nan() || db == f64::NEG_INFINITY {
            return Self::SILENCE;
        }
        // The cast saturates, and the range leaves silence out.
        #[allow(clippy::cast_possible_truncation)]
        let steps = (db * 256.0).round() as i16;
        Self(steps.max(i16::MIN + 1))
    }

    /// The volume in decibels; minus infinity for silence.
    #[must_use]
    pub fn db(self) -> f64 {
        if self == Self::SILENCE {
            f64::NEG_INFINITY
        } else {
            f64::from(self.0) / 256.0
        }
    }
}

impl fmt::Display for Decibel {
    /// `-6.0 dB`, or `silence`. A precision may be given: `{:.2}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::SILENCE {
            return f.write_str("silence");
        }
        let precision = f.precision().unwrap_or(1);
        // Steps just below 0 would print as "-0.0".
        let scale = 10_f64.powi(i32::try_from(precision).unwrap_or(1));
        let rounded = (self.db() * scale).round() / scale + 0.0;
        write!(f, "{rounded:.precision$} dB")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn volumes_read_as_table_5_20_has_them() {
        assert_eq!(Decibel(0x7fff).db(), 127.996_093_75);
        assert_eq!(Decibel(0x0100).to_string(), "1.0 dB");
        assert_eq!(Decibel(-1536).to_string(), "-6.0 dB");
        assert_eq!(format!("{:.4}", Decibel(1)), "0.0039 dB");
        assert_eq!(Decibel(-1).to_string(), "0.0 dB");
        assert_eq!(format!("{:.4}", Decibel(-0x7fff)), "-127.9961 dB");
        assert_eq!(Decibel::SILENCE.to_string(), "silence");
    }

    #[test]
    fn only_silence_is_silence() {
        assert_eq!(Decibel::from_db(f64::NEG_INFINITY), Decibel::SILENCE);
        assert_eq!(Decibel::from_db(f64::NAN), Decibel::SILENCE);
        assert_eq!(Decibel::from_db(-1e9), Decibel(-0x7fff));
        assert_eq!(Decibel::from_db(1e9), Decibel(0x7fff));
    }

    proptest! {
        #[test]
        fn any_volume_round_trips(steps: i16) {
            prop_assert_eq!(Decibel::from_db(Decibel(steps).db()), Decibel(steps));
        }
    }
}
