//! Implicit feedback: what a device records sets the pace of what it plays (USB 2.0 5.12.4.3).

use std::collections::VecDeque;

/// Sizes of packets to the device: those of packets it sent, as they came, one after the other.
///
/// Packets to the device are queued before those from it arrive, so the first have the nominal size; each that arrives
/// then sizes one that is queued. So the frames to the device stay those from it, exactly, a queue's length later, and
/// in the same pattern. The kernel's driver copies the sizes likewise.
#[derive(Debug, Clone)]
pub(crate) struct ImplicitPacing {
    /// Packets to the device for each packet from it; below 1, the other way round.
    ratio: Ratio,
    /// Sizes for packets not yet queued.
    sizes: VecDeque<u32>,
    /// So many of them at most: what was recorded before that went by while nothing was played.
    most_sizes: usize,
    /// Frames that packets before had no room for.
    carry: u32,
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
    /// For packets in and out with these service intervals, in microframes, so many of them out within the stream's
    /// latency.
    pub(crate) fn new(interval_in: u32, interval_out: u32, packets: u32) -> Self {
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
            sizes: VecDeque::new(),
            // Both ends have as much in flight, and neither is asked at the same time as the other.
            most_sizes: usize::try_from(packets)
                .unwrap_or(usize::MAX)
                .saturating_mul(2),
            carry: 0,
        }
    }

    /// Forgets what was queued and what came: both ends start again.
    pub(crate) fn clear(&mut self) {
        if let Ratio::Join { seen, frames, .. } = &mut self.ratio {
            (*seen, *frames) = (0, 0);
        }
        self.sizes.clear();
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
        if self.sizes.len() == self.most_sizes {
            self.sizes.pop_front();
        }
        self.sizes.push_back(size);
    }

    /// Frames in the next packet to the device, `most` at most; `nominal` is what it would be without feedback.
    pub(crate) fn next_packet(&mut self, nominal: impl FnOnce() -> u32, most: u32) -> u32 {
        let size = self.sizes.pop_front().unwrap_or_else(nominal);
        let wanted = size.saturating_add(self.carry);
        let given = wanted.min(most);
        // A device that asks for more than packets hold, again and again, gets as much as they do.
        let most_sizes = u32::try_from(self.most_sizes).unwrap_or(u32::MAX);
        self.carry = (wanted - given).min(most.saturating_mul(most_sizes));
        given
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_known_in_time_are_copied() {
        let mut pacing = ImplicitPacing::new(8, 8, 100);
        for size in [44, 45, 44] {
            pacing.arrived(size);
        }
        let sizes = [(); 3].map(|()| pacing.next_packet(|| unreachable!(), 100));
        assert_eq!(sizes, [44, 45, 44]);
    }

    #[test]
    fn a_pattern_is_mirrored_a_queue_later() {
        let mut pacing = ImplicitPacing::new(1, 1, 8);
        let mut out: Vec<u32> = (0..3).map(|_| pacing.next_packet(|| 6, 100)).collect();
        for size in [0, 12, 0, 12, 0, 12] {
            pacing.arrived(size);
            out.push(pacing.next_packet(|| unreachable!(), 100));
        }
        assert_eq!(out, [6, 6, 6, 0, 12, 0, 12, 0, 12]);
    }

    #[test]
    fn what_a_packet_has_no_room_for_goes_into_the_next() {
        let mut pacing = ImplicitPacing::new(1, 1, 8);
        for size in [0, 0, 0, 24, 0, 0] {
            pacing.arrived(size);
        }
        let out = [(); 6].map(|()| pacing.next_packet(|| unreachable!(), 10));
        assert_eq!(out, [0, 0, 0, 10, 10, 4]);
    }

    #[test]
    fn what_was_recorded_while_nothing_was_played_is_no_news() {
        let mut pacing = ImplicitPacing::new(1, 1, 2);
        (1..=100).for_each(|size| pacing.arrived(size));
        let out = [(); 5].map(|()| pacing.next_packet(|| 6, 1_000));
        assert_eq!(out, [97, 98, 99, 100, 6]);
    }

    #[test]
    fn a_millisecond_in_paces_eight_microframes_out() {
        let mut pacing = ImplicitPacing::new(8, 1, 100);
        pacing.arrived(49);
        let sizes: Vec<u32> = (0..8).map(|_| pacing.next_packet(|| 0, 100)).collect();
        assert_eq!(sizes, [7, 6, 6, 6, 6, 6, 6, 6]);
    }

    #[test]
    fn eight_microframes_in_pace_a_millisecond_out() {
        let mut pacing = ImplicitPacing::new(1, 8, 100);
        (0..8).for_each(|_| pacing.arrived(6));
        assert_eq!(pacing.next_packet(|| 0, 100), 48);
    }

    #[test]
    fn after_a_rest_nothing_from_before_counts() {
        let mut pacing = ImplicitPacing::new(1, 2, 100);
        (0..5).for_each(|_| pacing.arrived(7));
        pacing.clear();
        assert_eq!(pacing.next_packet(|| 12, 100), 12);
        (0..2).for_each(|_| pacing.arrived(5));
        assert_eq!(pacing.next_packet(|| 12, 100), 10);
    }

    proptest! {
        /// Whatever a device sends, seen `ahead` packets late, goes back to it as it came.
        #[test]
        fn what_goes_out_is_what_came_in(
            sizes in prop::collection::vec(0..=49_u32, 1..2_000), ahead in 0..20_usize,
        ) {
            let mut pacing = ImplicitPacing::new(8, 8, 20);
            let mut out: Vec<u32> = (0..ahead).map(|_| pacing.next_packet(|| 48, 60)).collect();
            for &size in &sizes {
                pacing.arrived(size);
                out.push(pacing.next_packet(|| 48, 60));
            }
            prop_assert!(out[..ahead].iter().all(|&size| size == 48));
            prop_assert_eq!(&out[ahead..], &sizes);
        }
    }
}
