//! Firmware for three classes at once, as they are: what is written to a serial port (`usbd-serial`) is played as notes
//! (`usbd-midi`) and typed on a keyboard (`usbd-hid`).
//!
//! ```text
//! cargo run -p usbfs2-examples --bin firmware_composite              on this board's controller, as root
//! cargo run -p usbfs2-examples --bin firmware_composite -- --demo    both ends, on a bus inside this program
//! ```
//!
//! Without hardware: `modprobe dummy_hcd`. The end of the standard input unplugs the device.

use std::collections::VecDeque;

use anyhow::{Context, Result, anyhow, ensure};
use usb_device::UsbError;
use usb_device::bus::UsbBusAllocator;
use usb_device::device::{StringDescriptors, UsbDeviceBuilder, UsbDeviceState, UsbVidPid};
use usbd_hid::descriptor::{KeyboardReport, SerializedDescriptor as _};
use usbd_hid::hid_class::HIDClass;
use usbd_midi::{CableNumber, UsbMidiClass, UsbMidiEventPacket};
use usbd_serial::SerialPort;
use usbfs2_examples::firmware::{self, Knobs, Outside, PATIENCE, bulk};
use usbfs2_gadget::firmware::{FirmwareBus, Wait};
use usbfs2_hid::HidDevice;
use usbfs2_host::{Buffer, Bulk, Device, Direction, In, Out};

fn main() -> Result<()> {
    firmware::run(run, drive)
}

/// The firmware.
fn run(allocator: &UsbBusAllocator<FirmwareBus>, outside: Outside) -> Result<()> {
    // First, because the class says that its streaming interface is number 1.
    let midi = UsbMidiClass::new(allocator, 1, 1);
    let mut midi = midi.map_err(|error| anyhow!("the class: {error:?}"))?;
    let mut port = SerialPort::new(allocator);
    let mut hid = HIDClass::new_ep_in(allocator, KeyboardReport::desc(), 10);
    // pid.codes gives these numbers out for tests: a product needs its own.
    let mut device = UsbDeviceBuilder::new(allocator, UsbVidPid(0x1209, 0x000b))
        .strings(&[StringDescriptors::default().product("Player piano")])
        .map_err(|error| anyhow!("{error:?}"))?
        .composite_with_iads()
        .build();
    let outside = outside.begin(device.bus().handle());
    let mut notes = VecDeque::new();
    let mut reports = VecDeque::new();
    // The one line that a microcontroller does not need.
    while device.bus().wait(None)? != Wait::Stopped {
        device.poll(&mut [&mut midi, &mut port, &mut hid]);
        if device.state() != UsbDeviceState::Configured {
            continue;
        }
        while notes.len() < 64 {
            let mut bytes = [0; 16];
            let Ok(length) = port.read(&mut bytes) else {
                break;
            };
            for letter in bytes[..length]
                .iter()
                .filter(|letter| letter.is_ascii_lowercase())
            {
                let packet = UsbMidiEventPacket::try_from_payload_bytes(
                    CableNumber::Cable0,
                    &[0x90, *letter, 100],
                );
                notes.extend(packet);
                reports.extend([report(letter - b'a' + 4), report(0)]);
            }
        }
        send(&mut notes, |note| midi.send_packet(note.clone()));
        send(&mut reports, |report| hid.push_input(report));
    }
    outside.end()
}

/// Sends what the bus takes now; a poll tells when it takes more.
fn send<T>(queue: &mut VecDeque<T>, mut write: impl FnMut(&T) -> usb_device::Result<usize>) {
    while let Some(first) = queue.front() {
        if write(first) == Err(UsbError::WouldBlock) {
            return;
        }
        queue.pop_front();
    }
}

fn report(key: u8) -> KeyboardReport {
    KeyboardReport {
        modifier: 0,
        reserved: 0,
        leds: 0,
        keycodes: [key, 0, 0, 0, 0, 0],
    }
}

/// The host's end.
fn drive(device: &Device, _knobs: &Knobs) -> Result<()> {
    let mut keys = HidDevice::open_blocking(device)?.keys()?;
    let midi = device.claim(1)?;
    let mut notes = midi.endpoint::<Bulk, In>(bulk(&midi, Direction::In)?)?;
    let serial = device.claim(3)?;
    let mut output = serial.endpoint::<Bulk, Out>(bulk(&serial, Direction::Out)?)?;
    output
        .transfer_blocking(Buffer::from(b"piano".as_slice()), PATIENCE)
        .into_result()?;
    let mut played = Vec::new();
    while played.len() < 5 {
        let came = notes
            .transfer_blocking(Buffer::with_capacity(64), PATIENCE)
            .into_result()?;
        ensure!(came.len() % 4 == 0, "{came:02x?} are no events");
        played.extend(came.chunks(4).map(|event| event[2]));
    }
    println!("played {}", String::from_utf8_lossy(&played));
    let mut typed = String::new();
    while typed.len() < 5 {
        let event = keys
            .next_timeout(PATIENCE)?
            .context("the keyboard says nothing")?;
        typed.extend(event.text.filter(|_| event.pressed));
    }
    println!("typed {typed}");
    Ok(())
}
