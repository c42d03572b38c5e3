//! The kernel's usbhid and evdev on `usbd-hid` and `usbd-human-interface-device`.

use std::fs::{File, OpenOptions};
use std::io::Write as _;

use anyhow::Result;
use dummy_hcd_tests::wait;

use super::board::Board;
use crate::kernel_drivers::event_device;
use crate::kernel_hid::{EV_KEY, EV_REL, Event, Events};
use crate::runner::Test;

pub(super) fn tests() -> Vec<Test> {
    vec![
        Test::new("firmware::hid::evdev_tells_what_usbd_hid_did", mouse),
        Test::new(
            "firmware::hid::evdev_tells_what_usbd_human_interface_device_typed",
            keyboard,
        ),
    ]
}

/// The board's events.
pub(super) fn events(board: &Board, interface: u8) -> Result<(Events, std::path::PathBuf)> {
    board.device.wait_driver(interface, "usbhid")?;
    let path = wait::until("it has an event device", || event_device(&board.device))?;
    Ok((Events(File::open(&path)?), path))
}

/// Down and up again.
pub(super) fn typed(keys: &[u16]) -> Vec<Event> {
    let events = keys
        .iter()
        .flat_map(|&key| [(EV_KEY, key, 1), (EV_KEY, key, 0)]);
    events.collect()
}

fn mouse() -> Result<()> {
    const REL_X: u16 = 0;
    const REL_Y: u16 = 1;
    const BTN_LEFT: u16 = 0x110;
    let mut board = Board::start("firmware_mouse")?;
    let (mut events, _) = events(&board, 0)?;
    for line in ["10 -5", "click", "-127 127", "0 1"] {
        board.turn(line)?;
    }
    events.are(&[
        (EV_REL, REL_X, 10),
        (EV_REL, REL_Y, -5),
        (EV_KEY, BTN_LEFT, 1),
        (EV_KEY, BTN_LEFT, 0),
        (EV_REL, REL_X, -127),
        (EV_REL, REL_Y, 127),
        (EV_REL, REL_Y, 1),
    ])?;
    drop(events);
    board.end()?;
    Ok(())
}

fn keyboard() -> Result<()> {
    /// linux/input-event-codes.h: f, i, r, m, w, a, r, e, enter.
    const FIRMWARE: [u16; 9] = [33, 23, 19, 50, 17, 30, 19, 18, 28];
    const EV_LED: u16 = 0x11;
    const LED_CAPSL: u16 = 1;
    let mut board = Board::start("firmware_keyboard")?;
    let (mut events, path) = events(&board, 0)?;
    board.turn("firmware")?;
    events.are(&typed(&FIRMWARE))?;

    // Lights come by the class's interrupt OUT endpoint.
    let mut lights = OpenOptions::new().write(true).open(path)?;
    for (value, line) in [
        (1, "num lock false, caps lock true"),
        (0, "num lock false, caps lock false"),
    ] {
        let mut event = [0; 24];
        event[16..18].copy_from_slice(&EV_LED.to_ne_bytes());
        event[18..20].copy_from_slice(&LED_CAPSL.to_ne_bytes());
        event[20..24].copy_from_slice(&i32::to_ne_bytes(value));
        lights.write_all(&event)?;
        board.wait_line(line)?;
    }
    drop((events, lights));
    board.end()?;
    Ok(())
}
