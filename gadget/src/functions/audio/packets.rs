//! How long packets are and how often they come.

use std::time::Duration;

use usbfs2_protocol::{Direction, Speed};

use super::playout::LARGEST_FEEDBACK_PPM;
use super::{AudioOptions, SampleSize, StreamOptions};
use crate::{EndpointRequest, PerSpeed};

/// The longest packet of one transaction at high and super speed (USB 2.0 5.6.3).
const TRANSACTION: usize = 1024;

/// Bytes of one sample of each channel.
pub(super) fn frame_bytes(stream: &StreamOptions, size: SampleSize) -> usize {
    usize::from(stream.channels) * usize::from(size.bytes())
}

/// The time between the packets of this format at this speed, in microseconds: what the options say, or less, where a
/// packet would not fit one transaction.
pub(super) fn interval_microseconds(
    options: &AudioOptions,
    stream: &StreamOptions,
    size: SampleSize,
    speed: Speed,
) -> u32 {
    if speed <= Speed::Full {
        return 1000;
    }
    // Checked to be one of four.
    let mut interval = u32::try_from(options.service_interval.as_micros()).unwrap_or(1000);
    while interval > 125 && packet_bytes(options, stream, size, interval) > TRANSACTION {
        interval /= 2;
    }
    interval
}

/// The most an interval brings at the highest rate. A frame more than the rate makes, for hosts that make good what was
/// missing (Linux's own gadget has the same rule: f_uac2, set_ep_max_packet_size), and all that the card's feedback may
/// ask for.
fn packet_bytes(
    options: &AudioOptions,
    stream: &StreamOptions,
    size: SampleSize,
    interval: u32,
) -> usize {
    let most = |ppm: u64| {
        let frames = u64::from(options.highest_rate()) * (1_000_000 + ppm) * u64::from(interval);
        usize::try_from(frames.div_ceil(1_000_000 * 1_000_000)).unwrap_or(usize::MAX - 1)
    };
    let frames = most(LARGEST_FEEDBACK_PPM).max(most(0) + 1);
    frames.saturating_mul(frame_bytes(stream, size))
}

/// The endpoint of a format's packets.
pub(super) fn endpoint(
    options: &AudioOptions,
    stream: &StreamOptions,
    size: SampleSize,
    direction: Direction,
) -> EndpointRequest {
    let per_speed = |speed| {
        let interval = interval_microseconds(options, stream, size, speed);
        let bytes = packet_bytes(options, stream, size, interval);
        (interval, wire_size(bytes, speed))
    };
    let (_, full) = per_speed(Speed::Full);
    let (interval, high) = per_speed(Speed::High);
    let (_, super_speed) = per_speed(Speed::Super);
    let interval = Duration::from_micros(u64::from(interval));
    EndpointRequest::isochronous(direction, 0, interval)
        .intervals(PerSpeed {
            full: 1,
            ..exponents(interval)
        })
        .max_packet_sizes(PerSpeed {
            full,
            high,
            super_speed,
        })
}

/// `bInterval` of an interval (USB 2.0 9.6.6); full speed has milliseconds only.
pub(super) fn exponents(interval: Duration) -> PerSpeed<u8> {
    let exponent = match interval.as_micros() {
        ..250 => 1,
        250..500 => 2,
        500..1000 => 3,
        _ => 4,
    };
    PerSpeed {
        full: 1,
        high: exponent,
        super_speed: exponent,
    }
}

/// `wMaxPacketSize` of so many bytes: at high speed in up to three transactions (USB 2.0 table 9-14). What does not
/// fit is left for the validator to refuse.
fn wire_size(bytes: usize, speed: Speed) -> u16 {
    let saturated = |bytes| u16::try_from(bytes).unwrap_or(u16::MAX);
    match (speed, bytes) {
        (Speed::High, 1025..=2048) => saturated(bytes.div_ceil(2)) | 1 << 11,
        (Speed::High, 2049..=3072) => saturated(bytes.div_ceil(3)) | 2 << 11,
        _ => saturated(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(channels: u8, size: SampleSize, rate: u32) -> EndpointRequest {
        let options = AudioOptions {
            rates: vec![rate],
            ..AudioOptions::default()
        };
        let stream = StreamOptions {
            channels,
            ..StreamOptions::stereo()
        };
        endpoint(&options, &stream, size, Direction::Out)
    }

    #[test]
    fn a_packet_has_room_for_a_frame_more() {
        let stereo = request(2, SampleSize::Bits16, 48_000);
        assert_eq!(stereo.max_packet_size, PerSpeed::all(49 * 4));
        assert_eq!(stereo.interval.high, 4);
        let odd = request(2, SampleSize::Bits24, 44_100);
        assert_eq!(odd.max_packet_size, PerSpeed::all(46 * 6));
    }

    #[test]
    fn a_packet_has_room_for_all_that_feedback_asks_for() {
        // Three thousandths of 768 frames a millisecond are 2.3.
        let fast = request(1, SampleSize::Bits16, 768_000);
        assert_eq!(fast.max_packet_size.full, 771 * 2);
        // 385.2 in half a millisecond.
        assert_eq!(fast.max_packet_size.high, 386 * 2);
    }

    #[test]
    fn long_packets_come_more_often_and_then_in_more_transactions() {
        let many = request(8, SampleSize::Bits32, 96_000);
        assert_eq!((many.interval.full, many.interval.high), (1, 2));
        // 25 frames of 32 bytes each 250 us; full speed cannot.
        assert_eq!(many.max_packet_size.high, 25 * 32);
        assert_eq!(many.max_packet_size.full, 97 * 32);
        let most = request(32, SampleSize::Bits32, 96_000);
        assert_eq!(most.interval.high, 1);
        assert_eq!(most.max_packet_size.high, 832 | 1 << 11);
        assert_eq!(most.packet_size_at(Speed::High), 13 * 128);
    }
}
