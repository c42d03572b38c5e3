//! A file on its way to a stream: read ahead in a thread, so that neither a slow disk nor a silent pipe holds up
//! the bus.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::channels::ChannelMap;
use super::resample::Resampler;
use super::wav::WavReader;

/// Pieces read ahead. A piece is a hundredth of a second.
const AHEAD: usize = 32;
const PIECES_IN_A_SECOND: usize = 100;

/// A file in the rate and the channels of a stream.
pub(crate) struct Source {
    wav: WavReader,
    map: ChannelMap,
    resampler: Option<Resampler>,
    /// Frames of the file that are still to be read.
    left: u64,
    read: Vec<i32>,
}

impl Source {
    /// At most `duration` of a file, in so many channels and frames in a second.
    pub(crate) fn new(
        wav: WavReader,
        channels: usize,
        rate: u32,
        duration: Option<Duration>,
    ) -> Result<Self> {
        let file = wav.format();
        let resampler = (file.rate != rate)
            .then(|| Resampler::new(file.rate, rate, channels))
            .transpose()?;
        let frames = duration.map(|duration| duration.as_secs_f64() * f64::from(file.rate));
        Ok(Self {
            map: ChannelMap::new(usize::from(file.channels), channels),
            resampler,
            left: frames.map_or(u64::MAX, |frames| frames.round() as u64),
            wav,
            read: Vec::new(),
        })
    }

    /// The next piece; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<i32>>> {
        let piece = (self.wav.format().rate as usize / PIECES_IN_A_SECOND).max(1);
        let most = usize::try_from(self.left).map_or(piece, |left| left.min(piece));
        let mut samples = Vec::new();
        // The resampler may have nothing yet for what it was given.
        while samples.is_empty() {
            self.read.clear();
            let frames = self.wav.read(&mut self.read, most)?;
            self.left -= frames as u64;
            let mut mapped = Vec::new();
            self.map.map(&self.read, &mut mapped);
            match (&mut self.resampler, frames) {
                (None, 0) => return Ok(None),
                (None, _) => samples = mapped,
                (Some(resampler), 0) => {
                    resampler.finish(&mut samples)?;
                    self.left = 0;
                    self.resampler = None;
                    return Ok((!samples.is_empty()).then_some(samples));
                }
                (Some(resampler), _) => resampler.convert(&mapped, &mut samples)?,
            }
        }
        Ok(Some(samples))
    }
}

/// The thread, seen from the stream.
pub(super) struct Feeder {
    pieces: Receiver<Result<Vec<i32>>>,
}

impl Feeder {
    /// Starts to read.
    pub(super) fn start(mut source: Source) -> Result<Self> {
        let (sender, pieces) = sync_channel(AHEAD);
        // Not joined: it may wait for a pipe for ever, and the process ends without it.
        thread::Builder::new()
            .name("file".into())
            .spawn(move || feed(&mut source, &sender))
            .context("cannot start a thread to read the file")?;
        Ok(Self { pieces })
    }

    /// A file whose pieces a test gives.
    #[cfg(test)]
    pub(super) fn of_a_pipe() -> (SyncSender<Result<Vec<i32>>>, Self) {
        let (sender, pieces) = sync_channel(AHEAD);
        (sender, Self { pieces })
    }

    /// The next samples, waited for at most this long; disconnected at the end of the file.
    pub(super) fn next(&self, at_most: Duration) -> Result<Result<Vec<i32>>, RecvTimeoutError> {
        self.pieces.recv_timeout(at_most)
    }
}

fn feed(source: &mut Source, to: &SyncSender<Result<Vec<i32>>>) {
    while let Some(piece) = source.next().transpose() {
        let failed = piece.is_err();
        if to.send(piece).is_err() || failed {
            return;
        }
    }
}
