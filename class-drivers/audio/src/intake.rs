//! From the bus to the caller: packets of any size into a ring of whole frames.

use std::time::{Duration, Instant};

use usbfs2_host::{
    Buffer, In, IsochronousCompletion, IsochronousEndpoint, IsochronousTransfer, PacketError,
    TransferError, Waiting,
};

use crate::latency::Depth;
use crate::ring::FrameRing;
use crate::statistics::Statistics;

/// The device's end of a recording.
#[derive(Debug)]
pub(crate) struct Intake {
    input: IsochronousEndpoint<In>,
    frame_bytes: usize,
    ring: FrameRing,
    /// Whether frames are kept for a caller. Those of a stream that only sets a pace are not.
    is_kept: bool,
    is_running: bool,
    /// Frames are being lost for want of room: one xrun, until there is room again.
    is_overrun: bool,
    spare: Vec<IsochronousTransfer>,
    /// Requests on the bus were cancelled by this end: that they say so is no failure.
    is_cancelled: bool,
    failure: Option<TransferError>,
    pub(crate) statistics: Statistics,
}

impl Intake {
    pub(crate) fn new(
        input: IsochronousEndpoint<In>,
        depth: Depth,
        frame_bytes: usize,
        statistics: Statistics,
    ) -> Self {
        let packet_bytes = input.max_packet_size();
        let lengths =
            || (0..depth.packets).map(|_| u32::try_from(packet_bytes).unwrap_or(u32::MAX));
        let spare = (0..depth.requests)
            .map(|_| IsochronousTransfer::receive(Buffer::new(), lengths().collect()))
            .collect();
        let packets = usize::try_from(depth.all_packets()).unwrap_or(usize::MAX);
        let frames = (packet_bytes / frame_bytes.max(1)).saturating_mul(packets);
        Self {
            input,
            frame_bytes: frame_bytes.max(1),
            ring: FrameRing::new(frame_bytes, frames),
            is_kept: true,
            is_running: false,
            is_overrun: false,
            spare,
            is_cancelled: false,
            failure: None,
            statistics,
        }
    }

    /// The same, for a stream that nobody reads.
    pub(crate) fn discarding(mut self) -> Self {
        self.is_kept = false;
        self
    }

    /// Frames that are there. Never blocks.
    pub(crate) fn pop(&mut self, to: &mut [u8]) -> usize {
        self.ring.pop_to_slice(to)
    }

    /// Frames that wait to be read.
    pub(crate) fn waiting_frames(&self) -> usize {
        self.ring.len()
    }

    /// Puts requests on the bus. No effect while they are.
    pub(crate) fn start(&mut self) {
        self.is_running = true;
        self.refill();
    }

    /// Takes what has completed, tells `heard` the frames of each packet, and puts requests back. Never blocks.
    pub(crate) fn service(
        &mut self,
        heard: &mut dyn FnMut(Option<u32>),
    ) -> Result<(), TransferError> {
        while self.input.pending() > 0
            && let Some(completion) = self.input.wait(Some(Duration::ZERO))
        {
            self.take(completion, heard);
        }
        if self.is_running && self.failure.is_none() {
            if self.input.pending() == 0 {
                // Nobody asked the device for what it recorded meanwhile.
                self.statistics.xruns += 1;
            }
            self.refill();
        }
        self.failure.map_or(Ok(()), Err)
    }

    /// Whole frames into `to`: as soon as there are any, as many as there are. 0 once `deadline` has passed.
    pub(crate) async fn read(
        &mut self,
        waiting: Waiting,
        to: &mut [u8],
        deadline: Option<Instant>,
    ) -> Result<usize, TransferError> {
        if !self.is_running && self.failure.is_none() {
            self.start();
        }
        loop {
            let serviced = self.service(&mut |_| {});
            let frames = self.ring.pop_to_slice(to);
            if frames > 0 || to.len() < self.frame_bytes {
                return Ok(frames);
            }
            serviced?;
            match self.input.complete(waiting, deadline).await {
                Some(completion) => self.take(completion, &mut |_| {}),
                None => return Ok(0),
            }
        }
    }

    fn refill(&mut self) {
        if !self.spare.is_empty() {
            self.input.submit_all(self.spare.drain(..));
        }
    }

    fn take(&mut self, completion: IsochronousCompletion, heard: &mut dyn FnMut(Option<u32>)) {
        for payload in completion.payloads() {
            match payload {
                Ok(bytes) => heard(Some(self.keep_packet(bytes))),
                // What a cancel kept from moving was not missed.
                Err(PacketError::Cancelled) => {}
                Err(PacketError::Disconnected) => self.failure = Some(TransferError::Disconnected),
                Err(_) => {
                    self.statistics.missed_packets += 1;
                    heard(None);
                }
            }
        }
        let waiting = u64::try_from(self.ring.len()).unwrap_or(u64::MAX);
        self.statistics.saw_fill(waiting);
        match completion.status {
            Ok(()) => {}
            Err(TransferError::Cancelled) if self.is_cancelled => {}
            Err(error) => self.failure = self.failure.or(Some(error)),
        }
        self.spare.push(completion.into_transfer());
        self.is_cancelled &= self.input.pending() > 0;
    }

    /// Returns the packet's frames, of which the ring took as many as it has room for.
    fn keep_packet(&mut self, bytes: &[u8]) -> u32 {
        let frames = bytes.len() / self.frame_bytes;
        if !bytes.len().is_multiple_of(self.frame_bytes) {
            self.statistics.ragged_packets += 1;
        }
        let received = u64::try_from(frames).unwrap_or(u64::MAX);
        self.statistics.frames += received;
        if self.is_kept {
            let lost = frames - self.ring.push(bytes, usize::MAX);
            if lost > 0 && !self.is_overrun {
                self.statistics.xruns += 1;
            }
            self.is_overrun = lost > 0;
            self.statistics.lost_frames += u64::try_from(lost).unwrap_or(u64::MAX);
        }
        u32::try_from(frames).unwrap_or(u32::MAX)
    }

    /// Ends what is in flight, keeping what came before. The stream may be started again.
    pub(crate) async fn stop(&mut self, waiting: Waiting) {
        self.is_running = false;
        self.is_cancelled = self.input.pending() > 0;
        self.input.cancel_all();
        while let Some(completion) = self.input.complete(waiting, None).await {
            self.take(completion, &mut |_| {});
        }
    }
}
