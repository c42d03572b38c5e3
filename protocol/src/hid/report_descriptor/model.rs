//! What a report descriptor says: reports, their fields, and the collections fields are in.

use super::{Field, Usage, Value};
use crate::hid::ReportType;

/// What a collection groups (HID 6.2.2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CollectionKind {
    /// What one sensor measures.
    Physical,
    /// A thing that applications know: a mouse, a keyboard.
    Application,
    /// Fields that belong together.
    Logical,
    /// The fields of a report.
    Report,
    /// An array of selectors.
    NamedArray,
    /// A logical collection that changes the meaning of the usages in it.
    UsageSwitch,
    /// A modifier of the collection around it.
    UsageModifier,
    /// Reserved, or a vendor's from 0x80 on.
    Other(u8),
}

impl CollectionKind {
    pub(super) const fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::Physical,
            1 => Self::Application,
            2 => Self::Logical,
            3 => Self::Report,
            4 => Self::NamedArray,
            5 => Self::UsageSwitch,
            6 => Self::UsageModifier,
            other => Self::Other(other),
        }
    }
}

/// A group of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Collection {
    /// What it groups.
    pub kind: CollectionKind,
    /// What it is for; devices leave it out at times.
    pub usage: Option<Usage>,
    /// The collection around it, an index into [`ReportDescriptor::collections`].
    pub parent: Option<usize>,
}

/// The form of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Which way it goes.
    pub report_type: ReportType,
    /// Its ID; 0 where reports of its type have none.
    pub id: u8,
    /// Its length in bits, the ID's eight included where it has one.
    pub bits: usize,
    /// Its parts, in order.
    pub fields: Vec<Field>,
}

impl Report {
    /// Bytes of the report as it travels, the ID included where it has one.
    #[must_use]
    pub fn length(&self) -> usize {
        self.bits.div_ceil(8)
    }

    /// The report with every control at zero.
    #[must_use]
    pub fn zeroed(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length()];
        if let (Some(first), true) = (bytes.first_mut(), self.id != 0) {
            *first = self.id;
        }
        bytes
    }

    /// The values of all variable controls, with what they are, in order. Elements that the bytes do not
    /// have are left out.
    pub fn values<'a>(
        &'a self,
        bytes: &'a [u8],
    ) -> impl Iterator<Item = (&'a Field, Usage, Value)> + 'a {
        let variable = |field: &&Field| field.is_variable() && !field.is_padding();
        self.fields.iter().filter(variable).flat_map(move |field| {
            (0..field.count).filter_map(move |index| {
                Some((field, field.usage(index)?, field.value(bytes, index)?))
            })
        })
    }

    /// The controls that array fields say are on, in order.
    pub fn selected<'a>(
        &'a self,
        bytes: &'a [u8],
    ) -> impl Iterator<Item = (&'a Field, Usage)> + 'a {
        let array = |field: &&Field| !field.is_variable() && !field.is_padding();
        self.fields.iter().filter(array).flat_map(move |field| {
            (0..field.count).filter_map(move |index| Some((field, field.selected(bytes, index)?)))
        })
    }

    /// Makes padding zero, which nobody may rely on to be so.
    pub fn clear_padding(&self, bytes: &mut [u8]) {
        for field in self.fields.iter().filter(|field| field.is_padding()) {
            (0..field.count).for_each(|index| field.set(bytes, index, 0));
        }
    }

    /// The same report once time has passed: what relative fields say has happened by then (HID 7.2.4
    /// repeats states, not motion).
    pub fn settle(&self, bytes: &mut [u8]) {
        for field in self.fields.iter().filter(|field| field.is_relative()) {
            (0..field.count).for_each(|index| field.set(bytes, index, 0));
        }
    }
}

/// A report descriptor, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReportDescriptor {
    pub(super) reports: Vec<Report>,
    pub(super) collections: Vec<Collection>,
}

impl ReportDescriptor {
    /// Every report, in the order of their first fields.
    #[must_use]
    pub fn reports(&self) -> &[Report] {
        &self.reports
    }

    /// The reports that go this way.
    pub fn reports_of(&self, report_type: ReportType) -> impl Iterator<Item = &Report> {
        let same = move |report: &&Report| report.report_type == report_type;
        self.reports.iter().filter(same)
    }

    /// The report of this type and ID; 0 where reports have none.
    #[must_use]
    pub fn report(&self, report_type: ReportType, id: u8) -> Option<&Report> {
        self.reports_of(report_type).find(|report| report.id == id)
    }

    /// Whether reports of this type begin with their ID.
    #[must_use]
    pub fn is_numbered(&self, report_type: ReportType) -> bool {
        self.reports_of(report_type).any(|report| report.id != 0)
    }

    /// The form of a report that came or is to go, by its ID where reports have one. Its length is not
    /// looked at.
    #[must_use]
    pub fn report_of(&self, report_type: ReportType, bytes: &[u8]) -> Option<&Report> {
        if self.is_numbered(report_type) {
            self.report(report_type, *bytes.first()?)
        } else {
            self.report(report_type, 0)
        }
    }

    /// Bytes of the longest report that goes this way, its ID included.
    #[must_use]
    pub fn longest(&self, report_type: ReportType) -> usize {
        let lengths = self.reports_of(report_type).map(Report::length);
        lengths.max().unwrap_or(0)
    }

    /// The collections, each after the one around it.
    #[must_use]
    pub fn collections(&self) -> &[Collection] {
        &self.collections
    }

    /// The application a field belongs to: the usage of the innermost application collection around it.
    #[must_use]
    pub fn application(&self, field: &Field) -> Option<Usage> {
        self.application_around(field.collection)
    }

    /// The usage of the innermost application collection around a collection, itself included.
    #[must_use]
    pub fn application_around(&self, collection: Option<usize>) -> Option<Usage> {
        let mut at = collection;
        while let Some(collection) = at.and_then(|index| self.collections.get(index)) {
            if collection.kind == CollectionKind::Application {
                return collection.usage;
            }
            at = collection.parent;
        }
        None
    }

    /// What the device is, as applications see it: the usages of its application collections, in order.
    pub fn applications(&self) -> impl Iterator<Item = Usage> + '_ {
        let of = |collection: &Collection| match collection.kind {
            CollectionKind::Application => collection.usage,
            _ => None,
        };
        self.collections.iter().filter_map(of)
    }
}
