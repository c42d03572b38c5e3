//! A WAV file to write.

use std::fs::File;
use std::io::{self, BufWriter, Stdout, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use hound::{Sample as _, SampleFormat, WavSpec};

use super::WavFormat;

/// What a header counts in 32 bits: the samples, and the longest header hound writes.
const MOST_BYTES: u64 = u32::MAX as u64 - 128;

/// A WAV file that grows.
pub(crate) struct WavWriter {
    path: PathBuf,
    format: WavFormat,
    sink: Sink,
    frames: u64,
    /// Frames when the header was last brought up to date.
    frames_kept: u64,
}

enum Sink {
    File(hound::WavWriter<BufWriter<File>>),
    /// Nothing in a pipe can be written once more, so that its header tells no length.
    Pipe(BufWriter<Stdout>),
}

impl WavWriter {
    /// Makes the file (`-` for standard output), over what is there. Its samples are integers.
    pub(crate) fn create(path: &Path, format: WavFormat) -> Result<Self> {
        let cannot_write = || format!("cannot write {}", path.display());
        let spec = WavSpec {
            channels: format.channels,
            sample_rate: format.rate,
            bits_per_sample: format.bits,
            sample_format: SampleFormat::Int,
        };
        let sink = if path == Path::new("-") {
            let mut pipe = BufWriter::new(io::stdout());
            pipe.write_all(&spec.into_header_for_infinite_file())?;
            Sink::Pipe(pipe)
        } else {
            let file = BufWriter::new(File::create(path).with_context(cannot_write)?);
            Sink::File(hound::WavWriter::new(file, spec).with_context(cannot_write)?)
        };
        Ok(Self {
            path: path.to_owned(),
            format,
            sink,
            frames: 0,
            frames_kept: 0,
        })
    }

    /// Writes frames, their samples one after the other. Once a second the file is made whole, so that
    /// little is lost when the machine stops.
    pub(crate) fn write(&mut self, samples: &[i32]) -> Result<()> {
        let channels = u64::from(self.format.channels);
        let frames = samples.len() as u64 / channels;
        let bytes_per_frame = channels * u64::from(self.format.bits / 8);
        if let Sink::File(_) = self.sink {
            ensure!(
                (self.frames + frames) * bytes_per_frame <= MOST_BYTES,
                "{} is full: a WAV file has at most 4 GiB, here {:.0} minutes",
                self.path.display(),
                self.format.seconds(self.frames) / 60.0
            );
        }
        let shift = 32 - u32::from(self.format.bits);
        let bits = self.format.bits;
        match &mut self.sink {
            Sink::File(file) => {
                let mut written = samples
                    .iter()
                    .try_for_each(|sample| file.write_sample(sample >> shift));
                self.frames += frames;
                if self.frames - self.frames_kept >= u64::from(self.format.rate) {
                    self.frames_kept = self.frames;
                    written = written.and_then(|()| file.flush());
                }
                written.with_context(|| format!("cannot write {}", self.path.display()))
            }
            Sink::Pipe(pipe) => {
                for sample in samples {
                    match (sample >> shift).write(pipe, bits) {
                        Ok(()) => {}
                        // As it is, since a reader who has heard enough is no failure.
                        Err(hound::Error::IoError(error)) => return Err(error.into()),
                        Err(error) => bail!(error),
                    }
                }
                self.frames += frames;
                // Whoever reads it may be listening.
                Ok(pipe.flush()?)
            }
        }
    }

    /// Makes the file whole. Dropping it does too, but cannot say that it failed.
    pub(crate) fn finish(self) -> Result<()> {
        match self.sink {
            Sink::File(file) => file
                .finalize()
                .with_context(|| format!("cannot write {}", self.path.display())),
            Sink::Pipe(mut pipe) => Ok(pipe.flush()?),
        }
    }
}
