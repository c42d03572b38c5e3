//! How large a medium is: the answers to READ CAPACITY and READ FORMAT CAPACITIES.

use std::fmt;

use super::InvalidResponse;
use super::response::{counted_part, fixed_part};

/// A medium's size: at least one block, of at least one byte, and fewer than 2^64 bytes in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Capacity {
    last_block: u64,
    block_size: u32,
}

impl Capacity {
    /// Bytes of the answer to READ CAPACITY (10).
    pub const LENGTH_10: usize = 8;
    /// Bytes of the answer to READ CAPACITY (16).
    pub const LENGTH_16: usize = 32;

    /// A medium of `block_count` blocks; `None` when it would have no byte or more than 64 bits count.
    #[must_use]
    pub const fn new(block_count: u64, block_size: u32) -> Option<Self> {
        match block_count.checked_mul(block_size as u64) {
            None | Some(0) => None,
            Some(_) => Some(Self {
                last_block: block_count - 1,
                block_size,
            }),
        }
    }

    /// The address of the last block.
    #[must_use]
    pub const fn last_block(&self) -> u64 {
        self.last_block
    }

    /// How many blocks there are.
    #[must_use]
    pub const fn block_count(&self) -> u64 {
        self.last_block + 1
    }

    /// Bytes of a block.
    #[must_use]
    pub const fn block_size(&self) -> u32 {
        self.block_size
    }

    /// Bytes in all.
    #[must_use]
    pub const fn byte_length(&self) -> u64 {
        self.block_count() * self.block_size as u64
    }

    /// Whether these blocks are all on the medium.
    #[must_use]
    pub const fn contains(&self, lba: u64, blocks: u64) -> bool {
        match lba.checked_add(blocks) {
            Some(end) => end <= self.block_count(),
            None => false,
        }
    }

    /// The answer to READ CAPACITY (10), which tells the host of a larger medium to use the 16-byte
    /// command (SBC-2 5.10.2).
    #[must_use]
    pub fn to_bytes_10(&self) -> [u8; Self::LENGTH_10] {
        let last_block = u32::try_from(self.last_block).unwrap_or(u32::MAX);
        let mut bytes = [0; Self::LENGTH_10];
        bytes[0..4].copy_from_slice(&last_block.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.block_size.to_be_bytes());
        bytes
    }

    /// The answer to READ CAPACITY (16) (SBC-2 5.11.2).
    #[must_use]
    pub fn to_bytes_16(&self) -> [u8; Self::LENGTH_16] {
        let mut bytes = [0; Self::LENGTH_16];
        bytes[0..8].copy_from_slice(&self.last_block.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.block_size.to_be_bytes());
        bytes
    }

    /// Reads the answer to READ CAPACITY (10): `None` when the medium is too large for it and READ
    /// CAPACITY (16) must be asked.
    ///
    /// # Errors
    /// Fewer than 8 bytes, or a block size of 0.
    pub fn parse_10(bytes: &[u8]) -> Result<Option<Self>, InvalidResponse> {
        let answer = "READ CAPACITY (10) data";
        let &[b0, b1, b2, b3, s0, s1, s2, s3] = fixed_part::<{ Self::LENGTH_10 }>(answer, bytes)?;
        let last_block = u32::from_be_bytes([b0, b1, b2, b3]);
        if last_block == u32::MAX {
            return Ok(None);
        }
        let block_size = u32::from_be_bytes([s0, s1, s2, s3]);
        Self::checked(answer, last_block.into(), block_size, 4).map(Some)
    }

    /// Reads the answer to READ CAPACITY (16). What follows the block size is not looked at.
    ///
    /// # Errors
    /// Fewer than 12 bytes, a block size of 0, or more bytes than 64 bits count.
    pub fn parse_16(bytes: &[u8]) -> Result<Self, InvalidResponse> {
        let answer = "READ CAPACITY (16) data";
        let &[b0, b1, b2, b3, b4, b5, b6, b7, s0, s1, s2, s3] = fixed_part::<12>(answer, bytes)?;
        let last_block = u64::from_be_bytes([b0, b1, b2, b3, b4, b5, b6, b7]);
        Self::checked(answer, last_block, u32::from_be_bytes([s0, s1, s2, s3]), 8)
    }

    fn checked(
        answer: &'static str,
        last_block: u64,
        block_size: u32,
        block_size_offset: usize,
    ) -> Result<Self, InvalidResponse> {
        if block_size == 0 {
            return Err(InvalidResponse::Field {
                answer,
                offset: block_size_offset,
                value: 0,
                rule: "a block has at least one byte",
            });
        }
        last_block
            .checked_add(1)
            .and_then(|block_count| Self::new(block_count, block_size))
            .ok_or(InvalidResponse::Field {
                answer,
                offset: 0,
                value: last_block,
                rule: "the medium would have more bytes than 64 bits count",
            })
    }
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} blocks of {} bytes",
            self.block_count(),
            self.block_size
        )
    }
}

/// What a capacity descriptor's size is the size of (UFI 4.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FormatCapacityKind {
    /// The largest the medium could be formatted to; also what a formattable descriptor holds.
    Unformatted,
    /// The medium as it is.
    Formatted,
    /// There is no medium: the largest the drive could take.
    NoMedium,
}

/// A size in the answer to READ FORMAT CAPACITIES.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FormatCapacity {
    /// How many blocks.
    pub block_count: u32,
    /// What the size is the size of.
    pub kind: FormatCapacityKind,
    /// Bytes of a block; the low 24 bits are sent.
    pub block_size: u32,
}

impl FormatCapacity {
    const LENGTH: usize = 8;

    fn to_bytes(self) -> [u8; Self::LENGTH] {
        let [b0, b1, b2, b3] = self.block_count.to_be_bytes();
        let [_, s1, s2, s3] = self.block_size.to_be_bytes();
        let kind = match self.kind {
            FormatCapacityKind::Unformatted => 1,
            FormatCapacityKind::Formatted => 2,
            FormatCapacityKind::NoMedium => 3,
        };
        [b0, b1, b2, b3, kind, s1, s2, s3]
    }

    fn from_bytes(
        [b0, b1, b2, b3, kind, s1, s2, s3]: [u8; Self::LENGTH],
        default: Option<FormatCapacityKind>,
    ) -> Option<Self> {
        let kind = match kind & 0x03 {
            0 => default?,
            1 => FormatCapacityKind::Unformatted,
            2 => FormatCapacityKind::Formatted,
            _ => FormatCapacityKind::NoMedium,
        };
        Some(Self {
            block_count: u32::from_be_bytes([b0, b1, b2, b3]),
            kind,
            block_size: u32::from_be_bytes([0, s1, s2, s3]),
        })
    }
}

/// The answer to READ FORMAT CAPACITIES (UFI 4.10).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FormatCapacities {
    /// The medium's size.
    pub current: FormatCapacity,
    /// The sizes it could be formatted to; the first 30 are sent.
    pub formattable: Vec<FormatCapacity>,
}

impl FormatCapacities {
    const ANSWER: &str = "READ FORMAT CAPACITIES data";
    const MAX_FORMATTABLE: usize = 30;

    /// The data as it travels.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; 4];
        bytes.extend_from_slice(&self.current.to_bytes());
        for capacity in self.formattable.iter().take(Self::MAX_FORMATTABLE) {
            bytes.extend_from_slice(&capacity.to_bytes());
        }
        bytes[3] = u8::try_from(bytes.len() - 4).unwrap_or(u8::MAX);
        bytes
    }

    /// Reads the data.
    ///
    /// # Errors
    /// No current capacity, one of no kind, or fewer bytes than the list says.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidResponse> {
        let header: &[u8; 12] = fixed_part(Self::ANSWER, bytes)?;
        let length = usize::from(header[3]);
        let list = counted_part(Self::ANSWER, bytes, 4, length)?;
        let (descriptors, rest) = list.as_chunks::<{ FormatCapacity::LENGTH }>();
        let Some((&current, formattable)) = descriptors.split_first().filter(|_| rest.is_empty())
        else {
            return Err(InvalidResponse::Field {
                answer: Self::ANSWER,
                offset: 3,
                value: header[3].into(),
                rule: "the list is a multiple of 8 bytes, with the current capacity first (UFI 4.10)",
            });
        };
        let current = FormatCapacity::from_bytes(current, None).ok_or(InvalidResponse::Field {
            answer: Self::ANSWER,
            offset: 8,
            value: current[4].into(),
            rule: "the current capacity's kind is 1, 2 or 3 (UFI 4.10)",
        })?;
        let formattable = formattable
            .iter()
            .filter_map(|&descriptor| {
                FormatCapacity::from_bytes(descriptor, Some(FormatCapacityKind::Unformatted))
            })
            .collect();
        Ok(Self {
            current,
            formattable,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn capacity_answers_have_the_bytes_of_their_tables() {
        let disk = Capacity::new(131_072, 512).unwrap();
        assert_eq!(disk.to_bytes_10(), [0, 1, 0xff, 0xff, 0, 0, 2, 0]);
        assert_eq!(
            disk.to_bytes_16()[..12],
            [0, 0, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 2, 0]
        );
        assert_eq!(disk.to_string(), "131072 blocks of 512 bytes");
        assert_eq!(disk.byte_length(), 64 << 20);
    }

    #[test]
    fn a_large_medium_sends_the_host_to_the_16_byte_command() {
        let disk = Capacity::new(1 << 32, 512).unwrap();
        assert_eq!(Capacity::parse_10(&disk.to_bytes_10()), Ok(None));
        assert_eq!(Capacity::parse_16(&disk.to_bytes_16()), Ok(disk));
    }

    #[test]
    fn sizes_nothing_can_have_are_errors() {
        assert_eq!(Capacity::new(0, 512), None);
        assert_eq!(Capacity::new(512, 0), None);
        assert_eq!(Capacity::new(u64::MAX, 2), None);
        assert!(Capacity::parse_10(&[0; 8]).is_err());
        let error = Capacity::parse_16(&[0xff; 32]).unwrap_err();
        assert!(error.to_string().contains("64 bits"), "{error}");
    }

    #[test]
    fn ranges_past_the_end_are_not_on_the_medium() {
        let disk = Capacity::new(8, 512).unwrap();
        assert!(disk.contains(0, 8));
        assert!(disk.contains(8, 0));
        assert!(!disk.contains(1, 8));
        assert!(!disk.contains(u64::MAX, 2));
    }

    fn format_capacity() -> impl Strategy<Value = FormatCapacity> {
        (any::<u32>(), 0..3_usize, 0..1_u32 << 24).prop_map(|(block_count, kind, block_size)| {
            let kind = [
                FormatCapacityKind::Unformatted,
                FormatCapacityKind::Formatted,
                FormatCapacityKind::NoMedium,
            ][kind];
            FormatCapacity {
                block_count,
                kind,
                block_size,
            }
        })
    }

    proptest! {
        #[test]
        fn any_capacity_round_trips(blocks in 1..u64::MAX, block_size in 1..u32::MAX) {
            if let Some(capacity) = Capacity::new(blocks, block_size) {
                prop_assert_eq!(Capacity::parse_16(&capacity.to_bytes_16()), Ok(capacity));
            }
            let small = Capacity::new(blocks % u64::from(u32::MAX) + 1, 512).unwrap();
            let answer = Capacity::parse_10(&small.to_bytes_10());
            prop_assert_eq!(answer, Ok((small.last_block() < u32::MAX.into()).then_some(small)));
        }

        #[test]
        fn any_format_capacities_round_trip(
            current in format_capacity(),
            formattable in prop::collection::vec(format_capacity(), 0..=30),
        ) {
            let capacities = FormatCapacities { current, formattable };
            let bytes = capacities.to_bytes();
            prop_assert_eq!(FormatCapacities::parse(&bytes), Ok(capacities));
            prop_assert!(FormatCapacities::parse(&bytes[..bytes.len() - 1]).is_err());
        }

        #[test]
        fn any_bytes_are_a_capacity_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert!(Capacity::parse_10(&bytes).is_err() || bytes.len() >= 8);
            if let Ok(capacity) = Capacity::parse_16(&bytes) {
                prop_assert_eq!(Capacity::parse_16(&capacity.to_bytes_16()), Ok(capacity));
            }
            if let Ok(capacities) = FormatCapacities::parse(&bytes) {
                prop_assert_eq!(FormatCapacities::parse(&capacities.to_bytes()), Ok(capacities));
            }
        }
    }
}
