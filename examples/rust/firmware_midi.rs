//! Firmware for the `usbd-midi` crate, as it is: an instrument that answers every note an octave higher.
//!
//! ```text
//! cargo run -p usbfs2-examples --bin firmware_midi              on this board's controller, as root
//! cargo run -p usbfs2-examples --bin firmware_midi -- --demo    both ends, on a bus inside this program
//! ```
//!
//! Without hardware: `modprobe dummy_hcd`; `amidi -l` lists its port then. A line of the standard input, such as `60`,
//! plays that note; its end unplugs the instrument.

use std::collections::VecDeque;

use anyhow::{Result, anyhow, ensure};
use usb_device::UsbError;
use usb_device::bus::UsbBusAllocator;
use usb_device::device::{StringDescriptors, UsbDeviceBuilder, UsbDeviceState, UsbVidPid};
use usbd_midi::{CableNumber, UsbMidiClass, UsbMidiEventPacket, UsbMidiPacketReader};
use usbfs2_examples::firmware::{self, Knobs, Outside, PATIENCE, bulk};
use usbfs2_gadget::firmware::{FirmwareBus, Wait};
use usbfs2_host::{Buffer, Bulk, Device, Direction, In, Out};

fn main() -> Result<()> {
    firmware::run(run, drive)
}

const NOTE_ON: u8 = 0x90;
const OCTAVE: u8 = 12;

/// The firmware.
fn run(allocator: &UsbBusAllocator<FirmwareBus>, outside: Outside) -> Result<()> {
    let midi = UsbMidiClass::new(allocator, 1, 1);
    let mut midi = midi.map_err(|error| anyhow!("the class: {error:?}"))?;
    // pid.codes gives these numbers out for tests: a product needs its own.
    let mut device = UsbDeviceBuilder::new(allocator, UsbVidPid(0x1209, 0x0008))
        .strings(&[StringDescriptors::default().product("Octave")])
        .map_err(|error| anyhow!("{error:?}"))?
        .build();
    let outside = outside.begin(device.bus().handle());
    let mut answers = VecDeque::new();
    // The one line that a microcontroller does not need.
    while device.bus().wait(None)? != Wait::Stopped {
        device.poll(&mut [&mut midi]);
        while let Some(line) = outside.next() {
            match line.trim().parse() {
                Ok(note @ 0..=127) => answers.extend(packet(&[NOTE_ON, note, 100])),
                _ => eprintln!("`{line}` is not understood: give a note from 0 to 127"),
            }
        }
        loop {
            while device.state() == UsbDeviceState::Configured
                && let Some(answer) = answers.pop_front()
            {
                // The host has yet to collect the last one: a poll tells when it has.
                if midi.send_packet(UsbMidiEventPacket::clone(&answer)) == Err(UsbError::WouldBlock)
                {
                    answers.push_front(answer);
                    break;
                }
            }
            // Notes wait on the bus while answers wait here.
            let mut buffer = [0; 64];
            let length = if answers.is_empty() {
                midi.read(&mut buffer).ok()
            } else {
                None
            };
            let Some(length) = length else { break };
            for packet in UsbMidiPacketReader::new(&buffer, length).flatten() {
                answers.extend(answer(packet.payload_bytes()));
            }
        }
    }
    outside.end()
}

/// What to say to a message.
fn answer(message: &[u8]) -> Option<UsbMidiEventPacket> {
    println!("heard {message:02x?}");
    // A note goes on or off (MIDI 1.0, table II).
    match *message {
        [status @ 0x80..=0x9f, note @ ..=115, velocity] => {
            packet(&[status, note + OCTAVE, velocity])
        }
        _ => None,
    }
}

fn packet(message: &[u8]) -> Option<UsbMidiEventPacket> {
    UsbMidiEventPacket::try_from_payload_bytes(CableNumber::Cable0, message).ok()
}

/// The host's end.
fn drive(device: &Device, knobs: &Knobs) -> Result<()> {
    let streaming = device.claim(1)?;
    let mut output = streaming.endpoint::<Bulk, Out>(bulk(&streaming, Direction::Out)?)?;
    let mut input = streaming.endpoint::<Bulk, In>(bulk(&streaming, Direction::In)?)?;
    // Two events in one packet: C and E go on, with their code index (USB MIDI 1.0, 4).
    let chord = [0x09, NOTE_ON, 60, 100, 0x09, NOTE_ON, 64, 100];
    output
        .transfer_blocking(Buffer::from(chord.as_slice()), PATIENCE)
        .into_result()?;
    knobs.turn("67");
    let mut events = Vec::new();
    while events.len() < 12 {
        let came = input
            .transfer_blocking(Buffer::with_capacity(64), PATIENCE)
            .into_result()?;
        ensure!(came.len() % 4 == 0, "{came:02x?} are no events");
        events.extend_from_slice(&came);
    }
    let mut notes: Vec<u8> = events.chunks(4).map(|event| event[2]).collect();
    // The knob may have been first.
    notes.sort_unstable();
    println!("it played {notes:?}");
    Ok(())
}
