//! The boot keyboard's reports and the descriptor that says their form.

use bitflags::bitflags;
use thiserror::Error;

bitflags! {
    /// The modifier keys held down: the first byte of a boot keyboard report (HID 1.11 8.3).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Modifiers: u8 {
        /// Left control.
        const LEFT_CONTROL = 0x01;
        /// Left shift.
        const LEFT_SHIFT = 0x02;
        /// Left alt.
        const LEFT_ALT = 0x04;
        /// Left GUI: Windows, command.
        const LEFT_GUI = 0x08;
        /// Right control.
        const RIGHT_CONTROL = 0x10;
        /// Right shift.
        const RIGHT_SHIFT = 0x20;
        /// Right alt: AltGr.
        const RIGHT_ALT = 0x40;
        /// Right GUI: Windows, command.
        const RIGHT_GUI = 0x80;

        /// Either shift.
        const SHIFT = Self::LEFT_SHIFT.bits() | Self::RIGHT_SHIFT.bits();
    }

    /// A keyboard's lights: the boot keyboard's output report (HID 1.11 B.1).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Leds: u8 {
        /// Num lock.
        const NUM_LOCK = 0x01;
        /// Caps lock.
        const CAPS_LOCK = 0x02;
        /// Scroll lock.
        const SCROLL_LOCK = 0x04;
        /// Compose.
        const COMPOSE = 0x08;
        /// Kana.
        const KANA = 0x10;
    }
}

/// The report descriptor of a boot keyboard: modifiers, a reserved byte, six keys; five lights
/// (HID 1.11 E.6).
pub const BOOT_KEYBOARD_REPORT_DESCRIPTOR: [u8; 63] = [
    0x05, 0x01, // Usage Page (Generic Desktop)
    0x09, 0x06, // Usage (Keyboard)
    0xa1, 0x01, // Collection (Application)
    0x05, 0x07, //   Usage Page (Keyboard)
    0x19, 0xe0, //   Usage Minimum (Left Control)
    0x29, 0xe7, //   Usage Maximum (Right GUI)
    0x15, 0x00, //   Logical Minimum (0)
    0x25, 0x01, //   Logical Maximum (1)
    0x75, 0x01, //   Report Size (1)
    0x95, 0x08, //   Report Count (8)
    0x81, 0x02, //   Input (Data, Variable, Absolute): modifiers
    0x95, 0x01, //   Report Count (1)
    0x75, 0x08, //   Report Size (8)
    0x81, 0x01, //   Input (Constant): reserved
    0x95, 0x05, //   Report Count (5)
    0x75, 0x01, //   Report Size (1)
    0x05, 0x08, //   Usage Page (LEDs)
    0x19, 0x01, //   Usage Minimum (Num Lock)
    0x29, 0x05, //   Usage Maximum (Kana)
    0x91, 0x02, //   Output (Data, Variable, Absolute): lights
    0x95, 0x01, //   Report Count (1)
    0x75, 0x03, //   Report Size (3)
    0x91, 0x01, //   Output (Constant): padding
    0x95, 0x06, //   Report Count (6)
    0x75, 0x08, //   Report Size (8)
    0x15, 0x00, //   Logical Minimum (0)
    0x25, 0x65, //   Logical Maximum (101)
    0x05, 0x07, //   Usage Page (Keyboard)
    0x19, 0x00, //   Usage Minimum (0)
    0x29, 0x65, //   Usage Maximum (101)
    0x81, 0x00, //   Input (Data, Array): keys
    0xc0, // End Collection
];

/// A boot keyboard report is eight bytes, not this few.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a boot keyboard report is 8 bytes, this is {0} (HID 1.11 B.1)")]
pub struct ReportTooShort(pub usize);

/// The keys held down (HID 1.11 B.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct BootKeyboardReport {
    /// The modifier keys held down.
    pub modifiers: Modifiers,
    /// The other keys held down, in no order; 0 for none.
    pub keys: [u8; 6],
}

impl BootKeyboardReport {
    /// Bytes of a report.
    pub const LENGTH: usize = 8;

    /// The report of these keys held down. Of more than six keys a boot keyboard can only say that
    /// there are too many: [`ERROR_ROLL_OVER`](super::usage::ERROR_ROLL_OVER) in each place.
    #[must_use]
    pub fn pressing(modifiers: Modifiers, keys: &[u8]) -> Self {
        let mut report = Self {
            modifiers,
            keys: [0; 6],
        };
        match report.keys.get_mut(..keys.len()) {
            Some(places) => places.copy_from_slice(keys),
            None => report.keys = [super::usage::ERROR_ROLL_OVER; 6],
        }
        report
    }

    /// Whether the keyboard cannot say which keys are down: too many, or a fault of its own. The
    /// modifiers still hold.
    #[must_use]
    pub fn is_error(&self) -> bool {
        let errors = super::usage::ERROR_ROLL_OVER..=super::usage::ERROR_UNDEFINED;
        self.keys.iter().any(|key| errors.contains(key))
    }

    /// The report as it travels.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; Self::LENGTH] {
        let [k0, k1, k2, k3, k4, k5] = self.keys;
        [self.modifiers.bits(), 0, k0, k1, k2, k3, k4, k5]
    }

    /// Reads a report. The reserved byte and those after the eighth are not looked at.
    ///
    /// # Errors
    /// Fewer than eight bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReportTooShort> {
        let &[modifiers, _, k0, k1, k2, k3, k4, k5] =
            bytes.first_chunk().ok_or(ReportTooShort(bytes.len()))?;
        Ok(Self {
            modifiers: Modifiers::from_bits_retain(modifiers),
            keys: [k0, k1, k2, k3, k4, k5],
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn seven_keys_are_too_many_to_say() {
        let report = BootKeyboardReport::pressing(Modifiers::LEFT_ALT, &[4, 5, 6, 7, 8, 9, 10]);
        assert!(report.is_error());
        assert_eq!(report.to_bytes(), [4, 0, 1, 1, 1, 1, 1, 1]);
        assert!(!BootKeyboardReport::pressing(Modifiers::empty(), &[4, 5, 6, 7, 8, 9]).is_error());
    }

    #[test]
    fn every_byte_of_modifiers_is_known() {
        assert_eq!(Modifiers::all().bits(), 0xff);
    }

    proptest! {
        #[test]
        fn any_report_round_trips(modifiers: u8, keys: [u8; 6]) {
            let modifiers = Modifiers::from_bits_retain(modifiers);
            let report = BootKeyboardReport { modifiers, keys };
            prop_assert_eq!(BootKeyboardReport::parse(&report.to_bytes()), Ok(report));
        }

        #[test]
        fn cut_reports_are_errors(bytes in prop::collection::vec(any::<u8>(), 0..8)) {
            prop_assert_eq!(BootKeyboardReport::parse(&bytes), Err(ReportTooShort(bytes.len())));
        }
    }
}
