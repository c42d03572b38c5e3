//! Standard INQUIRY data: what a logical unit is.

use std::fmt;

use super::InvalidResponse;
use super::response::fixed_part;

/// Peripheral device types (SPC-3 table 83).
pub mod peripheral_type {
    /// A disk.
    pub const DIRECT_ACCESS_BLOCK_DEVICE: u8 = 0x00;
    /// A CD or DVD drive.
    pub const CD_DVD: u8 = 0x05;
    /// A disk with a shortened command set.
    pub const SIMPLIFIED_DIRECT_ACCESS: u8 = 0x0e;
    /// No such logical unit.
    pub const UNKNOWN: u8 = 0x1f;

    /// The type in words; `None` for the rarer ones.
    #[must_use]
    pub const fn name(code: u8) -> Option<&'static str> {
        Some(match code {
            DIRECT_ACCESS_BLOCK_DEVICE => "disk",
            0x01 => "tape",
            0x02 => "printer",
            0x03 => "processor",
            CD_DVD => "CD/DVD",
            0x07 => "optical memory",
            0x08 => "medium changer",
            0x0c => "storage array controller",
            0x0d => "enclosure",
            SIMPLIFIED_DIRECT_ACCESS => "simplified disk",
            UNKNOWN => "no device",
            _ => return None,
        })
    }
}

/// Text in a field of fixed width, padded with spaces (SPC-3 4.4.1).
///
/// Displays without the padding, and with what is not printable ASCII replaced.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PaddedText<const N: usize>([u8; N]);

impl<const N: usize> PaddedText<N> {
    /// The first `N` bytes of the text; what is not printable ASCII becomes `?`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut bytes = [b' '; N];
        for (byte, character) in bytes.iter_mut().zip(text.chars()) {
            let printable = |byte: &u8| matches!(byte, b' '..=b'~');
            *byte = u8::try_from(character)
                .ok()
                .filter(printable)
                .unwrap_or(b'?');
        }
        Self(bytes)
    }

    /// The field as it is.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// The field with its padding.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> fmt::Display for PaddedText<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printable: String = self
            .0
            .iter()
            .map(|&byte| match byte {
                b' '..=b'~' => char::from(byte),
                0 => ' ',
                _ => '\u{fffd}',
            })
            .collect();
        f.pad(printable.trim())
    }
}

impl<const N: usize> fmt::Debug for PaddedText<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PaddedText(\"{}\")", self.0.escape_ascii())
    }
}

/// What a logical unit is (SPC-3 6.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StandardInquiry {
    /// 0: the unit is there. 1: it could be. 3: it cannot.
    pub peripheral_qualifier: u8,
    /// One of [`peripheral_type`].
    pub peripheral_type: u8,
    /// The medium can be taken out.
    #[doc(alias = "RMB")]
    pub removable: bool,
    /// The standard claimed: 4 for SPC-2, 5 for SPC-3, 6 for SPC-4, 0 for none.
    pub version: u8,
    /// Who made it.
    pub vendor: PaddedText<8>,
    /// What it is called.
    pub product: PaddedText<16>,
    /// Its revision.
    pub revision: PaddedText<4>,
    /// The standards it keeps to (SPC-4 table 145); 0 for none. With none at all the data has 36 bytes.
    pub version_descriptors: [u16; 8],
}

impl StandardInquiry {
    /// Bytes of standard INQUIRY data that every unit has.
    pub const LENGTH: usize = 36;
    /// Bytes with the version descriptors.
    const LENGTH_WITH_VERSIONS: usize = Self::VERSIONS + 16;
    const VERSIONS: usize = 58;

    /// A disk that claims SPC-3. Text too long for its field is cut.
    #[must_use]
    pub fn disk(removable: bool, vendor: &str, product: &str, revision: &str) -> Self {
        Self {
            peripheral_qualifier: 0,
            peripheral_type: peripheral_type::DIRECT_ACCESS_BLOCK_DEVICE,
            removable,
            version: 5,
            vendor: PaddedText::new(vendor),
            product: PaddedText::new(product),
            revision: PaddedText::new(revision),
            version_descriptors: [0; 8],
        }
    }

    /// The data as it travels.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let versions = self.version_descriptors != [0; 8];
        let mut bytes = vec![0; Self::LENGTH];
        bytes[0] = self.peripheral_qualifier << 5 | self.peripheral_type & 0x1f;
        bytes[1] = if self.removable { 0x80 } else { 0 };
        bytes[2] = self.version;
        // The response data format every standard since SCSI-2 has.
        bytes[3] = 2;
        bytes[8..16].copy_from_slice(self.vendor.as_bytes());
        bytes[16..32].copy_from_slice(self.product.as_bytes());
        bytes[32..36].copy_from_slice(self.revision.as_bytes());
        if versions {
            bytes.resize(Self::VERSIONS, 0);
            let codes = self.version_descriptors.iter();
            bytes.extend(codes.flat_map(|code| code.to_be_bytes()));
        }
        // The bytes after this one.
        bytes[4] = if versions { 69 } else { 31 };
        bytes
    }

    /// Reads standard INQUIRY data; of what follows the revision, the version descriptors where they are.
    ///
    /// # Errors
    /// Fewer than 36 bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidResponse> {
        let data: &[u8; Self::LENGTH] = fixed_part("standard INQUIRY data", bytes)?;
        let stated = usize::from(data[4]) + 5;
        let versions = bytes
            .get(Self::VERSIONS..Self::LENGTH_WITH_VERSIONS)
            .filter(|_| stated >= Self::LENGTH_WITH_VERSIONS);
        let mut version_descriptors = [0; 8];
        let pairs = versions.unwrap_or_default().as_chunks().0;
        for (code, &pair) in version_descriptors.iter_mut().zip(pairs) {
            *code = u16::from_be_bytes(pair);
        }
        Ok(Self {
            peripheral_qualifier: data[0] >> 5,
            peripheral_type: data[0] & 0x1f,
            removable: data[1] & 0x80 != 0,
            version: data[2],
            vendor: text(data, 8),
            product: text(data, 16),
            revision: text(data, 32),
            version_descriptors,
        })
    }
}

fn text<const N: usize>(data: &[u8; StandardInquiry::LENGTH], start: usize) -> PaddedText<N> {
    PaddedText(std::array::from_fn(|at| data[start + at]))
}

impl fmt::Display for StandardInquiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.vendor, self.product, self.revision)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_disk_is_what_its_36_bytes_say() {
        let disk = StandardInquiry::disk(true, "Acme", "Flash \u{e9}toile", "1.0 and more");
        let mut expected = vec![0x00, 0x80, 5, 2, 31, 0, 0, 0];
        expected.extend_from_slice(b"Acme    Flash ?toile    1.0 ");
        assert_eq!(disk.to_bytes(), expected);
        assert_eq!(disk.to_string(), "Acme Flash ?toile 1.0");
    }

    #[test]
    fn versions_follow_at_their_place() {
        let mut disk = StandardInquiry::disk(false, "Acme", "Disk", "1");
        disk.version_descriptors[..2].copy_from_slice(&[0x0300, 0x04c0]);
        let bytes = disk.to_bytes();
        assert_eq!((bytes.len(), bytes[4]), (74, 69));
        assert_eq!(bytes[58..62], [0x03, 0x00, 0x04, 0xc0]);
        assert_eq!(StandardInquiry::parse(&bytes), Ok(disk));
        disk.version_descriptors = [0; 8];
        assert_eq!(StandardInquiry::parse(&bytes[..73]), Ok(disk));
    }

    #[test]
    fn garbage_in_text_is_shown_as_such() {
        let text = PaddedText::from_bytes([b'A', 0x07, 0xff, 0]);
        assert_eq!(text.to_string(), "A\u{fffd}\u{fffd}");
    }

    proptest! {
        #[test]
        fn any_36_bytes_round_trip(bytes in prop::collection::vec(any::<u8>(), 36..100)) {
            let inquiry = StandardInquiry::parse(&bytes).unwrap();
            prop_assert_eq!(StandardInquiry::parse(&inquiry.to_bytes()), Ok(inquiry));
            prop_assert!(!inquiry.to_string().contains(char::is_control));
        }

        #[test]
        fn cut_data_is_an_error(bytes in prop::collection::vec(any::<u8>(), 0..36)) {
            prop_assert!(StandardInquiry::parse(&bytes).is_err());
        }
    }
}
