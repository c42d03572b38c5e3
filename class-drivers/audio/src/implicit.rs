//! Implicit feedback: what a device records sets the pace of what it plays (USB 2.0 5.12.4.3).

use std::collections::VecDeque;

/// Sizes of packets to the device, from those of packets it sent.
///
/// Packets to the device are queued before those from it arrive, so a size is first guessed at the nominal rate;
/// when the device's own arrives, the difference is carried into packets to come, at most a frame each. So the
/// frames to the device stay those from it, exactly, and no packet is more than a frame off.
#[derive(Debug, Clone)]
pub(crate) struct ImplicitPacing {
    /// Packets to the device for each packet from it; below 1, the other way round.
    ratio: Ratio,
    /// Sizes guessed for packets whose counterparts have not arrived.
    guessed: VecDeque<u32>,
    /// Sizes known for packets not yet queued.
    known: VecDeque<u32>,
    /// Frames the device recorded more than were queued for it.
    carry: i64,
}

/// Service intervals of the two endpoints against each other. Both are powers of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ratio {
    /// So many packets out for one in.
    Split(u32),
    /// One packet out for so many in: those seen, and their frames.
    Join { of: u32, seen: u32, frames: u32 },
}

impl ImplicitPacing {
    /// For packets in and out with these service intervals, in microframes.
    pub(crate) fn new(interval_in: u32, interval_out: u32) -> Self {
        let (interval_in, interval_out) = (interval_in.max(1), interval_out.max(1));
        let ratio = if interval_in >= interval_out {
            Ratio::Split(interval_in / interval_out)
        } else {
            Ratio::Join {
                of: interval_out / interval_in,
                seen: 0,
                frames: 0,
            }
        };
        Self {
            ratio,
            guessed: VecDeque::new(),
            known: VecDeque::new(),
            carry: 0,
        }
    }

    /// Forgets what was queued and what came: both ends start again.
    pub(crate) fn clear(&mut self) {
        if let Ratio::Join { seen, frames, .. } = &mut self.ratio {
            (*seen, *frames) = (0, 0);
        }
        self.guessed.clear();
        self.known.clear();
        self.carry = 0;
    }

    /// A packet of so many frames came from the device.
    pub(crate) fn arrived(&mut self, packet_frames: u32) {
        match &mut self.ratio {
            Ratio::Split(parts) => {
                let parts = *parts;
                for part in 0..parts {
                    let (whole, rest) = (packet_frames / parts, packet_frames % parts);
                    self.size_known(whole + u32::from(part < rest));
                }
            }
            Ratio::Join { of, seen, frames } => {
                *seen += 1;
                *frames += packet_frames;
                if seen == of {
                    let size = std::mem::take(frames);
                    *seen = 0;
                    self.size_known(size);
                }
            }
        }
    }

    fn size_known(&mut self, size: u32) {
        match self.guessed.pop_front() {
            Some(guess) => self.carry += i64::from(size) - i64::from(guess),
            None => self.known.push_back(size),
        }
    }

    /// Frames in the next packet to the device, `most` at most; `nominal` is what it would be without feedback.
    pub(crate) fn next_packet(&mut self, nominal: impl FnOnce() -> u32, most: u32) -> u32 {
        let size = self.known.pop_front().unwrap_or_else(|| {
            let guess = nominal();
            self.guessed.push_back(guess);
            guess
        });
        let wanted = i64::from(size) + self.carry.signum();
        let given = u32::try_from(wanted).unwrap_or(0).min(most);
        self.carry -= i64::from(given) - i64::from(size);
        given
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_known_in_time_are_copied() {
        let mut pacing = ImplicitPacing::new(8, 8);
        for size in [44, 45, 44] {
            pacing.arrived(size);
        }
        let sizes = [(); 3].map(|()| pacing.next_packet(|| unreachable!(), 100));
        assert_eq!(sizes, [44, 45, 44]);
    }

    #[test]
    fn a_wrong_guess_is_made_up_for_a_frame_at_a_time() {
        let mut pacing = ImplicitPacing::new(8, 8);
        assert_eq!(pacing.next_packet(|| 48, 100), 48);
        pacing.arrived(50);
        assert_eq!(pacing.next_packet(|| 48, 100), 49);
        assert_eq!(pacing.next_packet(|| 48, 100), 49);
        assert_eq!(pacing.next_packet(|| 48, 100), 48);
    }

    #[test]
    fn a_millisecond_in_paces_eight_microframes_out() {
        let mut pacing = ImplicitPacing::new(8, 1);
        pacing.arrived(49);
        let sizes: Vec<u32> = (0..8).map(|_| pacing.next_packet(|| 0, 100)).collect();
        assert_eq!(sizes, [7, 6, 6, 6, 6, 6, 6, 6]);
    }

    #[test]
    fn eight_microframes_in_pace_a_millisecond_out() {
        let mut pacing = ImplicitPacing::new(1, 8);
        (0..8).for_each(|_| pacing.arrived(6));
        assert_eq!(pacing.next_packet(|| 0, 100), 48);
    }

    #[test]
    fn after_a_rest_nothing_from_before_counts() {
        let mut pacing = ImplicitPacing::new(1, 2);
        pacing.next_packet(|| 12, 100);
        (0..5).for_each(|_| pacing.arrived(7));
        pacing.clear();
        assert_eq!(pacing.next_packet(|| 12, 100), 12);
        (0..2).for_each(|_| pacing.arrived(6));
        assert_eq!(pacing.next_packet(|| 12, 100), 12);
    }

    proptest! {
        /// A device that is up to a frame a packet off for as long as it likes, answers seen `ahead` packets late.
        #[test]
        fn what_goes_out_is_what_came_in(
            sizes in prop::collection::vec(47..=49_u32, 100..2_000), ahead in 0..20_i64,
        ) {
            let mut pacing = ImplicitPacing::new(8, 8);
            let mut out: i64 = (0..ahead).map(|_| i64::from(pacing.next_packet(|| 48, 60))).sum();
            let lead = out;
            let mut came = 0;
            for size in sizes {
                pacing.arrived(size);
                came += i64::from(size);
                out += i64::from(pacing.next_packet(|| 48, 60));
                // Each answer is of a guess `ahead` packets old, off by a frame at most.
                prop_assert!((out - lead - came).abs() <= ahead + 1);
            }
        }
    }
}
