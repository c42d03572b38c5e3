//! Isochronous requests on an in-process bus.

use std::task::{Context, Poll};
use std::time::Duration;

use aio_rs::Buffer;
use usbfs2_loopback::{
    BusDevice, BusError, Completed, CompletionQueue, PacketOutcome, Target, Transfer,
};
use usbfs2_protocol::{Direction, EndpointAddress};

use super::transfer_error;
use crate::backend::{InFlight, IsochronousQueue};
use crate::{IsochronousCompletion, IsochronousPacket, IsochronousTransfer, PacketError};

/// An isochronous endpoint. Dropping it cancels what is pending.
#[derive(Debug)]
pub(super) struct BusIsochronous {
    device: BusDevice,
    address: EndpointAddress,
    frames: Frames,
    completions: CompletionQueue,
    /// Scratch for the lengths of a request's packets.
    lengths: Vec<u32>,
}

impl BusIsochronous {
    pub(super) fn new(device: &BusDevice, address: EndpointAddress) -> Self {
        let has_microframes = device.speed().has_microframes();
        Self {
            address,
            frames: Frames {
                microframes: if has_microframes { 1 } else { 8 },
            },
            completions: CompletionQueue::new(device.bus()),
            device: device.clone(),
            lengths: Vec::new(),
        }
    }

    fn start(&mut self, request: IsochronousTransfer) {
        let lengths = request.packets.iter().map(|packet| packet.length);
        self.lengths.clear();
        // No packet is longer than the endpoint's, which has been checked.
        let narrow = |length| u32::try_from(length).unwrap_or(u32::MAX);
        self.lengths.extend(lengths.map(narrow));
        let bytes = request.buffer.into_vec();
        let mut transfer = match self.address.direction() {
            Direction::Out => Transfer::isochronous_send(bytes, &self.lengths),
            Direction::In => Transfer::isochronous_receive_into(bytes, &self.lengths),
        };
        if let Some(frame) = request.start_frame {
            let now = self.device.bus().microframe();
            transfer = transfer.start_microframe(self.frames.microframe(frame, now));
        }
        let target = Target::Endpoint(self.address);
        self.device.submit(&self.completions, target, transfer);
    }

    fn completion(&self, completed: Completed) -> IsochronousCompletion {
        let mut offset = 0_usize;
        let packets = completed.packets.iter().map(|outcome| {
            let packet = packet(offset, outcome);
            offset = offset.saturating_add(packet.length);
            packet
        });
        IsochronousCompletion {
            packets: packets.collect(),
            buffer: Buffer::from(completed.buffer),
            start_frame: completed
                .start_microframe
                .map(|microframe| self.frames.frame(microframe)),
            status: completed.status.map_err(transfer_error),
            direction: self.address.direction(),
        }
    }
}

fn packet(offset: usize, outcome: &PacketOutcome) -> IsochronousPacket {
    let bytes = |length| usize::try_from(length).unwrap_or(usize::MAX);
    IsochronousPacket {
        offset,
        length: bytes(outcome.length),
        actual_length: bytes(outcome.actual_length),
        status: outcome.status.map_err(packet_error),
    }
}

/// What an error of the in-process bus means for a packet.
fn packet_error(error: BusError) -> PacketError {
    match error {
        BusError::Missed => PacketError::Missed,
        BusError::Overflow => PacketError::Overflow,
        BusError::Cancelled => PacketError::Cancelled,
        BusError::Unplugged => PacketError::Disconnected,
        _ => PacketError::BusError,
    }
}

/// How a controller counts frames: in 31 bits, of microframes where the speed has them.
#[derive(Debug, Clone, Copy)]
struct Frames {
    /// In a frame.
    microframes: u64,
}

impl Frames {
    const COUNT: u64 = 1 << 31;

    fn frame(self, microframe: u64) -> u32 {
        let frame = microframe / self.microframes % Self::COUNT;
        u32::try_from(frame).unwrap_or(u32::MAX)
    }

    /// The microframe that `frame` stands for: of those it may, the nearest to now.
    fn microframe(self, frame: u32, now: u64) -> u64 {
        let now = now / self.microframes;
        let ahead = u64::from(frame).wrapping_sub(now) % Self::COUNT;
        let number = if ahead < Self::COUNT / 2 {
            now + ahead
        } else {
            (now + ahead).saturating_sub(Self::COUNT)
        };
        number.saturating_mul(self.microframes)
    }
}

impl InFlight<IsochronousCompletion> for BusIsochronous {
    fn pending(&self) -> usize {
        self.completions.pending()
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<IsochronousCompletion> {
        let completed = self.completions.poll_next(cx);
        completed.map(|completed| self.completion(completed))
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Option<IsochronousCompletion> {
        if self.pending() == 0 {
            return None;
        }
        let completed = self.completions.wait(timeout)?;
        Some(self.completion(completed))
    }

    fn cancel_all(&mut self) {
        self.completions.cancel_all();
    }
}

impl IsochronousQueue for BusIsochronous {
    fn submit(&mut self, transfers: &mut dyn Iterator<Item = IsochronousTransfer>) {
        for transfer in transfers {
            self.start(transfer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_the_nearest_of_its_number() {
        let high = Frames { microframes: 1 };
        let full = Frames { microframes: 8 };
        assert_eq!(high.microframe(100, 40), 100);
        assert_eq!(high.microframe(40, 100), 40);
        assert_eq!(full.microframe(100, 40), 800);
        let round = 1 << 31;
        // Behind the wrap, and before it.
        assert_eq!(high.microframe(5, round - 1), round + 5);
        assert_eq!(high.microframe(0x7fff_ffff, round), round - 1);
        assert_eq!(full.microframe(5, (round - 1) * 8), (round + 5) * 8);
        // Nothing is before the beginning.
        assert_eq!(high.microframe(0x7fff_ffff, 0), 0);
        for microframe in [0, 7, 8, 1 << 40] {
            let now = microframe + 50;
            assert_eq!(high.microframe(high.frame(microframe), now), microframe);
            let begins = microframe / 8 * 8;
            assert_eq!(full.microframe(full.frame(microframe), now), begins);
        }
    }
}
