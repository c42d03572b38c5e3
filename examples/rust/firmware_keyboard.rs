//! Firmware for the `usbd-human-interface-device` crate, as it is: a keyboard with all keys at once, that types lines.
//!
//! ```text
//! cargo run -p usbfs2-examples --bin firmware_keyboard              on this board's controller, as root
//! cargo run -p usbfs2-examples --bin firmware_keyboard -- --demo    both ends, on a bus inside this program
//! ```
//!
//! Without hardware: `modprobe dummy_hcd`; what is typed goes to the same machine. The lines, of small letters and
//! spaces, are the standard input's, whose end unplugs the keyboard.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use usb_device::bus::UsbBusAllocator;
use usb_device::device::{StringDescriptors, UsbDeviceBuilder, UsbDeviceState, UsbVidPid};
use usbd_human_interface_device::UsbHidError;
use usbd_human_interface_device::device::keyboard::NKROBootKeyboardConfig;
use usbd_human_interface_device::page::Keyboard;
use usbd_human_interface_device::usb_class::UsbHidClassBuilder;
use usbfs2_examples::firmware::{self, Knobs, Outside, PATIENCE};
use usbfs2_gadget::firmware::{FirmwareBus, Wait};
use usbfs2_hid::{HidDevice, Leds};
use usbfs2_host::Device;

fn main() -> Result<()> {
    firmware::run(run, drive)
}

/// The class repeats reports when the host asks for that, in multiples of 4 ms (HID 7.2.4).
const TICK: Duration = Duration::from_millis(4);

/// The firmware.
fn run(allocator: &UsbBusAllocator<FirmwareBus>, outside: Outside) -> Result<()> {
    let config = NKROBootKeyboardConfig::default();
    let mut hid = UsbHidClassBuilder::new()
        .add_device(config)
        .build(allocator);
    // pid.codes gives these numbers out for tests: a product needs its own.
    let mut device = UsbDeviceBuilder::new(allocator, UsbVidPid(0x1209, 0x0007))
        .strings(&[StringDescriptors::default().product("Keyboard")])
        .map_err(|error| anyhow!("{error:?}"))?
        .build();
    let outside = outside.begin(device.bus().handle());
    let mut reports = VecDeque::new();
    let mut ticked = Instant::now();
    // The one line that a microcontroller does not need.
    while device.bus().wait(Some(TICK))? != Wait::Stopped {
        device.poll(&mut [&mut hid]);
        while let Some(line) = outside.next() {
            reports.extend(line.chars().flat_map(|letter| [key(letter), None]));
            reports.extend([Some(Keyboard::ReturnEnter), None]);
        }
        let keyboard = hid.device();
        while device.state() == UsbDeviceState::Configured
            && let Some(report) = reports.front()
        {
            match keyboard.write_report(*report) {
                // The host has yet to collect the last one: a poll tells when it has.
                Err(UsbHidError::WouldBlock) => break,
                Ok(()) | Err(UsbHidError::Duplicate) => reports.pop_front(),
                Err(error) => return Err(anyhow!("a report: {error:?}")),
            };
        }
        if let Ok(lights) = keyboard.read_report() {
            println!(
                "num lock {}, caps lock {}",
                lights.num_lock, lights.caps_lock
            );
        }
        while ticked.elapsed() >= Duration::from_millis(1) {
            ticked += Duration::from_millis(1);
            match hid.tick() {
                Ok(()) | Err(UsbHidError::WouldBlock | UsbHidError::Duplicate) => {}
                Err(error) => return Err(anyhow!("a tick: {error:?}")),
            }
        }
    }
    outside.end()
}

/// The key of a letter, or the space bar (HID Usage Tables 10).
fn key(letter: char) -> Option<Keyboard> {
    match letter {
        'a'..='z' => Some(Keyboard::from(letter as u8 - b'a' + Keyboard::A as u8)),
        ' ' => Some(Keyboard::Space),
        _ => None,
    }
}

/// The host's end.
fn drive(device: &Device, knobs: &Knobs) -> Result<()> {
    let keyboard = HidDevice::open_blocking(device)?;
    keyboard.set_leds_blocking(Leds::NUM_LOCK)?;
    let mut keys = keyboard.keys()?;
    knobs.turn("unmodified");
    let mut text = String::new();
    while !text.ends_with('\n') {
        let event = keys
            .next_timeout(PATIENCE)?
            .context("the keyboard says nothing")?;
        text.extend(event.text.filter(|_| event.pressed));
    }
    print!("typed: {text}");
    Ok(())
}
