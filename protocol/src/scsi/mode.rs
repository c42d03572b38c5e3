//! Mode parameters: what MODE SENSE answers and MODE SELECT writes.

use super::InvalidResponse;
use super::response::{counted_part, fixed_part};

/// A mode page (SPC-3 7.4.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ModePage {
    /// How the device caches (SBC-2 6.3.3).
    Caching {
        /// Writes are answered before the medium has the data.
        #[doc(alias = "WCE")]
        write_cache_enabled: bool,
        /// Reads always go to the medium.
        #[doc(alias = "RCD")]
        read_cache_disabled: bool,
    },
    /// How the unit treats commands and hosts (SPC-4 7.5.8); one with the defaults of a simple disk.
    Control {
        /// Sense comes in descriptor format without being asked for.
        #[doc(alias = "D_SENSE")]
        descriptor_sense: bool,
        /// The host has write-protected the unit.
        #[doc(alias = "SWP")]
        software_write_protect: bool,
    },
    /// A page this crate does not read.
    Unknown {
        /// The page code, 0 to 0x3f.
        code: u8,
        /// The subpage code, for a page in subpage format.
        subpage: Option<u8>,
        /// The bytes after the page's header.
        bytes: Vec<u8>,
    },
}

impl ModePage {
    /// The control page's code.
    pub const CONTROL: u8 = 0x0a;
    /// The caching page's code.
    pub const CACHING: u8 = 0x08;
    /// The code that asks for all pages.
    pub const ALL: u8 = 0x3f;

    const SUBPAGE_FORMAT: u8 = 0x40;
    const CACHING_LENGTH: usize = 18;
    const CONTROL_LENGTH: usize = 10;

    fn write_to(&self, to: &mut Vec<u8>) {
        match self {
            Self::Caching {
                write_cache_enabled,
                read_cache_disabled,
            } => {
                let mut page = [0; 2 + Self::CACHING_LENGTH];
                page[0] = Self::CACHING;
                page[1] = 18;
                page[2] = u8::from(*write_cache_enabled) << 2 | u8::from(*read_cache_disabled);
                to.extend_from_slice(&page);
            }
            Self::Control {
                descriptor_sense,
                software_write_protect,
            } => {
                let mut page = [0; 2 + Self::CONTROL_LENGTH];
                page[0] = Self::CONTROL;
                page[1] = 10;
                page[2] = u8::from(*descriptor_sense) << 2;
                page[4] = u8::from(*software_write_protect) << 3;
                to.extend_from_slice(&page);
            }
            Self::Unknown {
                code,
                subpage: None,
                bytes,
            } => {
                let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
                to.extend_from_slice(&[code & 0x3f, length]);
                to.extend_from_slice(&bytes[..length.into()]);
            }
            Self::Unknown {
                code,
                subpage: Some(subpage),
                bytes,
            } => {
                let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
                let [l0, l1] = length.to_be_bytes();
                to.extend_from_slice(&[code & 0x3f | Self::SUBPAGE_FORMAT, *subpage, l0, l1]);
                to.extend_from_slice(&bytes[..length.into()]);
            }
        }
    }

    /// The first page and the bytes after it; `None` when the page is cut.
    fn split_first(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (&[first, second], rest) = bytes.split_first_chunk()?;
        // Bit 7 says whether the page can be saved, which is nothing about its contents.
        let code = first & 0x3f;
        let (subpage, (bytes, rest)) = if first & Self::SUBPAGE_FORMAT == 0 {
            (None, rest.split_at_checked(second.into())?)
        } else {
            let (&length, rest) = rest.split_first_chunk()?;
            let length = u16::from_be_bytes(length);
            (Some(second), rest.split_at_checked(length.into())?)
        };
        // SBC's page has 18 bytes; the ten of older standards put the same flags first.
        let page = match (code, subpage, bytes) {
            (Self::CACHING, None, &[flags, ..]) if bytes.len() >= 10 => Self::Caching {
                write_cache_enabled: flags & 0x04 != 0,
                read_cache_disabled: flags & 0x01 != 0,
            },
            (Self::CONTROL, None, &[format, _, protection, ..]) if bytes.len() >= 10 => {
                Self::Control {
                    descriptor_sense: format & 0x04 != 0,
                    software_write_protect: protection & 0x08 != 0,
                }
            }
            _ => Self::Unknown {
                code,
                subpage,
                bytes: bytes.to_vec(),
            },
        };
        Some((page, rest))
    }
}

/// Mode parameters of a disk (SPC-3 7.4, SBC-2 6.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ModeParameters {
    /// 0 for a disk.
    pub medium_type: u8,
    /// The medium cannot be written.
    #[doc(alias = "WP")]
    pub write_protected: bool,
    /// READ and WRITE obey DPO and FUA.
    #[doc(alias = "DPOFUA")]
    pub dpo_and_fua: bool,
    /// The block descriptors, as they are. MODE SENSE (6) sends up to 255 bytes of them.
    pub block_descriptors: Vec<u8>,
    /// The pages.
    pub pages: Vec<ModePage>,
}

impl ModeParameters {
    /// The parameters with the header of MODE SENSE (6). A host sees no page beyond byte 255.
    #[must_use]
    pub fn to_bytes_6(&self) -> Vec<u8> {
        let descriptors = &self.block_descriptors[..self.block_descriptors.len().min(0xff)];
        let descriptor_length = u8::try_from(descriptors.len()).unwrap_or(u8::MAX);
        let mut bytes = vec![
            0,
            self.medium_type,
            self.device_specific(),
            descriptor_length,
        ];
        bytes.extend_from_slice(descriptors);
        for page in &self.pages {
            page.write_to(&mut bytes);
        }
        // The length does not count itself.
        bytes[0] = u8::try_from(bytes.len() - 1).unwrap_or(u8::MAX);
        bytes
    }

    /// The parameters with the header of MODE SENSE (10).
    #[must_use]
    pub fn to_bytes_10(&self) -> Vec<u8> {
        let limit = self.block_descriptors.len().min(0xffff);
        let descriptors = &self.block_descriptors[..limit];
        let [d0, d1] = u16::try_from(limit).unwrap_or(u16::MAX).to_be_bytes();
        let mut bytes = vec![0, 0, self.medium_type, self.device_specific(), 0, 0, d0, d1];
        bytes.extend_from_slice(descriptors);
        for page in &self.pages {
            page.write_to(&mut bytes);
        }
        // The length does not count itself.
        let length = u16::try_from(bytes.len() - 2).unwrap_or(u16::MAX);
        bytes[0..2].copy_from_slice(&length.to_be_bytes());
        bytes
    }

    /// Reads the answer to MODE SENSE (6), or what MODE SELECT (6) writes. The header must be there
    /// whole; pages that the allocation length or the device cut are left out.
    ///
    /// # Errors
    /// No header, or block descriptors that are cut.
    pub fn parse_6(bytes: &[u8]) -> Result<Self, InvalidResponse> {
        let answer = "MODE SENSE (6) data";
        let &[length, medium_type, device_specific, descriptors] = fixed_part(answer, bytes)?;
        let bytes = stated_part(bytes, usize::from(length) + 1, 4);
        let descriptors = counted_part(answer, bytes, 4, descriptors.into())?;
        let pages = &bytes[4 + descriptors.len()..];
        Ok(Self::new(medium_type, device_specific, descriptors, pages))
    }

    /// Reads the answer to MODE SENSE (10), or what MODE SELECT (10) writes. The header must be there
    /// whole; pages that the allocation length or the device cut are left out.
    ///
    /// # Errors
    /// No header, or block descriptors that are cut.
    pub fn parse_10(bytes: &[u8]) -> Result<Self, InvalidResponse> {
        let answer = "MODE SENSE (10) data";
        let &[l0, l1, medium_type, device_specific, _, _, d0, d1] = fixed_part(answer, bytes)?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let bytes = stated_part(bytes, length + 2, 8);
        let descriptors = counted_part(answer, bytes, 8, u16::from_be_bytes([d0, d1]).into())?;
        let pages = &bytes[8 + descriptors.len()..];
        Ok(Self::new(medium_type, device_specific, descriptors, pages))
    }

    fn new(medium_type: u8, device_specific: u8, descriptors: &[u8], mut rest: &[u8]) -> Self {
        let mut pages = Vec::new();
        while let Some((page, after)) = ModePage::split_first(rest) {
            pages.push(page);
            rest = after;
        }
        Self {
            medium_type,
            write_protected: device_specific & 0x80 != 0,
            dpo_and_fua: device_specific & 0x10 != 0,
            block_descriptors: descriptors.to_vec(),
            pages,
        }
    }

    /// The device-specific parameter of a disk (SBC-2 6.3.1).
    fn device_specific(&self) -> u8 {
        u8::from(self.write_protected) << 7 | u8::from(self.dpo_and_fua) << 4
    }
}

/// The bytes the header's length counts. MODE SELECT leaves it 0 (SPC-3 7.4.3), as do disks that lie, so
/// one that does not even count the header is not believed.
fn stated_part(bytes: &[u8], stated: usize, header_length: usize) -> &[u8] {
    if stated < header_length {
        return bytes;
    }
    &bytes[..stated.min(bytes.len())]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_only_disk() -> ModeParameters {
        ModeParameters {
            write_protected: true,
            pages: vec![ModePage::Caching {
                write_cache_enabled: true,
                read_cache_disabled: false,
            }],
            ..ModeParameters::default()
        }
    }

    #[test]
    fn a_read_only_disk_has_the_bytes_of_the_tables() {
        let mut expected = vec![23, 0, 0x80, 0, 0x08, 18, 0x04];
        expected.resize(24, 0);
        assert_eq!(read_only_disk().to_bytes_6(), expected);
        assert_eq!(
            read_only_disk().to_bytes_10()[..10],
            [0, 26, 0, 0x80, 0, 0, 0, 0, 0x08, 18]
        );
    }

    #[test]
    fn the_header_alone_says_whether_the_medium_is_write_protected() {
        let parameters = ModeParameters::parse_6(&read_only_disk().to_bytes_6()[..4]).unwrap();
        assert!(parameters.write_protected);
        assert_eq!(parameters.pages, []);
    }

    #[test]
    fn a_length_bounds_the_pages_unless_it_does_not_count_the_header() {
        let mut bytes = read_only_disk().to_bytes_6();
        bytes[0] = 3;
        assert_eq!(ModeParameters::parse_6(&bytes).unwrap().pages, []);
        bytes[0] = 255;
        assert_eq!(ModeParameters::parse_6(&bytes), Ok(read_only_disk()));
        bytes[0] = 0;
        assert_eq!(ModeParameters::parse_6(&bytes), Ok(read_only_disk()));
        let mut bytes = read_only_disk().to_bytes_10();
        bytes[1] = 0;
        assert_eq!(ModeParameters::parse_10(&bytes), Ok(read_only_disk()));
    }

    #[test]
    fn block_descriptors_that_are_cut_are_an_error() {
        let error = ModeParameters::parse_6(&[7, 0, 0, 8, 0, 0, 0, 0]).unwrap_err();
        assert!(matches!(
            error,
            InvalidResponse::TooShort { needed: 12, .. }
        ));
    }

    fn page() -> impl Strategy<Value = ModePage> {
        prop_oneof![
            any::<(bool, bool)>().prop_map(|(write_cache_enabled, read_cache_disabled)| {
                ModePage::Caching {
                    write_cache_enabled,
                    read_cache_disabled,
                }
            }),
            any::<(bool, bool)>().prop_map(|(descriptor_sense, software_write_protect)| {
                ModePage::Control {
                    descriptor_sense,
                    software_write_protect,
                }
            }),
            (
                (0..0x40_u8).prop_filter("a page that is read", |code| {
                    ![ModePage::CACHING, ModePage::CONTROL].contains(code)
                }),
                any::<Option<u8>>(),
                prop::collection::vec(any::<u8>(), 0..20),
            )
                .prop_map(|(code, subpage, bytes)| ModePage::Unknown {
                    code,
                    subpage,
                    bytes
                }),
        ]
    }

    prop_compose! {
        fn parameters()(
            medium_type: u8,
            write_protected: bool,
            dpo_and_fua: bool,
            block_descriptors in prop::collection::vec(any::<u8>(), 0..24),
            pages in prop::collection::vec(page(), 0..6),
        ) -> ModeParameters {
            ModeParameters { medium_type, write_protected, dpo_and_fua, block_descriptors, pages }
        }
    }

    proptest! {
        #[test]
        fn any_parameters_round_trip(parameters in parameters()) {
            let bytes = parameters.to_bytes_6();
            prop_assert_eq!(ModeParameters::parse_6(&bytes), Ok(parameters.clone()));
            prop_assert_eq!(ModeParameters::parse_10(&parameters.to_bytes_10()), Ok(parameters));
        }

        #[test]
        fn any_bytes_are_parameters_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(parameters) = ModeParameters::parse_6(&bytes) {
                prop_assert_eq!(ModeParameters::parse_10(&parameters.to_bytes_10()), Ok(parameters));
            }
            prop_assert!(ModeParameters::parse_10(&bytes).is_err() || bytes.len() >= 8);
        }
    }
}
