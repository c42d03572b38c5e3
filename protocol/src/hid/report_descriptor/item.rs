//! Items: what a report descriptor is a list of (HID 6.2.2.2, 6.2.2.3).

use super::ReportDescriptorError;

/// The prefix of a long item.
const LONG_ITEM: u8 = 0xfe;

/// Item prefixes without their size bits (HID 6.2.2.4 to 6.2.2.8).
pub mod tag {
    /// Input, a main item.
    pub const INPUT: u8 = 0x80;
    /// Output, a main item.
    pub const OUTPUT: u8 = 0x90;
    /// Collection, a main item.
    pub const COLLECTION: u8 = 0xa0;
    /// Feature, a main item.
    pub const FEATURE: u8 = 0xb0;
    /// End Collection, a main item.
    pub const END_COLLECTION: u8 = 0xc0;
    /// Usage Page, a global item.
    pub const USAGE_PAGE: u8 = 0x04;
    /// Logical Minimum, a global item.
    pub const LOGICAL_MINIMUM: u8 = 0x14;
    /// Logical Maximum, a global item.
    pub const LOGICAL_MAXIMUM: u8 = 0x24;
    /// Physical Minimum, a global item.
    pub const PHYSICAL_MINIMUM: u8 = 0x34;
    /// Physical Maximum, a global item.
    pub const PHYSICAL_MAXIMUM: u8 = 0x44;
    /// Unit Exponent, a global item.
    pub const UNIT_EXPONENT: u8 = 0x54;
    /// Unit, a global item.
    pub const UNIT: u8 = 0x64;
    /// Report Size, a global item.
    pub const REPORT_SIZE: u8 = 0x74;
    /// Report ID, a global item.
    pub const REPORT_ID: u8 = 0x84;
    /// Report Count, a global item.
    pub const REPORT_COUNT: u8 = 0x94;
    /// Push, a global item.
    pub const PUSH: u8 = 0xa4;
    /// Pop, a global item.
    pub const POP: u8 = 0xb4;
    /// Usage, a local item.
    pub const USAGE: u8 = 0x08;
    /// Usage Minimum, a local item.
    pub const USAGE_MINIMUM: u8 = 0x18;
    /// Usage Maximum, a local item.
    pub const USAGE_MAXIMUM: u8 = 0x28;
    /// Delimiter, a local item.
    pub const DELIMITER: u8 = 0xa8;
}

/// One item of a report descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item<'a> {
    /// Where it begins in the descriptor, in bytes.
    pub offset: usize,
    /// All of it, prefix included.
    pub bytes: &'a [u8],
    /// Its data.
    pub data: &'a [u8],
}

impl<'a> Item<'a> {
    /// The prefix without its size bits, one of [`tag`]; `None` for a long item, whose tags are reserved.
    #[must_use]
    pub fn tag(&self) -> Option<u8> {
        let prefix = self.bytes.first().copied().unwrap_or(LONG_ITEM);
        (prefix != LONG_ITEM).then_some(prefix & !3)
    }

    /// The data as an unsigned number; of no data it is 0.
    #[must_use]
    pub fn unsigned(&self) -> u32 {
        let bytes = self.data.iter().rev().take(4);
        bytes.fold(0, |value, &byte| value << 8 | u32::from(byte))
    }

    /// The data as a signed number, as wide as its bytes.
    #[must_use]
    pub fn signed(&self) -> i32 {
        match *self.data {
            [a] => i8::from_le_bytes([a]).into(),
            [a, b] => i16::from_le_bytes([a, b]).into(),
            [a, b, c, d] => i32::from_le_bytes([a, b, c, d]),
            _ => 0,
        }
    }

    fn first(bytes: &'a [u8], offset: usize) -> Result<Option<Self>, ReportDescriptorError> {
        let Some((&prefix, rest)) = bytes.split_first() else {
            return Ok(None);
        };
        let cut = |needed| ReportDescriptorError::Truncated {
            offset,
            needed,
            left: rest.len(),
        };
        let (header, length) = if prefix == LONG_ITEM {
            let &length = rest.first().ok_or_else(|| cut(2))?;
            (3, usize::from(length))
        } else {
            (1, [0, 1, 2, 4][usize::from(prefix & 3)])
        };
        let end = header + length;
        let data = bytes.get(header..end).ok_or_else(|| cut(end - 1))?;
        Ok(Some(Self {
            offset,
            bytes: &bytes[..end],
            data,
        }))
    }
}

/// The items of a report descriptor, in order. An item that is cut is an error, and the last.
#[derive(Debug, Clone)]
pub struct Items<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Items<'a> {
    /// The items of this descriptor.
    #[must_use]
    pub fn new(descriptor: &'a [u8]) -> Self {
        Self {
            rest: descriptor,
            offset: 0,
        }
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<Item<'a>, ReportDescriptorError>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = Item::first(self.rest, self.offset).transpose()?;
        match &item {
            Ok(item) => {
                self.rest = &self.rest[item.bytes.len()..];
                self.offset += item.bytes.len();
            }
            Err(_) => self.rest = &[],
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_of_every_size_and_long_ones_are_told_apart() {
        let bytes = [
            0xc0, 0x15, 0x81, 0x26, 0xff, 0x7f, 0x27, 1, 2, 3, 0x80, 0xfe, 2, 0xf0, 9, 9, 0xa4,
        ];
        let items: Vec<_> = Items::new(&bytes).map(Result::unwrap).collect();
        let tags: Vec<_> = items.iter().map(Item::tag).collect();
        let expected = [
            Some(tag::END_COLLECTION),
            Some(tag::LOGICAL_MINIMUM),
            Some(tag::LOGICAL_MAXIMUM),
            Some(tag::LOGICAL_MAXIMUM),
            None,
            Some(tag::PUSH),
        ];
        assert_eq!(tags, expected);
        let offsets: Vec<_> = items.iter().map(|item| item.offset).collect();
        assert_eq!(offsets, [0, 1, 3, 6, 11, 16]);
        assert_eq!((items[1].signed(), items[1].unsigned()), (-127, 0x81));
        assert_eq!(items[3].unsigned(), 0x8003_0201);
        assert_eq!(items[4].data, [9, 9]);
    }

    #[test]
    fn a_cut_item_says_how_much_is_missing_and_ends_the_list() {
        for (bytes, offset, needed, left) in [
            (&[0x05, 1, 0x26, 0xff][..], 2, 2, 1),
            (&[0xfe], 0, 2, 0),
            (&[0xfe, 3, 0, 1], 0, 5, 3),
        ] {
            let mut items = Items::new(bytes).skip_while(Result::is_ok);
            let expected = ReportDescriptorError::Truncated {
                offset,
                needed,
                left,
            };
            assert_eq!(items.next(), Some(Err(expected)));
            assert_eq!(items.next(), None);
        }
    }
}
