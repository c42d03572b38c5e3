//! Walking from one descriptor to the next by `bLength`.

use super::DescriptorError;

/// A descriptor as it stands among others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawDescriptor<'a> {
    /// Where it starts.
    pub offset: usize,
    /// What it is.
    #[doc(alias = "bDescriptorType")]
    pub descriptor_type: u8,
    /// All of it: `bLength`, `bDescriptorType` and what follows.
    pub bytes: &'a [u8],
}

impl<'a> RawDescriptor<'a> {
    /// The one descriptor `bytes` start with; what follows its `bLength` is left out.
    pub(crate) fn first(bytes: &'a [u8]) -> Result<Self, DescriptorError> {
        Descriptors::new(bytes)
            .next()
            .unwrap_or(Err(DescriptorError::Cut {
                descriptor: "descriptor",
                offset: 0,
                needed: 2,
                found: 0,
                section: "USB 2.0 9.5",
            }))
    }

    /// Its first `N` bytes, when it is of this type.
    pub(crate) fn expect<const N: usize>(
        &self,
        descriptor: &'static str,
        descriptor_type: u8,
        section: &'static str,
    ) -> Result<&'a [u8; N], DescriptorError> {
        if self.descriptor_type != descriptor_type {
            return Err(DescriptorError::Type {
                descriptor,
                offset: self.offset + 1,
                expected: descriptor_type,
                found: self.descriptor_type,
            });
        }
        self.bytes
            .first_chunk()
            .ok_or(DescriptorError::LengthForType {
                descriptor,
                offset: self.offset,
                length: self.bytes[0],
                minimum: N,
                section,
            })
    }
}

/// Walks descriptors that stand one after the other. After an error there is nothing more: only
/// `bLength` says where the next descriptor starts.
#[derive(Debug, Clone)]
pub struct Descriptors<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Descriptors<'a> {
    /// The descriptors in these bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self::at(bytes, 0)
    }

    /// The same, with offsets counted from `offset`.
    pub(crate) const fn at(bytes: &'a [u8], offset: usize) -> Self {
        Self {
            rest: bytes,
            offset,
        }
    }
}

impl<'a> Iterator for Descriptors<'a> {
    type Item = Result<RawDescriptor<'a>, DescriptorError>;

    fn next(&mut self) -> Option<Self::Item> {
        let &length = self.rest.first()?;
        let offset = self.offset;
        let left = self.rest.len();
        if length < 2 {
            self.rest = &[];
            return Some(Err(DescriptorError::LengthTooSmall { offset, length }));
        }
        let Some((bytes, rest)) = self.rest.split_at_checked(length.into()) else {
            self.rest = &[];
            return Some(Err(DescriptorError::LengthPastEnd {
                offset,
                length,
                left,
            }));
        };
        self.rest = rest;
        self.offset += bytes.len();
        Some(Ok(RawDescriptor {
            offset,
            descriptor_type: bytes[1],
            bytes,
        }))
    }
}

/// A descriptor this crate has no type for, kept as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnknownDescriptor {
    /// What it is.
    #[doc(alias = "bDescriptorType")]
    pub descriptor_type: u8,
    /// What follows `bLength` and `bDescriptorType`; the first 253 bytes are sent.
    pub bytes: Vec<u8>,
}

impl UnknownDescriptor {
    const MAX_CONTENTS: usize = 253;

    /// Appends the descriptor as it travels.
    pub fn write_to(&self, to: &mut Vec<u8>) {
        let contents = &self.bytes[..self.bytes.len().min(Self::MAX_CONTENTS)];
        let length = u8::try_from(contents.len() + 2).unwrap_or(u8::MAX);
        to.extend_from_slice(&[length, self.descriptor_type]);
        to.extend_from_slice(contents);
    }
}

impl From<RawDescriptor<'_>> for UnknownDescriptor {
    fn from(raw: RawDescriptor<'_>) -> Self {
        Self {
            descriptor_type: raw.descriptor_type,
            bytes: raw.bytes[2..].to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_ends_at_the_first_length_that_lies() {
        let bytes = [2, 0x30, 3, 0x24, 1, 0, 5, 2, 0xff];
        let walked: Vec<_> = Descriptors::new(&bytes).collect();
        assert_eq!(walked.len(), 3);
        assert_eq!(walked[1].as_ref().unwrap().offset, 2);
        assert_eq!(
            walked[2],
            Err(DescriptorError::LengthTooSmall {
                offset: 5,
                length: 0
            })
        );
        assert_eq!(
            Descriptors::new(&[9, 4, 0]).next(),
            Some(Err(DescriptorError::LengthPastEnd {
                offset: 0,
                length: 9,
                left: 3
            }))
        );
    }
}
