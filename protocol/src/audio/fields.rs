//! Reading and writing a descriptor field by field.

use super::AudioError;
use crate::descriptor::{DescriptorError, RawDescriptor};

/// The fields of a descriptor, read in order.
pub(super) struct Fields<'a> {
    raw: RawDescriptor<'a>,
    at: usize,
    descriptor: &'static str,
    section: &'static str,
}

impl<'a> Fields<'a> {
    /// Those behind `bLength`, `bDescriptorType` and `bDescriptorSubtype`.
    pub(super) const fn after_subtype(
        raw: RawDescriptor<'a>,
        descriptor: &'static str,
        section: &'static str,
    ) -> Self {
        Self {
            raw,
            at: 3,
            descriptor,
            section,
        }
    }

    /// Where the descriptor starts.
    pub(super) const fn start(&self) -> usize {
        self.raw.offset
    }

    /// Where the next field is.
    pub(super) const fn offset(&self) -> usize {
        self.raw.offset + self.at
    }

    /// How many bytes have not been read.
    pub(super) const fn left(&self) -> usize {
        self.raw.bytes.len().saturating_sub(self.at)
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], AudioError> {
        let end = self.at + count;
        let Some(bytes) = self.raw.bytes.get(self.at..end) else {
            return Err(self.too_short(end));
        };
        self.at = end;
        Ok(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], AudioError> {
        let minimum = self.at + N;
        self.bytes(N)?
            .first_chunk()
            .copied()
            .ok_or_else(|| self.too_short(minimum))
    }

    pub(super) fn u8(&mut self) -> Result<u8, AudioError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, AudioError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// Three bytes, as Audio 1.0 writes sampling frequencies.
    pub(super) fn u24(&mut self) -> Result<u32, AudioError> {
        let [b0, b1, b2] = self.array()?;
        Ok(u32::from_le_bytes([b0, b1, b2, 0]))
    }

    pub(super) fn u32(&mut self) -> Result<u32, AudioError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// A count and as many bytes, as `bNrInPins` and `baSourceID`.
    pub(super) fn counted(&mut self) -> Result<Vec<u8>, AudioError> {
        let count = self.u8()?;
        Ok(self.bytes(count.into())?.to_vec())
    }

    /// All the bytes that have not been read.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        let rest = self.raw.bytes.get(self.at..).unwrap_or_default();
        self.at = self.raw.bytes.len();
        rest
    }

    fn too_short(&self, minimum: usize) -> AudioError {
        AudioError::Descriptor(DescriptorError::LengthForType {
            descriptor: self.descriptor,
            offset: self.raw.offset,
            length: self.raw.bytes.first().copied().unwrap_or_default(),
            minimum,
            section: self.section,
        })
    }
}

/// Appends a descriptor: `bLength`, these two, and the contents, of which the first 252 bytes are sent.
pub(super) fn write_descriptor(
    to: &mut Vec<u8>,
    descriptor_type: u8,
    subtype: u8,
    contents: &[u8],
) {
    const MAX_CONTENTS: usize = 252;
    let contents = &contents[..contents.len().min(MAX_CONTENTS)];
    let length = u8::try_from(contents.len() + 3).unwrap_or(u8::MAX);
    to.extend_from_slice(&[length, descriptor_type, subtype]);
    to.extend_from_slice(contents);
}

/// Appends a count and the bytes it counts, at most 255.
pub(super) fn push_counted(to: &mut Vec<u8>, bytes: &[u8]) {
    let count = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    to.push(count);
    to.extend_from_slice(&bytes[..count.into()]);
}
