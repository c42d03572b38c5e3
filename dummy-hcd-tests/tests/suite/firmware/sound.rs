//! The kernel's snd-usb-audio on `usbd-audio`.

use std::fs;

use anyhow::Result;
use dummy_hcd_tests::alsa::{self, Stream};
use dummy_hcd_tests::sound::SoundCard;

use super::board::Board;
use crate::audio::{Length, Recording};
use crate::runner::Test;
use crate::setup;

pub(super) fn tests() -> Vec<Test> {
    vec![Test::long(
        "audio::firmware::what_is_played_comes_back_without_a_break",
        ear,
    )]
}

const RATE: u32 = 48_000;

fn ear() -> Result<()> {
    alsa::warm_up()?;
    let directory = tempfile::tempdir_in("/dev/shm")?;
    // A page of the program that is fetched from the machine in a stream would take seconds.
    let program = directory.path().join("firmware_audio");
    fs::copy(setup::example("firmware_audio")?, &program)?;
    let board = Board::start_at(&program)?;
    board.device.wait_driver(0, "snd-usb-audio")?;
    let card = SoundCard::wait_host(&board.device)?;
    let length = Length::new(RATE, 5);
    let played = directory.path().join("played");
    fs::write(&played, length.signal())?;
    let recording = Recording::start(card, length, directory.path().join("recorded"))?;
    let player = Stream::play(card, RATE, &played)?;
    recording.check()?;
    drop(player);
    board.end()?;
    Ok(())
}
