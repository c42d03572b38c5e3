//! What an asynchronous sink says of its clock, in whatever format it says it.

use super::{Feedback, FeedbackFormat};
use crate::Speed;

/// How much of the nominal rate a value may differ from it, as a divisor: an eighth. A sound card's clock is
/// off by parts in a million; beyond this a value is no rate but a fault.
const TOLERANCE: u32 = 8;

/// How many binary places the point may be off either way: 10.14 in four bytes and 16.16 in three are 2 off, frames
/// for a millisecond at high speed are 3, and both together 5. Audio 1.0 is older than high speed, so devices mix them.
///
/// Values an eighth around the nominal rate are less than a factor of two apart: one place fits at most.
const MOST_SHIFT: i8 = 5;

/// A value of the feedback endpoint, judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Heard {
    /// The rate; no more than packets have room for.
    Rate(Feedback),
    /// Nothing was said: no byte, or zero.
    Nothing,
    /// No rate that can be: it is not to be followed.
    OutOfRange,
}

/// Reads feedback values: knows the nominal rate, and finds out the format the device uses, which may be another than
/// the specification has for its speed (USB 2.0 5.12.4.2).
#[derive(Debug, Clone, Copy)]
pub struct FeedbackDecoder {
    nominal: Feedback,
    most: Feedback,
}

impl FeedbackDecoder {
    /// For a stream of `rate` frames a second at this speed, whose packets have room for a rate of `most`.
    #[must_use]
    pub fn new(rate: u32, speed: Speed, most: Feedback) -> Self {
        let intervals = if speed.has_microframes() {
            8_000
        } else {
            1_000
        };
        Self {
            nominal: Feedback::nominal(rate, intervals),
            most,
        }
    }

    /// Judges the bytes of one packet. Three bytes or four; what follows them is not looked at.
    pub fn hear(&self, packet: &[u8]) -> Heard {
        if packet.is_empty() {
            return Heard::Nothing;
        }
        let length = packet.len().min(FeedbackFormat::Bytes4Q16_16.length());
        let Some(Feedback(value)) = Feedback::parse(&packet[..length]) else {
            return Heard::OutOfRange;
        };
        // The top four bits are not defined.
        let value = value & 0x0fff_ffff;
        if value == 0 {
            return Heard::Nothing;
        }
        let found = (-MOST_SHIFT..=MOST_SHIFT).find_map(|shift| self.fit(value, shift));
        found.map_or(Heard::OutOfRange, Heard::Rate)
    }

    fn fit(&self, value: u32, shift: i8) -> Option<Feedback> {
        let amount = u32::from(shift.unsigned_abs());
        let rate = if shift >= 0 {
            u32::try_from(u64::from(value) << amount).ok()?
        } else {
            value >> amount
        };
        let range = self.nominal.0 / TOLERANCE;
        // As fast as packets allow is nearer to what the device wants than what it said before.
        (rate.abs_diff(self.nominal.0) <= range).then_some(Feedback(rate).min(self.most))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOM: Feedback = Feedback(1_000 << 16);

    fn rate(steps: u32) -> Heard {
        Heard::Rate(Feedback(steps))
    }

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
        assert_eq!(full_speed().hear(&three(48 << 14)), rate(48 << 16));
        assert_eq!(high_speed().hear(&four(6 << 16)), rate(6 << 16));
    }

    #[test]
    fn formats_of_the_wrong_speed_are_found_out() {
        // 16.16 in four bytes at full speed, as UAC2 devices do.
        assert_eq!(full_speed().hear(&four(48 << 16)), rate(48 << 16));
        // 10.14 at high speed, for a microframe and for a millisecond.
        assert_eq!(high_speed().hear(&three(6 << 14)), rate(6 << 16));
        assert_eq!(high_speed().hear(&three(48 << 14)), rate(6 << 16));
        // 16.16 for a millisecond at high speed.
        assert_eq!(high_speed().hear(&four(48 << 16)), rate(6 << 16));
    }

    #[test]
    fn a_fraction_is_kept() {
        let slow = 48_000 - 24; // 500 ppm
        let value = (u64::from(slow as u32) << 14) / 1_000;
        let value = u32::try_from(value).unwrap();
        assert_eq!(full_speed().hear(&three(value)), rate(value << 2));
    }

    #[test]
    fn silence_is_no_fault_and_garbage_is_one() {
        let decoder = high_speed();
        assert_eq!(decoder.hear(&[]), Heard::Nothing);
        assert_eq!(decoder.hear(&four(0)), Heard::Nothing);
        assert_eq!(decoder.hear(&[1]), Heard::OutOfRange);
        assert_eq!(decoder.hear(&[1, 2]), Heard::OutOfRange);
        assert_eq!(decoder.hear(&four(0x0fff_ffff)), Heard::OutOfRange);
        assert_eq!(decoder.hear(&four(1)), Heard::OutOfRange);
    }

    #[test]
    fn after_garbage_the_format_is_found_again() {
        let decoder = full_speed();
        assert_eq!(decoder.hear(&four(48 << 16)), rate(48 << 16));
        assert_eq!(decoder.hear(&four(7)), Heard::OutOfRange);
        assert_eq!(decoder.hear(&three(48 << 14)), rate(48 << 16));
    }

    #[test]
    fn what_packets_have_no_room_for_is_the_most_they_have() {
        let decoder = FeedbackDecoder::new(48_000, Speed::Full, Feedback(48 << 16));
        assert_eq!(decoder.hear(&three(47 << 14)), rate(47 << 16));
        assert_eq!(decoder.hear(&three((48 << 14) + 1)), rate(48 << 16));
        assert_eq!(decoder.hear(&three(54 << 14)), rate(48 << 16));
        assert_eq!(decoder.hear(&three(55 << 14)), Heard::OutOfRange);
    }

    proptest! {
        #[test]
        fn whatever_is_heard_is_near_the_nominal_rate(
            hertz in 4_000..800_000_u32, packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6), 1..50),
            is_high: bool,
        ) {
            let speed = if is_high { Speed::High } else { Speed::Full };
            let decoder = FeedbackDecoder::new(hertz, speed, ROOM);
            for packet in packets {
                if let Heard::Rate(heard) = decoder.hear(&packet) {
                    prop_assert!(heard.0.abs_diff(decoder.nominal.0) <= decoder.nominal.0 / 8);
                    prop_assert!(heard <= ROOM);
                }
            }
        }

        #[test]
        fn a_clock_that_is_off_by_little_is_followed_to_the_last_bit(
            hertz in 8_000..400_000_u32, ppm in -1_000_i64..1_000,
        ) {
            let exact = (i64::from(hertz) << 16) / 8_000;
            let value = u32::try_from(exact + exact * ppm / 1_000_000).unwrap();
            let decoder = FeedbackDecoder::new(hertz, Speed::High, ROOM);
            prop_assert_eq!(decoder.hear(&four(value)), rate(value));
        }
    }
}
