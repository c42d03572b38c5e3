//! Vital product data: INQUIRY's pages.

use std::fmt;

use super::InvalidResponse;
use super::response::{counted_part, fixed_part};

/// Page codes.
pub mod page_code {
    /// Which pages there are.
    pub const SUPPORTED_PAGES: u8 = 0x00;
    /// The serial number.
    pub const UNIT_SERIAL_NUMBER: u8 = 0x80;
    /// Names of the logical unit.
    pub const DEVICE_IDENTIFICATION: u8 = 0x83;
    /// How much a command may and should move.
    pub const BLOCK_LIMITS: u8 = 0xb0;
    /// What the medium is.
    pub const BLOCK_DEVICE_CHARACTERISTICS: u8 = 0xb1;
}

/// A name of a logical unit (SPC-3 7.6.3).
///
/// Displays as `naa.5000c500...`, `eui.0011...` or the text it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Designator {
    /// 1 binary, 2 ASCII, 3 UTF-8; the low four bits are sent.
    pub code_set: u8,
    /// 0 the logical unit's, 1 the port's, 2 the device's; the low two bits are sent.
    pub association: u8,
    /// 1 T10 vendor, 2 EUI-64, 3 NAA, 8 SCSI name; the low four bits are sent.
    pub designator_type: u8,
    /// The name; the first 255 bytes are sent.
    pub bytes: Vec<u8>,
}

impl Designator {
    /// A vendor's name for the unit: its T10 vendor identification, then whatever is unique to it.
    #[must_use]
    pub fn t10_vendor(vendor: &super::PaddedText<8>, unique: &str) -> Self {
        let mut bytes = vendor.as_bytes().to_vec();
        bytes.extend(unique.bytes().filter(|byte| matches!(byte, b' '..=b'~')));
        bytes.truncate(0xff);
        Self {
            code_set: 2,
            association: 0,
            designator_type: 1,
            bytes,
        }
    }

    fn write_to(&self, to: &mut Vec<u8>) {
        let length = u8::try_from(self.bytes.len()).unwrap_or(u8::MAX);
        let kind = (self.association & 0x03) << 4 | self.designator_type & 0x0f;
        to.extend_from_slice(&[self.code_set & 0x0f, kind, 0, length]);
        to.extend_from_slice(&self.bytes[..length.into()]);
    }

    /// The first designator and the bytes after it; `None` when it is cut.
    fn split_first(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (&[code_set, kind, _, length], rest) = bytes.split_first_chunk()?;
        let (bytes, rest) = rest.split_at_checked(length.into())?;
        let designator = Self {
            code_set: code_set & 0x0f,
            association: kind >> 4 & 0x03,
            designator_type: kind & 0x0f,
            bytes: bytes.to_vec(),
        };
        Some((designator, rest))
    }
}

impl fmt::Display for Designator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(self.code_set, 2 | 3) {
            let text = String::from_utf8_lossy(&self.bytes);
            return write!(f, "{}", text.trim_matches([' ', '\0']).escape_debug());
        }
        match self.designator_type {
            2 => f.write_str("eui.")?,
            3 => f.write_str("naa.")?,
            _ => {}
        }
        self.bytes
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// How much a command may and should move, in blocks; 0 where the device does not say (SBC-2 6.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct BlockLimits {
    /// Transfers should be a multiple of this.
    pub optimal_granularity: u16,
    /// A command must not move more.
    pub maximum_transfer_length: u32,
    /// A command should not move more.
    pub optimal_transfer_length: u32,
}

/// What the medium is (SBC-3, VPD page B1h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct BlockDeviceCharacteristics {
    /// Rotations per minute; 1 for a medium that does not rotate, 0 for not said.
    pub rotation_rate: u16,
    /// 0 not said, 1 5.25", 2 3.5", 3 2.5", 4 1.8", 5 smaller; the low four bits are sent.
    pub form_factor: u8,
}

/// A page of vital product data (SPC-3 7.6).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VitalProductData {
    /// The codes of the pages there are.
    SupportedPages(Vec<u8>),
    /// The serial number, with whatever padding it has.
    UnitSerialNumber(String),
    /// Names of the logical unit.
    DeviceIdentification(Vec<Designator>),
    /// How much a command may and should move.
    BlockLimits(BlockLimits),
    /// What the medium is.
    BlockDeviceCharacteristics(BlockDeviceCharacteristics),
    /// A page this crate does not read.
    Unknown {
        /// The page code.
        page: u8,
        /// The bytes after the page's header.
        bytes: Vec<u8>,
    },
}

impl VitalProductData {
    const ANSWER: &str = "vital product data";
    const HEADER_LENGTH: usize = 4;

    /// The page's code.
    #[must_use]
    pub const fn page(&self) -> u8 {
        match self {
            Self::SupportedPages(_) => page_code::SUPPORTED_PAGES,
            Self::UnitSerialNumber(_) => page_code::UNIT_SERIAL_NUMBER,
            Self::DeviceIdentification(_) => page_code::DEVICE_IDENTIFICATION,
            Self::BlockLimits(_) => page_code::BLOCK_LIMITS,
            Self::BlockDeviceCharacteristics(_) => page_code::BLOCK_DEVICE_CHARACTERISTICS,
            Self::Unknown { page, .. } => *page,
        }
    }

    /// The page of a disk as it travels. Of contents beyond 64 KiB the beginning is sent.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0, self.page(), 0, 0];
        match self {
            Self::SupportedPages(pages) => bytes.extend_from_slice(pages),
            Self::UnitSerialNumber(serial) => bytes.extend_from_slice(serial.as_bytes()),
            Self::DeviceIdentification(designators) => {
                for designator in designators {
                    designator.write_to(&mut bytes);
                }
            }
            Self::BlockLimits(limits) => {
                bytes.extend_from_slice(&[0, 0]);
                bytes.extend_from_slice(&limits.optimal_granularity.to_be_bytes());
                bytes.extend_from_slice(&limits.maximum_transfer_length.to_be_bytes());
                bytes.extend_from_slice(&limits.optimal_transfer_length.to_be_bytes());
                bytes.resize(64, 0);
            }
            Self::BlockDeviceCharacteristics(characteristics) => {
                bytes.extend_from_slice(&characteristics.rotation_rate.to_be_bytes());
                bytes.extend_from_slice(&[0, characteristics.form_factor & 0x0f]);
                bytes.resize(64, 0);
            }
            Self::Unknown {
                bytes: contents, ..
            } => bytes.extend_from_slice(contents),
        }
        bytes.truncate(Self::HEADER_LENGTH + usize::from(u16::MAX));
        let length = u16::try_from(bytes.len() - Self::HEADER_LENGTH).unwrap_or(u16::MAX);
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        bytes
    }

    /// Reads page `page`.
    ///
    /// # Errors
    /// Another page than asked for (devices without vital product data answer with their standard
    /// data), fewer bytes than the page says, or fewer than the page must have.
    pub fn parse(page: u8, bytes: &[u8]) -> Result<Self, InvalidResponse> {
        let &[_, found, l0, l1] = fixed_part(Self::ANSWER, bytes)?;
        if found != page {
            return Err(InvalidResponse::Field {
                answer: Self::ANSWER,
                offset: 1,
                value: found.into(),
                rule: "this is not the page that was asked for",
            });
        }
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let contents = counted_part(Self::ANSWER, bytes, Self::HEADER_LENGTH, length)?;
        Ok(match page {
            page_code::SUPPORTED_PAGES => Self::SupportedPages(contents.to_vec()),
            page_code::UNIT_SERIAL_NUMBER => {
                Self::UnitSerialNumber(String::from_utf8_lossy(contents).into_owned())
            }
            page_code::DEVICE_IDENTIFICATION => Self::DeviceIdentification(designators(contents)?),
            page_code::BLOCK_LIMITS => {
                let &[_, _, g0, g1, m0, m1, m2, m3, o0, o1, o2, o3] =
                    fixed_part("the block limits page", contents)?;
                Self::BlockLimits(BlockLimits {
                    optimal_granularity: u16::from_be_bytes([g0, g1]),
                    maximum_transfer_length: u32::from_be_bytes([m0, m1, m2, m3]),
                    optimal_transfer_length: u32::from_be_bytes([o0, o1, o2, o3]),
                })
            }
            page_code::BLOCK_DEVICE_CHARACTERISTICS => {
                let &[r0, r1, _, form_factor] =
                    fixed_part("the block device characteristics page", contents)?;
                Self::BlockDeviceCharacteristics(BlockDeviceCharacteristics {
                    rotation_rate: u16::from_be_bytes([r0, r1]),
                    form_factor: form_factor & 0x0f,
                })
            }
            page => Self::Unknown {
                page,
                bytes: contents.to_vec(),
            },
        })
    }
}

fn designators(mut rest: &[u8]) -> Result<Vec<Designator>, InvalidResponse> {
    let mut designators = Vec::new();
    let length = rest.len();
    while !rest.is_empty() {
        let (designator, after) = Designator::split_first(rest).ok_or(InvalidResponse::Field {
            answer: "the device identification page",
            offset: VitalProductData::HEADER_LENGTH + length - rest.len(),
            value: rest.len() as u64,
            rule: "the designator here is longer than the bytes left (SPC-3 7.6.3)",
        })?;
        designators.push(designator);
        rest = after;
    }
    Ok(designators)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scsi::PaddedText;

    #[test]
    fn pages_have_the_bytes_of_their_tables() {
        let pages = VitalProductData::SupportedPages(vec![0x00, 0x80, 0x83]);
        assert_eq!(pages.to_bytes(), [0, 0, 0, 3, 0x00, 0x80, 0x83]);
        let serial = VitalProductData::UnitSerialNumber("A1".into());
        assert_eq!(serial.to_bytes(), [0, 0x80, 0, 2, b'A', b'1']);
        let limits = VitalProductData::BlockLimits(BlockLimits {
            optimal_granularity: 8,
            maximum_transfer_length: 2048,
            optimal_transfer_length: 256,
        });
        let bytes = limits.to_bytes();
        assert_eq!(bytes.len(), 64);
        assert_eq!(
            bytes[..16],
            [0, 0xb0, 0, 60, 0, 0, 0, 8, 0, 0, 8, 0, 0, 0, 1, 0]
        );
    }

    #[test]
    fn designators_read_as_their_kind_writes_them() {
        let naa = [3, 3, 0, 2, 0x50, 0x01];
        let mut bytes = vec![0, 0x83, 0, 6];
        bytes.extend_from_slice(&[1, naa[1], naa[2], naa[3], naa[4], naa[5]]);
        let page = VitalProductData::parse(0x83, &bytes).unwrap();
        let VitalProductData::DeviceIdentification(names) = page else {
            panic!("{page:?}");
        };
        assert_eq!(names[0].to_string(), "naa.5001");
        let vendor = Designator::t10_vendor(&PaddedText::new("Acme"), "disk 7");
        assert_eq!(vendor.to_string(), "Acme    disk 7");
    }

    #[test]
    fn another_page_or_standard_data_is_an_error() {
        let standard = crate::scsi::StandardInquiry::disk(false, "Acme", "disk", "1");
        let error = VitalProductData::parse(0x80, &standard.to_bytes()).unwrap_err();
        assert!(matches!(error, InvalidResponse::Field { offset: 1, .. }));
    }

    #[test]
    fn a_designator_past_the_end_is_an_error_with_its_offset() {
        let bytes = [0, 0x83, 0, 6, 1, 3, 0, 9, 1, 2];
        let error = VitalProductData::parse(0x83, &bytes).unwrap_err();
        assert!(
            matches!(error, InvalidResponse::Field { offset: 4, .. }),
            "{error}"
        );
    }

    prop_compose! {
        fn designator()(
            code_set in 0..16_u8,
            association in 0..4_u8,
            designator_type in 0..16_u8,
            bytes in prop::collection::vec(any::<u8>(), 0..40),
        ) -> Designator {
            Designator { code_set, association, designator_type, bytes }
        }
    }

    fn page() -> impl Strategy<Value = VitalProductData> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..20).prop_map(VitalProductData::SupportedPages),
            any::<String>().prop_map(VitalProductData::UnitSerialNumber),
            prop::collection::vec(designator(), 0..6)
                .prop_map(VitalProductData::DeviceIdentification),
            any::<(u16, u32, u32)>().prop_map(|(granularity, maximum, optimal)| {
                VitalProductData::BlockLimits(BlockLimits {
                    optimal_granularity: granularity,
                    maximum_transfer_length: maximum,
                    optimal_transfer_length: optimal,
                })
            }),
            (any::<u16>(), 0..16_u8).prop_map(|(rotation_rate, form_factor)| {
                VitalProductData::BlockDeviceCharacteristics(BlockDeviceCharacteristics {
                    rotation_rate,
                    form_factor,
                })
            }),
            (0xb2..=0xff_u8, prop::collection::vec(any::<u8>(), 0..20))
                .prop_map(|(page, bytes)| VitalProductData::Unknown { page, bytes }),
        ]
    }

    proptest! {
        #[test]
        fn any_page_round_trips(page in page()) {
            let bytes = page.to_bytes();
            prop_assert_eq!(VitalProductData::parse(page.page(), &bytes), Ok(page.clone()));
            prop_assert!(VitalProductData::parse(page.page(), &bytes[..bytes.len() - 1]).is_err());
        }

        #[test]
        fn any_bytes_are_a_page_or_an_error(
            page in prop::sample::select(vec![0x00, 0x80, 0x83, 0xb0, 0xb1, 0xc0_u8]),
            mut bytes in prop::collection::vec(any::<u8>(), 4..80),
            lie in -4..4_i16,
        ) {
            bytes[1] = page;
            let length = i16::try_from(bytes.len()).unwrap() - 4 + lie;
            bytes[2..4].copy_from_slice(&length.to_be_bytes());
            if let Ok(parsed) = VitalProductData::parse(page, &bytes) {
                prop_assert_eq!(VitalProductData::parse(page, &parsed.to_bytes()), Ok(parsed));
            }
        }
    }
}
