//! Gamepads and joysticks.

use std::collections::VecDeque;
use std::sync::Arc;

use usbfs2_protocol::hid::report_descriptor::{Field, page};
use usbfs2_protocol::hid::{ReportDescriptor, ReportType, Usage};

use crate::decoded::{Decode, Decoded};
use crate::pointer::Axis;

/// Where everything on a gamepad is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GamepadState {
    /// The numbers of the buttons that are down, the first is 1.
    pub buttons: Vec<u16>,
    /// Sticks, triggers, throttles, in the device's order. The sticks are as a rule X and Y, and Z and Rz or
    /// Rx and Ry; triggers Z and Rz, Rx and Ry, or Brake and Accelerator of the simulation page.
    pub axes: Vec<(Usage, Axis)>,
    /// Where the hat switch points, clockwise from up, in degrees; `None` for nowhere, and where there is
    /// none.
    pub hat_degrees: Option<u16>,
}

impl GamepadState {
    /// The axis of this usage.
    #[must_use]
    pub fn axis(&self, usage: Usage) -> Option<Axis> {
        let mut axes = self.axes.iter();
        axes.find(|(of, _)| *of == usage).map(|&(_, axis)| axis)
    }
}

/// The states of a gamepad, one after the other: each that differs from the one before.
pub type Gamepad = Decoded<GamepadDecoder>;

/// Tells the state of a gamepad, joystick or multi-axis controller whenever it changes.
#[derive(Debug)]
pub struct GamepadDecoder {
    descriptor: Arc<ReportDescriptor>,
    last: Option<GamepadState>,
}

impl GamepadDecoder {
    /// Of reports as the descriptor says.
    #[must_use]
    pub fn new(descriptor: Arc<ReportDescriptor>) -> Self {
        Self {
            descriptor,
            last: None,
        }
    }

    /// What a report says; `None` for one about something else, or too short.
    fn read(&self, bytes: &[u8]) -> Option<GamepadState> {
        let report = self.descriptor.report_of(ReportType::Input, bytes)?;
        if bytes.len() < report.length() {
            return None;
        }
        let mut state = GamepadState::default();
        let mut is_about_gamepad = false;
        for (field, usage, value) in report.values(bytes) {
            if !self.is_gamepad(field) {
                continue;
            }
            is_about_gamepad = true;
            match (usage, value.number()) {
                (Usage::HAT_SWITCH, Some(number)) => state.hat_degrees = degrees(field, number),
                (Usage { page, id }, Some(1..)) if page == page::BUTTON => state.buttons.push(id),
                (_, Some(number)) if is_axis(usage) => {
                    state.axes.push((usage, Axis::new(field, number)));
                }
                _ => {}
            }
        }
        is_about_gamepad.then_some(state)
    }

    fn is_gamepad(&self, field: &Field) -> bool {
        let kinds = [Usage::GAMEPAD, Usage::JOYSTICK, Usage::MULTI_AXIS];
        let application = self.descriptor.application(field);
        application.is_some_and(|usage| kinds.contains(&usage))
    }
}

/// X to Rz, slider, dial and wheel; the simulation page.
fn is_axis(usage: Usage) -> bool {
    let desktop = usage.page == page::GENERIC_DESKTOP && (0x30..=0x38).contains(&usage.id);
    desktop || usage.page == page::SIMULATION
}

/// The logical range of a hat switch goes once around.
fn degrees(field: &Field, number: i64) -> Option<u16> {
    let directions = field.logical.end() - field.logical.start() + 1;
    if !field.logical.contains(&number) || directions < 1 {
        return None;
    }
    let degrees = (number - field.logical.start()) * 360 / directions;
    u16::try_from(degrees).ok()
}

impl Decode for GamepadDecoder {
    type Event = GamepadState;

    fn decode(&mut self, report: &[u8], events: &mut VecDeque<GamepadState>) {
        let Some(state) = self.read(report) else {
            return;
        };
        if self.last.as_ref() != Some(&state) {
            self.last = Some(state.clone());
            events.push_back(state);
        }
    }
}
