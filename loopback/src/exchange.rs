//! How many packets move when a sender meets a receiver: arithmetic, no loop over packets.

/// What a sender has left of its transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Bytes not sent yet.
    pub(crate) bytes: usize,
    /// Whether a zero-length packet follows them.
    pub(crate) zero_length_packet: bool,
}

/// What moves until one of the two transfers ends, or a packet does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exchange {
    /// Bytes in packets that fit the receiver's buffer whole.
    pub(crate) bytes: usize,
    /// Whether a zero-length packet followed.
    pub(crate) zero_length_packet: bool,
    /// Whether the next packet is larger than what is left of the receiver's buffer.
    pub(crate) overflow: bool,
}

impl Exchange {
    /// An exchange of `offer` with a receiver that has room for `room` bytes, in packets of
    /// `max_packet_size`. Every packet but the last of a transfer is full (USB 2.0 5.8.3).
    pub(crate) fn new(offer: Offer, room: usize, max_packet_size: usize) -> Self {
        if offer.bytes <= room {
            let receiver_is_full = offer.bytes == room && room > 0;
            return Self {
                bytes: offer.bytes,
                zero_length_packet: offer.zero_length_packet && !receiver_is_full,
                overflow: false,
            };
        }
        let rest = room % max_packet_size;
        Self {
            bytes: room - rest,
            zero_length_packet: false,
            overflow: rest > 0 || room == 0,
        }
    }

    /// Packets that moved, without one that did not fit.
    pub(crate) fn packets(self, max_packet_size: usize) -> usize {
        self.bytes.div_ceil(max_packet_size) + usize::from(self.zero_length_packet)
    }

    /// Whether a short packet, which ends the receiver's transfer, was among them.
    pub(crate) fn is_short(self, max_packet_size: usize) -> bool {
        self.zero_length_packet || !self.bytes.is_multiple_of(max_packet_size)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same, packet by packet, as a host controller does it.
    fn by_packets(offer: Offer, room: usize, max_packet_size: usize) -> (Exchange, usize, bool) {
        let mut result = Exchange {
            bytes: 0,
            zero_length_packet: false,
            overflow: false,
        };
        let mut packets = 0;
        loop {
            let left = offer.bytes - result.bytes;
            if left == 0 && (!offer.zero_length_packet || result.zero_length_packet) {
                return (result, packets, false);
            }
            let packet = left.min(max_packet_size);
            if packet > room - result.bytes {
                result.overflow = true;
                return (result, packets, false);
            }
            packets += 1;
            result.bytes += packet;
            result.zero_length_packet = packet == 0;
            if packet < max_packet_size {
                return (result, packets, true);
            }
            if result.bytes == room {
                return (result, packets, false);
            }
        }
    }

    proptest! {
        #[test]
        fn the_arithmetic_agrees_with_a_loop_over_packets(
            bytes in 0_usize..2000,
            wants_zero_length_packet: bool,
            room in 0_usize..2000,
            max_packet_size in prop_oneof![1_usize..70, Just(512_usize), Just(1024_usize)],
        ) {
            let zero_length_packet = bytes == 0
                || (wants_zero_length_packet && bytes % max_packet_size == 0);
            let offer = Offer { bytes, zero_length_packet };
            let exchange = Exchange::new(offer, room, max_packet_size);
            let (expected, packets, short) = by_packets(offer, room, max_packet_size);
            prop_assert_eq!(exchange, expected);
            prop_assert_eq!(exchange.packets(max_packet_size), packets);
            prop_assert_eq!(exchange.is_short(max_packet_size), short);
        }
    }
}
