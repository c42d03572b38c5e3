//! The function's own clock, counted in service intervals: how many frames belong to each.
//!
//! A sound card has a quartz of its own, which the host can only follow. There is none here, so time is what the bus
//! says it is, with an error that can be chosen: exact, without drift, and the same in every run.

/// A clock that says for each service interval how many frames have passed since the one before.
#[derive(Debug, Clone)]
pub(super) struct SampleClock {
    rate: u32,
    interval_microseconds: u32,
    /// What has passed of the next frame, in 1/[`SCALE`] frames.
    remainder: u64,
}

/// Parts of a million of a second, times parts of a million of the rate.
const SCALE: u64 = 1_000_000 * 1_000_000;

/// How far off a clock may be; more is no clock (and the rate would not fit its packets).
pub(super) const LARGEST_ERROR_PPM: i32 = 1000;

/// A rate in millionths of a frame per second, which an error in parts per million makes of whole ones.
pub(super) fn exact_rate(rate: u32, error_ppm: i32) -> u64 {
    let error_ppm = error_ppm.clamp(-LARGEST_ERROR_PPM, LARGEST_ERROR_PPM);
    // Positive, since the error is less than a million.
    u64::from(rate) * u64::try_from(1_000_000 + i64::from(error_ppm)).unwrap_or_default()
}

impl SampleClock {
    pub(super) fn new(rate: u32, interval_microseconds: u32) -> Self {
        Self {
            rate,
            interval_microseconds,
            remainder: 0,
        }
    }

    /// Goes on at this rate. A new one starts with a whole frame.
    pub(super) fn set_rate(&mut self, rate: u32) {
        if self.rate != rate {
            self.rate = rate;
            self.remainder = 0;
        }
    }

    /// Frames of the service interval that passes now, at the clock's present error.
    pub(super) fn tick(&mut self, error_ppm: i32) -> usize {
        let passed = exact_rate(self.rate, error_ppm) * u64::from(self.interval_microseconds);
        let total = self.remainder + passed;
        self.remainder = total % SCALE;
        usize::try_from(total / SCALE).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(rate: u32, interval: u32, error_ppm: i32, count: usize) -> Vec<usize> {
        let mut clock = SampleClock::new(rate, interval);
        (0..count).map(|_| clock.tick(error_ppm)).collect()
    }

    #[test]
    fn forty_four_point_one_is_nine_44s_and_a_45() {
        let second = packets(44_100, 1000, 0, 1000);
        for ten in second.chunks(10) {
            assert_eq!(ten, [44, 44, 44, 44, 44, 44, 44, 44, 44, 45]);
        }
        assert_eq!(packets(48_000, 1000, 0, 3), [48, 48, 48]);
        let microframes: usize = packets(44_100, 125, 0, 8000).iter().sum();
        assert_eq!(microframes, 44_100);
    }

    #[test]
    fn an_hour_does_not_drift() {
        for (rate, error_ppm) in [
            (44_100, 0),
            (48_000, 500),
            (44_100, -500),
            (192_000, 1),
            (11_025, 0),
        ] {
            let frames: usize = packets(rate, 1000, error_ppm, 3_600_000).iter().sum();
            let expected = exact_rate(rate, error_ppm) * 3600 / 1_000_000;
            assert_eq!(frames as u64, expected, "{rate} Hz, {error_ppm} ppm");
        }
    }

    #[test]
    fn the_slowest_and_the_fastest_clock_are_a_thousandth_off() {
        assert_eq!(exact_rate(48_000, i32::MIN), 47_952_000_000);
        assert_eq!(exact_rate(48_000, i32::MAX), 48_048_000_000);
    }
}
