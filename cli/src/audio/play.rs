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
    let (statistics, recording) = (playback.statistics(), playback.recording_statistics());
    let stopped = match &played {
        Ok(()) => playback.stop_blocking().map(drop),
        // What went wrong says more than that stopping did too.
        Err(_) => Ok(()),
    };
    let plot = args.stream.plot.as_deref();
    observer.finish(&statistics, recording.as_ref(), args.quiet, plot)?;
    played?;
    Ok(stopped?)
}

fn play(playback: &mut Playback, feeder: &Feeder, observer: &mut Observer) -> Result<()> {
    let format = playback.format();
    let mut bytes = Vec::new();
    while !interrupt::requested() {
        let mut samples = match next_piece(playback, feeder)? {
            Next::Piece(samples) => samples,
            Next::End => {
                // What is in the device's own buffer goes on as long as more comes.
                let frames = format.rate as usize * AFTER.as_millis() as usize / 1000;
                playback.write_blocking(&vec![0; frames * format.frame_bytes()])?;
                playback.drain_blocking()?;
                break;
            }
            Next::Nothing => continue,
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

/// What a file has next.
enum Next {
    Piece(Vec<i32>),
    /// Nothing yet.
    Nothing,
    End,
}

/// The next piece of a file, waited for as long as a glance: a bus that runs goes on meanwhile.
fn next_piece(playback: &mut Playback, feeder: &Feeder) -> Result<Next> {
    let is_running = playback.is_running();
    let at_most = if is_running { Duration::ZERO } else { GLANCE };
    match feeder.next(at_most) {
        Ok(piece) => piece.map(Next::Piece),
        Err(RecvTimeoutError::Disconnected) => Ok(Next::End),
        Err(RecvTimeoutError::Timeout) => {
            if is_running {
                playback.pump_blocking(GLANCE)?;
            }
            Ok(Next::Nothing)
        }
    }
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

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use usbfs2_audio::Sample;

    use super::super::tests::World;
    use super::*;

    #[test]
    fn a_pipe_that_says_nothing_is_waited_for() {
        let world = World::new();
        let format = AudioFormat::new(48_000, 2, Sample::S16);
        let options = StreamOptions::default();
        let mut playback = world.device.play_blocking(format, options).unwrap();
        let (pipe, feeder) = Feeder::of_a_pipe();
        for is_running in [false, true] {
            assert_eq!(playback.is_running(), is_running);
            let began = Instant::now();
            let next = next_piece(&mut playback, &feeder).unwrap();
            assert!(matches!(next, Next::Nothing));
            assert!(began.elapsed() >= GLANCE, "it asks again at once");
            playback.start_blocking().unwrap();
        }
        pipe.send(Ok(vec![1, 2])).unwrap();
        let next = next_piece(&mut playback, &feeder).unwrap();
        assert!(matches!(next, Next::Piece(samples) if samples == [1, 2]));
        drop(pipe);
        let next = next_piece(&mut playback, &feeder).unwrap();
        assert!(matches!(next, Next::End));
    }
}
