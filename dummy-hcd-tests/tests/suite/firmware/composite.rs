//! Three classes in one device, and a driver of the kernel's on each.

use std::fs::File;
use std::io::{Read as _, Write as _};

use anyhow::{Result, ensure};
use dummy_hcd_tests::modprobe;
use dummy_hcd_tests::sound::SoundCard;

use super::board::Board;
use super::hid::{events, typed};
use super::serial::{open, terminal};
use crate::runner::Test;

pub(super) fn tests() -> Vec<Test> {
    vec![Test::new(
        "firmware::composite::serial_midi_and_keyboard_in_one_device",
        player_piano,
    )]
}

/// The first two interfaces are MIDI's, the next two the serial port's.
const SERIAL: u8 = 2;
const KEYBOARD: u8 = 4;

fn player_piano() -> Result<()> {
    /// linux/input-event-codes.h: p, i, a, n, o.
    const PIANO: [u16; 5] = [25, 23, 30, 49, 24];
    modprobe::load("snd-usb-audio")?;
    modprobe::load("cdc_acm")?;
    let board = Board::start("firmware_composite")?;
    board.device.wait_driver(0, "snd-usb-audio")?;
    let mut midi = File::open(SoundCard::wait_host(&board.device)?.midi())?;
    let (mut events, _) = events(&board, KEYBOARD)?;
    let mut serial = open(&terminal(&board.device, SERIAL)?)?;
    for _ in 0..2 {
        serial.write_all(b"piano")?;
        let mut played = [0; 15];
        midi.read_exact(&mut played)?;
        let expected: Vec<u8> = b"piano"
            .iter()
            .flat_map(|&note| [0x90, note, 100])
            .collect();
        ensure!(played[..] == expected, "{played:02x?} was played");
        events.are(&typed(&PIANO))?;
    }
    drop((midi, events, serial));
    board.end()?;
    Ok(())
}
