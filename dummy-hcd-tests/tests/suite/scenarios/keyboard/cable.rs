//! A cable that comes out, and goes in again.

use anyhow::{Result, bail, ensure};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_hid::{HidError, Leds};
use usbfs2_host::block_on;

use super::{Desk, Scenario, read_text};
use crate::world::World;

pub(super) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        (
            "keyboard::a_pulled_cable_is_told_once_and_ends_the_reports",
            a_pulled_cable_is_told_once,
        ),
        (
            "keyboard::a_pulled_cable_is_told_once_and_ends_the_stream",
            a_pulled_cable_ends_the_stream,
        ),
        (
            "keyboard::a_request_after_the_cable_was_pulled_fails_at_once",
            a_request_after_the_cable_was_pulled,
        ),
        (
            "keyboard::a_keyboard_that_was_plugged_in_again_types_on",
            a_keyboard_plugged_in_again,
        ),
    ]
}

pub(super) fn scenarios_of_a_host_alone() -> Vec<(&'static str, Scenario)> {
    vec![
        (
            "keyboard::what_is_typed_while_the_cable_is_out_arrives_after_it_is_in",
            what_is_typed_while_the_cable_is_out,
        ),
        (
            "keyboard::a_text_goes_on_where_the_cable_was_pulled",
            a_text_goes_on_where_the_cable_was_pulled,
        ),
    ]
}

fn a_pulled_cable_is_told_once(world: &World) -> Result<()> {
    let desk = Desk::new(world)?;
    let hid = desk.open()?;
    let mut reports = hid.reports()?;
    desk.connected.cable().pull()?;
    match reports.next_timeout(DEADLINE) {
        Err(HidError::Disconnected) => {}
        other => bail!("{other:?} instead of Disconnected"),
    }
    ensure!(
        reports.next_blocking().is_none(),
        "something came after the disconnection"
    );
    Ok(())
}

fn a_pulled_cable_ends_the_stream(world: &World) -> Result<()> {
    let desk = Desk::new(world)?;
    let hid = desk.open()?;
    let mut keys = hid.keys()?;
    desk.connected.cable().pull()?;
    match block_on(futures::StreamExt::next(&mut keys)) {
        Some(Err(HidError::Disconnected)) => {}
        other => bail!("{other:?} instead of Disconnected"),
    }
    ensure!(
        block_on(futures::StreamExt::next(&mut keys)).is_none(),
        "something came after the disconnection"
    );
    Ok(())
}

fn a_request_after_the_cable_was_pulled(world: &World) -> Result<()> {
    let desk = Desk::new(world)?;
    let hid = desk.open()?;
    desk.connected.cable().pull()?;
    match hid.set_leds_blocking(Leds::NUM_LOCK) {
        Err(HidError::Disconnected) => Ok(()),
        other => bail!("{other:?} instead of Disconnected"),
    }
}

fn a_keyboard_plugged_in_again(world: &World) -> Result<()> {
    let mut desk = Desk::new(world)?;
    for round in ["first, ", "second, ", "third\n"] {
        let hid = desk.open()?;
        hid.set_leds_blocking(Leds::CAPS_LOCK)?;
        let mut keys = hid.keys()?;
        desk.keyboard.type_text(round)?;
        let read = read_text(&mut keys, round.len())?;
        ensure!(read == round, "{read:?} instead of {round:?}");
        desk.connected.cable().pull()?;
        drop((keys, hid));
        desk.connected.plug()?;
    }
    Ok(())
}

fn what_is_typed_while_the_cable_is_out(world: &World) -> Result<()> {
    let mut desk = Desk::new(world)?;
    let hid = desk.open()?;
    let mut keys = hid.keys()?;
    desk.keyboard.type_text("before, ")?;
    ensure!(
        read_text(&mut keys, 8)? == "before, ",
        "something else came"
    );
    desk.connected.cable().pull()?;
    desk.keyboard.type_text("meanwhile, ")?;
    drop((keys, hid));
    desk.connected.plug()?;
    let hid = desk.open()?;
    let mut keys = hid.keys()?;
    desk.keyboard.type_text("after\n")?;
    let read = read_text(&mut keys, 17)?;
    ensure!(read == "meanwhile, after\n", "{read:?} came");
    Ok(())
}

fn a_text_goes_on_where_the_cable_was_pulled(world: &World) -> Result<()> {
    const TEXT: &str = "not a letter is lost, and not a letter comes twice: zzz 111 zzz";
    let mut desk = Desk::new(world)?;
    let mut read = String::new();
    let hid = desk.open()?;
    // Not all of the text fits into the transfers in flight, so some is left for the next plug.
    let mut keys = hid.reports_with_depth(64)?.decode(hid.key_decoder()?);
    desk.keyboard.type_text(TEXT)?;
    read.push_str(&read_text(&mut keys, 10)?);
    desk.connected.cable().pull()?;
    // What had arrived comes before the error.
    loop {
        match keys.next_timeout(DEADLINE) {
            Ok(Some(event)) => read.extend(event.text),
            Err(HidError::Disconnected) => break,
            other => bail!("{other:?} instead of an event or Disconnected"),
        }
    }
    drop((keys, hid));
    desk.connected.plug()?;
    let hid = desk.open()?;
    let mut keys = hid.keys()?;
    let rest = TEXT.chars().count() - read.chars().count();
    read.push_str(&read_text(&mut keys, rest)?);
    ensure!(read == TEXT, "{read:?} came");
    Ok(())
}
