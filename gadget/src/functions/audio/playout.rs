//! What lies between the host's packets and the speaker: a buffer that the host fills and the function's clock empties.

use std::collections::VecDeque;

use super::clock::{LARGEST_ERROR_PPM, exact_rate};

/// Frames that wait to be played.
#[derive(Debug)]
pub(super) struct Playout {
    samples: VecDeque<i32>,
    channels: usize,
    /// How many frames should wait.
    target: usize,
    /// Nothing is played until the target is reached, at the beginning and after each underrun.
    is_playing: bool,
}

/// The part of the difference between fill and target that the feedback asks the host to make good in a second: slow
/// enough not to swing, whatever the host has queued in between.
const CORRECTION_PER_SECOND: i64 = 1;

/// The most that is asked for beyond the clock's own rate, in parts per million. Hosts take feedback that is too far
/// off for nonsense.
const LARGEST_CORRECTION_PPM: u32 = 2000;

/// The most that feedback asks for beyond the rate, in parts per million: the clock's error, and the correction.
pub(super) const LARGEST_FEEDBACK_PPM: u64 =
    LARGEST_ERROR_PPM.unsigned_abs() as u64 + LARGEST_CORRECTION_PPM as u64;

impl Playout {
    pub(super) fn new(channels: usize, target: usize) -> Self {
        Self {
            samples: VecDeque::new(),
            channels,
            target,
            is_playing: false,
        }
    }

    /// Has another number of frames wait.
    pub(super) fn set_target(&mut self, target: usize) {
        self.target = target;
    }

    /// Frames that wait.
    pub(super) fn fill(&self) -> usize {
        self.samples.len() / self.channels
    }

    /// Takes a packet. Returns how many of its frames found no room: twice the target is the most that waits, and a
    /// packet.
    pub(super) fn push(&mut self, packet: &[i32]) -> usize {
        let room = (2 * self.target).saturating_sub(self.fill());
        let frames = packet.len() / self.channels;
        if room == 0 && frames > 0 {
            return frames;
        }
        self.samples.extend(&packet[..frames * self.channels]);
        0
    }

    /// Plays this many frames to the end of `to`; false when they are not there, which stops the play until enough
    /// wait again. What there was is played.
    pub(super) fn play(&mut self, frames: usize, to: &mut VecDeque<i32>) -> bool {
        if !self.is_playing {
            // From the next interval on, so that what stays is the target.
            self.is_playing = self.fill() >= self.target;
            return true;
        }
        let wanted = frames * self.channels;
        let there = wanted.min(self.samples.len());
        to.extend(self.samples.drain(..there));
        self.is_playing = there == wanted;
        self.is_playing
    }

    /// Plays everything: the host has ended the stream.
    pub(super) fn finish(&mut self, to: &mut VecDeque<i32>) {
        to.extend(self.samples.drain(..));
        self.is_playing = false;
    }

    /// The rate to ask the host for, in millionths of a frame per second: the clock's, and a little for what waits too
    /// much or too little.
    pub(super) fn wanted_rate(&self, rate: u32, error_ppm: i32) -> u64 {
        let own = exact_rate(rate, error_ppm);
        if !self.is_playing {
            return own;
        }
        // Buffers of seconds fit a thousand times.
        let missing = i64::try_from(self.target).unwrap_or(i64::MAX)
            - i64::try_from(self.fill()).unwrap_or(i64::MAX);
        let limit = i64::from(rate) * i64::from(LARGEST_CORRECTION_PPM);
        let correction = (missing * CORRECTION_PER_SECOND * 1_000_000).clamp(-limit, limit);
        own.saturating_add_signed(correction)
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::SampleClock;
    use super::*;

    #[test]
    fn what_is_pushed_is_played_in_order_and_nothing_else() {
        let mut playout = Playout::new(2, 4);
        let mut played = VecDeque::new();
        assert_eq!(playout.push(&[1, 2, 3, 4]), 0);
        assert!(playout.play(1, &mut played), "not begun is no underrun");
        assert!(played.is_empty());
        assert_eq!(playout.push(&[5, 6, 7, 8]), 0);
        assert!(playout.play(3, &mut played), "it begins with the next");
        assert!(played.is_empty());
        assert!(playout.play(3, &mut played));
        assert!(!playout.play(2, &mut played));
        assert_eq!(played, [1, 2, 3, 4, 5, 6, 7, 8]);
        // It waits for the target once more.
        assert_eq!(playout.push(&[9, 10]), 0);
        assert!(playout.play(1, &mut played));
        assert_eq!(playout.fill(), 1);
        playout.finish(&mut played);
        assert_eq!(played.len(), 10);
    }

    #[test]
    fn a_host_that_does_not_listen_overruns_and_is_told_how_much() {
        let mut playout = Playout::new(1, 4);
        assert_eq!(playout.push(&[0; 6]), 0);
        assert_eq!(playout.push(&[0; 6]), 0);
        assert_eq!(playout.push(&[0; 6]), 6);
        assert_eq!(playout.fill(), 12);
    }

    /// A host that follows the feedback after a delay keeps the buffer near its target for ever.
    #[test]
    fn feedback_holds_the_fill() {
        const DELAY: usize = 64;
        for error_ppm in [-1000, -500, 0, 37, 500, 1000] {
            let rate = 44_100;
            let mut playout = Playout::new(1, 352);
            let mut own = SampleClock::new(rate, 1000);
            let mut played = VecDeque::new();
            let mut asked = VecDeque::from([exact_rate(rate, 0); DELAY]);
            let mut owed = 0;
            for interval in 0..120_000 {
                owed += asked.pop_front().unwrap_or_default();
                let frames = usize::try_from(owed / 1_000_000_000).unwrap();
                owed %= 1_000_000_000;
                assert_eq!(playout.push(&vec![0; frames]), 0);
                assert!(playout.play(own.tick(error_ppm), &mut played));
                played.clear();
                asked.push_back(playout.wanted_rate(rate, error_ppm));
                if interval > 10_000 {
                    assert!(playout.fill().abs_diff(352) <= 3, "{error_ppm} ppm");
                }
            }
        }
    }
}
