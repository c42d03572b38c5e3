//! What a function asks of an endpoint.

use std::time::Duration;

use usbfs2_protocol::descriptor::{SynchronizationType, UsageType};
use usbfs2_protocol::{Direction, Speed, TransferType};

/// A value for each speed a gadget can run at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PerSpeed<T> {
    /// At full speed, 12 Mbit/s.
    pub full: T,
    /// At high speed, 480 Mbit/s.
    pub high: T,
    /// At super speed and faster.
    pub super_speed: T,
}

impl<T> PerSpeed<T> {
    /// The same value at every speed.
    pub fn all(value: T) -> Self
    where
        T: Copy,
    {
        Self {
            full: value,
            high: value,
            super_speed: value,
        }
    }

    /// The value at `speed`; full speed's for low speed, which no gadget runs at.
    pub fn at(&self, speed: Speed) -> &T {
        match speed {
            Speed::Low | Speed::Full => &self.full,
            Speed::High => &self.high,
            Speed::Super | Speed::SuperPlus => &self.super_speed,
        }
    }
}

/// An endpoint as a function wants it. The address is chosen at bind, from what the controller has.
///
/// ```
/// use std::time::Duration;
/// use usbfs2_gadget::{Direction, EndpointRequest};
///
/// // 64, 512 or 1024 bytes a packet, as the speed has it.
/// let data = EndpointRequest::bulk(Direction::Out);
/// // 8 bytes, polled by the host every 8 ms.
/// let reports = EndpointRequest::interrupt(Direction::In, 8, Duration::from_millis(8));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointRequest {
    pub(crate) direction: Direction,
    pub(crate) transfer_type: TransferType,
    pub(crate) max_packet_size: PerSpeed<u16>,
    pub(crate) interval: PerSpeed<u8>,
    /// Bits 2 to 5 of bmAttributes.
    pub(crate) synchronization: u8,
    pub(crate) audio: Option<AudioExtension>,
    pub(crate) class_descriptors: Vec<Vec<u8>>,
}

/// What an endpoint descriptor of Audio 1.0 has beyond the seven bytes (UAC1 4.6.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AudioExtension {
    pub(crate) refresh: u8,
    /// The index in the function of the endpoint that `bSynchAddress` names.
    pub(crate) synch_endpoint: Option<usize>,
}

impl EndpointRequest {
    /// A bulk endpoint, with each speed's packet size (USB 2.0 5.8.3).
    #[must_use]
    pub fn bulk(direction: Direction) -> Self {
        Self {
            direction,
            transfer_type: TransferType::Bulk,
            max_packet_size: PerSpeed {
                full: 64,
                high: 512,
                super_speed: 1024,
            },
            interval: PerSpeed::all(0),
            synchronization: 0,
            audio: None,
            class_descriptors: Vec::new(),
        }
    }

    /// An interrupt endpoint of `max_packet_size` bytes that the host polls at least every `interval`:
    /// 1 to 255 ms at full speed, 125 us to 4.096 s in powers of two above (rounded down).
    #[must_use]
    pub fn interrupt(direction: Direction, max_packet_size: u16, interval: Duration) -> Self {
        Self {
            direction,
            transfer_type: TransferType::Interrupt,
            max_packet_size: PerSpeed::all(max_packet_size),
            interval: PerSpeed {
                full: frames(interval),
                high: microframe_exponent(interval),
                super_speed: microframe_exponent(interval),
            },
            synchronization: 0,
            audio: None,
            class_descriptors: Vec::new(),
        }
    }

    /// An isochronous endpoint of `max_packet_size` bytes a service interval: 1 ms to 32.768 s at full
    /// speed, 125 us to 4.096 s above, in powers of two (rounded down).
    ///
    /// Each submission is the packet of one service interval. More than 1024 bytes, at high speed alone, take
    /// [`max_packet_sizes`](Self::max_packet_sizes).
    #[must_use]
    pub fn isochronous(direction: Direction, max_packet_size: u16, interval: Duration) -> Self {
        Self {
            transfer_type: TransferType::Isochronous,
            interval: PerSpeed {
                full: exponent(interval.as_millis()),
                high: microframe_exponent(interval),
                super_speed: microframe_exponent(interval),
            },
            ..Self::interrupt(direction, max_packet_size, interval)
        }
    }

    /// Other packet sizes, in bytes. Bits 11 and 12 ask for additional transactions in a microframe at
    /// high speed (USB 2.0 9.6.6).
    #[must_use]
    #[doc(alias = "wMaxPacketSize")]
    pub fn max_packet_sizes(mut self, sizes: PerSpeed<u16>) -> Self {
        self.max_packet_size = sizes;
        self
    }

    /// Other values of `bInterval`, as they stand in the descriptor (USB 2.0 9.6.6).
    #[must_use]
    #[doc(alias = "bInterval")]
    pub fn intervals(mut self, intervals: PerSpeed<u8>) -> Self {
        self.interval = intervals;
        self
    }

    /// How an isochronous endpoint keeps time, and what it is for: bits 2 to 5 of `bmAttributes` (USB 2.0 9.6.6).
    #[must_use]
    #[doc(alias = "bmAttributes")]
    pub fn synchronization(
        mut self,
        synchronization: SynchronizationType,
        usage: UsageType,
    ) -> Self {
        self.synchronization = synchronization.to_attributes() | usage.to_attributes();
        self
    }

    /// Makes the descriptor the nine bytes of Audio 1.0 (UAC1 4.6.1.1): `bRefresh`, and as `bSynchAddress` the address
    /// of the function's endpoint of this index, or 0.
    #[must_use]
    #[doc(alias = "bRefresh")]
    #[doc(alias = "bSynchAddress")]
    pub fn audio_extension(mut self, refresh: u8, synch_endpoint: Option<usize>) -> Self {
        self.audio = Some(AudioExtension {
            refresh,
            synch_endpoint,
        });
        self
    }

    /// Adds a class-specific descriptor behind the endpoint's own: all its bytes, length and type
    /// first.
    #[must_use]
    pub fn class_descriptor(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.class_descriptors.push(bytes.into());
        self
    }

    /// Bytes a packet holds at this speed: bits 0 to 10 of wMaxPacketSize (USB 2.0 9.6.6). An isochronous one, which
    /// is all that moves in a service interval, has bits 11 and 12 more transactions of as many bytes.
    pub(crate) fn packet_size_at(&self, speed: Speed) -> u16 {
        let raw = *self.max_packet_size.at(speed);
        let transactions = match (self.transfer_type, speed) {
            (TransferType::Isochronous, Speed::High) => 1 + (raw >> 11 & 0b11),
            _ => 1,
        };
        (raw & 0x07ff) * transactions
    }
}

impl EndpointRequest {
    /// Bytes of one packet at this speed, of which an isochronous service interval may have three.
    pub(crate) fn transaction_size_at(&self, speed: Speed) -> u16 {
        *self.max_packet_size.at(speed) & 0x07ff
    }
}

/// Full-speed interrupt intervals count in frames.
fn frames(interval: Duration) -> u8 {
    u8::try_from(interval.as_millis()).unwrap_or(u8::MAX)
}

/// Others are 2^(bInterval - 1) microframes, up to 16.
fn microframe_exponent(interval: Duration) -> u8 {
    exponent(interval.as_micros() / 125)
}

/// The bInterval of 2^(bInterval - 1) units; 0, which check() reports, for less than one unit.
fn exponent(units: u128) -> u8 {
    let exponent = units.checked_ilog2().map_or(0, |log| log + 1);
    u8::try_from(exponent.min(16)).unwrap_or(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_rounded_down_to_what_the_speed_can_say() {
        let every = |interval| EndpointRequest::interrupt(Direction::In, 8, interval).interval;
        let expect = |full, high| PerSpeed {
            full,
            high,
            super_speed: high,
        };
        assert_eq!(every(Duration::from_micros(125)), expect(0, 1));
        assert_eq!(every(Duration::from_millis(1)), expect(1, 4));
        assert_eq!(every(Duration::from_millis(10)), expect(10, 7));
        assert_eq!(every(Duration::from_secs(3600)), expect(255, 16));
        assert_eq!(every(Duration::ZERO), expect(0, 0));
    }

    #[test]
    fn an_isochronous_packet_is_all_transactions_of_its_microframe() {
        let sizes = PerSpeed {
            full: 1023,
            high: 2 << 11 | 1024,
            super_speed: 1024,
        };
        let every = Duration::from_micros(125);
        let isochronous =
            EndpointRequest::isochronous(Direction::In, 0, every).max_packet_sizes(sizes);
        let speeds = [Speed::Full, Speed::High, Speed::Super];
        let packet_sizes = |request: &EndpointRequest| speeds.map(|s| request.packet_size_at(s));
        assert_eq!(packet_sizes(&isochronous), [1023, 3072, 1024]);
        let interrupt = EndpointRequest::interrupt(Direction::In, 0, every).max_packet_sizes(sizes);
        assert_eq!(packet_sizes(&interrupt), [1023, 1024, 1024]);
    }

    #[test]
    fn isochronous_intervals_are_powers_of_two_at_every_speed() {
        let request = EndpointRequest::isochronous(Direction::In, 192, Duration::from_millis(4));
        assert_eq!(
            request.interval,
            PerSpeed {
                full: 3,
                high: 6,
                super_speed: 6
            }
        );
    }
}
