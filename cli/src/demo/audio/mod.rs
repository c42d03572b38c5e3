//! The tour's sound card: a voice is played to it, it plays it back, and every sample is compared.

mod compare;
mod sound;
mod speech;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use indicatif::ProgressBar;
use usbfs2_audio::{AudioDevice, AudioFormat, Capture, Playback, Sample, Statistics};
use usbfs2_gadget::functions::audio::{Audio, AudioOptions, Stream, StreamOptions};
use usbfs2_gadget::{DeviceIds, Gadget, ProblemKind, StartError};

use super::summary::Row;
use super::world::{AT_ONCE, World};
use crate::gadget::audio::{Echo, hear};
use crate::output::say;
use crate::{interrupt, progress};
pub(super) use sound::Sound;

const VENDOR: u16 = 0x1209;
const PRODUCT: u16 = 0x0007;
/// How much sound is on its way at each end: so long a busy machine may be away.
const LATENCY: Duration = Duration::from_millis(500);
/// What the card holds back, to even out what comes.
const BUFFER: Duration = Duration::from_millis(100);
/// How often the sound is played again, where the machine was away for longer.
const ATTEMPTS: u32 = 3;
/// How often Ctrl-C is looked for, and how often the card's sound is moved.
const GLANCE: Duration = Duration::from_millis(10);

/// Plugs the sound card in, plays, records, and compares. `None` where the bus cannot carry sound.
pub(super) fn tour(world: &World, sound: &Sound) -> Result<Option<Row>> {
    let card = Audio::new(options(sound))?;
    let gadget = Gadget::builder(DeviceIds {
        vendor: VENDOR,
        product: PRODUCT,
        release: 0x0100,
    })
    .manufacturer("usbfs2")
    .product("Demo sound card")
    .function(card.clone())
    .build()?;
    let plugged = match world.plug(&gadget, (VENDOR, PRODUCT)) {
        Err(error) if lacks_isochronous(&error) => {
            say!(
                "Sound card: left out, since this kernel's dummy_hcd carries no isochronous transfers;"
            )?;
            say!("Sound card: `cargo xtask vm --isochronous` has one that does.")?;
            return Ok(None);
        }
        outcome => outcome?,
    };
    let device = AudioDevice::open_blocking(&plugged.open()?)?;
    let mut row = Row {
        device: "sound card",
        transfers: 0,
        bytes: 0,
        errors: Vec::new(),
    };
    for attempt in 1.. {
        let passage = pass(&device, &card, sound)?;
        match compare::find(
            &sound.samples,
            &passage.samples,
            usize::from(sound.channels),
        ) {
            Ok(_) => break,
            // A machine that was away for longer than all there is on the way breaks the stream, which is seen.
            Err(error) if passage.is_broken() && attempt < ATTEMPTS => {
                say!(
                    "Sound card: this machine was too busy, and the stream broke: {error}; once more."
                )?;
                row.errors.push("stream broken by a busy machine".into());
            }
            // An emulated machine may never be in time for a packet a millisecond; no bus sends one again.
            Err(error) if passage.is_broken() && matches!(world, World::Kernel(_)) => {
                say!(
                    "Sound card: left out, since this machine misses packets each time: {error};"
                )?;
                say!(
                    "Sound card: `cargo xtask vm --isochronous --icount` has one that is always in time."
                )?;
                return Ok(None);
            }
            Err(error) => return Err(error.context("the sound differs")),
        }
    }
    say!(
        "Sound card: {} played, {:.2} s at {} Hz, asynchronous with feedback.",
        sound.name,
        sound.frames() as f64 / f64::from(sound.rate),
        sound.rate
    )?;
    say!(
        "Sound card: recorded again, each of {} samples as it was.",
        sound.samples.len()
    )?;
    drop(device);
    plugged.unplug()?;
    let frame_bytes = u64::from(sound.channels) * u64::from(sound.size.bytes());
    for statistics in [Stream::Speaker, Stream::Microphone].map(|stream| card.statistics(stream)) {
        row.transfers += statistics.packets;
        row.bytes += statistics.frames * frame_bytes;
    }
    Ok(Some(row))
}

fn lacks_isochronous(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref(),
        Some(StartError::Problems(problems))
            if problems.problems().iter().any(|problem| matches!(problem.kind, ProblemKind::NoIsochronous { .. }))
    )
}

fn options(sound: &Sound) -> AudioOptions {
    let stream = || StreamOptions {
        channels: sound.channels,
        sizes: vec![sound.size],
        ..StreamOptions::stereo()
    };
    AudioOptions {
        rates: vec![sound.rate],
        speaker: Some(stream()),
        microphone: Some(stream()),
        buffer: BUFFER,
        queue: Duration::from_millis(200),
        ring: Duration::from_secs(10),
        ..AudioOptions::default()
    }
}

/// What one time of playing and recording gave.
struct Passage {
    samples: Vec<i32>,
    played: Statistics,
    recorded: Statistics,
}

impl Passage {
    /// Whether a stream broke, so that a difference is no wonder.
    fn is_broken(&self) -> bool {
        [&self.played, &self.recorded]
            .iter()
            .any(|statistics| statistics.xruns > 0 || statistics.missed_packets > 0)
    }
}

/// Plays the sound and records until it has come back.
fn pass(device: &AudioDevice, card: &Arc<Audio>, sound: &Sound) -> Result<Passage> {
    let sample = Sample::new(sound.size.bits(), sound.size.bytes());
    let sample = sample.context("the host has no such samples")?;
    let format = AudioFormat::new(sound.rate, sound.channels, sample);
    let options = usbfs2_audio::StreamOptions::default().latency(LATENCY);
    let mut capture = device.record_blocking(format, options)?;
    let mut playback = device.play_blocking(format, options)?;
    // Of a passage before.
    drop(hear(card));
    let bar = progress::seconds(sound.frames() as f64 / f64::from(sound.rate), "playing");
    let over = AtomicBool::new(false);
    let (played, recorded) = thread::scope(|scope| {
        scope.spawn(|| {
            let mut echo = Echo::default();
            while !over.load(Ordering::Relaxed) {
                echo.step(card, hear(card));
                card.next_event(Some(GLANCE));
            }
        });
        let recorder = scope.spawn(|| record(&mut capture, sound, &over));
        let played = play(&mut playback, sound, &bar);
        if played.is_err() {
            over.store(true, Ordering::Relaxed);
        }
        let recorded = recorder.join();
        over.store(true, Ordering::Relaxed);
        (played, recorded)
    });
    bar.finish_and_clear();
    played?;
    let samples = recorded.map_err(|_| anyhow!("the recording panicked"))??;
    Ok(Passage {
        samples,
        played: playback.stop_blocking()?,
        recorded: capture.stop_blocking()?,
    })
}

fn play(playback: &mut Playback, sound: &Sound, bar: &ProgressBar) -> Result<()> {
    let format = playback.format();
    let mut bytes = Vec::new();
    format.sample.encode(&sound.samples, &mut bytes);
    // The card plays no faster than it is sent to, and so keeps what is in its buffer until more comes.
    let silence = BUFFER.as_millis() as usize * 2 * format.rate as usize / 1000;
    bytes.resize(bytes.len() + silence * format.frame_bytes(), 0);
    let mut left = &bytes[..];
    while !left.is_empty() {
        if interrupt::requested() {
            bail!("interrupted");
        }
        let frames = playback.write_timeout(left, GLANCE)?;
        left = &left[frames * format.frame_bytes()..];
        bar.inc(frames as u64 * 1000 / u64::from(format.rate));
    }
    playback.drain_blocking()?;
    Ok(())
}

/// Records until as much sound has come as was played, or none has for too long.
fn record(capture: &mut Capture, sound: &Sound, over: &AtomicBool) -> Result<Vec<i32>> {
    let format = capture.format();
    let channels = usize::from(format.channels);
    let most = sound.frames() + AT_ONCE.as_secs() as usize * format.rate as usize;
    let mut bytes = vec![0; format.frame_bytes() * 4096];
    let mut samples: Vec<i32> = Vec::new();
    let mut began = None;
    let mut heard_of = Instant::now();
    while !over.load(Ordering::Relaxed) && !interrupt::requested() {
        let frames = capture.read_timeout(&mut bytes, GLANCE)?;
        if frames > 0 {
            heard_of = Instant::now();
        }
        ensure!(heard_of.elapsed() < AT_ONCE, "the sound card sends nothing");
        let before = samples.len();
        format
            .sample
            .decode(&bytes[..frames * format.frame_bytes()], &mut samples);
        if began.is_none() {
            let sound = samples[before..].iter().position(|sample| *sample != 0);
            began = sound.map(|at| (before + at) / channels);
        }
        let frames = samples.len() / channels;
        if began.map_or(frames > most, |began| frames > began + sound.frames()) {
            break;
        }
    }
    Ok(samples)
}
