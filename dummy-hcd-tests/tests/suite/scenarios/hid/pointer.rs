//! A mouse and a tablet.

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_gadget::functions::mouse::Button;
use usbfs2_gadget::functions::tablet::EDGE;
use usbfs2_gadget::functions::{Mouse, Tablet};
use usbfs2_hid::{Axis, PointerEvent, Protocol, ReportType};

use super::{Desk, Scenario, take};
use crate::world::World;

pub(super) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        ("hid::a_mouse_moves_clicks_and_scrolls", a_mouse),
        (
            "hid::a_mouse_in_the_boot_protocol_sends_three_bytes",
            a_mouse_in_the_boot_protocol,
        ),
        (
            "hid::an_idle_rate_repeats_a_mouses_buttons_and_not_its_motion",
            an_idle_rate_on_a_mouse,
        ),
        ("hid::a_tablet_is_where_it_says", a_tablet),
    ]
}

fn a_mouse(world: &World) -> Result<()> {
    let mouse = Mouse::new();
    let desk = Desk::new(world, mouse.clone())?;
    let mut pointer = desk.hid.pointer()?;
    mouse.move_by(200, -3);
    mouse.click(Button::Right);
    mouse.scroll(-2, 5);
    let expected = [
        PointerEvent::Moved { x: 127, y: -3 },
        PointerEvent::Moved { x: 73, y: 0 },
        PointerEvent::Button {
            number: 2,
            pressed: true,
        },
        PointerEvent::Button {
            number: 2,
            pressed: false,
        },
        PointerEvent::Scrolled {
            vertical: -2,
            horizontal: 5,
        },
    ];
    let events = take(&mut pointer, expected.len())?;
    ensure!(events == expected, "{events:?}");
    Ok(())
}

fn a_mouse_in_the_boot_protocol(world: &World) -> Result<()> {
    let mouse = Mouse::new();
    let desk = Desk::new(world, mouse.clone())?;
    desk.hid.set_protocol_blocking(Protocol::Boot)?;
    let mut reports = desk.hid.reports()?;
    mouse.move_by(1, -1);
    let report = reports.next_timeout(DEADLINE)?.context("silence")?;
    ensure!(report.bytes == [0, 1, 0xff], "{report:?}");
    Ok(())
}

fn an_idle_rate_on_a_mouse(world: &World) -> Result<()> {
    let mouse = Mouse::new();
    let desk = Desk::new(world, mouse.clone())?;
    let mut reports = desk.hid.reports()?;
    mouse.press(Button::Left);
    mouse.move_by(9, 9);
    for expected in [[1, 0, 0, 0, 0], [1, 9, 9, 0, 0]] {
        let report = reports.next_timeout(DEADLINE)?.context("silence")?;
        ensure!(report.bytes == expected, "{report:?}");
    }
    let rate = std::time::Duration::from_millis(8);
    desk.hid.set_idle_blocking(0, rate)?;
    for _ in 0..3 {
        let report = reports.next_timeout(DEADLINE)?.context("no repetition")?;
        ensure!(report.bytes == [1, 0, 0, 0, 0], "{report:?} repeated");
    }
    let asked = desk.hid.get_report_blocking(ReportType::Input, 0, 5)?;
    ensure!(asked == [1, 0, 0, 0, 0], "{asked:?} asked for");
    Ok(())
}

fn a_tablet(world: &World) -> Result<()> {
    let tablet = Tablet::new();
    let desk = Desk::new(world, tablet.clone())?;
    let mut pointer = desk.hid.pointer()?;
    let axis = |value| Axis {
        value,
        minimum: 0,
        maximum: EDGE.into(),
    };
    tablet.move_to(EDGE, 16_384);
    tablet.press(Button::Left);
    tablet.move_to(0, u16::MAX);
    tablet.scroll(1);
    let expected = [
        PointerEvent::At {
            x: axis(32_767),
            y: axis(16_384),
        },
        PointerEvent::Button {
            number: 1,
            pressed: true,
        },
        PointerEvent::At {
            x: axis(0),
            y: axis(32_767),
        },
        PointerEvent::Scrolled {
            vertical: 1,
            horizontal: 0,
        },
    ];
    let events = take(&mut pointer, expected.len())?;
    ensure!(events == expected, "{events:?}");
    Ok(())
}
