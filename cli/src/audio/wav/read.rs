//! A WAV file to read.

use std::fs::File;
use std::io::{self, BufReader, Chain, Cursor, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::WavFormat;
use super::riff::Header;

type Bytes = Chain<Cursor<Vec<u8>>, BufReader<Box<dyn Read + Send>>>;

/// A WAV file that is read as it is played.
pub(crate) struct WavReader {
    path: PathBuf,
    format: WavFormat,
    /// Unknown for sound that comes through a pipe.
    frames: Option<u64>,
    frames_read: u64,
    samples: hound::WavReader<Bytes>,
}

impl WavReader {
    /// Opens a file (`-` for standard input), and checks that the sound is there that it says it has.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let cannot_use = || format!("cannot use {}", path.display());
        let (file, length): (Box<dyn Read + Send>, _) = if path == Path::new("-") {
            (Box::new(io::stdin()), None)
        } else {
            let file = File::open(path).with_context(cannot_use)?;
            let about = file.metadata().with_context(cannot_use)?;
            let length = about.is_file().then_some(about.len());
            (Box::new(file), length)
        };
        Self::new(file, length, path).with_context(cannot_use)
    }

    fn new(file: Box<dyn Read + Send>, length: Option<u64>, path: &Path) -> Result<Self> {
        let mut file = Counted { file, count: 0 };
        let header = Header::read(&mut file)?;
        let there = length.map(|length| length.saturating_sub(file.count));
        let frame_bytes = u64::from(header.frame_bytes);
        let frames = match (header.data_bytes, there) {
            (Some(promised), there) => {
                let promised = u64::from(promised);
                if let Some(there) = there.filter(|there| *there < promised) {
                    let seconds = |bytes| header.format.seconds(bytes / frame_bytes);
                    bail!(
                        "it is truncated: it has {:.2} s of sound and says it has {:.2} s; \
                         `ffmpeg -i FILE NEW.wav` keeps what is there",
                        seconds(there),
                        seconds(promised)
                    );
                }
                Some(promised / frame_bytes)
            }
            (None, there) => there.map(|there| there / frame_bytes),
        };
        ensure!(frames != Some(0), "there is no sound in it");
        let bytes = Cursor::new(header.canonical()).chain(BufReader::new(file.file));
        let samples = hound::WavReader::new(bytes)?;
        Ok(Self {
            path: path.to_owned(),
            format: header.format,
            frames,
            frames_read: 0,
            samples,
        })
    }

    pub(crate) fn format(&self) -> WavFormat {
        self.format
    }

    /// Frames in the file, where that is known before they are read.
    pub(crate) fn frames(&self) -> Option<u64> {
        self.frames
    }

    /// Reads at most so many frames, and appends their samples; returns how many, 0 at the end.
    pub(crate) fn read(&mut self, samples: &mut Vec<i32>, most: usize) -> Result<usize> {
        let left = self.frames.map(|frames| frames - self.frames_read);
        let most = left.map_or(most, |left| {
            usize::try_from(left).map_or(most, |left| left.min(most))
        });
        let channels = usize::from(self.format.channels);
        let before = samples.len();
        let wanted = most * channels;
        samples.reserve(wanted);
        let outcome = if self.format.float {
            let floats = self.samples.samples::<f32>().take(wanted);
            append(samples, floats.map(|sample| Ok(from_float(sample?))))
        } else {
            let shift = 32 - u32::from(self.format.bits);
            let integers = self.samples.samples::<i32>().take(wanted);
            append(samples, integers.map(|sample| Ok(sample? << shift)))
        };
        let frames = (samples.len() - before) / channels;
        samples.truncate(before + frames * channels);
        match outcome {
            Err(hound::Error::IoError(error)) if is_end(&error) => ensure!(
                // A pipe ends where it ends; the length of a file was checked, but it may change.
                self.frames.is_none(),
                "{} was cut off while it was read",
                self.path.display()
            ),
            outcome => outcome.with_context(|| format!("cannot read {}", self.path.display()))?,
        }
        self.frames_read += frames as u64;
        Ok(frames)
    }
}

fn append(
    samples: &mut Vec<i32>,
    more: impl Iterator<Item = hound::Result<i32>>,
) -> hound::Result<()> {
    for sample in more {
        samples.push(sample?);
    }
    Ok(())
}

/// What is beyond full scale is cut, and what is no number is silence: both as casts do it.
fn from_float(sample: f32) -> i32 {
    (f64::from(sample) * 2_f64.powi(31)).round() as i32
}

/// Whether this is hound's own error for a file that ends, which has no kind of its own.
fn is_end(error: &io::Error) -> bool {
    error.raw_os_error().is_none()
}

/// A file, and how far it was read.
struct Counted {
    file: Box<dyn Read + Send>,
    count: u64,
}

impl Read for Counted {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(bytes)?;
        self.count += count as u64;
        Ok(count)
    }
}
