//! How long a signal must be heard without a break, and `arecord` hearing it.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::alsa::Stream;
use dummy_hcd_tests::numbered_frames::{self, FRAME, Heard, Listener};
use dummy_hcd_tests::sound::SoundCard;

/// What is recorded besides, and played besides that, for what is silent before the other end begins and goes
/// unheard.
const SPARE_SECONDS: u32 = 2;

/// How long the end that was started first is left alone: longer than the buffers of its programs.
pub(crate) const HEAD_START: Duration = Duration::from_secs(1);

/// What programs and cards have in their buffers, and the time it takes to start and end a program.
const BUFFER: Duration = Duration::from_millis(1000);

/// A length of sound.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Length {
    rate: u32,
    seconds: u32,
}

impl Length {
    /// `seconds` must be without a break.
    pub(crate) fn new(rate: u32, seconds: u32) -> Self {
        Self { rate, seconds }
    }

    pub(crate) fn rate(self) -> u32 {
        self.rate
    }

    /// What to play.
    pub(crate) fn signal(self) -> Vec<u8> {
        let frames = self.rate * (self.seconds + 2 * SPARE_SECONDS);
        numbered_frames::signal(1..=frames)
    }

    /// Frames to record.
    pub(crate) fn recorded(self) -> u64 {
        u64::from(self.rate * (self.seconds + SPARE_SECONDS))
    }

    fn recorded_time(self) -> Duration {
        Duration::from_secs((self.seconds + SPARE_SECONDS).into())
    }

    /// Fails unless that much was heard.
    pub(crate) fn suffices(self, heard: Heard) -> Result<()> {
        let frames = u64::from(self.rate * self.seconds);
        ensure!(heard.frames >= frames, "{heard:?} is less than {frames}");
        Ok(())
    }
}

/// An `arecord` that records a signal.
pub(crate) struct Recording {
    stream: Stream,
    file: PathBuf,
    length: Length,
    since: Instant,
}

impl Recording {
    /// Starts it.
    pub(crate) fn start(card: SoundCard, length: Length, file: PathBuf) -> Result<Self> {
        let mut stream = Stream::record(card, length.rate, length.recorded(), &file)?;
        stream.wait_running()?;
        Ok(Self {
            stream,
            file,
            length,
            since: Instant::now(),
        })
    }

    /// Waits for its end, or that of whoever plays.
    pub(crate) fn wait_while(&mut self, is_played: impl Fn() -> bool) -> Result<()> {
        while self.stream.status()?.is_none() {
            ensure!(is_played(), "nobody plays any more");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Waits for its end and hears what it has.
    pub(crate) fn check(self) -> Result<()> {
        let said = self.stream.finish();
        let heard = fs::read(&self.file).map(|bytes| {
            let mut listener = Listener::default();
            listener.hear(&bytes[..bytes.len() / FRAME * FRAME])?;
            listener.finish()
        })?;
        said.with_context(|| format!("what was heard: {heard:?}"))?;
        self.length.suffices(heard?)?;
        // A bus that is slow loses nothing either.
        let (took, due) = (self.since.elapsed(), self.length.recorded_time());
        ensure!(
            took + BUFFER >= due && took <= due + HEAD_START + BUFFER,
            "{took:?} for {due:?} of sound"
        );
        Ok(())
    }
}
