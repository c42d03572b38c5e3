//! The kernel's `snd-usb-audio` on our sound card, over gadgetfs: `aplay`, `arecord` and `amixer`.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::alsa::{self, Stream};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::numbered_frames::{Listener, signal};
use dummy_hcd_tests::sound::SoundCard;
use dummy_hcd_tests::wait;
use usbfs2_audio::{Decibel, Version};
use usbfs2_gadget::functions::audio::{self, Audio, AudioOptions};
use usbfs2_gadget::{GadgetfsOptions, Running, Speed};

use super::recording::{Length, Recording};
use crate::runner::Test;
use crate::setup;
use crate::world::World;

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::long("audio::our_gadget::uac2::48000_hz", || {
            both_ways(Version::Uac2, Speed::High, Length::new(48_000, 10))
        }),
        Test::long("audio::our_gadget::uac2::44100_hz", || {
            both_ways(Version::Uac2, Speed::High, Length::new(44_100, 10))
        }),
        Test::long("audio::our_gadget::uac1::48000_hz", || {
            both_ways(Version::Uac1, Speed::High, Length::new(48_000, 10))
        }),
        Test::long("audio::our_gadget::uac2::96000_hz", || {
            both_ways(Version::Uac2, Speed::High, Length::new(96_000, 3))
        }),
        Test::long("audio::our_gadget::uac2::96000_hz_at_full_speed", || {
            both_ways(Version::Uac2, Speed::Full, Length::new(96_000, 3))
        }),
        Test::new("audio::our_gadget::uac2::volume_and_mute", || {
            volume_and_mute(Version::Uac2)
        }),
        Test::new("audio::our_gadget::uac1::volume_and_mute", || {
            volume_and_mute(Version::Uac1)
        }),
    ]
}

/// Our sound card, plugged in, and the kernel's view of it.
struct Plugged {
    audio: Arc<Audio>,
    card: SoundCard,
    // The host has let go by then: programs are killed before.
    _running: Running,
}

impl Plugged {
    fn new(version: Version, fastest: Speed, rate: u32) -> Result<Self> {
        let audio = Audio::new(AudioOptions {
            version,
            rates: vec![rate],
            ..AudioOptions::default()
        })?;
        let gadget = World::gadget()
            .speeds(Speed::Full, fastest)
            .function(Arc::clone(&audio) as Arc<_>);
        let running = gadget
            .build()?
            .start_gadgetfs(&GadgetfsOptions::default())?;
        let device = SysfsDevice::wait(setup::BUS)
            .with_context(|| format!("the gadget said {:?}", running.failures()))?;
        device.wait_driver(0, "snd-usb-audio")?;
        Ok(Self {
            audio,
            card: SoundCard::wait_host(&device)?,
            _running: running,
        })
    }
}

fn both_ways(version: Version, speed: Speed, length: Length) -> Result<()> {
    alsa::warm_up()?;
    let rate = length.rate();
    let plugged = Plugged::new(version, speed, rate)?;
    let directory = tempfile::tempdir_in("/dev/shm")?;
    let played = directory.path().join("played");
    fs::write(&played, length.signal())?;
    let recorder = Recording::start(plugged.card, length, directory.path().join("recorded"))?;
    let _player = Stream::play(plugged.card, rate, &played)?;

    let is_over = AtomicBool::new(false);
    let (heard, recorded) = thread::scope(|scope| {
        scope.spawn(|| speak(&plugged.audio, rate, &is_over));
        let heard = scope.spawn(|| hear(&plugged.audio, length));
        let recorded = recorder.check();
        is_over.store(true, Ordering::Relaxed);
        (heard.join(), recorded)
    });
    let statistics = [audio::Stream::Speaker, audio::Stream::Microphone]
        .map(|one| plugged.audio.statistics(one));
    let told = || format!("{statistics:?}");
    recorded.context("what the host heard").with_context(told)?;
    heard
        .map_err(|_| anyhow::anyhow!("the listener panicked"))?
        .context("what the gadget heard")
        .with_context(told)?;
    ensure!(
        statistics
            .iter()
            .all(|one| one.dropped_frames == 0 && one.lost_packets == 0),
        "{statistics:?}"
    );
    Ok(())
}

const PIECE: u32 = 480;

/// Writes the signal until the other end has enough.
fn speak(audio: &Audio, rate: u32, is_over: &AtomicBool) {
    let mut next = 1;
    while !is_over.load(Ordering::Relaxed) {
        let samples = samples(&signal(next..=next + PIECE - 1));
        let mut rest = &samples[..];
        while !rest.is_empty() && !is_over.load(Ordering::Relaxed) {
            let frames = audio.write(rest, Some(Duration::from_millis(100)));
            rest = &rest[2 * frames..];
        }
        next += PIECE;
        // The ring holds a second: a little less would do, but a signal must not be older than the spare time.
        while audio.waiting(audio::Stream::Microphone) > rate as usize / 5
            && !is_over.load(Ordering::Relaxed)
        {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn hear(audio: &Audio, length: Length) -> Result<()> {
    let mut listener = Listener::default();
    let mut samples = vec![0; 2 * 1024];
    while listener.frames() < length.recorded() {
        let frames = audio.read(&mut samples, Some(wait::DEADLINE));
        ensure!(frames > 0, "nothing came");
        listener.hear(&bytes(&samples[..2 * frames]))?;
    }
    length.suffices(listener.finish()?)
}

/// 16-bit samples as the gadget has them: the most significant bits of 32.
fn samples(bytes: &[u8]) -> Vec<i32> {
    let (samples, _) = bytes.as_chunks::<2>();
    let sample = |&bytes| i32::from(i16::from_le_bytes(bytes)) << 16;
    samples.iter().map(sample).collect()
}

fn bytes(samples: &[i32]) -> Vec<u8> {
    let halves = samples.iter().map(|sample| sample.to_le_bytes());
    halves.flat_map(|[_, _, low, high]| [low, high]).collect()
}

fn volume_and_mute(version: Version) -> Result<()> {
    let plugged = Plugged::new(version, Speed::High, 48_000)?;
    let controls = alsa::mixer(plugged.card, &["controls"])?;
    for (stream, word) in [
        (audio::Stream::Speaker, "Playback"),
        (audio::Stream::Microphone, "Capture"),
    ] {
        let number = |kind: &str| {
            let mut lines = controls.lines();
            let line = lines.find(|line| line.contains(&format!("{word} {kind}")));
            let line = line.with_context(|| format!("no {word} {kind} in\n{controls}"))?;
            let number = line.split(',').next().unwrap_or_default();
            anyhow::Ok(number.to_owned())
        };
        // -50 dB to 0 in halves, as the default options have it: 60 steps up are -20 dB.
        alsa::mixer(plugged.card, &["cset", &number("Volume")?, "60"])?;
        wait::until("the gadget is told the volume", || {
            (plugged.audio.volume(stream) == Decibel(-20 * 256)).then_some(())
        })?;
        for (switch, is_muted) in [("off", true), ("on", false)] {
            alsa::mixer(plugged.card, &["cset", &number("Switch")?, switch])?;
            wait::until(&format!("the gadget is told {switch}"), || {
                (plugged.audio.is_muted(stream) == is_muted).then_some(())
            })?;
        }
    }
    Ok(())
}
