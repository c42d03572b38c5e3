//! `usbfs2 audio play`.

use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use anyhow::Result;
use usbfs2_audio::{AudioDevice, AudioFormat, Playback, StreamOptions};

use super::channels::ChannelMap;
use super::choice;
use super::device::{self, Use};
use super::feeder::{Feeder, Source};
use super::observer::Observer;
use super::sample::round;
use super::wav::WavReader;
use crate::args::AudioPlayArgs;
use crate::interrupt;
use crate::output::note;

/// How often Ctrl-C is looked for, and a silent file.
const GLANCE: Duration = Duration::from_millis(10);

/// Silence behind the sound.
const AFTER: Duration = Duration::from_millis(20);

/// Plays a file.
pub(super) fn run(args: &AudioPlayArgs) -> Result<()> {
    // What is wrong with the file is said before the device is touched; and so long, Ctrl-C ends a wait for it.
    let wav = WavReader::open(&args.file)?;
    interrupt::catch()?;
    let device = device::open(args.stream.device.as_deref())?;
    play_on(&device, wav, args)
}

/// Plays an open file on an open device.
pub(super) fn play_on(device: &AudioDevice, wav: WavReader, args: &AudioPlayArgs) -> Result<()> {
    let offers = device::offers(device, Use::Play, args.stream.interface)?;
    let choice = choice::to_play(&offers, wav.format(), args.resample)?;
    let stream = device::stream(device, Use::Play, choice.interface)?;
    device::set_volume(device, stream, args.stream.volume)?;
    let format = choice.format;
    if !args.quiet {
        note!("{}", announcement(&wav, format, &device::name(device)));
    }
    let total = total_frames(&wav, format, args.stream.duration);
    let source = Source::new(
        wav,
        usize::from(format.channels),
        format.rate,
        args.stream.duration,
    )?;
    let feeder = Feeder::start(source)?;
    let options = StreamOptions::default().latency(args.stream.latency);
    let mut playback = device.play_on_blocking(stream, format, options)?;
    let mut observer = Observer::new("played", format, total, args.quiet);
    let played = play(&mut playback, &feeder, &mut observer);
    let statistics = playback.statistics();
    let stopped = match &played {
        Ok(()) => playback.stop().map(drop),
        // What went wrong says more than that stopping did too.
        Err(_) => Ok(()),
    };
    observer.finish(&statistics, args.quiet, args.stream.plot.as_deref())?;
    played?;
    Ok(stopped?)
}

fn play(playback: &mut Playback, feeder: &Feeder, observer: &mut Observer) -> Result<()> {
    let format = playback.format();
    let mut bytes = Vec::new();
    while !interrupt::requested() {
        let mut samples = match feeder.next(Duration::ZERO) {
            Ok(piece) => piece?,
            Err(RecvTimeoutError::Disconnected) => {
                // What is in the device's own buffer goes on as long as more comes.
                let frames = format.rate as usize * AFTER.as_millis() as usize / 1000;
                playback.write_blocking(&vec![0; frames * format.frame_bytes()])?;
                playback.drain_blocking()?;
                break;
            }
            // The file is slow, but the bus goes on.
            Err(RecvTimeoutError::Timeout) => {
                playback.pump_blocking(GLANCE)?;
                continue;
            }
        };
        round(&mut samples, format.sample.bits());
        bytes.clear();
        format.sample.encode(&samples, &mut bytes);
        let mut left = &bytes[..];
        while !left.is_empty() && !interrupt::requested() {
            let taken = playback.write_timeout(left, GLANCE)?;
            left = &left[taken * format.frame_bytes()..];
        }
        observer.saw(&samples, || {
            (playback.statistics(), playback.latency_frames())
        });
    }
    Ok(())
}

/// What is played how, with all that is not as it is in the file.
fn announcement(wav: &WavReader, format: AudioFormat, device: &str) -> String {
    let file = wav.format();
    let mut said = vec![format!("Playing {file} on {device}")];
    if file.rate != format.rate {
        said.push(format!("converted to {} Hz", format.rate));
    }
    said.extend(
        ChannelMap::new(usize::from(file.channels), usize::from(format.channels)).describe(),
    );
    let bits = u16::from(format.sample.bits());
    if bits < file.bits {
        said.push(format!("rounded to {bits} bits"));
    }
    format!("{}; Ctrl-C ends it.", said.join(", "))
}

/// Frames that will be played.
fn total_frames(wav: &WavReader, format: AudioFormat, duration: Option<Duration>) -> Option<u64> {
    let in_file = wav.frames().map(|frames| wav.format().seconds(frames));
    let seconds = match (in_file, duration) {
        (Some(in_file), Some(duration)) => in_file.min(duration.as_secs_f64()),
        (in_file, duration) => in_file.or(duration.map(|duration| duration.as_secs_f64()))?,
    };
    Some((seconds * f64::from(format.rate)).round() as u64)
}
