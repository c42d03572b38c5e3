//! What the host plays comes back to it.

use std::collections::VecDeque;
use std::time::Duration;

use usbfs2_gadget::functions::audio::{Audio, Stream};

use crate::output::note;

/// How much is held back before any of it goes out again, so that the thread that moves it may be late.
const AHEAD: Duration = Duration::from_millis(300);

/// What was played and is not yet on its way back.
#[derive(Debug, Default)]
pub(crate) struct Echo {
    held: VecDeque<i32>,
    /// That some of it was left out has been said.
    is_told: bool,
}

impl Echo {
    /// Takes what the host has played, and gives it back as far as there is room. What nobody records is
    /// forgotten, and so is the oldest of more than a second: a host that records more slowly than it plays never
    /// catches up.
    pub(crate) fn step(&mut self, card: &Audio, heard: Vec<i32>) {
        self.held.extend(heard);
        if card.format(Stream::Microphone).is_none() {
            self.held.clear();
        }
        let ahead = match card.format(Stream::Speaker) {
            Some(format) => {
                let frames = AHEAD.as_secs_f64() * f64::from(format.rate);
                frames as usize * usize::from(format.channels)
            }
            // Nothing more comes that could be waited for.
            None => 0,
        };
        let flows = card.waiting(Stream::Microphone) > 0;
        if !self.held.is_empty() && (flows || self.held.len() >= ahead) {
            let microphone = card.options().microphone.as_ref();
            let channels = microphone.map_or(1, |it| usize::from(it.channels));
            let frames = card.write(self.held.make_contiguous(), Some(Duration::ZERO));
            self.held.drain(..frames * channels);
        }
        if let Some(format) = card.format(Stream::Speaker) {
            let left_out = self.forget(format.rate as usize, usize::from(format.channels));
            if left_out > 0 && !std::mem::replace(&mut self.is_told, true) {
                note!(
                    "the host records more slowly than it plays: what is a second late is left out from now on"
                );
            }
        }
    }

    /// Keeps the newest frames, this many at most. Returns how many are lost.
    fn forget(&mut self, most: usize, channels: usize) -> usize {
        let lost = (self.held.len() / channels).saturating_sub(most);
        self.held.drain(..lost * channels);
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_frames_of_too_many_are_forgotten_whole() {
        let mut echo = Echo::default();
        echo.held.extend(0..10);
        assert_eq!(echo.forget(5, 2), 0);
        assert_eq!(echo.held.len(), 10);
        assert_eq!(echo.forget(3, 2), 2);
        assert!(echo.held.iter().copied().eq(4..10));
        assert_eq!(echo.forget(0, 2), 3);
        assert!(echo.held.is_empty());
    }
}
