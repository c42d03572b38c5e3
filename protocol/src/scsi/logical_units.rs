//! The answer to REPORT LUNS.

use super::InvalidResponse;
use super::response::{counted_part, fixed_part};

/// The logical units there are, as eight-byte addresses (SPC-3 6.21, SAM-3 4.9).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogicalUnits(pub Vec<u64>);

impl LogicalUnits {
    const ANSWER: &str = "REPORT LUNS data";

    /// Units 0 to `last`, in the simplest addressing.
    #[must_use]
    pub fn up_to(last: u8) -> Self {
        Self((0..=last).map(|lun| u64::from(lun) << 48).collect())
    }

    /// The data as it travels.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; 8];
        for lun in &self.0 {
            bytes.extend_from_slice(&lun.to_be_bytes());
        }
        let length = u32::try_from(bytes.len() - 8).unwrap_or(u32::MAX);
        bytes[0..4].copy_from_slice(&length.to_be_bytes());
        bytes
    }

    /// Reads the data.
    ///
    /// # Errors
    /// Fewer bytes than the list says, or part of an address.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidResponse> {
        let &[l0, l1, l2, l3, ..] = fixed_part::<8>(Self::ANSWER, bytes)?;
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        let list = counted_part(
            Self::ANSWER,
            bytes,
            8,
            usize::try_from(length).unwrap_or(usize::MAX - 8),
        )?;
        let (addresses, []) = list.as_chunks::<8>() else {
            return Err(InvalidResponse::Field {
                answer: Self::ANSWER,
                offset: 0,
                value: length.into(),
                rule: "the list is a multiple of 8 bytes (SPC-3 6.21)",
            });
        };
        Ok(Self(
            addresses.iter().copied().map(u64::from_be_bytes).collect(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn two_units_have_the_bytes_of_the_table() {
        let bytes = LogicalUnits::up_to(1).to_bytes();
        let mut expected = [0; 24];
        expected[3] = 16;
        expected[17] = 1;
        assert_eq!(bytes, expected);
    }

    #[test]
    fn part_of_an_address_is_an_error() {
        let error = LogicalUnits::parse(&[0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap_err();
        assert!(matches!(error, InvalidResponse::Field { value: 4, .. }));
    }

    proptest! {
        #[test]
        fn any_list_round_trips(luns in prop::collection::vec(any::<u64>(), 0..20)) {
            let units = LogicalUnits(luns);
            let bytes = units.to_bytes();
            prop_assert_eq!(LogicalUnits::parse(&bytes), Ok(units));
            prop_assert!(LogicalUnits::parse(&bytes[..bytes.len() - 1]).is_err());
        }

        #[test]
        fn any_bytes_are_a_list_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(units) = LogicalUnits::parse(&bytes) {
                prop_assert!(units.0.len() * 8 + 8 <= bytes.len());
            }
        }
    }
}
