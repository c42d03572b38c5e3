//! A buffer cut into parts.

use crate::Buffer;

/// How [`Operation::read_parts`](crate::Operation::read_parts) and
/// [`write_parts`](crate::Operation::write_parts) cut their buffer.
///
/// It travels with the operation and comes back with its completion, to be used again without an allocation.
#[derive(Debug, Default)]
pub struct Parts {
    /// The length of each part in bytes, from the buffer's start. A part of none is a vector too.
    pub lengths: Vec<usize>,
    /// If it [asks](Buffer::requested_length) for bytes, it is one more vector, the last, for drivers that answer with
    /// more than a number by storing it there, of a read and of a write alike. A file of another kind takes it for one
    /// more part.
    pub report: Buffer,
}

impl Parts {
    /// Panics when the parts do not fit so many bytes.
    pub(crate) fn assert_fit(&self, bytes: usize) {
        let mut lengths = self.lengths.iter();
        let total = lengths.try_fold(0_usize, |total, &length| total.checked_add(length));
        assert!(
            total.is_some_and(|total| total <= bytes),
            "{} parts do not fit {bytes} bytes of a buffer",
            self.lengths.len()
        );
    }

    /// Bytes of all parts. They fit a buffer, so this does not overflow.
    pub(crate) fn total(&self) -> usize {
        self.lengths.iter().sum()
    }
}
