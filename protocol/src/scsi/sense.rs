//! Sense data: why a command failed.

use std::fmt;

use super::response::fixed_part;
use super::{InvalidResponse, additional_sense_text};

/// The kind of a failure (SPC-3 4.5.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SenseKey {
    /// Nothing to say.
    NoSense,
    /// The command passed after the device recovered something.
    RecoveredError,
    /// The medium cannot be used now.
    NotReady,
    /// The medium is bad.
    MediumError,
    /// The device is bad.
    HardwareError,
    /// The command is bad.
    IllegalRequest,
    /// Something happened that the host must know: a reset, a new medium.
    UnitAttention,
    /// The medium is protected.
    DataProtect,
    /// The medium is blank where it must not be, or not where it must.
    BlankCheck,
    /// The vendor knows.
    VendorSpecific,
    /// A copy failed.
    CopyAborted,
    /// The device gave the command up; asking again may help.
    AbortedCommand,
    /// 12, which is obsolete.
    Obsolete,
    /// The medium is full with data left over.
    VolumeOverflow,
    /// The medium's data is not the data it was compared with.
    Miscompare,
    /// 15: SPC-4 calls it completed, SPC-3 reserves it.
    Completed,
}

impl SenseKey {
    const ALL: [Self; 16] = [
        Self::NoSense,
        Self::RecoveredError,
        Self::NotReady,
        Self::MediumError,
        Self::HardwareError,
        Self::IllegalRequest,
        Self::UnitAttention,
        Self::DataProtect,
        Self::BlankCheck,
        Self::VendorSpecific,
        Self::CopyAborted,
        Self::AbortedCommand,
        Self::Obsolete,
        Self::VolumeOverflow,
        Self::Miscompare,
        Self::Completed,
    ];

    /// The key in the low four bits.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Self {
        Self::ALL[(byte & 0x0f) as usize]
    }

    /// The key as a number, 0 to 15.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for SenseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NoSense => "no sense",
            Self::RecoveredError => "recovered error",
            Self::NotReady => "not ready",
            Self::MediumError => "medium error",
            Self::HardwareError => "hardware error",
            Self::IllegalRequest => "illegal request",
            Self::UnitAttention => "unit attention",
            Self::DataProtect => "data protect",
            Self::BlankCheck => "blank check",
            Self::VendorSpecific => "vendor-specific",
            Self::CopyAborted => "copy aborted",
            Self::AbortedCommand => "aborted command",
            Self::Obsolete => "obsolete sense key",
            Self::VolumeOverflow => "volume overflow",
            Self::Miscompare => "miscompare",
            Self::Completed => "completed",
        })
    }
}

/// Why a command failed (SPC-3 4.5).
///
/// Displays as text and numbers: `medium not present (2/3A/00)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sense {
    /// An earlier command failed, not the one this answers.
    pub deferred: bool,
    /// The kind of failure.
    pub key: SenseKey,
    /// The reason.
    #[doc(alias = "ASC")]
    pub code: u8,
    /// The reason, closer.
    #[doc(alias = "ASCQ")]
    pub qualifier: u8,
    /// Where, for a medium error the block. Fixed format carries 32 bits of it.
    pub information: Option<u64>,
}

/// The sense data disks answer with.
impl Sense {
    /// Nothing to report.
    pub const NO_SENSE: Self = Self::new(SenseKey::NoSense, 0x00, 0x00);
    /// There is no medium.
    pub const MEDIUM_NOT_PRESENT: Self = Self::new(SenseKey::NotReady, 0x3a, 0x00);
    /// The medium was stopped; START STOP UNIT starts it.
    pub const INITIALIZING_COMMAND_REQUIRED: Self = Self::new(SenseKey::NotReady, 0x04, 0x02);
    /// The medium cannot be written.
    pub const WRITE_ERROR: Self = Self::new(SenseKey::MediumError, 0x0c, 0x00);
    /// The medium cannot be read.
    pub const UNRECOVERED_READ_ERROR: Self = Self::new(SenseKey::MediumError, 0x11, 0x00);
    /// No such command.
    pub const INVALID_COMMAND_OPERATION_CODE: Self =
        Self::new(SenseKey::IllegalRequest, 0x20, 0x00);
    /// The blocks are not all on the medium.
    pub const LOGICAL_BLOCK_ADDRESS_OUT_OF_RANGE: Self =
        Self::new(SenseKey::IllegalRequest, 0x21, 0x00);
    /// The command asks for what there is not.
    #[doc(alias = "INVALID FIELD IN CDB")]
    pub const INVALID_FIELD_IN_COMMAND: Self = Self::new(SenseKey::IllegalRequest, 0x24, 0x00);
    /// No such logical unit.
    pub const LOGICAL_UNIT_NOT_SUPPORTED: Self = Self::new(SenseKey::IllegalRequest, 0x25, 0x00);
    /// The command's parameters ask for what there is not.
    pub const INVALID_FIELD_IN_PARAMETER_LIST: Self =
        Self::new(SenseKey::IllegalRequest, 0x26, 0x00);
    /// The command's parameters are cut.
    pub const PARAMETER_LIST_LENGTH_ERROR: Self = Self::new(SenseKey::IllegalRequest, 0x1a, 0x00);
    /// Mode pages cannot be saved.
    pub const SAVING_PARAMETERS_NOT_SUPPORTED: Self =
        Self::new(SenseKey::IllegalRequest, 0x39, 0x00);
    /// The medium is locked in.
    pub const MEDIUM_REMOVAL_PREVENTED: Self = Self::new(SenseKey::IllegalRequest, 0x53, 0x02);
    /// The medium is another one.
    pub const MEDIUM_MAY_HAVE_CHANGED: Self = Self::new(SenseKey::UnitAttention, 0x28, 0x00);
    /// The device was reset.
    pub const RESET_OCCURRED: Self = Self::new(SenseKey::UnitAttention, 0x29, 0x00);
    /// The medium must not be written.
    pub const WRITE_PROTECTED: Self = Self::new(SenseKey::DataProtect, 0x27, 0x00);
    /// VERIFY found other data.
    pub const MISCOMPARE_DURING_VERIFY: Self = Self::new(SenseKey::Miscompare, 0x1d, 0x00);
    /// The device failed.
    pub const INTERNAL_TARGET_FAILURE: Self = Self::new(SenseKey::HardwareError, 0x44, 0x00);

    /// Sense data of the command at hand, with nothing about where.
    #[must_use]
    pub const fn new(key: SenseKey, code: u8, qualifier: u8) -> Self {
        Self {
            deferred: false,
            key,
            code,
            qualifier,
            information: None,
        }
    }

    /// The same, saying where.
    #[must_use]
    pub const fn with_information(self, information: u64) -> Self {
        Self {
            information: Some(information),
            ..self
        }
    }
}

const ANSWER: &str = "sense data";

/// The descriptor that carries the information field (SPC-3 4.5.2.2).
const INFORMATION_DESCRIPTOR: [u8; 4] = [0x00, 0x0a, 0x80, 0x00];

/// Sense data as bytes.
impl Sense {
    /// The length of fixed-format sense data, what REQUEST SENSE usually asks for.
    pub const FIXED_LENGTH: usize = 18;

    /// Fixed format (SPC-3 4.5.3). An `information` above 32 bits does not fit and is left out.
    #[must_use]
    pub fn to_fixed_bytes(&self) -> [u8; Self::FIXED_LENGTH] {
        let mut bytes = [0; Self::FIXED_LENGTH];
        bytes[0] = if self.deferred { 0x71 } else { 0x70 };
        bytes[2] = self.key.to_byte();
        if let Some(Ok(information)) = self.information.map(u32::try_from) {
            bytes[0] |= 0x80;
            bytes[3..7].copy_from_slice(&information.to_be_bytes());
        }
        // The bytes after this one.
        bytes[7] = 10;
        bytes[12] = self.code;
        bytes[13] = self.qualifier;
        bytes
    }

    /// Descriptor format (SPC-3 4.5.2).
    #[must_use]
    pub fn to_descriptor_bytes(&self) -> Vec<u8> {
        let response_code = if self.deferred { 0x73 } else { 0x72 };
        let mut bytes = vec![
            response_code,
            self.key.to_byte(),
            self.code,
            self.qualifier,
            0,
            0,
            0,
            0,
        ];
        if let Some(information) = self.information {
            bytes[7] = 12;
            bytes.extend_from_slice(&INFORMATION_DESCRIPTOR);
            bytes.extend_from_slice(&information.to_be_bytes());
        }
        bytes
    }

    /// Reads sense data of either format. Fixed-format data may end after eight bytes, and then has
    /// no code and qualifier; of descriptors, the information descriptor alone is read.
    ///
    /// # Errors
    /// Fewer than eight bytes, or a response code that is not 0x70 to 0x73.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidResponse> {
        let header: &[u8; 8] = fixed_part(ANSWER, bytes)?;
        let response_code = header[0] & 0x7f;
        match response_code {
            0x70 | 0x71 => {
                let at = |offset: usize| {
                    let said = usize::from(header[7]) + 8;
                    bytes[..said.min(bytes.len())].get(offset).copied()
                };
                let information = u32::from_be_bytes([header[3], header[4], header[5], header[6]]);
                Ok(Self {
                    deferred: response_code == 0x71,
                    key: SenseKey::from_byte(header[2]),
                    code: at(12).unwrap_or(0),
                    qualifier: at(13).unwrap_or(0),
                    information: (header[0] & 0x80 != 0).then_some(information.into()),
                })
            }
            0x72 | 0x73 => Ok(Self {
                deferred: response_code == 0x73,
                key: SenseKey::from_byte(header[1]),
                code: header[2],
                qualifier: header[3],
                information: information_descriptor(&bytes[8..], usize::from(header[7])),
            }),
            _ => Err(InvalidResponse::Field {
                answer: ANSWER,
                offset: 0,
                value: response_code.into(),
                rule: "a response code is 0x70 to 0x73 (SPC-3 4.5.1)",
            }),
        }
    }
}

/// The valid information descriptor among the first `length` bytes of descriptors.
fn information_descriptor(bytes: &[u8], length: usize) -> Option<u64> {
    let mut rest = &bytes[..length.min(bytes.len())];
    while let Some(&[descriptor_type, additional_length]) = rest.first_chunk() {
        let (descriptor, others) = rest.split_at_checked(2 + usize::from(additional_length))?;
        if descriptor_type == INFORMATION_DESCRIPTOR[0]
            && let Some(&[_, _, flags, _, i0, i1, i2, i3, i4, i5, i6, i7]) =
                descriptor.first_chunk()
        {
            let valid = flags & 0x80 != 0;
            return valid.then_some(u64::from_be_bytes([i0, i1, i2, i3, i4, i5, i6, i7]));
        }
        rest = others;
    }
    None
}

impl fmt::Display for Sense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.deferred {
            f.write_str("deferred: ")?;
        }
        match additional_sense_text(self.code, self.qualifier) {
            Some(text) => f.write_str(text)?,
            None => write!(f, "{}", self.key)?,
        }
        let (key, code, qualifier) = (self.key.to_byte(), self.code, self.qualifier);
        write!(f, " ({key:X}/{code:02X}/{qualifier:02X})")?;
        match self.information {
            Some(block) if self.key == SenseKey::MediumError => write!(f, " at block {block}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sense_reads_as_words_and_numbers() {
        let cases = [
            (Sense::MEDIUM_NOT_PRESENT, "medium not present (2/3A/00)"),
            (
                Sense::new(SenseKey::NotReady, 0x99, 0x01),
                "not ready (2/99/01)",
            ),
            (
                Sense::UNRECOVERED_READ_ERROR.with_information(77),
                "unrecovered read error (3/11/00) at block 77",
            ),
            (
                Sense {
                    deferred: true,
                    ..Sense::WRITE_ERROR
                },
                "deferred: write error (3/0C/00)",
            ),
            (Sense::NO_SENSE, "no sense (0/00/00)"),
        ];
        for (sense, text) in cases {
            assert_eq!(sense.to_string(), text);
        }
    }

    #[test]
    fn fixed_format_has_the_bytes_of_its_table() {
        let sense = Sense::UNRECOVERED_READ_ERROR.with_information(0x0102_0304);
        let expected = [0xf0, 0, 3, 1, 2, 3, 4, 10, 0, 0, 0, 0, 0x11, 0, 0, 0, 0, 0];
        assert_eq!(sense.to_fixed_bytes(), expected);
    }

    #[test]
    fn eight_bytes_of_fixed_format_have_no_code() {
        let sense = Sense::parse(&[0x70, 0, 6, 0, 0, 0, 0, 0]).unwrap();
        assert_eq!(sense, Sense::new(SenseKey::UnitAttention, 0, 0));
    }

    #[test]
    fn the_additional_length_bounds_fixed_format() {
        let mut bytes = Sense::MEDIUM_NOT_PRESENT.to_fixed_bytes();
        bytes[7] = 0;
        assert_eq!(Sense::parse(&bytes).unwrap().code, 0);
    }

    #[test]
    fn information_is_found_behind_other_descriptors() {
        let mut bytes = vec![0x72, 3, 0x11, 0, 0, 0, 0, 16, 0x02, 2, 0, 0];
        bytes.extend_from_slice(&INFORMATION_DESCRIPTOR);
        bytes.extend_from_slice(&5_u64.to_be_bytes());
        assert_eq!(Sense::parse(&bytes).unwrap().information, Some(5));
    }

    #[test]
    fn other_response_codes_are_errors() {
        for code in [0x00, 0x6f, 0x74, 0x7f] {
            let error = Sense::parse(&[code; 18]).unwrap_err();
            assert!(matches!(error, InvalidResponse::Field { offset: 0, .. }));
        }
    }

    prop_compose! {
        fn sense()(
            deferred: bool,
            key: u8,
            code: u8,
            qualifier: u8,
            information: Option<u64>,
        ) -> Sense {
            Sense { deferred, key: SenseKey::from_byte(key), code, qualifier, information }
        }
    }

    proptest! {
        #[test]
        fn descriptor_format_round_trips(sense in sense()) {
            prop_assert_eq!(Sense::parse(&sense.to_descriptor_bytes()), Ok(sense));
        }

        #[test]
        fn fixed_format_round_trips(sense in sense(), information: Option<u32>) {
            let sense = Sense { information: information.map(u64::from), ..sense };
            prop_assert_eq!(Sense::parse(&sense.to_fixed_bytes()), Ok(sense));
        }

        #[test]
        fn any_bytes_are_sense_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(sense) = Sense::parse(&bytes) {
                prop_assert!(bytes.len() >= 8);
                prop_assert!(!sense.to_string().is_empty());
                prop_assert_eq!(Sense::parse(&sense.to_descriptor_bytes()), Ok(sense));
            }
        }
    }
}
