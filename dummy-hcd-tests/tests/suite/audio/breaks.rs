//! Streams that end in the middle: `snd-usb-audio` on `f_uac2`, URBs unlinked, cables pulled.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::alsa::{self, Stream};
use dummy_hcd_tests::sound::SoundCard;
use tempfile::TempDir;

use super::gadget::{Function, Speed};
use super::recording::{Length, Recording};
use crate::runner::Test;
use crate::setup::{self, Plugged};

const RATE: u32 = 48_000;
const ROUNDS: u32 = 10;

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::long("audio::breaks::urbs_unlinked_in_flight", || {
            rounds(Speed::High, stop_in_flight)
        }),
        Test::long(
            "audio::breaks::urbs_unlinked_in_flight_at_full_speed",
            || rounds(Speed::Full, stop_in_flight),
        ),
        Test::long("audio::breaks::cable_pulled_while_streaming", || {
            rounds(Speed::High, pull)
        }),
    ]
}

/// A sound card and what is played on it.
struct Bench {
    plugged: Plugged,
    host: SoundCard,
    gadget: SoundCard,
    directory: TempDir,
    length: Length,
}

impl Bench {
    /// Both ways, from the host's end: what plays, and what records.
    fn start(&self) -> Result<[Stream; 2]> {
        let path = |name: &str| self.directory.path().join(name);
        let mut streams = [
            Stream::play(self.host, RATE, &self.played())?,
            Stream::record(self.host, RATE, u64::from(RATE) * 60, &path("host"))?,
        ];
        for stream in &mut streams {
            stream.wait_running()?;
            let status = stream.status()?;
            ensure!(status.is_none(), "{status:?}: {}", stream.said());
        }
        Ok(streams)
    }

    fn played(&self) -> std::path::PathBuf {
        self.directory.path().join("played")
    }

    /// A second from the host to the gadget, without a break.
    fn still_works(&self) -> Result<()> {
        let file = self.directory.path().join("gadget");
        let recording = Recording::start(self.gadget, self.length, file)?;
        let _player = Stream::play(self.host, RATE, &self.played())?;
        recording.check()
    }
}

fn rounds(speed: Speed, one: fn(&mut Bench) -> Result<()>) -> Result<()> {
    alsa::warm_up()?;
    let plugged = Function::Uac2.plug(speed, RATE)?;
    let directory = tempfile::tempdir_in("/dev/shm")?;
    let length = Length::new(RATE, 1);
    let mut bench = Bench {
        host: SoundCard::wait_host(&plugged.device)?,
        gadget: SoundCard::wait_gadget(setup::BUS)?,
        plugged,
        directory,
        length,
    };
    write_signal(&bench.played(), length)?;
    for round in 0..ROUNDS {
        one(&mut bench).with_context(|| format!("round {round} of {ROUNDS}"))?;
    }
    bench.still_works()
}

fn write_signal(path: &Path, length: Length) -> Result<()> {
    fs::write(path, length.signal())?;
    Ok(())
}

/// The programs are killed with their URBs in flight.
fn stop_in_flight(bench: &mut Bench) -> Result<()> {
    drop(bench.start()?);
    Ok(())
}

/// The programs end by themselves when the device goes, and the card with them.
fn pull(bench: &mut Bench) -> Result<()> {
    let streams = bench.start()?;
    bench.plugged.pull()?;
    for stream in streams {
        let end = stream.finish();
        ensure!(end.is_err(), "a program took no notice of the cable");
    }
    bench.host.wait_gone()?;
    bench.plugged.plug_again()?;
    bench.plugged.device.wait_driver(0, "snd-usb-audio")?;
    bench.host = SoundCard::wait_host(&bench.plugged.device)?;
    bench.gadget = SoundCard::wait_gadget(setup::BUS)?;
    Ok(())
}
