//! The kernel's snd-usb-audio on `usbd-midi`.

use std::fs::File;
use std::io::Read as _;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::modprobe;
use dummy_hcd_tests::sound::SoundCard;

use super::board::Board;
use crate::runner::Test;

pub(super) fn tests() -> Vec<Test> {
    vec![Test::new(
        "firmware::midi::amidi_plays_notes_and_hears_them",
        notes,
    )]
}

fn notes() -> Result<()> {
    modprobe::load("snd-usb-audio")?;
    let mut board = Board::start("firmware_midi")?;
    board.device.wait_driver(0, "snd-usb-audio")?;
    let card = SoundCard::wait_host(&board.device)?;

    // Two notes go on, and one off again; -t ends it a second after the last answer.
    let port = format!("{},0", card.mixer());
    let output = Command::new("amidi")
        .args([
            "-p",
            &port,
            "-S",
            "90 3C 64 90 40 64 80 3C 00",
            "-d",
            "-t",
            "1",
        ])
        .output()
        .context("run amidi (package alsa-utils)")?;
    let heard = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "amidi: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let heard: Vec<&str> = heard.split_whitespace().collect();
    ensure!(
        heard == ["904864", "904C64", "804800"],
        "amidi heard {heard:?}"
    );
    board.wait_line("heard [90, 3c, 64]")?;
    board.wait_line("heard [90, 40, 64]")?;
    board.wait_line("heard [80, 3c, 00]")?;

    // The device begins by itself.
    let mut file = File::open(card.midi())?;
    board.turn("60")?;
    let mut note = [0; 3];
    file.read_exact(&mut note)?;
    ensure!(note == [0x90, 60, 100], "{note:02x?} came");
    drop(file);
    board.end()?;
    Ok(())
}
