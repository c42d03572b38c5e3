//! What an asynchronous sink says of its clock (USB 2.0 5.12.4.2), in whatever format it says it.

use usbfs2_host::Speed;

/// How much of the nominal rate a value may differ from it, as a divisor: an eighth. A sound card's clock is
/// off by parts in a million; beyond this a value is no rate but a fault.
const TOLERANCE: u32 = 8;

/// How a device writes its rate, as the shift left that makes it frames for each frame (full speed) or
/// microframe with 16 fractional bits.
///
/// Full speed: 10.14, three bytes, each frame; above: 16.16, four bytes, each microframe. Audio 1.0 is older
/// than high speed, so devices mix the two, and count frames for a millisecond at high speed.
const SHIFTS_FULL_SPEED: [i8; 5] = [2, 0, 5, 3, 1];
const SHIFTS_HIGH_SPEED: [i8; 6] = [0, 2, -3, -1, -2, 1];

/// A value of the feedback endpoint, judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The rate, in frames for each frame or microframe with 16 fractional bits; no more than packets have room for.
    Rate(u32),
    /// Nothing was said: no byte, or zero.
    Nothing,
    /// No rate that can be: it is not followed.
    OutOfRange,
}

/// Reads feedback values: knows the nominal rate, and finds out the format the device uses.
#[derive(Debug, Clone)]
pub(crate) struct FeedbackDecoder {
    nominal: u32,
    shifts: &'static [i8],
    /// The format that fitted last. A value that does not fit makes the search start afresh.
    shift: Option<i8>,
    /// The largest rate that packets have room for.
    most: u32,
}

impl FeedbackDecoder {
    /// For a stream of `rate` frames a second at this speed, whose packets have room for a rate of `most`, which is
    /// in the unit of [`Heard::Rate`].
    pub(crate) fn new(rate: u32, speed: Speed, most: u32) -> Self {
        let (per_second, shifts): (u64, &[i8]) = if speed.has_microframes() {
            (8_000, &SHIFTS_HIGH_SPEED)
        } else {
            (1_000, &SHIFTS_FULL_SPEED)
        };
        let nominal = (u64::from(rate) << 16) / per_second;
        Self {
            nominal: u32::try_from(nominal).unwrap_or(u32::MAX),
            shifts,
            shift: None,
            most,
        }
    }

    /// Judges the bytes of one packet. Three bytes or four; what follows them is not looked at.
    pub(crate) fn hear(&mut self, packet: &[u8]) -> Heard {
        let value = match *packet {
            [] => return Heard::Nothing,
            [a, b, c] => u32::from_le_bytes([a, b, c, 0]),
            // The top four bits are not defined.
            [a, b, c, d, ..] => u32::from_le_bytes([a, b, c, d & 0x0f]),
            _ => return Heard::OutOfRange,
        };
        if value == 0 {
            return Heard::Nothing;
        }
        let known = self
            .shift
            .and_then(|shift| Some((shift, self.fit(value, shift)?)));
        let found = known.or_else(|| {
            let mut shifts = self.shifts.iter();
            shifts.find_map(|&shift| Some((shift, self.fit(value, shift)?)))
        });
        self.shift = found.map(|(shift, _)| shift);
        found.map_or(Heard::OutOfRange, |(_, rate)| Heard::Rate(rate))
    }

    fn fit(&self, value: u32, shift: i8) -> Option<u32> {
        let amount = u32::from(shift.unsigned_abs());
        let rate = if shift >= 0 {
            u32::try_from(u64::from(value) << amount).ok()?
        } else {
            value >> amount
        };
        let range = self.nominal / TOLERANCE;
        // As fast as packets allow is nearer to what the device wants than what it said before.
        (rate.abs_diff(self.nominal) <= range).then_some(rate.min(self.most))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOM: u32 = 1_000 << 16;

    fn three(value: u32) -> Vec<u8> {
        value.to_le_bytes()[..3].to_vec()
    }

    fn four(value: u32) -> Vec<u8> {
        value.to_le_bytes().to_vec()
    }

    fn full_speed() -> FeedbackDecoder {
        FeedbackDecoder::new(48_000, Speed::Full, ROOM)
    }

    fn high_speed() -> FeedbackDecoder {
        FeedbackDecoder::new(48_000, Speed::High, ROOM)
    }

    #[test]
    fn the_formats_of_the_specification_are_read() {
        assert_eq!(full_speed().hear(&three(48 << 14)), Heard::Rate(48 << 16));
        assert_eq!(high_speed().hear(&four(6 << 16)), Heard::Rate(6 << 16));
    }

    #[test]
    fn formats_of_the_wrong_speed_are_found_out() {
        // 16.16 in four bytes at full speed, as UAC2 devices do.
        assert_eq!(full_speed().hear(&four(48 << 16)), Heard::Rate(48 << 16));
        // 10.14 at high speed, for a microframe and for a millisecond.
        assert_eq!(high_speed().hear(&three(6 << 14)), Heard::Rate(6 << 16));
        assert_eq!(high_speed().hear(&three(48 << 14)), Heard::Rate(6 << 16));
        // 16.16 for a millisecond at high speed.
        assert_eq!(high_speed().hear(&four(48 << 16)), Heard::Rate(6 << 16));
    }

    #[test]
    fn a_fraction_is_kept() {
        let slow = 48_000 - 24; // 500 ppm
        let value = (u64::from(slow as u32) << 14) / 1_000;
        let value = u32::try_from(value).unwrap();
        assert_eq!(full_speed().hear(&three(value)), Heard::Rate(value << 2));
    }

    #[test]
    fn silence_is_no_fault_and_garbage_is_one() {
        let mut decoder = high_speed();
        assert_eq!(decoder.hear(&[]), Heard::Nothing);
        assert_eq!(decoder.hear(&four(0)), Heard::Nothing);
        assert_eq!(decoder.hear(&[1]), Heard::OutOfRange);
        assert_eq!(decoder.hear(&[1, 2]), Heard::OutOfRange);
        assert_eq!(decoder.hear(&four(0x0fff_ffff)), Heard::OutOfRange);
        assert_eq!(decoder.hear(&four(1)), Heard::OutOfRange);
    }

    #[test]
    fn after_garbage_the_format_is_found_again() {
        let mut decoder = full_speed();
        assert_eq!(decoder.hear(&four(48 << 16)), Heard::Rate(48 << 16));
        assert_eq!(decoder.hear(&four(7)), Heard::OutOfRange);
        assert_eq!(decoder.hear(&three(48 << 14)), Heard::Rate(48 << 16));
    }

    #[test]
    fn what_packets_have_no_room_for_is_the_most_they_have() {
        let mut decoder = FeedbackDecoder::new(48_000, Speed::Full, 48 << 16);
        assert_eq!(decoder.hear(&three(47 << 14)), Heard::Rate(47 << 16));
        assert_eq!(decoder.hear(&three((48 << 14) + 1)), Heard::Rate(48 << 16));
        assert_eq!(decoder.hear(&three(54 << 14)), Heard::Rate(48 << 16));
        assert_eq!(decoder.hear(&three(55 << 14)), Heard::OutOfRange);
    }

    proptest! {
        #[test]
        fn whatever_is_heard_is_near_the_nominal_rate(
            rate in 4_000..800_000_u32, packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6), 1..50),
            is_high: bool,
        ) {
            let speed = if is_high { Speed::High } else { Speed::Full };
            let mut decoder = FeedbackDecoder::new(rate, speed, ROOM);
            for packet in packets {
                if let Heard::Rate(heard) = decoder.hear(&packet) {
                    prop_assert!(heard.abs_diff(decoder.nominal) <= decoder.nominal / 8);
                    prop_assert!(heard <= ROOM);
                }
            }
        }

        #[test]
        fn a_clock_that_is_off_by_little_is_followed_to_the_last_bit(
            rate in 8_000..400_000_u32, ppm in -1_000_i64..1_000,
        ) {
            let exact = (i64::from(rate) << 16) / 8_000;
            let value = u32::try_from(exact + exact * ppm / 1_000_000).unwrap();
            let mut decoder = FeedbackDecoder::new(rate, Speed::High, ROOM);
            prop_assert_eq!(decoder.hear(&four(value)), Heard::Rate(value));
        }
    }
}
