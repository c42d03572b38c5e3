//! A mouse with three buttons and two wheels (HID 1.11, appendix B.2).

use usbfs2_protocol::hid::PROTOCOL_MOUSE;

use super::hid::{Controls, HidFunction, ReadyMade};

/// Buttons, motion, a wheel, a wheel to the side. The first three bytes are the boot protocol's.
#[rustfmt::skip]
const REPORT_DESCRIPTOR: &[u8] = &[
    0x05, 0x01, // Usage Page (Generic Desktop)
    0x09, 0x02, // Usage (Mouse)
    0xa1, 0x01, // Collection (Application)
    0x09, 0x01, //   Usage (Pointer)
    0xa1, 0x00, //   Collection (Physical)
    0x05, 0x09, //     Usage Page (Button)
    0x19, 0x01, //     Usage Minimum (1)
    0x29, 0x03, //     Usage Maximum (3)
    0x15, 0x00, //     Logical Minimum (0)
    0x25, 0x01, //     Logical Maximum (1)
    0x75, 0x01, //     Report Size (1)
    0x95, 0x03, //     Report Count (3)
    0x81, 0x02, //     Input (Data, Variable, Absolute): buttons
    0x95, 0x05, //     Report Count (5)
    0x81, 0x01, //     Input (Constant): padding
    0x05, 0x01, //     Usage Page (Generic Desktop)
    0x09, 0x30, //     Usage (X)
    0x09, 0x31, //     Usage (Y)
    0x09, 0x38, //     Usage (Wheel)
    0x15, 0x81, //     Logical Minimum (-127)
    0x25, 0x7f, //     Logical Maximum (127)
    0x75, 0x08, //     Report Size (8)
    0x95, 0x03, //     Report Count (3)
    0x81, 0x06, //     Input (Data, Variable, Relative): motion
    0x05, 0x0c, //     Usage Page (Consumer)
    0x0a, 0x38, 0x02, // Usage (AC Pan)
    0x95, 0x01, //     Report Count (1)
    0x81, 0x06, //     Input (Data, Variable, Relative): to the side
    0xc0, //         End Collection
    0xc0, //       End Collection
];

/// Bytes of a report of the boot protocol.
const BOOT_REPORT_LENGTH: usize = 3;
/// The furthest one report moves.
const LARGEST_STEP: i32 = 127;

/// A button of a mouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Button {
    /// The first.
    Left,
    /// The second.
    Right,
    /// The third, under the wheel.
    Middle,
}

impl Button {
    pub(super) const fn mask(self) -> u8 {
        match self {
            Self::Left => 1,
            Self::Right => 2,
            Self::Middle => 4,
        }
    }
}

/// A mouse with three buttons, a wheel, and a wheel to the side.
///
/// ```
/// use usbfs2_gadget::functions::Mouse;
/// use usbfs2_gadget::functions::mouse::Button;
///
/// let mouse = Mouse::new();
/// mouse.move_by(300, -10);
/// mouse.click(Button::Left);
/// // 300 takes three reports, a click one down and one up.
/// assert_eq!(mouse.pending(), 5);
/// ```
pub type Mouse = HidFunction<MouseControls>;

/// The controls of a [`Mouse`].
#[derive(Debug, Default)]
pub struct MouseControls {
    buttons: u8,
}

impl Controls for MouseControls {
    const NAME: &'static str = "mouse";

    fn release(&mut self) {
        self.buttons = 0;
    }

    fn boot_report(&self, report: &[u8]) -> Option<Vec<u8>> {
        Some(report.get(..BOOT_REPORT_LENGTH)?.to_vec())
    }
}

impl MouseControls {
    fn report(&self, motion: [i8; 4]) -> Vec<u8> {
        let motion = motion.map(|step| step.to_le_bytes()[0]);
        [&[self.buttons][..], &motion].concat()
    }
}

impl ReadyMade for MouseControls {
    const REPORT_DESCRIPTOR: &'static [u8] = REPORT_DESCRIPTOR;
    const BOOT_PROTOCOL: Option<u8> = Some(PROTOCOL_MOUSE);
}

impl Mouse {
    /// Moves to the right and down, in steps; up to 127 of them go into a report.
    pub fn move_by(&self, x: i32, y: i32) {
        self.step(|[x, y]| [x, y, 0, 0], [x, y]);
    }

    /// Turns the wheels: up, away from the user, and to the right.
    pub fn scroll(&self, vertical: i32, horizontal: i32) {
        self.step(|[up, right]| [0, 0, up, right], [vertical, horizontal]);
    }

    fn step(&self, place: fn([i8; 2]) -> [i8; 4], mut left: [i32; 2]) {
        self.happen(|controls| {
            let mut reports = Vec::new();
            while left != [0, 0] {
                let step = left.map(|left| left.clamp(-LARGEST_STEP, LARGEST_STEP));
                left = [left[0] - step[0], left[1] - step[1]];
                let step = step.map(|step| i8::try_from(step).unwrap_or_default());
                reports.push(controls.report(place(step)));
            }
            reports
        });
    }

    /// Presses a button, and holds it. No effect while it is held.
    pub fn press(&self, button: Button) {
        self.change(|controls| {
            controls.buttons |= button.mask();
            controls.report([0; 4])
        });
    }

    /// Releases a button. No effect while it is not held.
    pub fn release(&self, button: Button) {
        self.change(|controls| {
            controls.buttons &= !button.mask();
            controls.report([0; 4])
        });
    }

    /// Presses a button and releases it.
    pub fn click(&self, button: Button) {
        self.press(button);
        self.release(button);
    }
}
