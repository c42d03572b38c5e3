//! The class requests of HID 7.2, from both ends.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_gadget::functions::keyboard::{IdleRate, KeyboardOptions, usage};
use usbfs2_hid::{HidDevice, HidError, Leds, Protocol, ReportType};
use usbfs2_host::{TransferError, block_on};
use usbfs2_protocol::hid::BOOT_KEYBOARD_REPORT_DESCRIPTOR;

use super::{Desk, Scenario};
use crate::world::World;

pub(super) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        (
            "keyboard::the_report_descriptor_arrives_whole",
            the_report_descriptor_arrives_whole,
        ),
        (
            "keyboard::lights_set_by_request_reach_the_keyboard_and_are_read_back",
            lights_by_request,
        ),
        ("keyboard::requests_can_be_awaited", requests_can_be_awaited),
        (
            "keyboard::lights_set_through_an_endpoint_reach_the_keyboard",
            lights_through_an_endpoint,
        ),
        (
            "keyboard::a_held_key_repeats_at_the_idle_rate_that_was_set",
            a_held_key_repeats,
        ),
        (
            "keyboard::get_report_tells_which_keys_are_held",
            get_report_tells_which_keys_are_held,
        ),
        (
            "keyboard::a_report_that_does_not_exist_is_refused_and_the_next_request_works",
            a_report_that_does_not_exist,
        ),
        (
            "keyboard::the_protocol_can_be_switched_while_reports_are_read",
            the_protocol_can_be_switched,
        ),
    ]
}

fn the_report_descriptor_arrives_whole(world: &World) -> Result<()> {
    let desk = Desk::new(world)?;
    let hid = desk.open()?;
    ensure!(
        hid.report_descriptor_bytes() == BOOT_KEYBOARD_REPORT_DESCRIPTOR,
        "{:02x?} came",
        hid.report_descriptor_bytes()
    );
    let parsed = hid.report_descriptor().map_err(Clone::clone)?;
    let reports = parsed.reports().iter();
    let reports = reports.map(|report| (report.report_type, report.length()));
    let reports = reports.collect::<Vec<_>>();
    ensure!(
        reports == [(ReportType::Input, 8), (ReportType::Output, 1)],
        "{reports:?} for a keyboard"
    );
    Ok(())
}

fn lights_by_request(world: &World) -> Result<()> {
    let desk = Desk::new(world)?;
    let hid = desk.open()?;
    for leds in SOME_LIGHTS {
        hid.set_leds_blocking(leds)?;
        lights_are(&desk, leds)?;
        let read = hid.get_report_blocking(ReportType::Output, 0, 1)?;
        ensure!(read == [leds.bits()], "{read:?} read back for {leds:?}");
    }
    Ok(())
}

fn requests_can_be_awaited(world: &World) -> Result<()> {
    let desk = Desk::new(world)?;
    block_on(async {
        let hid = HidDevice::open(&desk.connected.device).await?;
        let leds = Leds::NUM_LOCK;
        hid.set_report(ReportType::Output, 0, &[leds.bits()])
            .await?;
        lights_are(&desk, leds)?;
        let read = hid.get_report(ReportType::Output, 0, 1).await?;
        ensure!(read == [leds.bits()], "{read:?} read back for {leds:?}");
        hid.set_idle(0, Duration::from_millis(400)).await?;
        hid.set_protocol(Protocol::Boot).await?;
        let keyboard = &desk.keyboard;
        ensure!(
            (keyboard.idle_rate(), keyboard.protocol()) == (IdleRate(100), Protocol::Boot),
            "the keyboard has {:?} and {:?}",
            keyboard.idle_rate(),
            keyboard.protocol()
        );
        Ok(())
    })
}

fn lights_through_an_endpoint(world: &World) -> Result<()> {
    let options = KeyboardOptions {
        led_endpoint: true,
        ..KeyboardOptions::default()
    };
    let desk = Desk::with(world, options)?;
    let hid = desk.open()?;
    for leds in SOME_LIGHTS {
        hid.set_leds_blocking(leds)?;
        lights_are(&desk, leds)?;
    }
    Ok(())
}

const SOME_LIGHTS: [Leds; 3] = [
    Leds::CAPS_LOCK,
    Leds::NUM_LOCK.union(Leds::SCROLL_LOCK),
    Leds::empty(),
];

fn lights_are(desk: &Desk, wanted: Leds) -> Result<()> {
    let keyboard = &desk.keyboard;
    keyboard
        .wait_for_leds(Some(DEADLINE), |leds| leds == wanted)
        .with_context(|| format!("the keyboard shows {:?}, not {wanted:?}", keyboard.leds()))?;
    Ok(())
}

fn a_held_key_repeats(world: &World) -> Result<()> {
    let desk = Desk::new(world)?;
    let hid = desk.open()?;
    let mut reports = hid.reports()?;
    let rate = Duration::from_millis(20);
    hid.set_idle_blocking(0, rate)?;
    ensure!(
        desk.keyboard.idle_rate().duration() == Some(rate),
        "the keyboard repeats every {:?}",
        desk.keyboard.idle_rate().duration()
    );
    let read = hid.get_idle_blocking(0)?;
    ensure!(read == rate, "GET_IDLE gives {read:?}");

    desk.keyboard.press(usage::A)?;
    let mut repeated = 0;
    while repeated < 3 {
        let report = reports.next_timeout(DEADLINE)?.context("no repetition")?;
        // The keyboard repeats that nothing is held, too.
        repeated += usize::from(report.bytes[2] == usage::A);
    }
    hid.set_idle_blocking(0, Duration::ZERO)?;
    ensure!(
        desk.keyboard.idle_rate() == IdleRate::INDEFINITE,
        "the keyboard still repeats"
    );
    Ok(())
}

fn get_report_tells_which_keys_are_held(world: &World) -> Result<()> {
    let desk = Desk::new(world)?;
    let hid = desk.open()?;
    let mut reports = hid.reports()?;
    desk.keyboard.press(usage::A)?;
    let sent = reports.next_timeout(DEADLINE)?.context("no report")?;
    desk.keyboard.wait_until_drained(Some(DEADLINE))?;
    let asked = hid.get_report_blocking(ReportType::Input, 0, 8)?;
    ensure!(asked == sent.bytes, "{asked:?} asked for, {sent:?} sent");
    ensure!(asked[2] == usage::A, "{asked:?} holds another key than A");
    Ok(())
}

fn a_report_that_does_not_exist(world: &World) -> Result<()> {
    let desk = Desk::new(world)?;
    let hid = desk.open()?;
    match hid.get_report_blocking(ReportType::Feature, 0, 8) {
        Err(HidError::Request {
            request: "GET_REPORT",
            error: TransferError::Stall,
        }) => {}
        other => bail!("{other:?} instead of a stalled GET_REPORT"),
    }
    ensure!(
        hid.get_report_blocking(ReportType::Output, 0, 1)? == [0],
        "some light is on"
    );
    Ok(())
}

fn the_protocol_can_be_switched(world: &World) -> Result<()> {
    let desk = Desk::new(world)?;
    let hid = desk.open()?;
    ensure!(hid.has_boot_protocol(), "the keyboard has no boot protocol");
    let mut reports = hid.reports()?;
    for protocol in [Protocol::Boot, Protocol::Report] {
        hid.set_protocol_blocking(protocol)?;
        ensure!(
            desk.keyboard.protocol() == protocol,
            "the keyboard is in {:?}",
            desk.keyboard.protocol()
        );
        let read = hid.get_protocol_blocking()?;
        ensure!(read == protocol, "GET_PROTOCOL gives {read:?}");
        desk.keyboard.press(usage::A)?;
        let report = reports.next_timeout(DEADLINE)?.context("no report")?;
        ensure!(report.bytes[2] == usage::A, "{report:?} for A");
        desk.keyboard.release(usage::A)?;
        reports.next_timeout(DEADLINE)?.context("no report")?;
    }
    Ok(())
}
