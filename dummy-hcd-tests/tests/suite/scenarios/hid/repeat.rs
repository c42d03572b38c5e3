//! Keys that are held repeat.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::wait::DEADLINE;
use futures::StreamExt as _;
use usbfs2_gadget::functions::Keyboard;
use usbfs2_gadget::functions::keyboard::usage;
use usbfs2_hid::{KeyEvent, KeyRepeat};
use usbfs2_host::block_on;

use super::{Desk, Scenario};
use crate::world::World;

pub(super) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        ("hid::a_held_key_repeats_until_it_comes_up", blocking),
        ("hid::a_held_key_repeats_in_a_stream", streamed),
    ]
}

const REPEAT: KeyRepeat = KeyRepeat {
    delay: Duration::from_millis(100),
    period: Duration::from_millis(10),
};

fn blocking(world: &World) -> Result<()> {
    let keyboard = Keyboard::new();
    let desk = Desk::new(world, keyboard.clone())?;
    let mut keys = desk.hid.keys()?.repeating(REPEAT);
    check(&keyboard, || {
        keys.next_timeout(DEADLINE)?.context("silence")
    })
}

fn streamed(world: &World) -> Result<()> {
    let keyboard = Keyboard::new();
    let desk = Desk::new(world, keyboard.clone())?;
    let mut keys = desk.hid.keys()?.repeating(REPEAT);
    check(&keyboard, || {
        Ok(block_on(keys.next()).context("the stream ended")??)
    })
}

fn check(keyboard: &Keyboard, mut next: impl FnMut() -> Result<KeyEvent>) -> Result<()> {
    keyboard.press(usage::LEFT_CONTROL + 1)?;
    keyboard.press(usage::A)?;
    let shift = next()?;
    ensure!(!shift.repeated, "{shift:?}");
    let first = next()?;
    let since = Instant::now();
    ensure!(
        (first.usage, first.repeated, first.text) == (usage::A, false, Some('A')),
        "{first:?}"
    );
    for count in 1..=5 {
        let again = next()?;
        let repeats = (again.usage, again.pressed, again.repeated, again.text);
        ensure!(repeats == (usage::A, true, true, Some('A')), "{again:?}");
        let earliest = REPEAT.delay + REPEAT.period * (count - 1);
        // The key went down a little before it was told of.
        let waited = since.elapsed() + Duration::from_millis(5);
        ensure!(waited >= earliest, "repetition {count} after {waited:?}");
    }
    keyboard.release(usage::A)?;
    let up = loop {
        let event = next()?;
        if !event.repeated {
            break event;
        }
    };
    ensure!((up.usage, up.pressed) == (usage::A, false), "{up:?}");
    keyboard.release(usage::LEFT_CONTROL + 1)?;
    // Nothing repeats any more: the next event is the modifier's.
    let shift = next()?;
    ensure!(
        (shift.usage, shift.repeated) == (usage::LEFT_CONTROL + 1, false),
        "{shift:?}"
    );
    Ok(())
}
