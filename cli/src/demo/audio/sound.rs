//! What the tour plays.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use usbfs2_gadget::functions::audio::SampleSize;

use super::speech;
use crate::audio::{WavReader, round};

/// More is not played: the tour would take too long.
const MOST_SECONDS: u32 = 60;

/// A sound in memory.
pub(in crate::demo) struct Sound {
    /// Frame after frame.
    pub(super) samples: Vec<i32>,
    pub(super) rate: u32,
    pub(super) channels: u8,
    pub(super) size: SampleSize,
    /// What it is, in words.
    pub(super) name: String,
}

impl Sound {
    /// The user's WAV file, or a voice.
    pub(in crate::demo) fn new(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else {
            return Ok(Self {
                samples: speech::stereo(),
                rate: speech::RATE,
                channels: 2,
                size: SampleSize::Bits16,
                name: "a voice that says \"U S B\"".into(),
            });
        };
        let mut wav = WavReader::open(path)?;
        let format = wav.format();
        let channels = u8::try_from(format.channels)
            .ok()
            .filter(|channels| *channels <= 8);
        let channels = channels.with_context(|| {
            format!(
                "{} has {} channels: give one with at most 8",
                path.display(),
                format.channels
            )
        })?;
        let size = match (format.bits, format.float) {
            (..=16, _) => SampleSize::Bits16,
            // As many bits as a floating-point number has.
            (24, _) | (_, true) => SampleSize::Bits24,
            (_, false) => SampleSize::Bits32,
        };
        let mut samples = Vec::new();
        let most = MOST_SECONDS as usize * format.rate as usize;
        let mut frames = 0;
        while frames < most {
            match wav.read(&mut samples, most - frames)? {
                0 => break,
                more => frames += more,
            }
        }
        round(&mut samples, size.bits());
        ensure!(
            samples.iter().any(|sample| *sample != 0),
            "{} is silent: there is nothing to hear",
            path.display()
        );
        Ok(Self {
            samples,
            rate: format.rate,
            channels,
            size,
            name: path.display().to_string(),
        })
    }

    pub(super) fn frames(&self) -> usize {
        self.samples.len() / usize::from(self.channels)
    }
}
