//! From items to reports: the item state table of HID 6.2.2.

use super::item::{Item, Items, tag};
use super::{
    Collection, CollectionKind, Field, FieldFlags, Report, ReportDescriptor, ReportDescriptorError,
    Unit, Usage, UsageRange, Usages,
};
use crate::hid::ReportType;

/// wLength of GET_REPORT bounds a report.
const MAX_REPORT_BITS: u64 = u16::MAX as u64 * 8;
/// Memory that a hostile descriptor can have per byte stays small with it.
const MAX_NESTING: usize = 64;

impl ReportDescriptor {
    /// Reads a report descriptor (HID 6.2.2). Memory and time stay in proportion to the bytes, whatever
    /// they say.
    ///
    /// Where the specification leaves room or devices stray from it, this follows the Linux kernel: a usage
    /// page takes effect on the usages in front of it up to the main item; a logical maximum below the
    /// minimum is read as unsigned; of alternatives between delimiters the first counts; items that
    /// are reserved, long or about strings and body parts change nothing.
    ///
    /// # Errors
    /// The byte and the rule that is broken.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReportDescriptorError> {
        let mut parser = Parser::default();
        for item in Items::new(bytes) {
            parser.item(&item?)?;
        }
        parser.end(bytes.len())
    }
}

/// Items that hold until they are replaced (HID 6.2.2.7).
#[derive(Debug, Default, Clone, Copy)]
struct Globals {
    usage_page: Option<u16>,
    logical_minimum: Bound,
    logical_maximum: Bound,
    physical_minimum: Bound,
    physical_maximum: Bound,
    unit_exponent: i8,
    unit: Unit,
    report_size: u32,
    report_count: u32,
    report_id: u8,
}

/// One end of a range, as both numbers its bytes may mean.
#[derive(Debug, Default, Clone, Copy)]
struct Bound {
    signed: i32,
    unsigned: u32,
}

impl Bound {
    fn new(item: &Item<'_>) -> Self {
        Self {
            signed: item.signed(),
            unsigned: item.unsigned(),
        }
    }
}

/// The range that two items mean: many devices write an unsigned maximum into too few bytes for its sign.
fn range(minimum: Bound, maximum: Bound) -> std::ops::RangeInclusive<i64> {
    let from = i64::from(minimum.signed);
    if maximum.signed >= minimum.signed {
        return from..=maximum.signed.into();
    }
    from..=maximum.unsigned.into()
}

/// A usage as its item gives it.
#[derive(Debug, Clone, Copy)]
enum GivenUsage {
    /// With its page.
    Extended(Usage),
    /// With the page in force when it came, if any.
    Short { page: Option<u16>, id: u16 },
}

impl GivenUsage {
    fn new(item: &Item<'_>, page: Option<u16>) -> Self {
        let usage = Usage::from_extended(item.unsigned());
        if item.data.len() == 4 {
            Self::Extended(usage)
        } else {
            Self::Short { page, id: usage.id }
        }
    }

    const fn id(self) -> u16 {
        match self {
            Self::Extended(Usage { id, .. }) | Self::Short { id, .. } => id,
        }
    }
}

/// Items that hold up to the next main item (HID 6.2.2.8).
#[derive(Debug, Default)]
struct Locals {
    /// First and last of each.
    usages: Vec<(GivenUsage, u16)>,
    minimum: Option<GivenUsage>,
    maximum: Option<GivenUsage>,
    /// Between delimiters, and whether a usage has been there.
    alternatives: Option<bool>,
}

#[derive(Debug, Default)]
struct Parser {
    globals: Globals,
    pushed: Vec<Globals>,
    locals: Locals,
    /// The collections that are open, outermost first.
    open: Vec<usize>,
    descriptor: ReportDescriptor,
}

impl Parser {
    fn item(&mut self, item: &Item<'_>) -> Result<(), ReportDescriptorError> {
        match item.tag() {
            Some(tag::INPUT) => self.field(item, ReportType::Input)?,
            Some(tag::OUTPUT) => self.field(item, ReportType::Output)?,
            Some(tag::FEATURE) => self.field(item, ReportType::Feature)?,
            Some(tag::COLLECTION) => self.collection(item)?,
            Some(tag::END_COLLECTION) => {
                self.usages(item)?;
                if self.open.pop().is_none() {
                    return Err(unbalanced(item.offset, "End Collection"));
                }
            }
            Some(tag::USAGE | tag::USAGE_MINIMUM | tag::USAGE_MAXIMUM | tag::DELIMITER) => {
                self.local(item)?;
            }
            _ => self.global(item)?,
        }
        Ok(())
    }

    fn global(&mut self, item: &Item<'_>) -> Result<(), ReportDescriptorError> {
        let globals = &mut self.globals;
        match item.tag() {
            Some(tag::USAGE_PAGE) => {
                globals.usage_page = Some(Usage::from_extended(item.unsigned()).id);
            }
            Some(tag::LOGICAL_MINIMUM) => globals.logical_minimum = Bound::new(item),
            Some(tag::LOGICAL_MAXIMUM) => globals.logical_maximum = Bound::new(item),
            Some(tag::PHYSICAL_MINIMUM) => globals.physical_minimum = Bound::new(item),
            Some(tag::PHYSICAL_MAXIMUM) => globals.physical_maximum = Bound::new(item),
            Some(tag::UNIT_EXPONENT) => globals.unit_exponent = unit_exponent(item),
            Some(tag::UNIT) => globals.unit = Unit(item.unsigned()),
            Some(tag::REPORT_SIZE) => globals.report_size = item.unsigned(),
            Some(tag::REPORT_COUNT) => globals.report_count = item.unsigned(),
            Some(tag::REPORT_ID) => {
                let (offset, id) = (item.offset, item.unsigned());
                globals.report_id = match u8::try_from(id) {
                    Ok(id @ 1..) => id,
                    _ => return Err(ReportDescriptorError::ReportId { offset, id }),
                };
            }
            Some(tag::PUSH) => {
                if self.pushed.len() == MAX_NESTING {
                    return Err(too_deep(item, "pushed items"));
                }
                self.pushed.push(self.globals);
            }
            Some(tag::POP) => {
                let pushed = self.pushed.pop();
                self.globals = pushed.ok_or_else(|| unbalanced(item.offset, "Pop"))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn local(&mut self, item: &Item<'_>) -> Result<(), ReportDescriptorError> {
        let usage = GivenUsage::new(item, self.globals.usage_page);
        let locals = &mut self.locals;
        match item.tag() {
            Some(tag::DELIMITER) => {
                let opens = item.unsigned() != 0;
                if opens == locals.alternatives.is_some() {
                    return Err(unbalanced(item.offset, "Delimiter"));
                }
                locals.alternatives = opens.then_some(false);
            }
            _ if locals.alternatives == Some(true) => {}
            Some(tag::USAGE_MINIMUM) => locals.minimum = Some(usage),
            Some(tag::USAGE_MAXIMUM) => locals.maximum = Some(usage),
            _ => locals.usages.push((usage, usage.id())),
        }
        if let (Some(minimum), Some(maximum)) = (locals.minimum, locals.maximum) {
            let same_page = match (minimum, maximum) {
                (GivenUsage::Extended(minimum), GivenUsage::Extended(maximum)) => {
                    minimum.page == maximum.page
                }
                // The end that says its page says that of both.
                _ => true,
            };
            if !same_page || maximum.id() < minimum.id() {
                let offset = item.offset;
                return Err(ReportDescriptorError::UsageRange { offset });
            }
            let first = match (minimum, maximum) {
                (GivenUsage::Short { id, .. }, GivenUsage::Extended(Usage { page, .. })) => {
                    GivenUsage::Extended(Usage::new(page, id))
                }
                _ => minimum,
            };
            locals.usages.push((first, maximum.id()));
            (locals.minimum, locals.maximum) = (None, None);
        }
        let is_whole = locals.minimum.is_none() && locals.maximum.is_none();
        if item.tag() != Some(tag::DELIMITER) && is_whole {
            locals.alternatives = locals.alternatives.map(|_| true);
        }
        Ok(())
    }

    /// Takes the usages that the local items before a main item give.
    fn usages(&mut self, item: &Item<'_>) -> Result<Usages, ReportDescriptorError> {
        let offset = item.offset;
        let locals = std::mem::take(&mut self.locals);
        if locals.alternatives.is_some() {
            return Err(unbalanced(offset, "Delimiter"));
        }
        if locals.minimum.is_some() || locals.maximum.is_some() {
            return Err(ReportDescriptorError::UsageRange { offset });
        }
        let mut ranges = Vec::with_capacity(locals.usages.len());
        // A page that came after the last usage is that of all usages back to one that already has it.
        let mut late_page = self.globals.usage_page;
        for (first, last) in locals.usages.into_iter().rev() {
            let page = match first {
                GivenUsage::Extended(usage) => Some(usage.page),
                GivenUsage::Short { page, .. } if page == self.globals.usage_page => {
                    late_page = None;
                    page
                }
                GivenUsage::Short { page, .. } => late_page.or(page),
            };
            let page = page.ok_or(ReportDescriptorError::NoUsagePage { offset })?;
            ranges.push(UsageRange {
                page,
                first: first.id(),
                last,
            });
        }
        Ok(ranges.into_iter().rev().collect())
    }

    fn collection(&mut self, item: &Item<'_>) -> Result<(), ReportDescriptorError> {
        if self.open.len() == MAX_NESTING {
            return Err(too_deep(item, "collections"));
        }
        let usages = self.usages(item)?;
        let [kind, ..] = item.unsigned().to_le_bytes();
        let collections = &mut self.descriptor.collections;
        collections.push(Collection {
            kind: CollectionKind::from_byte(kind),
            usage: usages.get(0),
            parent: self.open.last().copied(),
        });
        self.open.push(collections.len() - 1);
        Ok(())
    }

    fn field(
        &mut self,
        item: &Item<'_>,
        report_type: ReportType,
    ) -> Result<(), ReportDescriptorError> {
        let usages = self.usages(item)?;
        let globals = self.globals;
        let bits = u64::from(globals.report_size) * u64::from(globals.report_count);
        // Nothing is told and nothing takes room.
        if bits == 0 {
            return Ok(());
        }
        let collection = self.open.last().copied();
        let report = self.report(report_type);
        let total = bits + report.bits as u64;
        if total > MAX_REPORT_BITS {
            return Err(ReportDescriptorError::ReportTooLong {
                offset: item.offset,
                bits: total,
            });
        }
        let logical = range(globals.logical_minimum, globals.logical_maximum);
        let physical = range(globals.physical_minimum, globals.physical_maximum);
        // Both zero stand for none said (HID 6.2.2.7).
        let physical = if physical == (0..=0) {
            logical.clone()
        } else {
            physical
        };
        // Both factors are at most `total`, which is small by now.
        let size = |number| usize::try_from(number).unwrap_or(usize::MAX);
        report.fields.push(Field {
            flags: FieldFlags::from_bits_truncate(item.unsigned()),
            bit_offset: report.bits,
            bit_size: size(globals.report_size),
            count: size(globals.report_count),
            usages,
            logical,
            physical,
            unit: globals.unit,
            unit_exponent: globals.unit_exponent,
            collection,
        });
        report.bits = usize::try_from(total).unwrap_or(usize::MAX);
        Ok(())
    }

    /// The report that fields are added to.
    fn report(&mut self, report_type: ReportType) -> &mut Report {
        let id = self.globals.report_id;
        let reports = &mut self.descriptor.reports;
        let same = |report: &Report| report.report_type == report_type && report.id == id;
        let at = reports.iter().position(same).unwrap_or_else(|| {
            reports.push(Report {
                report_type,
                id,
                bits: if id == 0 { 0 } else { 8 },
                fields: Vec::new(),
            });
            reports.len() - 1
        });
        &mut reports[at]
    }

    fn end(self, offset: usize) -> Result<ReportDescriptor, ReportDescriptorError> {
        if !self.open.is_empty() {
            return Err(unbalanced(offset, "Collection"));
        }
        if self.locals.alternatives.is_some() {
            return Err(unbalanced(offset, "Delimiter"));
        }
        Ok(self.descriptor)
    }
}

/// Four bits, as the specification says, or a whole number, as devices say too.
fn unit_exponent(item: &Item<'_>) -> i8 {
    match item.signed() {
        nibble @ 0x8..=0xf => i8::try_from(nibble - 0x10).unwrap_or_default(),
        number => i8::try_from(number).unwrap_or_default(),
    }
}

fn unbalanced(offset: usize, what: &'static str) -> ReportDescriptorError {
    ReportDescriptorError::Unbalanced { offset, what }
}

fn too_deep(item: &Item<'_>, what: &'static str) -> ReportDescriptorError {
    ReportDescriptorError::TooDeep {
        offset: item.offset,
        what,
        limit: MAX_NESTING,
    }
}
