//! What can be wrong with a device's answer.

use thiserror::Error;

/// Why bytes are not the answer they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidResponse {
    /// There is less than the answer's fixed part.
    #[error("{answer} needs {needed} bytes, the device sent {found}")]
    TooShort {
        /// The answer, in the specification's words.
        answer: &'static str,
        /// The bytes it needs.
        needed: usize,
        /// The bytes there are.
        found: usize,
    },
    /// A field holds what it must not.
    #[error("{answer}: {value:#x} at byte {offset}: {rule}")]
    Field {
        /// The answer, in the specification's words.
        answer: &'static str,
        /// The field's offset in bytes.
        offset: usize,
        /// What it holds.
        value: u64,
        /// What that breaks.
        rule: &'static str,
    },
}

/// The fixed part of an answer.
pub(super) fn fixed_part<'a, const N: usize>(
    answer: &'static str,
    bytes: &'a [u8],
) -> Result<&'a [u8; N], InvalidResponse> {
    bytes.first_chunk().ok_or(InvalidResponse::TooShort {
        answer,
        needed: N,
        found: bytes.len(),
    })
}

/// The part of an answer whose length a field of the answer says.
pub(super) fn counted_part<'a>(
    answer: &'static str,
    bytes: &'a [u8],
    start: usize,
    length: usize,
) -> Result<&'a [u8], InvalidResponse> {
    bytes
        .get(start..start + length)
        .ok_or(InvalidResponse::TooShort {
            answer,
            needed: start + length,
            found: bytes.len(),
        })
}
