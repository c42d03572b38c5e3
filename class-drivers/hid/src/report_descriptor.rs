//! Report descriptors: checked for what the parser takes on trust, then parsed by `hidreport`.
//!
//! A device can write anything here. `hidreport` is written for descriptors that make sense and
//! panics on, or allocates without bound for, some that do not; [`parse`] refuses those first.

use hidreport::ReportDescriptor;
use thiserror::Error;

/// Why a report descriptor cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReportDescriptorError {
    /// The descriptor ends in the middle of an item.
    #[error(
        "byte {offset}: the item is cut: it has {needed} data bytes, {left} are left (HID 6.2.2.2)"
    )]
    Truncated {
        /// Where the item begins.
        offset: usize,
        /// Data bytes it says it has.
        needed: usize,
        /// Data bytes there are.
        left: usize,
    },
    /// A usage stands where no usage page is in force.
    #[error("byte {offset}: a usage without a usage page (HID 6.2.2.7)")]
    NoUsagePage {
        /// Where the main item that the usage is for begins.
        offset: usize,
    },
    /// A report, a list of usages or a stack is larger than any device has.
    #[error("byte {offset}: {what} {value} is more than {limit}, which no device needs")]
    TooLarge {
        /// Where the item begins.
        offset: usize,
        /// What is too large.
        what: &'static str,
        /// How large it is.
        value: u64,
        /// The most that is accepted.
        limit: u64,
    },
    /// Another rule is broken.
    #[error("{0}")]
    Parser(String),
}

/// `hidreport` extracts fields of up to 32 bits.
const MAX_FIELD_BITS: u64 = 32;
/// wLength of GET_REPORT bounds a report to 65,535 bytes.
const MAX_REPORT_BITS: u64 = 65_535 * 8;
/// Fields of one descriptor; a keyboard has some 20.
const MAX_FIELDS: u64 = 16_384;
/// Usages of one descriptor, each range counted in full.
const MAX_USAGES: u64 = 262_144;
const MAX_NESTING: u64 = 64;

/// Parses a report descriptor (HID 6.2.2).
pub(crate) fn parse(bytes: &[u8]) -> Result<ReportDescriptor, ReportDescriptorError> {
    let mut check = Check::default();
    let mut offset = 0;
    while offset < bytes.len() {
        let item = Item::at(bytes, offset)?;
        check.item(&item)?;
        offset += item.length;
    }
    ReportDescriptor::try_from(bytes)
        .map_err(|error| ReportDescriptorError::Parser(error.to_string()))
}

/// An item: its prefix without the size, and its data (HID 6.2.2.2).
struct Item {
    offset: usize,
    /// Prefix and data.
    length: usize,
    tag: u8,
    data_length: usize,
    value: u64,
}

/// Items by their prefix without the size bits (HID 6.2.2.4 to 6.2.2.8).
mod tag {
    pub(super) const INPUT: u8 = 0x80;
    pub(super) const OUTPUT: u8 = 0x90;
    pub(super) const COLLECTION: u8 = 0xa0;
    pub(super) const FEATURE: u8 = 0xb0;
    pub(super) const END_COLLECTION: u8 = 0xc0;
    pub(super) const USAGE_PAGE: u8 = 0x04;
    pub(super) const REPORT_SIZE: u8 = 0x74;
    pub(super) const REPORT_COUNT: u8 = 0x94;
    pub(super) const PUSH: u8 = 0xa4;
    pub(super) const POP: u8 = 0xb4;
    pub(super) const USAGE: u8 = 0x08;
    pub(super) const USAGE_MINIMUM: u8 = 0x18;
    pub(super) const USAGE_MAXIMUM: u8 = 0x28;
}

impl Item {
    const LONG_ITEM: u8 = 0xfe;

    fn at(bytes: &[u8], offset: usize) -> Result<Self, ReportDescriptorError> {
        let prefix = bytes[offset];
        let left = bytes.len() - offset - 1;
        let (header, data_length) = if prefix == Self::LONG_ITEM {
            (3, usize::from(*bytes.get(offset + 1).unwrap_or(&0)) + 2)
        } else {
            (1, [0, 1, 2, 4][usize::from(prefix & 3)])
        };
        if data_length > left {
            let needed = data_length;
            return Err(ReportDescriptorError::Truncated {
                offset,
                needed,
                left,
            });
        }
        let data = &bytes[offset + 1..offset + 1 + data_length];
        let value = match header {
            1 => data
                .iter()
                .rev()
                .fold(0, |value, &byte| value << 8 | u64::from(byte)),
            _ => 0,
        };
        Ok(Self {
            offset,
            length: 1 + data_length,
            tag: if header == 1 {
                prefix & !3
            } else {
                Self::LONG_ITEM
            },
            data_length,
            value,
        })
    }
}

/// The state of the item tables as far as sizes and the usage page go.
#[derive(Default)]
struct Check {
    globals: Globals,
    pushed: Vec<Globals>,
    depth: u64,
    /// Usages since the last main item that name no page of their own.
    pageless_usages: u64,
    usages: u64,
    usage_minimum: Option<u64>,
    usage_maximum: Option<u64>,
    fields: u64,
    bits: u64,
}

#[derive(Default, Clone, Copy)]
struct Globals {
    has_usage_page: bool,
    report_size: u64,
    report_count: u64,
}

impl Check {
    fn item(&mut self, item: &Item) -> Result<(), ReportDescriptorError> {
        match item.tag {
            tag::USAGE_PAGE => self.globals.has_usage_page = true,
            tag::REPORT_SIZE => self.globals.report_size = item.value,
            tag::REPORT_COUNT => self.globals.report_count = item.value,
            tag::PUSH => {
                self.pushed.push(self.globals);
                limit(
                    item,
                    "the depth of pushed items",
                    self.pushed.len() as u64,
                    MAX_NESTING,
                )?;
            }
            tag::POP => match self.pushed.pop() {
                Some(globals) => self.globals = globals,
                None => {
                    let message =
                        format!("byte {}: a pop without a push (HID 6.2.2.7)", item.offset);
                    return Err(ReportDescriptorError::Parser(message));
                }
            },
            tag::USAGE => self.usage(item, 1)?,
            tag::USAGE_MINIMUM => {
                self.usage_minimum = Some(item.value);
                self.usage(item, 1)?;
            }
            tag::USAGE_MAXIMUM => {
                self.usage_maximum = Some(item.value);
                self.usage(item, 1)?;
            }
            tag::COLLECTION => {
                self.depth += 1;
                limit(item, "the depth of collections", self.depth, MAX_NESTING)?;
                self.main(item)?;
            }
            tag::END_COLLECTION => self.depth = self.depth.saturating_sub(1),
            tag::INPUT | tag::OUTPUT | tag::FEATURE => {
                self.main(item)?;
                self.report(item)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn usage(&mut self, item: &Item, count: u64) -> Result<(), ReportDescriptorError> {
        // Only a usage of four bytes carries its page (HID 6.2.2.8).
        if item.data_length < 4 {
            self.pageless_usages += count;
        }
        self.usages += count;
        limit(item, "the number of usages", self.usages, MAX_USAGES)
    }

    /// What ends the local items in front of it.
    fn main(&mut self, item: &Item) -> Result<(), ReportDescriptorError> {
        if self.pageless_usages > 0 && !self.globals.has_usage_page {
            return Err(ReportDescriptorError::NoUsagePage {
                offset: item.offset,
            });
        }
        self.pageless_usages = 0;
        if let (Some(minimum), Some(maximum)) =
            (self.usage_minimum.take(), self.usage_maximum.take())
        {
            // Of a usage with its page, the low half counts.
            let count = (maximum & 0xffff).saturating_sub(minimum & 0xffff) + 1;
            self.usages += count;
            limit(item, "the number of usages", self.usages, MAX_USAGES)?;
            limit(
                item,
                "a usage range's end",
                maximum.saturating_sub(minimum),
                0xffff,
            )?;
        }
        Ok(())
    }

    fn report(&mut self, item: &Item) -> Result<(), ReportDescriptorError> {
        const CONSTANT: u64 = 1;
        let Globals {
            report_size,
            report_count,
            ..
        } = self.globals;
        limit(item, "the report count", report_count, MAX_REPORT_BITS)?;
        limit(item, "the report size", report_size, MAX_REPORT_BITS)?;
        self.bits += report_size * report_count;
        limit(item, "the bits of all reports", self.bits, MAX_REPORT_BITS)?;
        if item.value & CONSTANT == 0 {
            limit(
                item,
                "the report size of a data field",
                report_size,
                MAX_FIELD_BITS,
            )?;
            self.fields += report_count;
            limit(item, "the number of fields", self.fields, MAX_FIELDS)?;
        }
        Ok(())
    }
}

fn limit(
    item: &Item,
    what: &'static str,
    value: u64,
    limit: u64,
) -> Result<(), ReportDescriptorError> {
    if value <= limit {
        return Ok(());
    }
    Err(ReportDescriptorError::TooLarge {
        offset: item.offset,
        what,
        value,
        limit,
    })
}

#[cfg(test)]
mod tests {
    use hidreport::{Field, Report as _};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_usage_without_a_page_is_named() {
        // Usage (2), Collection (Application).
        let error = parse(&[0x09, 0x02, 0xa1, 0x01]).unwrap_err();
        assert_eq!(error, ReportDescriptorError::NoUsagePage { offset: 2 });
    }

    #[test]
    fn a_report_count_beyond_any_device_is_refused() {
        let bytes = [
            0x05, 1, 0x09, 2, 0x75, 1, 0x97, 0xff, 0xff, 0xff, 0xff, 0x81, 0x02,
        ];
        assert!(matches!(
            parse(&bytes),
            Err(ReportDescriptorError::TooLarge { .. })
        ));
    }

    #[test]
    fn a_cut_item_says_how_much_is_missing() {
        let error = parse(&[0x05, 0x01, 0x26, 0xff]).unwrap_err();
        assert_eq!(
            error,
            ReportDescriptorError::Truncated {
                offset: 2,
                needed: 2,
                left: 1
            }
        );
    }

    /// Items that make reports, with small values, so that many descriptors get past the checks.
    fn item() -> impl Strategy<Value = Vec<u8>> {
        let prefixes = vec![
            0x04_u8, 0x08, 0x18, 0x28, 0x14, 0x24, 0x34, 0x44, 0x74, 0x84, 0x94, 0xa4, 0xb4, 0x80,
            0x90, 0xb0, 0xa0, 0xc0, 0xfc,
        ];
        let value = prop_oneof![0_u32..9, any::<u8>().prop_map(u32::from), any::<u32>()];
        (proptest::sample::select(prefixes), 0_usize..4, value).prop_map(|(prefix, size, value)| {
            let mut item = vec![prefix | u8::try_from(size).unwrap()];
            item.extend_from_slice(&value.to_le_bytes()[..[0, 1, 2, 4][size]]);
            item
        })
    }

    /// Whatever the descriptor and the report, reading every field gives values or nothing.
    fn exercise(bytes: &[u8], report_bytes: &[u8]) {
        let Ok(descriptor) = parse(bytes) else { return };
        for report in descriptor.input_reports() {
            if report_bytes.len() < report.size_in_bytes() {
                continue;
            }
            for field in report.fields() {
                match field {
                    Field::Variable(field) => drop(field.extract(report_bytes)),
                    Field::Array(field) => drop(field.extract(report_bytes)),
                    Field::Constant(_) => {}
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn made_up_descriptors_never_panic(
            items in proptest::collection::vec(item(), 0..40),
            report in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            exercise(&items.concat(), &report);
        }

        #[test]
        fn arbitrary_bytes_never_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            report in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            exercise(&bytes, &report);
        }
    }
}
