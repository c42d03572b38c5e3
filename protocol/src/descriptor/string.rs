//! String descriptors.

use std::fmt;

use thiserror::Error;

use super::DescriptorError;
use super::walk::RawDescriptor;
use crate::standard::descriptor_type;

const NAME: &str = "string descriptor";
const SECTION: &str = "USB 2.0 9.6.7";

/// The two-byte units a string descriptor has room for.
const MAX_UNITS: usize = 126;

/// A string (USB 2.0 9.6.7): up to 126 UTF-16 code units.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StringDescriptor(String);

/// A string with more UTF-16 code units than a descriptor has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the string has {0} UTF-16 code units: shorten it to 126 (USB 2.0 9.6.7)")]
pub struct StringTooLong(pub usize);

impl StringDescriptor {
    /// A descriptor of this string.
    ///
    /// # Errors
    /// It has more than 126 UTF-16 code units.
    pub fn new(text: impl Into<String>) -> Result<Self, StringTooLong> {
        let text = text.into();
        let units = text.encode_utf16().count();
        if units > MAX_UNITS {
            return Err(StringTooLong(units));
        }
        Ok(Self(text))
    }

    /// The string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The string, by value.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }

    /// The descriptor as it travels.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        units_to_bytes(self.0.encode_utf16())
    }

    /// Reads a string. Code units that are not UTF-16 become U+FFFD.
    ///
    /// # Errors
    /// Fewer bytes than `bLength` says, an odd `bLength`, or another descriptor.
    pub fn parse(bytes: &[u8]) -> Result<Self, DescriptorError> {
        let units: Vec<u16> = units_from_bytes(bytes)?.collect();
        Ok(Self(String::from_utf16_lossy(&units)))
    }
}

impl fmt::Display for StringDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The languages a device has strings in: string descriptor 0 (USB 2.0 9.6.7).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Languages(
    /// Language identifiers, 0x0409 for US English; the first 126 are sent.
    pub Vec<u16>,
);

impl Languages {
    /// US English, the language nearly every device has.
    pub const ENGLISH_US: u16 = 0x0409;

    /// The descriptor as it travels.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        units_to_bytes(self.0.iter().copied().take(MAX_UNITS))
    }

    /// Reads the languages.
    ///
    /// # Errors
    /// As [`StringDescriptor::parse`].
    pub fn parse(bytes: &[u8]) -> Result<Self, DescriptorError> {
        Ok(Self(units_from_bytes(bytes)?.collect()))
    }
}

fn units_to_bytes(units: impl Iterator<Item = u16>) -> Vec<u8> {
    let mut bytes = vec![0, descriptor_type::STRING];
    bytes.extend(units.flat_map(u16::to_le_bytes));
    bytes[0] = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    bytes
}

fn units_from_bytes(bytes: &[u8]) -> Result<impl Iterator<Item = u16>, DescriptorError> {
    let raw = RawDescriptor::first(bytes)?;
    let &[length, _] = raw.expect::<2>(NAME, descriptor_type::STRING, SECTION)?;
    let (units, rest) = raw.bytes[2..].as_chunks::<2>();
    if !rest.is_empty() {
        return Err(DescriptorError::OddString { offset: 0, length });
    }
    Ok(units.iter().copied().map(u16::from_le_bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn strings_are_utf_16() {
        let text = StringDescriptor::new("U\u{20ac}\u{1f511}").unwrap();
        let bytes = [10, 3, b'U', 0, 0xac, 0x20, 0x3d, 0xd8, 0x11, 0xdd];
        assert_eq!(text.to_bytes(), bytes);
        assert_eq!(StringDescriptor::parse(&bytes), Ok(text));
        assert_eq!(
            Languages(vec![Languages::ENGLISH_US]).to_bytes(),
            [4, 3, 9, 4]
        );
    }

    #[test]
    fn half_a_surrogate_pair_is_replaced() {
        let text = StringDescriptor::parse(&[4, 3, 0x3d, 0xd8]).unwrap();
        assert_eq!(text.as_str(), "\u{fffd}");
    }

    #[test]
    fn a_string_that_does_not_fit_is_refused() {
        assert!(StringDescriptor::new("x".repeat(126)).is_ok());
        assert_eq!(
            StringDescriptor::new("x".repeat(127)),
            Err(StringTooLong(127))
        );
    }

    #[test]
    fn half_a_code_unit_is_an_error() {
        let error = StringDescriptor::parse(&[5, 3, b'a', 0, b'b']).unwrap_err();
        assert_eq!(
            error,
            DescriptorError::OddString {
                offset: 0,
                length: 5
            }
        );
    }

    proptest! {
        #[test]
        fn any_string_round_trips(text in "\\PC{0,60}") {
            let text = StringDescriptor::new(text).unwrap();
            let bytes = text.to_bytes();
            prop_assert!(StringDescriptor::parse(&bytes[..bytes.len() - 1]).is_err());
            prop_assert_eq!(StringDescriptor::parse(&bytes), Ok(text));
        }

        #[test]
        fn any_languages_round_trip(languages in prop::collection::vec(any::<u16>(), 0..=126)) {
            let languages = Languages(languages);
            prop_assert_eq!(Languages::parse(&languages.to_bytes()), Ok(languages));
        }

        #[test]
        fn any_bytes_are_a_string_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(text) = StringDescriptor::parse(&bytes) {
                prop_assert_eq!(StringDescriptor::parse(&text.to_bytes()), Ok(text));
            }
        }
    }
}
