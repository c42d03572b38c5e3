//! What the host plays comes back to it.

use std::collections::VecDeque;
use std::time::Duration;

use usbfs2_gadget::functions::audio::{Audio, Stream};

/// How much is held back before any of it goes out again, so that the thread that moves it may be late.
const AHEAD: Duration = Duration::from_millis(300);

/// What was played and is not yet on its way back.
#[derive(Debug, Default)]
pub(crate) struct Echo {
    held: VecDeque<i32>,
}

impl Echo {
    /// Takes what the host has played, and gives it back as far as there is room. What nobody records is
    /// forgotten.
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
    }
}
