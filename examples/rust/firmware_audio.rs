//! Firmware for the `usbd-audio` crate, as it is: a sound card whose microphone hears its speaker.
//!
//! ```text
//! cargo run -p usbfs2-examples --bin firmware_audio              on this board's controller, as root
//! cargo run -p usbfs2-examples --bin firmware_audio -- --demo    both ends, on a bus inside this program
//! ```
//!
//! The end of the standard input unplugs the card. Stock dummy_hcd has no isochronous transfers: `cargo xtask vm
//! --isochronous` has a patched one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use usb_device::UsbError;
use usb_device::bus::UsbBusAllocator;
use usb_device::device::{StringDescriptors, UsbDeviceBuilder, UsbVidPid};
use usbd_audio::{AudioClassBuilder, Error, Format, StreamConfig, TerminalType};
use usbfs2_audio::AudioDevice;
use usbfs2_examples::firmware::{self, Knobs, Outside};
use usbfs2_examples::sound_card::player;
use usbfs2_gadget::firmware::{FirmwareBus, Wait};
use usbfs2_host::Device;

fn main() -> Result<()> {
    firmware::run(run, drive)
}

/// A packet: the stereo frames of a millisecond.
const PACKET: usize = 48 * 4;
/// What may wait for the host to record it: two seconds.
const PACKETS: usize = 2000;
/// After this the microphone hears silence.
const QUIET: Duration = Duration::from_millis(100);

/// The firmware.
fn run(allocator: &UsbBusAllocator<FirmwareBus>, outside: Outside) -> Result<()> {
    let stream = |terminal| StreamConfig::new_discrete(Format::S16le, 2, &[48_000], terminal);
    let failed = |error| anyhow!("the class: {error:?}");
    let mut card = AudioClassBuilder::new()
        .input(stream(TerminalType::InMicrophone).map_err(failed)?)
        .output(stream(TerminalType::OutSpeaker).map_err(failed)?)
        .build(allocator)
        .map_err(failed)?;
    // pid.codes gives these numbers out for tests: a product needs its own.
    let mut device = UsbDeviceBuilder::new(allocator, UsbVidPid(0x1209, 0x000a))
        .strings(&[StringDescriptors::default().product("Ear")])
        .map_err(|error| anyhow!("{error:?}"))?
        .build();
    let outside = outside.begin(device.bus().handle());
    let mut heard: VecDeque<Vec<u8>> = VecDeque::new();
    let (mut packets, mut dropped) = (0_u64, 0_u64);
    let mut last = Instant::now();
    // The one line that a microcontroller does not need.
    while device.bus().wait(Some(QUIET))? != Wait::Stopped {
        device.poll(&mut [&mut card]);
        let mut packet = [0; PACKET];
        while let Ok(length) = card.read(&mut packet) {
            packets += 1;
            last = Instant::now();
            heard.push_back(packet[..length].to_vec());
            // Nobody records, or later than this: what is old goes.
            if heard.len() > PACKETS {
                heard.pop_front();
                dropped += 1;
            }
        }
        while card.input_alt_setting().is_ok_and(|setting| setting == 1)
            && (!heard.is_empty() || last.elapsed() >= QUIET)
        {
            let packet = heard.pop_front().unwrap_or_else(|| vec![0; PACKET]);
            // The host has yet to collect the last one: a poll tells when it has.
            if let Err(Error::UsbError(UsbError::WouldBlock)) = card.write(&packet) {
                heard.push_front(packet);
                break;
            }
        }
    }
    outside.end()?;
    println!("{packets} packets were heard, {dropped} were not asked for in time");
    Ok(())
}

/// The host's end.
fn drive(device: &Device, _knobs: &Knobs) -> Result<()> {
    let card = AudioDevice::open_blocking(device)?;
    let chord = player::chord(player::FORMAT.rate / 4);
    println!("played: {}", player::play(&card, &chord)?);
    let heard = player::listen(&card, chord.len())?;
    let frames = chord.len() / player::FORMAT.frame_bytes();
    if heard == chord {
        println!("all {frames} frames came back as they were");
    } else {
        println!("what came back is not what was played: something came too late");
    }
    Ok(())
}
