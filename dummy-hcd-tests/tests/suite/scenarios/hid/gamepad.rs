//! A gamepad.

use anyhow::{Context as _, Result, ensure};
use usbfs2_gadget::functions::Gamepad;
use usbfs2_gadget::functions::gamepad::{GamepadInput, Hat};
use usbfs2_hid::report_descriptor::page;
use usbfs2_hid::{Change, GamepadState, Usage, UsageEvent};

use super::{Desk, Scenario, take};
use crate::world::World;

pub(super) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        (
            "hid::a_gamepads_sticks_triggers_hat_and_buttons_arrive",
            a_gamepad,
        ),
        (
            "hid::every_control_of_a_gamepad_is_told_by_its_usage",
            every_control,
        ),
    ]
}

const BRAKE: Usage = Usage::new(page::SIMULATION, 0xc5);
const ACCELERATOR: Usage = Usage::new(page::SIMULATION, 0xc4);

fn a_gamepad(world: &World) -> Result<()> {
    let gamepad = Gamepad::new();
    let desk = Desk::new(world, gamepad.clone())?;
    let mut states = desk.hid.gamepad()?;
    gamepad.set(GamepadInput {
        left: (-32_768, 32_767),
        right: (1, -1),
        triggers: (255, 3),
        hat: Some(Hat::DownLeft),
        buttons: 0b1000_0000_0101,
    });
    gamepad.set(GamepadInput::default());
    let states = take(&mut states, 2)?;
    let value = |state: &GamepadState, usage| {
        let axis = state.axis(usage).context("an axis is missing")?;
        anyhow::Ok(axis.value)
    };
    let [pressed, released] = &states[..] else {
        anyhow::bail!("{states:?}");
    };
    ensure!(
        (pressed.buttons.as_slice(), pressed.hat_degrees) == (&[1, 3, 12], Some(225)),
        "{pressed:?}"
    );
    for (usage, number) in [
        (Usage::X, -32_768),
        (Usage::Y, 32_767),
        (Usage::Z, 1),
        (Usage::RZ, -1),
        (BRAKE, 255),
        (ACCELERATOR, 3),
    ] {
        ensure!(value(pressed, usage)? == number, "{usage}: {pressed:?}");
        ensure!(value(released, usage)? == 0, "{usage}: {released:?}");
    }
    ensure!(
        released.buttons.is_empty() && released.hat_degrees.is_none(),
        "{released:?}"
    );
    let fraction = pressed.axis(BRAKE).context("no brake")?.fraction();
    ensure!(
        (fraction - 1.0).abs() < 1e-9,
        "the trigger is at {fraction}"
    );
    Ok(())
}

fn every_control(world: &World) -> Result<()> {
    let gamepad = Gamepad::new();
    let desk = Desk::new(world, gamepad.clone())?;
    let mut usages = desk.hid.usages()?;
    gamepad.set(GamepadInput {
        right: (0, 5),
        hat: Some(Hat::Up),
        buttons: 0b10,
        ..GamepadInput::default()
    });
    gamepad.set(GamepadInput::default());
    let button = Usage::new(page::BUTTON, 2);
    let expected = [
        (Usage::RZ, Change::To(5)),
        (Usage::HAT_SWITCH, Change::To(1)),
        (button, Change::To(1)),
        (Usage::RZ, Change::To(0)),
        (Usage::HAT_SWITCH, Change::ToNothing),
        (button, Change::To(0)),
    ];
    let events = take(&mut usages, expected.len())?;
    let told = events
        .iter()
        .map(|&UsageEvent { usage, change, .. }| (usage, change));
    let told = told.collect::<Vec<_>>();
    ensure!(told == expected, "{told:?}");
    Ok(())
}
