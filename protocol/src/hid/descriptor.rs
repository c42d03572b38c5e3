//! The HID descriptor: which report descriptor an interface has, and how long it is.

use crate::descriptor::{DescriptorError, RawDescriptor, Version};
use crate::standard::descriptor_type;

/// What a HID interface says about itself (HID 1.11 6.2.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HidDescriptor {
    /// The HID version it follows.
    #[doc(alias = "bcdHID")]
    pub version: Version,
    /// The country the keys are labelled for; 0 for none.
    #[doc(alias = "bCountryCode")]
    pub country_code: u8,
    /// Type and length in bytes of each class descriptor; the first 82 are sent.
    pub descriptors: Vec<(u8, u16)>,
}

impl HidDescriptor {
    const HEADER_LENGTH: usize = 6;
    const ENTRY_LENGTH: usize = 3;
    const MAX_ENTRIES: usize = 82;

    /// HID 1.11, no country, a report descriptor of this length.
    #[must_use]
    pub fn new(report_descriptor_length: u16) -> Self {
        Self {
            version: Version(0x0111),
            country_code: 0,
            descriptors: vec![(descriptor_type::HID_REPORT, report_descriptor_length)],
        }
    }

    /// The length in bytes of the report descriptor.
    #[must_use]
    pub fn report_descriptor_length(&self) -> Option<u16> {
        self.descriptors
            .iter()
            .find(|(kind, _)| *kind == descriptor_type::HID_REPORT)
            .map(|&(_, length)| length)
    }

    /// The descriptor as it travels.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let entries = &self.descriptors[..self.descriptors.len().min(Self::MAX_ENTRIES)];
        let length = Self::HEADER_LENGTH + Self::ENTRY_LENGTH * entries.len();
        let [v0, v1] = self.version.0.to_le_bytes();
        let mut bytes = vec![
            u8::try_from(length).unwrap_or(u8::MAX),
            descriptor_type::HID,
            v0,
            v1,
            self.country_code,
            u8::try_from(entries.len()).unwrap_or(u8::MAX),
        ];
        for &(kind, length) in entries {
            let [l0, l1] = length.to_le_bytes();
            bytes.extend_from_slice(&[kind, l0, l1]);
        }
        bytes
    }

    /// Reads a HID descriptor. Bytes after the class descriptors it counts are not looked at.
    ///
    /// # Errors
    /// Fewer than six bytes, another descriptor, or more class descriptors than there is room for.
    pub fn parse(bytes: &[u8]) -> Result<Self, DescriptorError> {
        let raw = RawDescriptor::first(bytes)?;
        let &[_, _, v0, v1, country_code, count] = raw.expect::<{ Self::HEADER_LENGTH }>(
            "HID descriptor",
            descriptor_type::HID,
            "HID 1.11 6.2.1",
        )?;
        let (entries, _) = raw.bytes[Self::HEADER_LENGTH..].as_chunks::<{ Self::ENTRY_LENGTH }>();
        let entries = entries
            .get(..count.into())
            .ok_or(DescriptorError::HidDescriptorCount {
                offset: 5,
                stated: count,
                room: entries.len(),
            })?;
        Ok(Self {
            version: Version(u16::from_le_bytes([v0, v1])),
            country_code,
            descriptors: entries
                .iter()
                .map(|&[kind, l0, l1]| (kind, u16::from_le_bytes([l0, l1])))
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_keyboards_descriptor_has_the_bytes_of_appendix_e_4() {
        let bytes = [9, 0x21, 0x11, 0x01, 0, 1, 0x22, 63, 0];
        let hid = HidDescriptor::parse(&bytes).unwrap();
        assert_eq!(hid, HidDescriptor::new(63));
        assert_eq!(hid.to_bytes(), bytes);
    }

    #[test]
    fn a_count_that_lies_is_an_error() {
        let error = HidDescriptor::parse(&[9, 0x21, 0x11, 1, 0, 2, 0x22, 63, 0]).unwrap_err();
        assert!(matches!(
            error,
            DescriptorError::HidDescriptorCount {
                stated: 2,
                room: 1,
                ..
            }
        ));
    }

    proptest! {
        #[test]
        fn any_hid_descriptor_round_trips(
            version: u16,
            country_code: u8,
            descriptors in prop::collection::vec(any::<(u8, u16)>(), 0..=82),
        ) {
            let hid = HidDescriptor { version: Version(version), country_code, descriptors };
            let bytes = hid.to_bytes();
            prop_assert!(HidDescriptor::parse(&bytes[..bytes.len() - 1]).is_err());
            prop_assert_eq!(HidDescriptor::parse(&bytes), Ok(hid));
        }

        #[test]
        fn any_bytes_are_a_hid_descriptor_or_an_error(
            mut bytes in prop::collection::vec(any::<u8>(), 2..32),
        ) {
            bytes[1] = 0x21;
            if let Ok(hid) = HidDescriptor::parse(&bytes) {
                prop_assert_eq!(HidDescriptor::parse(&hid.to_bytes()), Ok(hid));
            }
        }
    }
}
