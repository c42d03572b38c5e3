//! Firmware for the `usbd-hid` crate, as it is: a mouse that is moved by lines such as `10 -5`, a step to the right and
//! up, or `click`.
//!
//! ```text
//! cargo run -p usbfs2-examples --bin firmware_mouse              on this board's controller, as root
//! cargo run -p usbfs2-examples --bin firmware_mouse -- --demo    both ends, on a bus inside this program
//! ```
//!
//! Without hardware: `modprobe dummy_hcd`. The lines are the standard input's, whose end unplugs the mouse.

use std::collections::VecDeque;

use anyhow::{Context, Result, anyhow};
use usb_device::UsbError;
use usb_device::bus::UsbBusAllocator;
use usb_device::device::{StringDescriptors, UsbDeviceBuilder, UsbDeviceState, UsbVidPid};
use usbd_hid::descriptor::{MouseReport, SerializedDescriptor as _};
use usbd_hid::hid_class::HIDClass;
use usbfs2_examples::firmware::{self, Knobs, Outside, PATIENCE};
use usbfs2_gadget::firmware::{FirmwareBus, Wait};
use usbfs2_hid::{HidDevice, PointerEvent};
use usbfs2_host::Device;

fn main() -> Result<()> {
    firmware::run(run, drive)
}

/// The firmware.
fn run(allocator: &UsbBusAllocator<FirmwareBus>, outside: Outside) -> Result<()> {
    const POLL_MS: u8 = 10;
    let mut hid = HIDClass::new_ep_in(allocator, MouseReport::desc(), POLL_MS);
    // pid.codes gives these numbers out for tests: a product needs its own.
    let mut device = UsbDeviceBuilder::new(allocator, UsbVidPid(0x1209, 0x0006))
        .strings(&[StringDescriptors::default().product("Mouse")])
        .map_err(|error| anyhow!("{error:?}"))?
        .build();
    let outside = outside.begin(device.bus().handle());
    let mut reports = VecDeque::new();
    // The one line that a microcontroller does not need.
    while device.bus().wait(None)? != Wait::Stopped {
        device.poll(&mut [&mut hid]);
        while let Some(line) = outside.next() {
            match parse(&line) {
                Some(more) => reports.extend(more),
                None => eprintln!(
                    "`{line}` is not understood: give two steps from -127 to 127, or `click`"
                ),
            }
        }
        while device.state() == UsbDeviceState::Configured
            && let Some(report) = reports.pop_front()
        {
            // The host has yet to collect the last one: a poll tells when it has.
            if hid.push_input(&report) == Err(UsbError::WouldBlock) {
                reports.push_front(report);
                break;
            }
        }
    }
    outside.end()
}

fn parse(line: &str) -> Option<Vec<MouseReport>> {
    let report = |buttons, x, y| MouseReport {
        buttons,
        x,
        y,
        wheel: 0,
        pan: 0,
    };
    if line.trim() == "click" {
        return Some(vec![report(1, 0, 0), report(0, 0, 0)]);
    }
    let (x, y) = line.trim().split_once(' ')?;
    let step = |text: &str| {
        text.trim()
            .parse::<i8>()
            .ok()
            .filter(|step| *step != i8::MIN)
    };
    Some(vec![report(0, step(x)?, step(y)?)])
}

/// The host's end.
fn drive(device: &Device, knobs: &Knobs) -> Result<()> {
    let mut events = HidDevice::open_blocking(device)?.pointer()?;
    for line in ["10 -5", "click", "-127 127"] {
        knobs.turn(line);
    }
    for _ in 0..4 {
        match events
            .next_timeout(PATIENCE)?
            .context("the mouse says nothing")?
        {
            PointerEvent::Moved { x, y } => println!("moved by {x} {y}"),
            event => println!("{event:?}"),
        }
    }
    Ok(())
}
