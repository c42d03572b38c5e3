//! `usbfs2 gadget audio`.

mod echo;
mod status;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use usbfs2_gadget::functions::audio::{
    Audio, AudioOptions, SampleSize, SpeakerTiming, Stream, StreamOptions,
};
use usbfs2_protocol::audio::Version;

use super::{Attendance, SOUND_CARD};
use crate::args::{AudioBits, AudioClock, Backend, GadgetAudioArgs};
use crate::audio::{Source, WavFormat, WavReader, WavWriter};
pub(crate) use echo::Echo;
use status::Status;

/// How often sound is moved between the device and the files. The device keeps a second of it.
const GLANCE: Duration = Duration::from_millis(20);

/// Is a sound card until Ctrl-C.
pub(super) fn run(args: &GadgetAudioArgs, backend: Backend) -> Result<()> {
    let input = args
        .input
        .as_ref()
        .map(|path| WavReader::open(path))
        .transpose()?;
    let of_input = input.as_ref().map(|input| input.format().rate);
    let rate = args.rate.or(of_input).unwrap_or(48_000);
    if let Some(found) = of_input {
        ensure!(
            found == rate,
            "--input has {found} Hz and the device {rate} Hz: leave --rate out, or convert the file"
        );
    }
    let card = Audio::new(options(args, rate))?;
    check_fits(args, rate)?;
    let gadget = SOUND_CARD.builder().function(card.clone()).build()?;
    let bits = size(args.bits).bits();
    let mut files = Files {
        input: match (input, &args.input) {
            (Some(wav), Some(path)) => Some(Input {
                source: Some(Source::new(wav, usize::from(args.channels), rate, None)?),
                path: path.clone(),
                channels: usize::from(args.channels),
                rate,
                waiting: Vec::new(),
            }),
            _ => None,
        },
        output: None,
        echo: args.echo.then(Echo::default),
        card: card.clone(),
    };
    let status = Status::new(card.clone());
    let format = WavFormat {
        rate,
        channels: u16::from(args.channels),
        bits: u16::from(bits),
        float: false,
    };
    let attended = Attendance::of(&gadget, &SOUND_CARD, backend)
        .every(GLANCE, || {
            // The file is not made where no device can be.
            if let (Some(path), None) = (&args.output, &files.output) {
                files.output = Some(WavWriter::create(path, format)?);
            }
            files.step()?;
            status.step();
            Ok(())
        })
        .run();
    status.finish();
    let finished = files.finish();
    attended?;
    finished
}

/// The host may be one of full speed, where a packet has so many bytes (USB 2.0 5.6.3).
fn check_fits(args: &GadgetAudioArgs, rate: u32) -> Result<()> {
    const MOST: u32 = 1023;
    let size = size(args.bits);
    let frame = u32::from(args.channels) * u32::from(size.bytes());
    // A clock that is fast needs a frame more.
    let bytes = rate.div_ceil(1000).saturating_add(1).saturating_mul(frame);
    ensure!(
        bytes <= MOST,
        "{} channels of {} bits at {rate} Hz need {bytes} bytes a millisecond, and full speed has room for {MOST}: \
         fewer --channels, a lower --rate or fewer --bits",
        args.channels,
        size.bits()
    );
    Ok(())
}

fn size(bits: AudioBits) -> SampleSize {
    match bits {
        AudioBits::Sixteen => SampleSize::Bits16,
        AudioBits::TwentyFour => SampleSize::Bits24,
        AudioBits::ThirtyTwo => SampleSize::Bits32,
    }
}

fn options(args: &GadgetAudioArgs, rate: u32) -> AudioOptions {
    let stream = || StreamOptions {
        channels: args.channels,
        sizes: vec![size(args.bits)],
        ..StreamOptions::stereo()
    };
    AudioOptions {
        version: if args.uac1 {
            Version::Uac1
        } else {
            Version::Uac2
        },
        rates: vec![rate],
        speaker: Some(stream()),
        speaker_timing: match args.clock {
            AudioClock::Feedback => SpeakerTiming::Feedback,
            AudioClock::Implicit => SpeakerTiming::ImplicitFeedback,
            AudioClock::Adaptive => SpeakerTiming::Adaptive,
            AudioClock::Synchronous => SpeakerTiming::Synchronous,
        },
        microphone: Some(stream()),
        clock_error_ppm: args.ppm,
        ..AudioOptions::default()
    }
}

/// Where the sound goes, and where it comes from.
struct Files {
    card: Arc<Audio>,
    input: Option<Input>,
    output: Option<WavWriter>,
    echo: Option<Echo>,
}

impl Files {
    /// Moves what there is to move.
    fn step(&mut self) -> Result<()> {
        let heard = hear(&self.card);
        if let Some(file) = &mut self.output {
            file.write(&heard)?;
        }
        if let Some(echo) = &mut self.echo {
            echo.step(&self.card, heard);
        }
        if let Some(input) = &mut self.input {
            input.step(&self.card)?;
        }
        Ok(())
    }

    /// Makes the file whole, with what was heard last.
    fn finish(mut self) -> Result<()> {
        let Some(mut file) = self.output.take() else {
            return Ok(());
        };
        file.write(&hear(&self.card))?;
        file.finish()
    }
}

/// All that the host has played since the last time.
pub(crate) fn hear(card: &Audio) -> Vec<i32> {
    let channels = card
        .options()
        .speaker
        .as_ref()
        .map_or(1, |speaker| usize::from(speaker.channels));
    let mut samples = vec![0; card.waiting(Stream::Speaker) * channels];
    let frames = card.read(&mut samples, Some(Duration::ZERO));
    samples.truncate(frames * channels);
    samples
}

/// A file for the host to record.
struct Input {
    path: PathBuf,
    channels: usize,
    rate: u32,
    /// `None` at the end of a pipe, which cannot be read again.
    source: Option<Source>,
    /// Samples for which there was no room.
    waiting: Vec<i32>,
}

impl Input {
    /// Fills the device up.
    fn step(&mut self, card: &Audio) -> Result<()> {
        loop {
            if self.waiting.is_empty() {
                let Some(source) = &mut self.source else {
                    return Ok(());
                };
                match source.next()? {
                    Some(piece) => self.waiting = piece,
                    None => {
                        self.source = self.again()?;
                        continue;
                    }
                }
            }
            let taken = card.write(&self.waiting, Some(Duration::ZERO));
            if taken == 0 {
                return Ok(());
            }
            self.waiting.drain(..taken * self.channels);
        }
    }

    fn again(&self) -> Result<Option<Source>> {
        if self.path.as_os_str() == "-" {
            return Ok(None);
        }
        let wav = WavReader::open(&self.path)?;
        Ok(Some(Source::new(wav, self.channels, self.rate, None)?))
    }
}
