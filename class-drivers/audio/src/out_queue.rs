//! Requests on their way to the device.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use usbfs2_host::{
    Buffer, IsochronousCompletion, IsochronousEndpoint, IsochronousTransfer, Out, PacketError,
    TransferError, Waiting,
};

use crate::ring::FrameRing;
use crate::statistics::Statistics;

/// The endpoint of a playback, and what is on the bus.
#[derive(Debug)]
pub(crate) struct OutQueue {
    endpoint: IsochronousEndpoint<Out>,
    frame_bytes: usize,
    /// Frames of each request on the bus.
    in_flight: VecDeque<usize>,
    frames: usize,
    spare: Vec<IsochronousTransfer>,
}

impl OutQueue {
    pub(crate) fn new(endpoint: IsochronousEndpoint<Out>, frame_bytes: usize) -> Self {
        Self {
            endpoint,
            frame_bytes: frame_bytes.max(1),
            in_flight: VecDeque::new(),
            frames: 0,
            spare: Vec::new(),
        }
    }

    /// Requests on the bus.
    pub(crate) fn pending(&self) -> usize {
        self.endpoint.pending()
    }

    /// Frames on the bus.
    pub(crate) fn frames(&self) -> usize {
        self.frames
    }

    /// Submits packets of so many frames each: up to `given` frames of the ring in all, then silence.
    pub(crate) fn submit(&mut self, packets: &[u32], ring: &mut FrameRing, given: usize) {
        let mut transfer = self
            .spare
            .pop()
            .unwrap_or_else(|| IsochronousTransfer::send(Buffer::new(), Vec::new()));
        let frames = packets.iter().map(|&frames| frames as usize).sum::<usize>();
        let bytes = transfer.buffer_mut();
        bytes.clear();
        let given = ring.pop_to_buffer(bytes, given.min(frames));
        append_silence(bytes, (frames - given) * self.frame_bytes);
        let frame_length = u32::try_from(self.frame_bytes).unwrap_or(u32::MAX);
        transfer.set_packet_lengths(packets.iter().map(|frames| frames * frame_length));
        self.in_flight.push_back(frames);
        self.frames += frames;
        self.endpoint.submit(transfer);
    }

    /// A request that has ended. Never blocks.
    pub(crate) fn ended(&mut self) -> Option<IsochronousCompletion> {
        if self.endpoint.pending() == 0 {
            return None;
        }
        self.endpoint.wait(Some(Duration::ZERO))
    }

    /// The next request to end, waited for as told; `None` once `deadline` has passed or where none is on the bus.
    pub(crate) async fn next_ended(
        &mut self,
        waiting: Waiting,
        deadline: Option<Instant>,
    ) -> Option<IsochronousCompletion> {
        self.endpoint.complete(waiting, deadline).await
    }

    /// Counts what became of a request's packets, and keeps it for the next.
    ///
    /// # Errors
    /// It failed as a whole, or the device is gone.
    pub(crate) fn count(
        &mut self,
        completion: IsochronousCompletion,
        statistics: &mut Statistics,
    ) -> Result<(), TransferError> {
        self.frames -= self.in_flight.pop_front().unwrap_or(0);
        let mut result = completion.status;
        for packet in &completion.packets {
            let frames = |bytes: usize| (bytes / self.frame_bytes) as u64;
            match packet.status {
                Ok(()) => statistics.frames += frames(packet.actual_length),
                // What a cancel kept from moving was not missed.
                Err(PacketError::Cancelled) => {}
                Err(PacketError::Disconnected) => result = Err(TransferError::Disconnected),
                Err(_) => {
                    statistics.missed_packets += 1;
                    statistics.lost_frames += frames(packet.length);
                }
            }
        }
        self.spare.push(completion.into_transfer());
        result
    }

    /// Asks for all of it to end soon.
    pub(crate) fn cancel(&mut self) {
        self.endpoint.cancel_all();
    }
}

/// The zero of signed samples, whatever their size.
fn append_silence(to: &mut Buffer, mut bytes: usize) {
    const SILENCE: [u8; 512] = [0; 512];
    while bytes > 0 {
        let part = bytes.min(SILENCE.len());
        to.extend_from_slice(&SILENCE[..part]);
        bytes -= part;
    }
}
