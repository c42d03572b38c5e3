//! What requests carry: values of one, two or four bytes, and ranges of them.

use thiserror::Error;

use super::super::Decibel;

/// A value of a control: one byte (layout 1), two (layout 2) or four (layout 3) (UAC2 5.2.2).
pub trait Parameter: Copy {
    /// The bytes of a value.
    const LENGTH: u16;

    /// Appends the value as it travels.
    fn write_to(self, to: &mut Vec<u8>);

    /// The value in the first bytes; `None` when there are too few.
    fn parse(bytes: &[u8]) -> Option<Self>;
}

macro_rules! parameter {
    ($type:ty, $length:literal) => {
        impl Parameter for $type {
            const LENGTH: u16 = $length;

            fn write_to(self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }

            fn parse(bytes: &[u8]) -> Option<Self> {
                bytes.first_chunk().copied().map(Self::from_le_bytes)
            }
        }
    };
}

parameter!(u8, 1);
parameter!(i8, 1);
parameter!(u16, 2);
parameter!(i16, 2);
parameter!(u32, 4);
parameter!(i32, 4);

impl Parameter for bool {
    const LENGTH: u16 = 1;

    fn write_to(self, to: &mut Vec<u8>) {
        to.push(self.into());
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        bytes.first().map(|byte| *byte != 0)
    }
}

impl Parameter for Decibel {
    const LENGTH: u16 = 2;

    fn write_to(self, to: &mut Vec<u8>) {
        self.0.write_to(to);
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        i16::parse(bytes).map(Self)
    }
}

/// Values a control can have: from the lowest to the highest in steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubRange<T> {
    /// The lowest.
    #[doc(alias = "MIN")]
    pub minimum: T,
    /// The highest.
    #[doc(alias = "MAX")]
    pub maximum: T,
    /// The step; 0 where there is one value.
    #[doc(alias = "RES")]
    pub resolution: T,
}

impl SubRange<Decibel> {
    /// The volume of the range that is nearest to this one, the higher of two that are as near. Always one from the
    /// lowest to the highest, whichever way round a device says them; a range without steps has each of 1/256 dB.
    #[must_use]
    pub fn nearest(&self, volume: Decibel) -> Decibel {
        let (least, most) = (
            self.minimum.min(self.maximum),
            self.maximum.max(self.minimum),
        );
        let wanted = i32::from(volume.clamp(least, most).0);
        let (least, most) = (i32::from(least.0), i32::from(most.0));
        let step = i32::from(self.resolution.0.unsigned_abs().max(1));
        let below = least + (wanted - least) / step * step;
        // The last step may lead beyond the range.
        let above = (below + step).min(most);
        let nearest = if above - wanted <= wanted - below {
            above
        } else {
            below
        };
        Decibel(i16::try_from(nearest).unwrap_or(i16::MAX))
    }
}

/// All values a control can have: what answers an Audio 2.0 RANGE request (UAC2 5.2.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RangeBlock<T>(
    /// The ranges, ascending; the first 65535 are sent.
    pub Vec<SubRange<T>>,
);

/// Why bytes are no range block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RangeBlockError {
    /// There is not even a count.
    #[error("a range block has at least 2 bytes, this one has {0} (UAC2 5.2.3)")]
    NoCount(
        /// The bytes there are.
        usize,
    ),
    /// There are fewer ranges than it counts.
    #[error(
        "wNumSubRanges is {stated}, which takes {needed} bytes, but there are {found} (UAC2 5.2.3)"
    )]
    Cut {
        /// What it says.
        stated: u16,
        /// The bytes they take.
        needed: usize,
        /// The bytes there are.
        found: usize,
    },
}

impl<T: Parameter> RangeBlock<T> {
    /// The bytes a block of as many ranges has: what a host asks for once it knows `wNumSubRanges`. A request
    /// can ask for no more than 65535.
    #[must_use]
    pub fn length(count: u16) -> u16 {
        count.saturating_mul(3 * T::LENGTH).saturating_add(2)
    }

    /// `wNumSubRanges` of the block these bytes start.
    ///
    /// # Errors
    /// There are fewer than two.
    pub fn count(bytes: &[u8]) -> Result<u16, RangeBlockError> {
        u16::parse(bytes).ok_or(RangeBlockError::NoCount(bytes.len()))
    }

    /// Reads a block. Bytes behind it are not looked at.
    ///
    /// # Errors
    /// There are fewer bytes than it counts.
    pub fn parse(bytes: &[u8]) -> Result<Self, RangeBlockError> {
        let stated = Self::count(bytes)?;
        let step = usize::from(T::LENGTH);
        let needed = 2 + usize::from(stated) * 3 * step;
        let cut = RangeBlockError::Cut {
            stated,
            needed,
            found: bytes.len(),
        };
        let ranges = bytes.get(2..needed).ok_or(cut)?.chunks_exact(3 * step);
        let ranges = ranges.map(|range| {
            Some(SubRange {
                minimum: T::parse(range)?,
                maximum: T::parse(&range[step..])?,
                resolution: T::parse(&range[2 * step..])?,
            })
        });
        ranges.collect::<Option<_>>().map(Self).ok_or(cut)
    }

    /// The block as it travels. A host may ask for less of it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let count = u16::try_from(self.0.len()).unwrap_or(u16::MAX);
        let mut bytes = count.to_le_bytes().to_vec();
        for range in &self.0[..count.into()] {
            range.minimum.write_to(&mut bytes);
            range.maximum.write_to(&mut bytes);
            range.resolution.write_to(&mut bytes);
        }
        bytes
    }
}

impl RangeBlock<u32> {
    /// Whether a frequency in Hz is in one of the ranges, at one of its steps.
    #[must_use]
    pub fn contains(&self, value: u32) -> bool {
        self.0.iter().any(|range| {
            (range.minimum..=range.maximum).contains(&value)
                && match range.resolution {
                    0 | 1 => {
                        range.resolution == 1 || value == range.minimum || value == range.maximum
                    }
                    step => (value - range.minimum).is_multiple_of(step),
                }
        })
    }
}

/// The three bytes of an Audio 1.0 endpoint's sampling frequency, in Hz (UAC1 5.2.3.2.3.1). The low 24 bits
/// are sent.
#[must_use]
pub const fn encode_sampling_frequency(rate: u32) -> [u8; 3] {
    let [b0, b1, b2, _] = rate.to_le_bytes();
    [b0, b1, b2]
}

/// The sampling frequency in the first three bytes, in Hz; `None` when there are too few.
#[must_use]
pub fn decode_sampling_frequency(bytes: &[u8]) -> Option<u32> {
    let [b0, b1, b2] = *bytes.first_chunk()?;
    Some(u32::from_le_bytes([b0, b1, b2, 0]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_clocks_rates_have_the_layout_of_table_5_7() {
        let fixed = |rate| SubRange {
            minimum: rate,
            maximum: rate,
            resolution: 0,
        };
        let block = RangeBlock(vec![fixed(44_100_u32), fixed(48_000)]);
        let bytes = block.to_bytes();
        assert_eq!(bytes[..6], [2, 0, 0x44, 0xac, 0, 0]);
        assert_eq!(bytes.len(), usize::from(RangeBlock::<u32>::length(2)));
        assert_eq!(RangeBlock::<u32>::count(&bytes[..2]), Ok(2));
        assert!(block.contains(44_100) && block.contains(48_000) && !block.contains(46_000));
        let error = RangeBlock::<u32>::parse(&bytes[..25]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "wNumSubRanges is 2, which takes 26 bytes, but there are 25 (UAC2 5.2.3)"
        );
        assert_eq!(
            RangeBlock::<u8>::parse(&[1]),
            Err(RangeBlockError::NoCount(1))
        );
    }

    fn volumes(minimum: i16, maximum: i16, resolution: i16) -> SubRange<Decibel> {
        SubRange {
            minimum: Decibel(minimum),
            maximum: Decibel(maximum),
            resolution: Decibel(resolution),
        }
    }

    #[test]
    fn a_volume_is_the_nearest_there_is() {
        for (asked, nearest) in [
            (i16::MIN, -1000),
            (-951, -1000),
            (-950, -900),
            (-949, -900),
            (0, 0),
            (34, 0),
            (60, 70),
            (i16::MAX, 70),
        ] {
            let range = volumes(-1000, 70, 100);
            assert_eq!(range.nearest(Decibel(asked)), Decibel(nearest), "{asked}");
        }
    }

    #[test]
    fn steps_are_counted_from_the_lowest() {
        let range = |minimum, maximum, resolution| {
            RangeBlock(vec![SubRange {
                minimum,
                maximum,
                resolution,
            }])
        };
        let block = range(8_000, 96_000, 1);
        assert!(block.contains(8_000) && block.contains(44_100) && !block.contains(96_001));
        let block = range(11_025, 44_100, 11_025);
        assert!(block.contains(22_050) && !block.contains(44_000));
        let upside_down = range(48_000, 8_000, 1);
        assert!(!upside_down.contains(44_100));
    }

    proptest! {
        #[test]
        fn whatever_a_range_is_the_nearest_volume_is_in_it(
            minimum: i16, maximum: i16, resolution: i16, volume: i16,
        ) {
            let nearest = volumes(minimum, maximum, resolution).nearest(Decibel(volume)).0;
            prop_assert!((minimum.min(maximum)..=maximum.max(minimum)).contains(&nearest));
        }

        #[test]
        fn any_block_round_trips(ranges in prop::collection::vec(any::<(i16, i16, i16)>(), 0..9)) {
            let ranges = ranges.into_iter().map(|(minimum, maximum, resolution)| SubRange {
                minimum: Decibel(minimum),
                maximum: Decibel(maximum),
                resolution: Decibel(resolution),
            });
            let block = RangeBlock(ranges.collect());
            prop_assert_eq!(RangeBlock::parse(&block.to_bytes()), Ok(block));
        }

        #[test]
        fn any_bytes_are_a_block_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(block) = RangeBlock::<u32>::parse(&bytes) {
                prop_assert!(bytes.starts_with(&block.to_bytes()));
            }
            if let Ok(block) = RangeBlock::<i8>::parse(&bytes) {
                prop_assert!(bytes.starts_with(&block.to_bytes()));
            }
        }

        #[test]
        fn frequencies_of_three_bytes_round_trip(rate in 0_u32..1 << 24) {
            prop_assert_eq!(decode_sampling_frequency(&encode_sampling_frequency(rate)), Some(rate));
        }
    }
}
