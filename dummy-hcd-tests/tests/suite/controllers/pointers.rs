//! QEMU's mouse and tablet: where QEMU says the pointer went, it goes.

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::wait::{self, DEADLINE};
use serde_json::{Value, json};
use usbfs2_hid::{HidDevice, Pointer, PointerEvent};

use super::{Bench, Case};

pub(super) fn cases() -> Vec<(&'static str, Case)> {
    vec![
        ("pointers::a_mouse_moves_clicks_and_scrolls", mouse),
        ("pointers::a_tablet_is_where_it_is_put", tablet),
    ]
}

fn mouse(bench: &Bench) -> Result<()> {
    let mouse = bench.plug("usb-mouse", "1")?;
    let mut pointer = HidDevice::open_blocking(&mouse.open()?)?.pointer()?;
    wait_current(bench, "QEMU HID Mouse")?;
    bench.input(&[moved("rel", "x", 5), moved("rel", "y", -7)])?;
    expect(&mut pointer, &PointerEvent::Moved { x: 5, y: -7 })?;
    for (name, number) in [("left", 1), ("right", 2), ("middle", 3)] {
        for pressed in [true, false] {
            bench.input(&[button(name, pressed)])?;
            expect(&mut pointer, &PointerEvent::Button { number, pressed })?;
        }
    }
    bench.input(&[button("wheel-up", true), button("wheel-up", false)])?;
    let scrolled = PointerEvent::Scrolled {
        vertical: 1,
        horizontal: 0,
    };
    expect(&mut pointer, &scrolled)
}

fn tablet(bench: &Bench) -> Result<()> {
    let tablet = bench.plug("usb-tablet", "1")?;
    let mut pointer = HidDevice::open_blocking(&tablet.open()?)?.pointer()?;
    wait_current(bench, "QEMU HID Tablet")?;
    for place in [(1, 2), (0x7fff, 0), (12345, 0x7fff), (256, 255)] {
        bench.input(&[moved("abs", "x", place.0), moved("abs", "y", place.1)])?;
        let event = pointer.next_timeout(DEADLINE)?.context("silence")?;
        let PointerEvent::At { x, y } = event else {
            anyhow::bail!("{event:?} instead of a place");
        };
        ensure!((x.value, y.value) == place, "{place:?} became {event:?}");
        ensure!(
            (x.minimum, x.maximum) == (0, 0x7fff),
            "the range of a place is that of {x:?}"
        );
    }
    Ok(())
}

/// QEMU sends movements to a device once that is polled.
fn wait_current(bench: &Bench, name: &str) -> Result<()> {
    wait::until(&format!("QEMU moves the {name}"), || {
        let mice = bench.monitor().execute("query-mice", json!({})).ok()?;
        let current = mice
            .as_array()?
            .iter()
            .find(|mouse| mouse["current"] == true)?;
        (current["name"] == name).then_some(())
    })?;
    Ok(())
}

fn moved(kind: &str, axis: &str, value: i64) -> Value {
    json!({ "type": kind, "data": { "axis": axis, "value": value } })
}

fn button(name: &str, down: bool) -> Value {
    json!({ "type": "btn", "data": { "button": name, "down": down } })
}

fn expect(pointer: &mut Pointer, expected: &PointerEvent) -> Result<()> {
    let event = pointer.next_timeout(DEADLINE)?.context("silence")?;
    ensure!(event == *expected, "{event:?} instead of {expected:?}");
    Ok(())
}
