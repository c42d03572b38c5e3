//! Which sizes of recorded packets can be what a device's clock made.

use std::collections::VecDeque;

use crate::packetiser::Packetiser;

/// How much of the nominal rate a recording may differ from it, as a divisor: an eighth, as for explicit feedback.
const TOLERANCE: u64 = 8;
/// Over how much of a second that is looked at, as a divisor. One packet says little: a device that counts in
/// milliseconds may put all its frames into every eighth microframe.
const PART_OF_A_SECOND: u64 = 8;

/// Judges packets by all of the last eighth of a second.
///
/// Whatever pattern packets come in, they are taken as they came while their sum is near what it should be. A device
/// that records nothing more, or far too much, is not followed: nominal packets take the place of its own.
#[derive(Debug, Clone)]
pub(crate) struct PlausibleSizes {
    /// What packets carry when they are not heard.
    nominal: Packetiser,
    /// The last packets, as they came, and their sum.
    sizes: VecDeque<u32>,
    sum: u64,
    /// How many packets are looked at.
    window: usize,
    /// What they should be together.
    frames: u64,
}

impl PlausibleSizes {
    /// For `rate` frames a second in packets one every `interval` microframes; `unit` as
    /// [`Packetiser::new`] has it.
    pub(crate) fn new(rate: u32, interval: u32, unit: u32) -> Self {
        let interval = u64::from(interval.max(1));
        // At least 8 packets: one more or less is within the tolerance.
        let window = (8_000 / PART_OF_A_SECOND / interval).max(8);
        Self {
            nominal: Packetiser::new(rate, u32::try_from(interval).unwrap_or(u32::MAX), unit),
            sizes: VecDeque::new(),
            sum: 0,
            window: usize::try_from(window).unwrap_or(usize::MAX),
            frames: u64::from(rate) * interval * window / 8_000,
        }
    }

    /// The size to follow for a packet of so many frames, `None` for one that was missed; and whether that is another
    /// than it has.
    pub(crate) fn judge(&mut self, heard: Option<u32>) -> (u32, bool) {
        let nominal = self.nominal.next_packet();
        // A device may send empty packets until its converter runs: nothing was said yet.
        let Some(size) = heard.filter(|&size| size > 0 || !self.sizes.is_empty()) else {
            return (nominal, false);
        };
        self.sizes.push_back(size);
        self.sum += u64::from(size);
        if self.sizes.len() > self.window {
            self.sum -= u64::from(self.sizes.pop_front().unwrap_or(0));
        }
        let expected = self.frames * self.sizes.len() as u64 / self.window as u64;
        match self.sum.abs_diff(expected) <= self.frames / TOLERANCE + 1 {
            true => (size, false),
            false => (nominal, true),
        }
    }

    /// Begins anew.
    pub(crate) fn clear(&mut self) {
        self.sizes.clear();
        self.sum = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 48 kHz in a packet a microframe, 6 frames in each.
    fn microframes() -> PlausibleSizes {
        PlausibleSizes::new(48_000, 1, 1)
    }

    #[test]
    fn any_pattern_with_the_right_sum_is_taken_as_it_is() {
        let patterns: [&[u32]; 4] = [&[0, 12], &[48, 0, 0, 0, 0, 0, 0, 0], &[5, 7], &[6]];
        for pattern in patterns {
            let mut sizes = microframes();
            for &size in pattern.iter().cycle().skip(1).take(20_000) {
                let said = sizes.sizes.is_empty() && size == 0;
                let expected = if said { 6 } else { size };
                assert_eq!(sizes.judge(Some(size)), (expected, false), "{pattern:?}");
            }
        }
    }

    #[test]
    fn a_device_that_records_nothing_more_is_not_followed_for_long() {
        let mut sizes = microframes();
        for _ in 0..10 {
            // Not one of these says anything: the converter does not run.
            assert_eq!(sizes.judge(Some(0)), (6, false));
        }
        (0..5_000).for_each(|_| assert_eq!(sizes.judge(Some(6)), (6, false)));
        let followed = (0..5_000).filter(|_| sizes.judge(Some(0)) == (0, false));
        // A sixty-fourth of a second.
        assert_eq!(followed.count(), 125);
        assert_eq!(sizes.judge(Some(0)), (6, true));
        // Nor is one that records twice as much, in the end.
        let mut sizes = microframes();
        let last = (0..5_000).map(|_| sizes.judge(Some(12))).last();
        assert_eq!(last, Some((6, true)));
        // When it comes to its senses, it is followed again.
        let last = (0..1_000).map(|_| sizes.judge(Some(6))).last();
        assert_eq!(last, Some((6, false)));
        assert_eq!(sizes.judge(Some(12)), (12, false));
        assert_eq!(sizes.judge(Some(0)), (0, false));
    }

    #[test]
    fn a_missed_packet_is_a_nominal_one_and_not_counted_as_ignored() {
        let mut sizes = PlausibleSizes::new(44_100, 8, 8);
        let missed: u32 = (0..10).map(|_| sizes.judge(None).0).sum();
        assert_eq!(missed, 441);
    }

    proptest! {
        #[test]
        fn clocks_that_are_a_thousandth_off_are_followed_to_the_frame(
            rate in 8_000..192_000_u32, exponent in 0..4_u32, ppm in -1_000..1_000_i64,
        ) {
            let interval = 1_u32 << exponent;
            let mut sizes = PlausibleSizes::new(rate, interval, 1);
            let off = i64::from(rate) * (1_000_000 + ppm);
            let mut told = 0;
            for packet in 1..4_000_i64 {
                let frames = off * packet * i64::from(interval) / 8_000_000_000;
                let size = u32::try_from(frames - told).unwrap();
                told = frames;
                let started = !sizes.sizes.is_empty();
                if started || size > 0 {
                    prop_assert_eq!(sizes.judge(Some(size)), (size, false));
                }
            }
        }
    }
}
