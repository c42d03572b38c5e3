//! Fields: the parts of a report that one main item describes (HID 6.2.2.5).

use std::ops::RangeInclusive;

use bitflags::bitflags;

use super::{Unit, Usage, Usages};

bitflags! {
    /// The properties of a field (HID 6.2.2.5).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct FieldFlags: u32 {
        /// No data: padding.
        const CONSTANT = 0x001;
        /// Each element is a control, not the index of one.
        const VARIABLE = 0x002;
        /// Values are changes, not states.
        const RELATIVE = 0x004;
        /// Values go from one end of the range to the other.
        const WRAP = 0x008;
        /// Values do not follow what is measured in proportion.
        const NONLINEAR = 0x010;
        /// There is no state to which the control returns by itself.
        const NO_PREFERRED = 0x020;
        /// Values outside of the logical range mean nothing right now.
        const NULL_STATE = 0x040;
        /// A feature or output that changes by itself.
        const VOLATILE = 0x080;
        /// Bytes in a row, not numbers.
        const BUFFERED_BYTES = 0x100;
    }
}

/// A part of a report: as many elements of as many bits each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its properties.
    pub flags: FieldFlags,
    /// Where its first element begins in the report as it travels, report ID included, in bits.
    pub bit_offset: usize,
    /// Bits of an element; at least 1.
    pub bit_size: usize,
    /// Elements; at least 1.
    pub count: usize,
    /// Its usages in order; none in padding.
    pub usages: Usages,
    /// The values that mean something.
    pub logical: RangeInclusive<i64>,
    /// What the ends of the logical range stand for, in `unit` times ten to the `unit_exponent`. Equal to
    /// the logical range where the device does not say.
    pub physical: RangeInclusive<i64>,
    /// What physical values count.
    pub unit: Unit,
    /// The power of ten that physical values are multiplied by.
    pub unit_exponent: i8,
    /// The innermost collection it is in, an index into
    /// [`ReportDescriptor::collections`](super::ReportDescriptor::collections).
    pub collection: Option<usize>,
}

/// What an element of a field says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// A control's value.
    Number(i64),
    /// The control has no value right now (null state).
    Null,
}

impl Value {
    /// The number, where there is one.
    #[must_use]
    pub const fn number(self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Null => None,
        }
    }
}

impl Field {
    /// Widest element whose value can be told as a number.
    const MAX_VALUE_BITS: usize = 64;

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_padding(&self) -> bool {
        self.flags.contains(FieldFlags::CONSTANT) || self.usages.is_empty()
    }

    /// Whether each element is a control of its own. Otherwise each says which control is on.
    #[must_use]
    pub fn is_variable(&self) -> bool {
        self.flags.contains(FieldFlags::VARIABLE)
    }

    /// Whether values are changes.
    #[must_use]
    pub fn is_relative(&self) -> bool {
        self.flags.contains(FieldFlags::RELATIVE)
    }

    /// Bits of all elements together.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.bit_size * self.count
    }

    /// The usage of the element at this index of a variable field. Where there are more elements than
    /// usages, the last usage is that of the rest (HID 6.2.2.8).
    #[must_use]
    pub fn usage(&self, index: usize) -> Option<Usage> {
        self.usages.get(index).or_else(|| self.usages.last())
    }

    /// The bits of the element at this index as an unsigned number; `None` for elements the field or the
    /// report does not have, and for those wider than 64 bits.
    #[must_use]
    pub fn raw(&self, report: &[u8], index: usize) -> Option<u64> {
        if index >= self.count || self.bit_size > Self::MAX_VALUE_BITS {
            return None;
        }
        let begin = self.bit_offset + index * self.bit_size;
        let end = begin + self.bit_size;
        let bytes = report.get(begin / 8..end.div_ceil(8))?;
        // At most nine bytes: 64 bits that begin in the middle of a byte.
        let bits = bytes
            .iter()
            .rev()
            .fold(0_u128, |bits, &byte| bits << 8 | u128::from(byte));
        let mask = u128::MAX >> (128 - self.bit_size);
        u64::try_from(bits >> (begin % 8) & mask).ok()
    }

    /// The number in the element at this index: signed where the logical minimum is negative (HID 5.8).
    /// `None` as for [`raw`](Self::raw).
    #[must_use]
    pub fn number(&self, report: &[u8], index: usize) -> Option<i64> {
        let raw = self.raw(report, index)?;
        let unused = Self::MAX_VALUE_BITS - self.bit_size;
        if *self.logical.start() < 0 {
            return Some((raw << unused).cast_signed() >> unused);
        }
        // Above 2^63 there is no logical maximum, so there it saturates.
        Some(i64::try_from(raw).unwrap_or(i64::MAX))
    }

    /// What the element at this index says: [`Value::Null`] outside of the logical range where the field
    /// has a null state (HID 6.2.2.5). `None` as for [`raw`](Self::raw).
    #[must_use]
    pub fn value(&self, report: &[u8], index: usize) -> Option<Value> {
        let number = self.number(report, index)?;
        if self.flags.contains(FieldFlags::NULL_STATE) && !self.logical.contains(&number) {
            return Some(Value::Null);
        }
        Some(Value::Number(number))
    }

    /// The control that the element at this index of an array field says is on. `None` where it says
    /// none: a number outside of the logical range, or beyond the usages (HID 6.2.2.5).
    #[must_use]
    pub fn selected(&self, report: &[u8], index: usize) -> Option<Usage> {
        let number = self.number(report, index)?;
        if !self.logical.contains(&number) {
            return None;
        }
        let at = number.checked_sub(*self.logical.start())?;
        self.usages.get(usize::try_from(at).ok()?)
    }

    /// Writes a number into the element at this index, its lowest bits where it is too large. Nothing
    /// happens where [`raw`](Self::raw) gives `None`.
    pub fn set(&self, report: &mut [u8], index: usize, number: i64) {
        if self.raw(report, index).is_none() {
            return;
        }
        let begin = self.bit_offset + index * self.bit_size;
        for bit in 0..self.bit_size {
            let (byte, mask) = ((begin + bit) / 8, 1 << ((begin + bit) % 8));
            if number >> bit & 1 == 1 {
                report[byte] |= mask;
            } else {
                report[byte] &= !mask;
            }
        }
    }

    /// What a number in this field stands for, in its [`unit`](Self::unit).
    #[must_use]
    pub fn physical_value(&self, number: i64) -> f64 {
        let (logical, physical) = (&self.logical, &self.physical);
        let span = |range: &RangeInclusive<i64>| *range.end() as f64 - *range.start() as f64;
        let scaled = if span(logical) == 0.0 {
            *physical.start() as f64
        } else {
            let steps = number as f64 - *logical.start() as f64;
            steps * span(physical) / span(logical) + *physical.start() as f64
        };
        scaled * 10_f64.powi(self.unit_exponent.into())
    }
}
