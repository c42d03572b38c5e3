//! What can be wrong with a report descriptor.

use thiserror::Error;

/// Why a report descriptor cannot be used: the byte at which an item begins, and the rule it breaks.
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
    /// A usage minimum without a maximum, the other way round, or a range that ends before it begins.
    #[error(
        "byte {offset}: a usage range needs a minimum and a maximum on one page, in this order (HID \
         6.2.2.8)"
    )]
    UsageRange {
        /// Where the item that shows it begins.
        offset: usize,
    },
    /// A report ID of 0, or above 255.
    #[error("byte {offset}: report ID {id} is not from 1 to 255 (HID 6.2.2.7)")]
    ReportId {
        /// Where the item begins.
        offset: usize,
        /// The ID.
        id: u32,
    },
    /// A report would be longer than a request can carry.
    #[error("byte {offset}: a report of {bits} bits is more than wLength can say (HID 7.2.1)")]
    ReportTooLong {
        /// Where the main item that makes it so long begins.
        offset: usize,
        /// Its length so far.
        bits: u64,
    },
    /// Something is opened more often than closed, or the other way round.
    #[error("byte {offset}: {what} without its counterpart (HID 6.2.2)")]
    Unbalanced {
        /// Where the item begins; the descriptor's length when its end shows it.
        offset: usize,
        /// The item.
        what: &'static str,
    },
    /// Collections or pushed items are nested beyond any need.
    #[error("byte {offset}: {what} nested more than {limit} deep, which no device needs")]
    TooDeep {
        /// Where the item begins.
        offset: usize,
        /// What is nested.
        what: &'static str,
        /// The most that is accepted.
        limit: usize,
    },
}
