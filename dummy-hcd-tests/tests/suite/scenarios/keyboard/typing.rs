//! What is typed arrives.

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::wait::{self, DEADLINE};
use usbfs2_gadget::functions::keyboard::usage;
use usbfs2_hid::{KeyEvent, Modifiers, Protocol, ReportType};
use usbfs2_host::block_on;

use super::{Desk, Scenario, read_text};
use crate::world::World;

pub(super) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        (
            "keyboard::typed_text_is_read_back_in_the_report_protocol",
            typed_text_in_the_report_protocol,
        ),
        (
            "keyboard::typed_text_is_read_back_in_the_boot_protocol",
            typed_text_in_the_boot_protocol,
        ),
        (
            "keyboard::chords_keep_their_order_and_modifiers",
            chords_keep_their_order,
        ),
        (
            "keyboard::a_stream_and_an_iterator_give_the_same_events",
            a_stream_and_an_iterator,
        ),
        (
            "keyboard::reports_that_fill_every_transfer_are_counted_and_none_is_lost",
            reports_that_fill_every_transfer,
        ),
    ]
}

const TEXT: &str = "The quick brown fox, 1234567890 times: (jumps) over \"the\" lazy_dog!\n";

fn typed_text_in_the_report_protocol(world: &World) -> Result<()> {
    typed_text_is_read_back(world, Protocol::Report)
}

fn typed_text_in_the_boot_protocol(world: &World) -> Result<()> {
    typed_text_is_read_back(world, Protocol::Boot)
}

fn typed_text_is_read_back(world: &World, protocol: Protocol) -> Result<()> {
    let desk = Desk::new(world)?;
    let hid = desk.open()?;
    hid.set_protocol_blocking(protocol)?;
    let mut keys = hid.keys()?;
    desk.keyboard.type_text(TEXT)?;
    let read = read_text(&mut keys, TEXT.chars().count())?;
    ensure!(read == TEXT, "{read:?} came back");
    Ok(())
}

fn chords_keep_their_order(world: &World) -> Result<()> {
    const B: u8 = usage::A + 1;
    let desk = Desk::new(world)?;
    let hid = desk.open()?;
    let mut keys = hid.keys()?;
    let keyboard = &desk.keyboard;
    keyboard.press(usage::LEFT_CONTROL)?;
    keyboard.press(usage::A)?;
    keyboard.press(B)?;
    keyboard.release(usage::A)?;
    keyboard.release(usage::LEFT_CONTROL)?;
    keyboard.release(B)?;
    let control = Modifiers::LEFT_CONTROL;
    for (usage, pressed, modifiers) in [
        (usage::LEFT_CONTROL, true, control),
        (usage::A, true, control),
        (B, true, control),
        (usage::A, false, control),
        (usage::LEFT_CONTROL, false, Modifiers::empty()),
        (B, false, Modifiers::empty()),
    ] {
        let event = keys.next_timeout(DEADLINE)?.context("silence")?;
        ensure!(
            (event.usage, event.pressed, event.modifiers) == (usage, pressed, modifiers),
            "{event:?} instead of key {usage:#04x}, pressed: {pressed}, {modifiers:?}"
        );
    }
    // Six reports do not fill the queue.
    ensure!(keys.overflows() == 0, "{} overflows", keys.overflows());
    Ok(())
}

fn a_stream_and_an_iterator(world: &World) -> Result<()> {
    let desk = Desk::new(world)?;
    let hid = desk.open()?;
    // Every character goes down and up, and some take shift along.
    let blocking = {
        let mut keys = hid.keys()?;
        desk.keyboard.type_text(TEXT)?;
        let mut events = Vec::new();
        while !is_end(&events) {
            events.push(keys.next_blocking().context("the events ended")??);
        }
        events
    };
    let streamed = {
        let mut keys = hid.keys()?;
        desk.keyboard.type_text(TEXT)?;
        let mut events = Vec::new();
        while !is_end(&events) {
            events
                .push(block_on(futures::StreamExt::next(&mut keys)).context("the events ended")??);
        }
        events
    };
    ensure!(
        streamed == blocking,
        "streamed {streamed:?}, blocking {blocking:?}"
    );
    Ok(())
}

/// Whether the newline at the end of the text has been typed and its key come up.
fn is_end(events: &[KeyEvent]) -> bool {
    let last = events.last();
    last.is_some_and(|event| event.usage == usage::ENTER && !event.pressed)
}

fn reports_that_fill_every_transfer(world: &World) -> Result<()> {
    const DEPTH: usize = 4;
    let desk = Desk::new(world)?;
    let hid = desk.open()?;
    let mut reports = hid.reports_with_depth(DEPTH)?;
    desk.keyboard.type_text("abcdefghij")?;
    wait::until("the keyboard has to hold reports back", || {
        (desk.keyboard.pending() <= 20 - DEPTH).then_some(())
    })
    .with_context(|| format!("it holds {} of 20 back", desk.keyboard.pending()))?;
    // The last of them may be in the controller still; it crosses the bus before a request does.
    hid.get_report_blocking(ReportType::Output, 0, 1)?;
    let mut keys_down = Vec::new();
    for _ in 0..20 {
        let report = reports.next_timeout(DEADLINE)?.context("silence")?;
        keys_down.push(report.bytes[2]);
    }
    ensure!(reports.overflows() > 0, "the overflow was not counted");
    let expected = (0..10)
        .flat_map(|key| [usage::A + key, 0])
        .collect::<Vec<_>>();
    ensure!(keys_down == expected, "keys {keys_down:?} came");
    Ok(())
}
