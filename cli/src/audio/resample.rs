//! Sample-rate conversion, where the user asked for it.

use anyhow::{Context, Result, ensure};
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler as _};

/// Frames given to rubato at a time at least. It takes whole periods of the two rates, and sound is late by a chunk:
/// 1029 frames from 44100 Hz to 48000 Hz, but 47999, a second, from 47999 Hz.
const CHUNK_FRAMES: usize = 1024;

/// Frames of such a period at most, since rubato keeps some of them in memory: enough for any two rates of up to
/// 100 kHz.
const LONGEST_PERIOD: u32 = 100_000;

/// Converts a stream from one rate to another; as long as it was, to a frame.
pub(crate) struct Resampler {
    inner: Fft<f64>,
    channels: usize,
    rates: (u32, u32),
    /// Samples that do not make a chunk yet.
    waiting: Vec<f64>,
    converted: Vec<f64>,
    /// Frames of the filter's delay that are still to be left out.
    delay: usize,
    frames_in: u64,
    frames_out: u64,
}

impl Resampler {
    pub(crate) fn new(from: u32, to: u32, channels: usize) -> Result<Self> {
        ensure!(
            from.max(to) / common_divisor(from, to).max(1) <= LONGEST_PERIOD,
            "cannot convert from {from} Hz to {to} Hz, which have too little in common: convert the file first, as \
             `ffmpeg -i FILE -ar 48000 NEW.wav` does, or choose a rate such as 48000 Hz"
        );
        let inner = Fft::new(
            from as usize,
            to as usize,
            CHUNK_FRAMES,
            channels,
            FixedSync::Input,
        )
        .with_context(|| format!("cannot convert from {from} Hz to {to} Hz"))?;
        Ok(Self {
            converted: vec![0.0; inner.output_frames_max() * channels],
            delay: inner.output_delay(),
            inner,
            channels,
            rates: (from, to),
            waiting: Vec::new(),
            frames_in: 0,
            frames_out: 0,
        })
    }

    /// Takes frames, and appends those that are ready.
    pub(crate) fn convert(&mut self, samples: &[i32], out: &mut Vec<i32>) -> Result<()> {
        self.frames_in += (samples.len() / self.channels) as u64;
        self.waiting
            .extend(samples.iter().map(|&sample| f64::from(sample)));
        let mut done = 0;
        loop {
            let frames = self.inner.input_frames_next();
            let end = done + frames * self.channels;
            if end > self.waiting.len() {
                break;
            }
            let chunk = std::mem::take(&mut self.waiting);
            let outcome = self.chunk(&chunk[done..end], frames, u64::MAX, out);
            self.waiting = chunk;
            outcome?;
            done = end;
        }
        self.waiting.drain(..done);
        Ok(())
    }

    /// Appends what is left: a stream of so many seconds becomes one of as many.
    pub(crate) fn finish(&mut self, out: &mut Vec<i32>) -> Result<()> {
        let (from, to) = self.rates;
        let expected = (u128::from(self.frames_in) * u128::from(to)).div_ceil(u128::from(from));
        let expected = u64::try_from(expected).unwrap_or(u64::MAX);
        let mut rest = std::mem::take(&mut self.waiting);
        let mut partial = rest.len() / self.channels;
        while self.frames_out < expected {
            rest.resize(self.inner.input_frames_next() * self.channels, 0.0);
            self.chunk(&rest, partial, expected, out)?;
            partial = 0;
        }
        Ok(())
    }

    /// Converts a chunk of which `frames` are sound, and appends as many as make `most` in all.
    fn chunk(
        &mut self,
        samples: &[f64],
        frames: usize,
        most: u64,
        out: &mut Vec<i32>,
    ) -> Result<()> {
        let channels = self.channels;
        let input = InterleavedSlice::new(samples, channels, samples.len() / channels)?;
        let room = self.converted.len() / channels;
        let mut output = InterleavedSlice::new_mut(&mut self.converted, channels, room)?;
        let part = Indexing::new().partial_len(frames);
        let (_, written) = self
            .inner
            .process_into_buffer(&input, &mut output, Some(&part))?;
        let late = self.delay.min(written);
        self.delay -= late;
        let left = usize::try_from(most - self.frames_out).unwrap_or(usize::MAX);
        let kept = (written - late).min(left);
        self.frames_out += kept as u64;
        let ready = &self.converted[late * channels..(late + kept) * channels];
        // The cast cuts what the filter made louder than full scale.
        out.extend(ready.iter().map(|sample| sample.round() as i32));
        Ok(())
    }
}

/// The greatest common divisor (Euclid).
fn common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stereo sine of 1 kHz at half of full scale, the right channel silent, given in odd pieces.
    fn converted(from: u32, to: u32, frames: usize) -> Vec<i32> {
        let sine: Vec<i32> = (0..frames)
            .flat_map(|frame| {
                let phase = frame as f64 * 1000.0 / f64::from(from) * std::f64::consts::TAU;
                [(phase.sin() * 2_f64.powi(30)) as i32, 0]
            })
            .collect();
        let mut resampler = Resampler::new(from, to, 2).unwrap();
        let mut out = Vec::new();
        for piece in sine.chunks(2 * 777) {
            resampler.convert(piece, &mut out).unwrap();
        }
        resampler.finish(&mut out).unwrap();
        out
    }

    #[test]
    fn a_sine_is_the_same_sine_at_the_other_rate_and_as_long() {
        for (from, to) in [
            (44_100, 48_000),
            (48_000, 44_100),
            (8000, 96_000),
            (96_000, 32_000),
        ] {
            let out = converted(from, to, from as usize / 2);
            assert_eq!(out.len() / 2, to as usize / 2, "{from} to {to}");
            // The ends are a step from silence, which no filter leaves sharp.
            for (frame, pair) in out
                .chunks(2)
                .enumerate()
                .skip(1000)
                .take(to as usize / 2 - 2000)
            {
                let phase = frame as f64 * 1000.0 / f64::from(to) * std::f64::consts::TAU;
                let off = f64::from(pair[0]) / 2_f64.powi(30) - phase.sin();
                assert!(off.abs() < 1e-3, "{from} to {to}: {off} at frame {frame}");
                assert_eq!(pair[1], 0);
            }
        }
    }

    #[test]
    fn a_few_frames_are_a_stream_too() {
        assert_eq!(converted(48_000, 44_100, 1).len(), 2);
        assert_eq!(converted(44_100, 48_000, 147).len(), 320);
        assert!(converted(44_100, 48_000, 0).is_empty());
        assert!(Resampler::new(0, 48_000, 2).is_err());
        assert!(Resampler::new(0, 0, 2).is_err());
    }

    #[test]
    fn rates_with_little_in_common_are_converted_while_that_is_cheap() {
        assert_eq!(converted(47_999, 48_000, 47_999).len(), 2 * 48_000);
        for (from, to) in [(4_294_967_291, 48_000), (48_000, 768_001)] {
            let error = Resampler::new(from, to, 2).err().unwrap().to_string();
            assert!(error.contains("too little in common"), "{error}");
        }
        assert!(Resampler::new(192_000, 44_100, 2).is_ok());
        assert!(Resampler::new(768_000, 11_025, 2).is_ok());
    }
}
