//! How many sample frames each packet carries: exact for any rate, for ever.

/// Microframes in a second.
const MICROFRAMES_A_SECOND: u64 = 8_000;

/// One sample frame in units of the phase: the least common multiple of a second's microframes and of the 16
/// fractional bits of feedback, so that nominal rate and feedback both add up without rounding.
const FRAME: u64 = 8_192_000;

/// Spreads a rate over packets: 44.1 kHz at 1 ms is nine packets of 44 frames and one of 45, without end.
///
/// The fraction that a packet could not carry is kept as an integer, so the frames of the first n packets are
/// the whole part of n times the rate, whatever n is. Feedback takes the place of the nominal rate, and the
/// fraction stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packetiser {
    /// What is left of a frame, below [`FRAME`].
    phase: u64,
    /// What a packet adds.
    step: u64,
    /// Frames or microframes in a service interval: what a feedback value is multiplied by.
    units: u64,
}

impl Packetiser {
    /// Packets of `rate` frames a second, one every `interval` microframes; feedback counts frames for each
    /// `unit` microframes, which is 8 at full speed and 1 above (USB 2.0 5.12.4.2).
    pub(crate) fn new(rate: u32, interval: u32, unit: u32) -> Self {
        let step = u64::from(rate) * u64::from(interval) * (FRAME / MICROFRAMES_A_SECOND);
        Self {
            phase: 0,
            step,
            units: u64::from((interval / unit.max(1)).max(1)),
        }
    }

    /// Frames in the next packet.
    pub(crate) fn next_packet(&mut self) -> u32 {
        self.phase += self.step;
        let frames = self.phase / FRAME;
        self.phase %= FRAME;
        u32::try_from(frames).unwrap_or(u32::MAX)
    }

    /// From now on, so many frames for each frame or microframe, with 16 fractional bits.
    pub(crate) fn set_rate(&mut self, frames_16_16: u32) {
        self.step = u64::from(frames_16_16) * self.units * (FRAME >> 16);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FULL_SPEED: (u32, u32) = (8, 8);
    const MICROFRAME: (u32, u32) = (1, 1);

    fn packets(rate: u32, (interval, unit): (u32, u32), count: usize) -> Vec<u32> {
        let mut packetiser = Packetiser::new(rate, interval, unit);
        (0..count).map(|_| packetiser.next_packet()).collect()
    }

    #[test]
    fn forty_four_one_at_full_speed_is_nine_44s_and_a_45() {
        let sizes = packets(44_100, FULL_SPEED, 1_000);
        for ten in sizes.chunks(10) {
            assert_eq!(ten, [44, 44, 44, 44, 44, 44, 44, 44, 44, 45]);
        }
    }

    #[test]
    fn forty_four_one_a_microframe_is_441_in_eighty() {
        let sizes = packets(44_100, MICROFRAME, 800);
        assert!(sizes.iter().all(|&size| size == 5 || size == 6));
        for eighty in sizes.chunks(80) {
            assert_eq!(eighty.iter().sum::<u32>(), 441);
        }
    }

    #[test]
    fn a_whole_rate_never_varies() {
        assert!(
            packets(48_000, FULL_SPEED, 100)
                .iter()
                .all(|&size| size == 48)
        );
        assert!(
            packets(96_000, MICROFRAME, 100)
                .iter()
                .all(|&size| size == 12)
        );
    }

    #[test]
    fn a_year_of_forty_four_one_does_not_drift() {
        // A year of packets would take minutes; the phase repeats every ten, which is as good.
        let mut packetiser = Packetiser::new(44_100, 8, 8);
        let start = packetiser.clone();
        for _ in 0..10 {
            packetiser.next_packet();
        }
        assert_eq!(packetiser, start);
    }

    #[test]
    fn feedback_keeps_the_fraction() {
        let mut packetiser = Packetiser::new(44_100, 8, 8);
        let mut frames: u32 = (0..5).map(|_| packetiser.next_packet()).sum();
        assert_eq!(frames, 220); // and half a frame
        packetiser.set_rate(44 << 16 | 0x8000);
        frames += packetiser.next_packet();
        assert_eq!(frames, 265);
    }

    proptest! {
        #[test]
        fn the_first_packets_carry_the_whole_part_of_what_they_should(
            rate in 1..10_000_000_u32, exponent in 0..10_u32, count in 1..5_000_usize,
        ) {
            let interval = 1 << exponent;
            let total: u64 = packets(rate, (interval, 1), count).into_iter().map(u64::from).sum();
            let exact = u64::from(rate) * u64::from(interval) * count as u64 / 8_000;
            prop_assert_eq!(total, exact);
        }

        #[test]
        fn packets_differ_by_one_frame_at_most(rate in 1..1_000_000_u32, exponent in 0..8_u32) {
            let sizes = packets(rate, (1 << exponent, 1), 500);
            let most = (rate << exponent).div_ceil(8_000);
            prop_assert!(sizes.iter().all(|&size| size == most || size + 1 == most));
        }

        #[test]
        fn feedback_adds_up_whatever_it_says(
            runs in prop::collection::vec((0..=0x0fff_ffff_u32, 1..200_u64), 1..20), exponent in 0..6_u32,
        ) {
            let interval = 1_u32 << exponent;
            let mut packetiser = Packetiser::new(48_000, interval, 1);
            let (mut sent, mut asked) = (0_u64, 0_u64);
            for (value, count) in runs {
                packetiser.set_rate(value);
                asked += u64::from(value) * u64::from(interval) * count;
                sent += (0..count).map(|_| u64::from(packetiser.next_packet())).sum::<u64>();
                prop_assert_eq!(sent, asked >> 16);
            }
        }
    }
}
