//! `usbfs2 gadget midi`: lines of text to and from MIDI messages.

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use usb_device::UsbError;
use usbd_midi::UsbMidiClass;
use usbfs2_gadget::State;
use usbfs2_gadget::firmware::FirmwareHandle;

use super::firmware::Stage;
use super::{MIDI_PORT, standard_input};
use crate::args::Backend;
use crate::output::say;

const LINES: &str = "on NOTE or on NOTE VELOCITY, off NOTE or off NOTE VELOCITY, control NUMBER VALUE, \
    program NUMBER, bend -8192..8191, channel 1..16, wait MILLISECONDS";

/// Bytes of a USB-MIDI event packet (MIDI 1.0 class, section 4).
const PACKET_BYTES: usize = 4;

/// Each interface says its own class.
const DEVICE_CLASS: u8 = 0;

/// Is a MIDI port between the host and lines of text.
pub(super) fn run(backend: Backend) -> Result<()> {
    let stage = Stage::new(&MIDI_PORT, backend)?;
    let mut midi = UsbMidiClass::new(&stage.allocator, 1, 1)
        .map_err(|error| anyhow!("the class refuses one jack each way: {error:?}"))?;
    let mut messages: Option<Receiver<_>> = None;
    let mut waiting: VecDeque<[u8; PACKET_BYTES]> = VecDeque::new();
    stage.run(&MIDI_PORT, DEVICE_CLASS, &mut midi, |midi, handle| {
        let mut buffer = [0; 64];
        loop {
            match midi.read(&mut buffer) {
                Ok(0) | Err(UsbError::WouldBlock) => break,
                Ok(length) => {
                    for packet in buffer[..length].as_chunks().0 {
                        say!("{}", in_words(*packet))?;
                    }
                }
                Err(error) => return Err(anyhow!("cannot read from the host: {error:?}")),
            }
        }
        let messages = messages.get_or_insert_with(|| follow_input(handle.clone()));
        waiting.extend(messages.try_iter());
        while handle.state() == State::Configured
            && let Some(packet) = waiting.front()
        {
            match midi.send_bytes(*packet) {
                Ok(_) => drop(waiting.pop_front()),
                Err(UsbError::WouldBlock) => break,
                Err(error) => return Err(anyhow!("cannot send to the host: {error:?}")),
            }
        }
        Ok(())
    })
}

/// The messages of standard input's lines, for each of which the firmware is woken.
fn follow_input(handle: FirmwareHandle) -> Receiver<[u8; PACKET_BYTES]> {
    let (sender, receiver) = mpsc::channel();
    let mut channel = 0;
    standard_input::follow(LINES, move |line| {
        if let Some(packet) = packet_of_line(line, &mut channel)? {
            // The receiver lives as long as the process.
            let _ = sender.send(packet);
            handle.wake();
        }
        Ok(())
    });
    receiver
}

/// The message that a line stands for; none for an empty line, a wait and a change of the channel.
fn packet_of_line(line: &str, channel: &mut u8) -> Result<Option<[u8; PACKET_BYTES]>> {
    let words: Vec<&str> = line.split_whitespace().collect();
    // The code index number of a channel message is the upper half of its status.
    let message = |status: u8, first: u8, second: u8| {
        Ok(Some([status >> 4, status | *channel, first, second]))
    };
    match words.as_slice() {
        [] => Ok(None),
        ["on", note] => message(0x90, seven_bits(note)?, 100),
        ["on", note, velocity] => message(0x90, seven_bits(note)?, seven_bits(velocity)?),
        ["off", note] => message(0x80, seven_bits(note)?, 64),
        ["off", note, velocity] => message(0x80, seven_bits(note)?, seven_bits(velocity)?),
        ["control", number, value] => message(0xb0, seven_bits(number)?, seven_bits(value)?),
        ["program", number] => message(0xc0, seven_bits(number)?, 0),
        ["bend", by] => {
            let by: i32 = number(by)?;
            ensure!(
                (-8192..=8191).contains(&by),
                "`{by}` is not from -8192 to 8191"
            );
            // Fourteen bits, of which the lower seven come first; within them by the check above.
            let bits = (by + 8192) as u16;
            message(0xe0, (bits & 0x7f) as u8, (bits >> 7) as u8)
        }
        ["channel", named] => {
            let named: u8 = number(named)?;
            ensure!((1..=16).contains(&named), "channels are 1 to 16");
            *channel = named - 1;
            Ok(None)
        }
        ["wait", milliseconds] => {
            let milliseconds = number(milliseconds)?;
            std::thread::sleep(std::time::Duration::from_millis(milliseconds));
            Ok(None)
        }
        _ => bail!("not understood; lines are: {LINES}"),
    }
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T> {
    let parsed = word.parse().ok();
    parsed.with_context(|| format!("`{word}` is no number, or too large"))
}

fn seven_bits(word: &str) -> Result<u8> {
    let value: u8 = number(word)?;
    ensure!(value < 0x80, "`{word}` is not from 0 to 127");
    Ok(value)
}

/// The line for a message of the host's.
fn in_words(packet: [u8; PACKET_BYTES]) -> String {
    let [_, status, first, second] = packet;
    let channel = (status & 0x0f) + 1;
    let message = match status >> 4 {
        0x8 => format!("off {first} {second}"),
        // USB or not, a note that starts silently ends.
        0x9 if second == 0 => format!("off {first} 64"),
        0x9 => format!("on {first} {second}"),
        0xb => format!("control {first} {second}"),
        0xc => format!("program {first}"),
        0xe => {
            let bits = i32::from(second) << 7 | i32::from(first);
            format!("bend {}", bits - 8192)
        }
        _ => {
            return format!(
                "{:02x} {:02x} {:02x} {:02x}",
                packet[0], status, first, second
            );
        }
    };
    format!("channel {channel}: {message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_messages_and_back() {
        let mut channel = 0;
        for (line, packet, words) in [
            ("on 60", [0x09, 0x90, 60, 100], "channel 1: on 60 100"),
            ("on 60 1", [0x09, 0x90, 60, 1], "channel 1: on 60 1"),
            ("off 60", [0x08, 0x80, 60, 64], "channel 1: off 60 64"),
            (
                "control 7 127",
                [0x0b, 0xb0, 7, 127],
                "channel 1: control 7 127",
            ),
            ("program 5", [0x0c, 0xc0, 5, 0], "channel 1: program 5"),
            ("bend 0", [0x0e, 0xe0, 0, 64], "channel 1: bend 0"),
            ("bend -8192", [0x0e, 0xe0, 0, 0], "channel 1: bend -8192"),
            ("bend 8191", [0x0e, 0xe0, 127, 127], "channel 1: bend 8191"),
        ] {
            assert_eq!(
                packet_of_line(line, &mut channel).unwrap(),
                Some(packet),
                "{line}"
            );
            assert_eq!(in_words(packet), words);
        }
        assert_eq!(packet_of_line("channel 16", &mut channel).unwrap(), None);
        let packet = packet_of_line("on 1 2", &mut channel).unwrap();
        assert_eq!(packet, Some([0x09, 0x9f, 1, 2]));
        assert_eq!(in_words([0x0f, 0xf8, 0, 0]), "0f f8 00 00");
        for wrong in [
            "on",
            "on 128",
            "on x",
            "bend 8192",
            "channel 0",
            "channel 17",
            "play",
        ] {
            assert!(packet_of_line(wrong, &mut channel).is_err(), "{wrong}");
        }
    }
}
