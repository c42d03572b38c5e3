//! Frames that bear their number, and how they are looked at.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_audio::{Capture, Playback};
use usbfs2_gadget::functions::audio::{Audio, Stream};

/// The frame with this number, from 1: its halves are the samples of the two channels. Silence is 0.
fn frame(number: u32) -> [u8; 4] {
    number.to_le_bytes()
}

/// Frames as the host sends them: 16 bits a sample.
pub(super) fn bytes(first: u32, count: u32) -> Vec<u8> {
    (first..first + count).flat_map(frame).collect()
}

/// Frames as the card has them: 32 bits a sample, left-justified.
pub(super) fn samples(first: u32, count: u32) -> Vec<i32> {
    let numbers = first..first + count;
    numbers
        .flat_map(|number| {
            [
                (number << 16).cast_signed(),
                (number & 0xffff_0000).cast_signed(),
            ]
        })
        .collect()
}

/// Looks at frames as they come: silence, then 1, 2, 3 without a hole.
#[derive(Debug, Default)]
pub(super) struct Listener {
    last: u32,
    silence: u32,
}

impl Listener {
    pub(super) fn hear(&mut self, number: u32) -> Result<()> {
        if number == 0 {
            ensure!(self.last == 0, "silence after frame {}", self.last);
            self.silence += 1;
            return Ok(());
        }
        let expected = self.last + 1;
        ensure!(number == expected, "frame {number} instead of {expected}");
        self.last = number;
        Ok(())
    }

    pub(super) fn last(&self) -> u32 {
        self.last
    }
}

/// Plays frames 1 to `count`, of which the card has to have the first, and silence: its clock goes on for as long as
/// packets come, and plays what is in its buffer.
pub(crate) fn play(playback: &mut Playback, count: u32) -> Result<()> {
    let mut next = 1;
    while next <= count {
        let some = (count - next + 1).min(480);
        playback.write_blocking(&bytes(next, some))?;
        next += some;
    }
    playback.write_blocking(&[0; 4 * 4_800])?;
    playback.drain_blocking()?;
    Ok(())
}

/// Hears frames 1 to `count` at the card, and nothing else.
pub(crate) fn listen(card: &Arc<Audio>, count: u32) -> Result<()> {
    let mut listener = Listener::default();
    let mut some = vec![0; 2 * 480];
    while listener.last() < count {
        let frames = card.read(&mut some, Some(DEADLINE));
        ensure!(
            frames > 0,
            "nothing came after frame {}: {:?}",
            listener.last(),
            card.statistics(Stream::Speaker)
        );
        for frame in some[..2 * frames].chunks_exact(2) {
            let [left, right] = [frame[0], frame[1]].map(i32::cast_unsigned);
            // Silence follows.
            if listener.last() < count {
                let heard = listener.hear(left >> 16 | right & 0xffff_0000);
                heard.context("at the card")?;
            }
        }
    }
    Ok(())
}

/// Gives the card these frames to be recorded.
pub(super) fn sing(card: &Arc<Audio>, numbers: RangeInclusive<u32>) -> Result<()> {
    let mut next = *numbers.start();
    while next <= *numbers.end() {
        let some = (numbers.end() - next + 1).min(480);
        let taken = card.write(&samples(next, some), Some(DEADLINE));
        ensure!(taken > 0, "no room for frame {next}");
        next += u32::try_from(taken)?;
    }
    Ok(())
}

/// Records until frame `count`.
pub(super) fn record(capture: &mut Capture, count: u32) -> Result<()> {
    let mut listener = Listener::default();
    let mut some = vec![0; 4 * 480];
    while listener.last() < count {
        let frames = capture.read_timeout(&mut some, DEADLINE)?;
        ensure!(
            frames > 0,
            "nothing was recorded after frame {}: {:?}",
            listener.last(),
            capture.statistics()
        );
        for frame in some[..4 * frames].chunks_exact(4) {
            if listener.last() < count {
                let number = u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]);
                let heard = listener.hear(number);
                heard.with_context(|| format!("recorded: {}", capture.statistics()))?;
            }
        }
    }
    Ok(())
}

/// Frames in so much time.
pub(crate) fn frames(rate: u32, time: Duration) -> u32 {
    rate * u32::try_from(time.as_millis()).unwrap_or(u32::MAX) / 1_000
}
