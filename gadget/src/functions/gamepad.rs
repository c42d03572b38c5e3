//! A gamepad: two sticks, two triggers, a hat switch, twelve buttons.

use super::hid::{Controls, HidFunction, ReadyMade};

#[rustfmt::skip]
const REPORT_DESCRIPTOR: &[u8] = &[
    0x05, 0x01, // Usage Page (Generic Desktop)
    0x09, 0x05, // Usage (Gamepad)
    0xa1, 0x01, // Collection (Application)
    0x09, 0x30, //   Usage (X)
    0x09, 0x31, //   Usage (Y)
    0x09, 0x32, //   Usage (Z)
    0x09, 0x35, //   Usage (Rz)
    0x16, 0x00, 0x80, // Logical Minimum (-32768)
    0x26, 0xff, 0x7f, // Logical Maximum (32767)
    0x75, 0x10, //   Report Size (16)
    0x95, 0x04, //   Report Count (4)
    0x81, 0x02, //   Input (Data, Variable, Absolute): sticks
    0x05, 0x02, //   Usage Page (Simulation)
    0x09, 0xc5, //   Usage (Brake)
    0x09, 0xc4, //   Usage (Accelerator)
    0x15, 0x00, //   Logical Minimum (0)
    0x26, 0xff, 0x00, // Logical Maximum (255)
    0x75, 0x08, //   Report Size (8)
    0x95, 0x02, //   Report Count (2)
    0x81, 0x02, //   Input (Data, Variable, Absolute): triggers
    0x05, 0x01, //   Usage Page (Generic Desktop)
    0x09, 0x39, //   Usage (Hat Switch)
    0x15, 0x01, //   Logical Minimum (1)
    0x25, 0x08, //   Logical Maximum (8)
    0x35, 0x00, //   Physical Minimum (0)
    0x46, 0x3b, 0x01, // Physical Maximum (315)
    0x65, 0x14, //   Unit (degrees)
    0x75, 0x04, //   Report Size (4)
    0x95, 0x01, //   Report Count (1)
    0x81, 0x42, //   Input (Data, Variable, Absolute, Null State): hat
    0x35, 0x00, //   Physical Minimum (0)
    0x45, 0x00, //   Physical Maximum (0)
    0x65, 0x00, //   Unit (none)
    0x05, 0x09, //   Usage Page (Button)
    0x19, 0x01, //   Usage Minimum (1)
    0x29, 0x0c, //   Usage Maximum (12)
    0x15, 0x00, //   Logical Minimum (0)
    0x25, 0x01, //   Logical Maximum (1)
    0x75, 0x01, //   Report Size (1)
    0x95, 0x0c, //   Report Count (12)
    0x81, 0x02, //   Input (Data, Variable, Absolute): buttons
    0xc0, //       End Collection
];

/// Where everything on a gamepad is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GamepadInput {
    /// The left stick, to the right and down (X, Y).
    pub left: (i16, i16),
    /// The right stick, to the right and down (Z, Rz).
    pub right: (i16, i16),
    /// The triggers, left and right (Brake, Accelerator).
    pub triggers: (u8, u8),
    /// Where the hat switch points.
    pub hat: Option<Hat>,
    /// The buttons, the first in the lowest of twelve bits.
    pub buttons: u16,
}

/// A direction of the hat switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Hat {
    Up = 1,
    UpRight,
    Right,
    DownRight,
    Down,
    DownLeft,
    Left,
    UpLeft,
}

/// A gamepad with two sticks, two triggers, a hat switch and twelve buttons.
///
/// ```
/// use usbfs2_gadget::functions::Gamepad;
/// use usbfs2_gadget::functions::gamepad::{GamepadInput, Hat};
///
/// let gamepad = Gamepad::new();
/// gamepad.set(GamepadInput { hat: Some(Hat::Up), buttons: 0b1, ..Default::default() });
/// gamepad.set(GamepadInput::default());
/// assert_eq!(gamepad.pending(), 2);
/// ```
pub type Gamepad = HidFunction<GamepadControls>;

/// The controls of a [`Gamepad`].
#[derive(Debug, Default)]
pub struct GamepadControls {
    input: GamepadInput,
}

impl Controls for GamepadControls {
    const NAME: &'static str = "gamepad";

    fn release(&mut self) {
        self.input = GamepadInput::default();
    }
}

impl GamepadInput {
    /// The bits of the descriptor's twelve buttons.
    const BUTTONS: u16 = 0x0fff;

    fn report(&self) -> Vec<u8> {
        let sticks = [self.left.0, self.left.1, self.right.0, self.right.1];
        let mut report = sticks.map(i16::to_le_bytes).concat();
        report.extend([self.triggers.0, self.triggers.1]);
        let hat = self.hat.map_or(0, |hat| hat as u16);
        report.extend((hat | (self.buttons & Self::BUTTONS) << 4).to_le_bytes());
        report
    }
}

impl ReadyMade for GamepadControls {
    const REPORT_DESCRIPTOR: &'static [u8] = REPORT_DESCRIPTOR;
}

impl Gamepad {
    /// Puts everything where it is said to be. No effect where it already is.
    pub fn set(&self, input: GamepadInput) {
        self.change(|controls| {
            controls.input = input;
            input.report()
        });
    }

    /// Where everything is once the host has taken every report.
    #[must_use]
    pub fn input(&self) -> GamepadInput {
        self.lock().controls.input
    }
}
