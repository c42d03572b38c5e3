//! The commands on a sound card on the in-process bus. Its clock is the machine's, so that latencies here are what a
//! busy one needs.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser as _;
use tempfile::TempDir;
use usbfs2_audio::{AudioDevice, Decibel};
use usbfs2_gadget::functions::audio::{Audio, AudioOptions, SampleSize, Stream, StreamOptions};
use usbfs2_gadget::{DeviceIds, Gadget, Running, Speed};
use usbfs2_host::Host;
use usbfs2_loopback::Bus;

use super::wav::{WavFormat, WavReader, WavWriter};
use super::{info, play, record};
use crate::args::{AudioCommand, Cli, Command};

const LATENCY: &str = "--latency=1500";

/// A sound card that is plugged in, and a place for files.
pub(super) struct World {
    card: Arc<Audio>,
    pub(super) device: AudioDevice,
    folder: TempDir,
    _running: Running,
}

impl World {
    pub(super) fn new() -> Self {
        let stream = || StreamOptions {
            sizes: vec![SampleSize::Bits16, SampleSize::Bits24],
            ..StreamOptions::stereo()
        };
        let card = Audio::new(AudioOptions {
            rates: vec![48_000, 44_100],
            speaker: Some(stream()),
            microphone: Some(stream()),
            queue: Duration::from_millis(500),
            ring: Duration::from_secs(20),
            ..AudioOptions::default()
        })
        .unwrap();
        let ids = DeviceIds {
            vendor: 0x1209,
            product: 0x0007,
            release: 0x0100,
        };
        let gadget = Gadget::builder(ids)
            .product("Sound card")
            .function(card.clone());
        let bus = Bus::new();
        let running = gadget.build().unwrap().start_on(&bus, Speed::High).unwrap();
        let host = Host::on(&bus);
        let device = host.open(&running.port_name().into()).unwrap();
        Self {
            card,
            device: AudioDevice::open_blocking(&device).unwrap(),
            folder: TempDir::new().unwrap(),
            _running: running,
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().into()
    }

    /// Runs a command of `usbfs2 audio` on the card.
    fn run(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let line = ["usbfs2", "audio"].iter().chain(arguments);
        let Command::Audio(command) = Cli::try_parse_from(line)?.command else {
            panic!("no audio command: {arguments:?}");
        };
        match &command {
            AudioCommand::Info(args) => info::print(&self.device, args),
            AudioCommand::Play(args) => {
                play::play_on(&self.device, WavReader::open(&args.file)?, args)
            }
            AudioCommand::Record(args) => record::record_from(&self.device, args),
            AudioCommand::Meter(args) => record::meter_of(&self.device, args),
        }
    }

    /// All that was played, once the card has seen the end of the stream.
    fn heard(&self) -> Vec<i32> {
        let mut heard = Vec::new();
        let mut piece = vec![0; 9600];
        let began = Instant::now();
        loop {
            let is_over = self.card.format(Stream::Speaker).is_none();
            match self.card.read(&mut piece, Some(Duration::from_millis(20))) {
                0 if is_over => return heard,
                frames => heard.extend(&piece[..2 * frames]),
            }
            assert!(began.elapsed() < Duration::from_secs(60), "it plays on");
        }
    }
}

/// Frames that are all unlike each other, the channels too.
fn sound(frames: i32) -> Vec<i32> {
    let frame = |n: i32| [(n + 1) << 16, -(n + 1) << 16];
    (0..frames).flat_map(frame).collect()
}

fn write(path: &str, rate: u32, channels: u16, samples: &[i32]) {
    let format = WavFormat {
        rate,
        channels,
        bits: 16,
        float: false,
    };
    let mut file = WavWriter::create(Path::new(path), format).unwrap();
    file.write(samples).unwrap();
    file.finish().unwrap();
}

fn read(path: &str) -> (WavFormat, Vec<i32>) {
    let mut file = WavReader::open(Path::new(path)).unwrap();
    let mut samples = Vec::new();
    while file.read(&mut samples, 1000).unwrap() > 0 {}
    (file.format(), samples)
}

/// Whether a sound is in another, whole.
#[track_caller]
fn assert_contains(all: &[i32], part: &[i32]) {
    let begins = all
        .iter()
        .position(|sample| *sample != 0)
        .expect("only silence");
    let found = &all[begins..];
    let same = found.iter().zip(part).take_while(|(a, b)| a == b).count();
    assert_eq!(same, part.len(), "of {} samples found", found.len());
}

#[test]
fn a_file_is_heard_to_the_sample_at_the_volume_asked_for() {
    let world = World::new();
    let (file, plot) = (world.path("sound.wav"), world.path("plot.svg"));
    let samples = sound(20_000);
    write(&file, 44_100, 2, &samples);
    world
        .run(&["play", &file, LATENCY, "--volume=-6.4dB", "--plot", &plot])
        .unwrap();
    assert_contains(&world.heard(), &samples);
    assert_eq!(world.card.rate(Stream::Speaker), 44_100);
    // Of steps of half a decibel the nearest.
    assert_eq!(world.card.volume(Stream::Speaker), Decibel::from_db(-6.5));
    let plot = fs::read_to_string(plot).unwrap();
    assert!(
        plot.contains("at 44100 Hz, 2 channels, 16 bits") && plot.contains("no xrun"),
        "{plot}"
    );
}

#[test]
fn mono_is_heard_on_both_channels_and_no_longer_than_asked() {
    let world = World::new();
    let file = world.path("mono.wav");
    let mono: Vec<i32> = (1..=24_000).map(|n| n << 16).collect();
    write(&file, 48_000, 1, &mono);
    world
        .run(&["play", &file, LATENCY, "--quiet", "--duration", "0.25"])
        .unwrap();
    let both: Vec<i32> = mono[..12_000]
        .iter()
        .flat_map(|sample| [*sample; 2])
        .collect();
    let heard = world.heard();
    assert_contains(&heard, &both);
    assert_eq!(
        heard.iter().filter(|sample| **sample != 0).count(),
        both.len()
    );
}

#[test]
fn a_rate_that_the_card_does_not_have_is_converted_where_asked() {
    let world = World::new();
    let file = world.path("slow.wav");
    write(&file, 24_000, 2, &[1 << 28; 2 * 6000]);
    let error = world.run(&["play", &file]).unwrap_err().to_string();
    assert!(
        error.contains("24000 Hz")
            && error.contains("44100, 48000 Hz")
            && error.contains("--resample"),
        "{error}"
    );
    world
        .run(&["play", &file, LATENCY, "--quiet", "--resample"])
        .unwrap();
    assert_eq!(world.card.rate(Stream::Speaker), 44_100);
    let loud = world
        .heard()
        .iter()
        .filter(|sample| **sample > 1 << 27)
        .count();
    // A quarter of a second, but for the ends.
    assert!((2 * 10_900..=2 * 11_100).contains(&loud), "{loud}");
}

#[test]
fn what_the_card_sends_is_recorded_to_the_sample() {
    let world = World::new();
    let file = world.path("take.wav");
    let samples = sound(12_000);
    assert_eq!(world.card.write(&samples, None), 12_000);
    world
        .run(&[
            "record",
            &file,
            LATENCY,
            "--duration",
            "0.5",
            "--bits",
            "16",
        ])
        .unwrap();
    let (format, recorded) = read(&file);
    assert_eq!((format.rate, format.channels, format.bits), (48_000, 2, 16));
    assert_eq!(recorded.len(), 2 * 24_000);
    assert_contains(&recorded, &samples);
    let error = world
        .run(&["record", &file, "--channels", "3"])
        .unwrap_err();
    assert!(
        error.to_string().contains("it has stereo, 16 bits"),
        "{error}"
    );
    // The file of before is still there.
    assert_eq!(read(&file).1.len(), recorded.len());
}

#[test]
fn a_card_is_described_and_metered() {
    let world = World::new();
    world.run(&["info"]).unwrap();
    world.run(&["info", "--json"]).unwrap();
    world.card.write(&sound(12_000), None);
    world.run(&["meter", LATENCY, "--duration", "0.6"]).unwrap();
    world
        .run(&["meter", LATENCY, "--duration", "0.6", "--json"])
        .unwrap();
    let error = world
        .run(&["meter", "--interface", "1"])
        .unwrap_err()
        .to_string();
    assert!(error.contains("interface 1 of Sound card"), "{error}");
}
