//! An isochronous request as it is submitted, and as it comes back.

use aio_rs::Buffer;
use usbfs2_protocol::Direction;

use super::{IsochronousPacket, PacketError};
use crate::TransferError;

/// A request: a buffer, cut into packets of one service interval each.
///
/// The buffer's memory and the packets' come back with the completion and can be used again, without an
/// allocation: [`IsochronousCompletion::into_transfer`].
#[derive(Debug)]
#[must_use = "a transfer does nothing until an endpoint has it"]
pub struct IsochronousTransfer {
    pub(crate) buffer: Buffer,
    pub(crate) packets: Vec<IsochronousPacket>,
    pub(crate) direction: Direction,
    pub(crate) start_frame: Option<u32>,
}

impl IsochronousTransfer {
    /// Packets in a request at most, by the kernel's limit on vectors in one operation.
    pub const MAX_PACKETS: usize = 1023;

    /// Sends the buffer's bytes: the first `packet_lengths[0]` in one interval, the next
    /// `packet_lengths[1]` in the next. The lengths must sum up to the buffer's. A length of 0 sends a packet
    /// without data.
    pub fn send(buffer: Buffer, packet_lengths: Vec<u32>) -> Self {
        Self::new(Direction::Out, buffer, packet_lengths)
    }

    /// Receives a packet of up to `packet_lengths[0]` bytes in one interval, one of up to `packet_lengths[1]` in
    /// the next. The buffer's content is dropped and its memory used again; one that is too small is replaced.
    pub fn receive(buffer: Buffer, packet_lengths: Vec<u32>) -> Self {
        Self::new(Direction::In, buffer, packet_lengths)
    }

    fn new(direction: Direction, buffer: Buffer, packet_lengths: Vec<u32>) -> Self {
        let mut transfer = Self {
            buffer,
            packets: Vec::with_capacity(packet_lengths.len()),
            direction,
            start_frame: None,
        };
        transfer.set_packet_lengths(packet_lengths);
        transfer
    }

    /// Starts in this frame instead of as soon as possible, which is right behind the request queued before.
    ///
    /// Frames are counted as the host controller counts them: in microframes of 125 us where it does at high
    /// speed and above, in frames of 1 ms elsewhere, from 0 to 2^31 - 1 and again. The only sensible value is
    /// relative to the [`start_frame`](IsochronousCompletion::start_frame) of an earlier completion. Packets whose
    /// frame is over are [`Missed`](crate::PacketError::Missed).
    pub fn start_frame(mut self, frame: u32) -> Self {
        self.start_frame = Some(frame);
        self
    }

    /// The bytes to send, to be changed before the request is submitted again.
    #[must_use]
    pub fn buffer_mut(&mut self) -> &mut Buffer {
        &mut self.buffer
    }

    /// Cuts the buffer anew. Allocates nothing while there are no more packets than there were.
    pub fn set_packet_lengths(&mut self, lengths: impl IntoIterator<Item = u32>) {
        let mut offset = 0_usize;
        self.packets.clear();
        self.packets.extend(lengths.into_iter().map(|length| {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let packet = IsochronousPacket {
                offset,
                length,
                actual_length: 0,
                status: Err(PacketError::Cancelled),
            };
            offset = offset.saturating_add(length);
            packet
        }));
    }

    /// Bytes of all packets.
    pub(crate) fn total_length(&self) -> usize {
        let last = self.packets.last();
        last.map_or(0, |packet| packet.offset.saturating_add(packet.length))
    }
}

/// A finished request. It always gives the buffer back.
///
/// It succeeds if it ran, whatever became of its packets: each has a status of its own.
#[derive(Debug)]
#[must_use = "a completion carries the request's status"]
pub struct IsochronousCompletion {
    /// The buffer that was submitted. After receiving it is as long as all packets together, and each packet's
    /// bytes stand at its [`offset`](IsochronousPacket::offset); what did not arrive is not filled, and holds
    /// whatever was there before. See [`payloads`](Self::payloads).
    pub buffer: Buffer,
    /// The packets, in the order of their intervals.
    pub packets: Vec<IsochronousPacket>,
    /// The frame the first packet went in, where the system tells; see [`IsochronousTransfer::start_frame`].
    pub start_frame: Option<u32>,
    /// Whether the request ran. Cancelled, or cut short by an unplugged device, after some packets were done is
    /// a success, and the rest of the packets say what happened.
    pub status: Result<(), TransferError>,
    pub(crate) direction: Direction,
}

impl IsochronousCompletion {
    pub(crate) fn failed(transfer: IsochronousTransfer, error: TransferError) -> Self {
        let mut packets = transfer.packets;
        for packet in &mut packets {
            packet.actual_length = 0;
            packet.status = Err(PacketError::of_failed(error));
        }
        Self {
            buffer: transfer.buffer,
            packets,
            start_frame: None,
            status: Err(error),
            direction: transfer.direction,
        }
    }

    /// What each packet carried, in order.
    pub fn payloads(&self) -> impl Iterator<Item = Result<&[u8], PacketError>> {
        self.packets.iter().map(|packet| {
            packet.status?;
            let end = packet.offset + packet.actual_length;
            Ok(self.buffer.get(packet.offset..end).unwrap_or(&[]))
        })
    }

    /// Bytes of all packets without an error.
    #[must_use]
    pub fn actual_length(&self) -> usize {
        let good = self.packets.iter().filter(|packet| packet.status.is_ok());
        good.map(|packet| packet.actual_length).sum()
    }

    /// The same request once more, as soon as possible: with the same buffer, cut in the same way.
    pub fn into_transfer(self) -> IsochronousTransfer {
        IsochronousTransfer {
            buffer: self.buffer,
            packets: self.packets,
            direction: self.direction,
            start_frame: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_stand_at_the_sum_of_the_lengths_before_them() {
        let transfer = IsochronousTransfer::send(Buffer::from(vec![0; 9]), vec![4, 0, 5]);
        let places: Vec<_> = transfer
            .packets
            .iter()
            .map(|packet| (packet.offset, packet.length))
            .collect();
        assert_eq!(places, [(0, 4), (4, 0), (4, 5)]);
        assert_eq!(transfer.total_length(), 9);
    }

    #[test]
    fn payloads_are_the_packets_without_the_gaps() {
        let mut completion = IsochronousCompletion::failed(
            IsochronousTransfer::receive(Buffer::from(b"ab..cd..".as_slice()), vec![4, 4]),
            TransferError::Cancelled,
        );
        assert!(
            completion
                .payloads()
                .all(|payload| payload == Err(PacketError::Cancelled))
        );
        completion.packets[0].actual_length = 2;
        completion.packets[0].status = Ok(());
        completion.packets[1].actual_length = 2;
        completion.packets[1].status = Err(PacketError::BusError);
        let payloads: Vec<_> = completion.payloads().collect();
        assert_eq!(payloads, [Ok(b"ab".as_slice()), Err(PacketError::BusError)]);
        assert_eq!(completion.actual_length(), 2);
    }

    #[test]
    fn a_request_can_be_cut_anew_without_an_allocation() {
        let transfer = IsochronousTransfer::receive(Buffer::with_capacity(64), vec![16; 4]);
        let address = transfer.packets.as_ptr();
        let completion = IsochronousCompletion::failed(transfer, TransferError::Cancelled);
        let mut again = completion.into_transfer();
        again.set_packet_lengths([20, 20, 24]);
        assert_eq!(again.packets.as_ptr(), address);
        assert_eq!(again.total_length(), 64);
    }
}
