//! The kernel at both ends: `snd-usb-audio` on `f_uac1` and `f_uac2`, both ways at once, frame by frame.

use std::fs;
use std::thread;

use anyhow::{Context as _, Result};
use dummy_hcd_tests::alsa::{self, Stream};
use dummy_hcd_tests::sound::SoundCard;

use super::gadget::{Function, Speed};
use super::recording::{HEAD_START, Length, Recording};
use crate::runner::Test;

const RATES: [u32; 3] = [44_100, 48_000, 96_000];

/// Which end's programs are started first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    Host,
    Gadget,
}

/// One run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Duplex {
    function: Function,
    speed: Speed,
    rate: u32,
    first: First,
    /// What must come without a break.
    seconds: u32,
}

pub(super) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for rate in RATES {
        for first in [First::Host, First::Gadget] {
            tests.push(test(Function::Uac2, Speed::High, rate, first, 10));
        }
    }
    // The rest of what may differ, each once.
    for (rate, first) in RATES
        .into_iter()
        .zip([First::Gadget, First::Host, First::Gadget])
    {
        tests.push(test(Function::Uac2, Speed::Full, rate, first, 3));
    }
    // f_uac1 has packets of 200 bytes, one in 2^3 frames or microframes, whatever its rate and speed: at full speed,
    // and at 96 kHz, that is less than the rate needs (Linux 6.12).
    for (rate, first) in [(44_100, First::Gadget), (48_000, First::Host)] {
        tests.push(test(Function::Uac1, Speed::High, rate, first, 3));
    }
    tests
}

/// What also runs at super speed, which only `f_uac2` is made for.
pub(super) fn at_super_speed() -> Vec<Test> {
    RATES
        .into_iter()
        .zip([First::Host, First::Gadget, First::Host])
        .map(|(rate, first)| test(Function::Uac2, Speed::Super, rate, first, 3))
        .collect()
}

fn test(function: Function, speed: Speed, rate: u32, first: First, seconds: u32) -> Test {
    let who = match first {
        First::Host => "host",
        First::Gadget => "gadget",
    };
    let name = format!(
        "streams::{}::{}::{rate}_hz_{who}_first",
        function.name(),
        speed.name()
    );
    let case = Duplex {
        function,
        speed,
        rate,
        first,
        seconds,
    };
    Test::duplex(super::named(speed, &name), case)
}

impl Duplex {
    pub(crate) fn run(self) -> Result<()> {
        alsa::warm_up()?;
        let plugged = self.function.plug(self.speed, self.rate)?;
        let host = SoundCard::wait_host(&plugged.device)?;
        let gadget = SoundCard::wait_gadget(crate::setup::BUS)?;
        let directory = tempfile::tempdir_in("/dev/shm")?;
        let played = directory.path().join("played");
        let length = Length::new(self.rate, self.seconds);
        fs::write(&played, length.signal())?;
        let start = |end: First| -> Result<(Stream, Recording)> {
            let card = match end {
                First::Host => host,
                First::Gadget => gadget,
            };
            let file = directory.path().join(format!("{end:?}"));
            let recording = Recording::start(card, length, file)?;
            let mut player = Stream::play(card, self.rate, &played)?;
            player.wait_running()?;
            Ok((player, recording))
        };
        let second = match self.first {
            First::Host => First::Gadget,
            First::Gadget => First::Host,
        };
        let (first_player, first) = start(self.first)?;
        thread::sleep(HEAD_START);
        let (second_player, second) = start(second)?;
        let results = [first.check(), second.check()];
        drop((first_player, second_player));
        for (result, end) in results.into_iter().zip(["first", "second"]) {
            result.with_context(|| format!("what the end heard that was started {end}"))?;
        }
        Ok(())
    }
}
