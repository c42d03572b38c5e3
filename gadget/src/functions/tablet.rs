//! A tablet: a pointer that is at a place, as virtual machines have.

use super::hid::{Controls, HidFunction, ReadyMade};
use super::mouse::Button;

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
    0x26, 0xff, 0x7f, // Logical Maximum (32767)
    0x75, 0x10, //     Report Size (16)
    0x95, 0x02, //     Report Count (2)
    0x81, 0x02, //     Input (Data, Variable, Absolute): the place
    0x09, 0x38, //     Usage (Wheel)
    0x15, 0x81, //     Logical Minimum (-127)
    0x25, 0x7f, //     Logical Maximum (127)
    0x75, 0x08, //     Report Size (8)
    0x95, 0x01, //     Report Count (1)
    0x81, 0x06, //     Input (Data, Variable, Relative): the wheel
    0xc0, //         End Collection
    0xc0, //       End Collection
];

/// The largest X and Y: the right and the lower edge.
pub const EDGE: u16 = 32_767;

/// A tablet with three buttons and a wheel.
///
/// ```
/// use usbfs2_gadget::functions::Tablet;
/// use usbfs2_gadget::functions::tablet::EDGE;
///
/// let tablet = Tablet::new();
/// tablet.move_to(EDGE / 2, EDGE / 2);
/// tablet.move_to(EDGE / 2, EDGE / 2);
/// assert_eq!(tablet.pending(), 1);
/// ```
pub type Tablet = HidFunction<TabletControls>;

/// The controls of a [`Tablet`].
#[derive(Debug, Default)]
pub struct TabletControls {
    buttons: u8,
    x: u16,
    y: u16,
}

impl Controls for TabletControls {
    const NAME: &'static str = "tablet";
    // That would be a corner.
    const RESTS_AT_ZERO: bool = false;

    fn release(&mut self) {
        // The pen stays where it is.
        self.buttons = 0;
    }
}

impl TabletControls {
    fn report(&self, wheel: i8) -> Vec<u8> {
        let ([x0, x1], [y0, y1]) = (self.x.to_le_bytes(), self.y.to_le_bytes());
        let [wheel] = wheel.to_le_bytes();
        vec![self.buttons, x0, x1, y0, y1, wheel]
    }
}

impl ReadyMade for TabletControls {
    const REPORT_DESCRIPTOR: &'static [u8] = REPORT_DESCRIPTOR;
}

impl Tablet {
    /// Moves to a place, from the left and from the top; beyond [`EDGE`] is the edge.
    pub fn move_to(&self, x: u16, y: u16) {
        self.change(|controls| {
            (controls.x, controls.y) = (x.min(EDGE), y.min(EDGE));
            controls.report(0)
        });
    }

    /// Presses a button, and holds it. No effect while it is held.
    pub fn press(&self, button: Button) {
        self.change(|controls| {
            controls.buttons |= button.mask();
            controls.report(0)
        });
    }

    /// Releases a button. No effect while it is not held.
    pub fn release(&self, button: Button) {
        self.change(|controls| {
            controls.buttons &= !button.mask();
            controls.report(0)
        });
    }

    /// Turns the wheel up, away from the user.
    pub fn scroll(&self, steps: i8) {
        self.happen(|controls| match steps {
            0 => Vec::new(),
            // -128 is outside of the descriptor's range.
            steps => vec![controls.report(steps.max(-127))],
        });
    }
}
