//! A keyboard and consumer controls in one interface, their reports numbered.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_gadget::functions::consumer_control::usage as media;
use usbfs2_gadget::functions::keyboard::{KeyboardOptions, usage};
use usbfs2_gadget::functions::{ConsumerControl, Keyboard};
use usbfs2_hid::report_descriptor::page;
use usbfs2_hid::{ControlEvent, HidError, Leds, Protocol, ReportType, Usage};
use usbfs2_host::TransferError;

use super::super::keyboard::read_text;
use super::{Desk, Scenario, take};
use crate::world::World;

pub(super) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        (
            "hid::media_keys_go_down_and_come_up",
            media_keys_go_down_and_come_up,
        ),
        (
            "hid::keys_and_media_keys_share_an_interface_by_report_ids",
            keys_and_media_keys,
        ),
        (
            "hid::the_lights_of_a_keyboard_that_numbers_its_reports_are_set",
            lights_of_numbered_reports,
        ),
        (
            "hid::a_keyboard_that_numbers_its_reports_does_not_in_the_boot_protocol",
            numbered_reports_in_the_boot_protocol,
        ),
        (
            "hid::idle_rates_are_set_for_each_report_id",
            idle_rates_for_each_report_id,
        ),
    ]
}

fn with_media(led_endpoint: bool) -> std::sync::Arc<Keyboard> {
    Keyboard::with_options(KeyboardOptions {
        media_keys: true,
        led_endpoint,
        ..KeyboardOptions::default()
    })
}

fn control(id: u16, pressed: bool) -> ControlEvent {
    let usage = Usage::new(page::CONSUMER, id);
    ControlEvent { usage, pressed }
}

fn media_keys_go_down_and_come_up(world: &World) -> Result<()> {
    let keys = ConsumerControl::new();
    let desk = Desk::new(world, keys.clone())?;
    let mut controls = desk.hid.controls()?;
    keys.press(media::VOLUME_UP)?;
    keys.tap(media::PLAY_PAUSE)?;
    keys.release(media::VOLUME_UP)?;
    let expected = [
        control(media::VOLUME_UP, true),
        control(media::PLAY_PAUSE, true),
        control(media::PLAY_PAUSE, false),
        control(media::VOLUME_UP, false),
    ];
    let events = take(&mut controls, expected.len())?;
    ensure!(events == expected, "{events:?}");
    Ok(())
}

fn keys_and_media_keys(world: &World) -> Result<()> {
    let keyboard = with_media(false);
    let desk = Desk::new(world, keyboard.clone())?;
    {
        let mut keys = desk.hid.keys()?;
        // A media key in between is no key, and lets no key go.
        keyboard.press(usage::A)?;
        keyboard.press_media(media::MUTE)?;
        keyboard.release_media(media::MUTE)?;
        keyboard.release(usage::A)?;
        let events = take(&mut keys, 2)?;
        let told = events.iter().map(|event| (event.usage, event.pressed));
        let told = told.collect::<Vec<_>>();
        ensure!(told == [(usage::A, true), (usage::A, false)], "{told:?}");
        keyboard.type_text("Numbered reports, too\n")?;
        let read = read_text(&mut keys, 22)?;
        ensure!(read == "Numbered reports, too\n", "{read:?}");
    }
    let mut controls = desk.hid.controls()?;
    keyboard.press_media(media::NEXT_TRACK)?;
    keyboard.type_text("x")?;
    keyboard.release_media(media::NEXT_TRACK)?;
    let events = take(&mut controls, 2)?;
    let expected = [
        control(media::NEXT_TRACK, true),
        control(media::NEXT_TRACK, false),
    ];
    ensure!(events == expected, "{events:?}");
    Ok(())
}

fn lights_of_numbered_reports(world: &World) -> Result<()> {
    for led_endpoint in [false, true] {
        let keyboard = with_media(led_endpoint);
        let desk = Desk::new(world, keyboard.clone())?;
        for leds in [Leds::CAPS_LOCK, Leds::NUM_LOCK | Leds::KANA, Leds::empty()] {
            desk.hid.set_leds_blocking(leds)?;
            keyboard
                .wait_for_leds(Some(DEADLINE), |now| now == leds)
                .with_context(|| format!("{:?} instead of {leds:?}", keyboard.leds()))?;
            let read = desk.hid.get_report_blocking(ReportType::Output, 1, 2)?;
            ensure!(read == [1, leds.bits()], "{read:?} read back");
        }
    }
    Ok(())
}

fn numbered_reports_in_the_boot_protocol(world: &World) -> Result<()> {
    let keyboard = with_media(false);
    let desk = Desk::new(world, keyboard.clone())?;
    desk.hid.set_protocol_blocking(Protocol::Boot)?;
    let mut keys = desk.hid.keys()?;
    keyboard.press_media(media::MUTE)?;
    keyboard.release_media(media::MUTE)?;
    keyboard.type_text("boot")?;
    let read = read_text(&mut keys, 4)?;
    ensure!(read == "boot", "{read:?}");
    let leds = Leds::SCROLL_LOCK;
    desk.hid.set_leds_blocking(leds)?;
    keyboard
        .wait_for_leds(Some(DEADLINE), |now| now == leds)
        .with_context(|| format!("{:?} instead of {leds:?}", keyboard.leds()))?;
    Ok(())
}

fn idle_rates_for_each_report_id(world: &World) -> Result<()> {
    let keyboard = with_media(false);
    let desk = Desk::new(world, keyboard.clone())?;
    let mut reports = desk.hid.reports()?;
    let rate = Duration::from_millis(20);
    desk.hid.set_idle_blocking(2, rate)?;
    ensure!(
        desk.hid.get_idle_blocking(2)? == rate,
        "report 2 has another"
    );
    ensure!(desk.hid.get_idle_blocking(1)?.is_zero(), "report 1 has one");
    keyboard.press_media(media::MUTE)?;
    let muted = [2, 0xe2, 0, 0, 0];
    let mut repeated = 0;
    while repeated < 3 {
        let report = reports.next_timeout(DEADLINE)?.context("no repetition")?;
        ensure!(report.bytes[0] == 2, "{report:?} repeats");
        repeated += usize::from(report.bytes == muted);
    }
    // 0 means all of them.
    desk.hid.set_idle_blocking(0, Duration::ZERO)?;
    ensure!(desk.hid.get_idle_blocking(2)?.is_zero(), "report 2 repeats");
    match desk.hid.get_idle_blocking(9) {
        Err(HidError::Request {
            request: "GET_IDLE",
            error: TransferError::Stall,
        }) => Ok(()),
        other => bail!("{other:?} instead of a stalled GET_IDLE"),
    }
}
