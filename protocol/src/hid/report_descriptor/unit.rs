//! Units of physical values (HID 6.2.2.7).

use std::fmt;

/// A unit as a report descriptor writes it: a system in the lowest four bits, then the exponents of
/// length, mass, time, temperature, current and luminous intensity, four bits each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Unit(
    /// The number of the unit item; 0 for none.
    pub u32,
);

/// Units of a system by what they measure: length (or angle), mass, time, temperature, current, luminous
/// intensity.
const SYSTEMS: [[&str; 6]; 4] = [
    ["cm", "g", "s", "K", "A", "cd"],
    ["rad", "g", "s", "K", "A", "cd"],
    ["in", "slug", "s", "F", "A", "cd"],
    ["deg", "slug", "s", "F", "A", "cd"],
];

impl Unit {
    /// No unit.
    pub const NONE: Self = Self(0);

    /// The exponent in the `place`th group of four bits, as a two's complement number.
    const fn exponent(self, place: u32) -> i8 {
        let [nibble, ..] = (self.0 >> (4 * place) & 0xf).to_le_bytes();
        // The highest of four bits is the sign.
        i8::from_le_bytes([nibble << 4]) >> 4
    }
}

impl fmt::Display for Unit {
    /// As in `cm/s` written `cm s^-1`; nothing for no unit, the number for a vendor's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let system = (self.0 & 0xf) as usize;
        let Some(units) = system.checked_sub(1).and_then(|system| SYSTEMS.get(system)) else {
            return match self.0 {
                0 => Ok(()),
                other => write!(f, "unit {other:#x}"),
            };
        };
        let mut separator = "";
        for (place, unit) in (1..).zip(units) {
            match self.exponent(place) {
                0 => continue,
                1 => write!(f, "{separator}{unit}")?,
                exponent => write!(f, "{separator}{unit}^{exponent}")?,
            }
            separator = " ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_written_as_people_do() {
        for (number, text) in [
            (0, ""),
            (0x11, "cm"),
            (0x12, "rad"),
            (0x13, "in"),
            (0x14, "deg"),
            (0x1001, "s"),
            (0xf011, "cm s^-1"),
            (0xe011, "cm s^-2"),
            (0xe121, "cm^2 g s^-2"),
            (0x0010_0001, "A"),
            (0x8f, "unit 0x8f"),
        ] {
            assert_eq!(Unit(number).to_string(), text, "{number:#x}");
        }
    }
}
