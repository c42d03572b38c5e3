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
    /// Requests on the bus were cancelled by this end, all of them: that they say so is no failure, and no other is put
    /// there until they are back, which a [`stop`](Self::stop) that was dropped leaves to what comes next.
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

    /// Puts requests on the bus, once those of a stop that was dropped are back. No effect while they are.
    pub(crate) fn start(&mut self) {
        self.is_running = true;
        self.refill();
    }

    /// [`start`](Self::start), waiting for those that must come back first.
    pub(crate) async fn start_waiting(&mut self, waiting: Waiting) {
        self.start();
        self.take_cancelled(waiting).await;
    }

    /// Takes what has completed, tells `heard` the frames of each packet since the start, and puts requests back. Never
    /// blocks.
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
        if !self.is_cancelled && !self.spare.is_empty() {
            self.input.submit_all(self.spare.drain(..));
        }
    }

    fn take(&mut self, completion: IsochronousCompletion, heard: &mut dyn FnMut(Option<u32>)) {
        for payload in completion.payloads() {
            match payload {
                Ok(bytes) => {
                    let frames = self.keep_packet(bytes);
                    if !self.is_cancelled {
                        heard(Some(frames));
                    }
                }
                // What a cancel kept from moving was not missed.
                Err(PacketError::Cancelled) => {}
                Err(PacketError::Disconnected) => self.failure = Some(TransferError::Disconnected),
                Err(_) => {
                    self.statistics.missed_packets += 1;
                    if !self.is_cancelled {
                        heard(None);
                    }
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
        if self.is_cancelled && self.input.pending() == 0 {
            self.is_cancelled = false;
            if self.is_running && self.failure.is_none() {
                self.refill();
            }
        }
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
    ///
    /// Cancellation: what is on its way back is taken by what comes next.
    pub(crate) async fn stop(&mut self, waiting: Waiting) {
        self.cancel();
        self.take_cancelled(waiting).await;
    }

    fn cancel(&mut self) {
        self.is_running = false;
        self.is_cancelled = self.input.pending() > 0;
        self.input.cancel_all();
    }

    async fn take_cancelled(&mut self, waiting: Waiting) {
        while self.is_cancelled
            && let Some(completion) = self.input.complete(waiting, None).await
        {
            self.take(completion, &mut |_| {});
        }
    }
}

#[cfg(test)]
mod tests {
    use usbfs2_host::block_on;

    use super::*;
    use crate::one_endpoint::OneEndpoint;

    const REQUESTS: usize = 4;

    fn intake(device: &OneEndpoint) -> Intake {
        let depth = Depth {
            packets: 2,
            requests: 4,
        };
        Intake::new(device.open(), depth, 2, Statistics::default())
    }

    fn take_one(intake: &mut Intake) {
        let completion = intake.input.wait(Some(Duration::ZERO)).unwrap();
        intake.take(completion, &mut |_| {});
    }

    fn read_now(intake: &mut Intake) -> Result<usize, TransferError> {
        block_on(intake.read(Waiting::Blocking, &mut [0; 4], Some(Instant::now())))
    }

    #[test]
    fn what_the_system_cancels_after_a_stop_that_was_dropped_is_told() {
        // A stop is dropped with so many of its requests taken back.
        for taken in 0..=REQUESTS {
            let device = OneEndpoint::plug();
            let mut intake = intake(&device);
            intake.start();
            intake.cancel();
            (0..taken).for_each(|_| take_one(&mut intake));
            assert_eq!(read_now(&mut intake), Ok(0), "{taken} taken");
            assert_eq!(intake.input.pending(), REQUESTS);
            assert_eq!(intake.statistics.xruns, 0);

            intake.input.cancel_all();
            let told = Err(TransferError::Cancelled);
            assert_eq!(read_now(&mut intake), told, "{taken} taken");
        }
    }

    #[test]
    fn a_start_after_a_stop_that_was_dropped_waits_for_what_is_to_come_back() {
        let device = OneEndpoint::plug();
        let mut intake = intake(&device);
        intake.start();
        intake.cancel();
        take_one(&mut intake);
        intake.start();
        assert_eq!(intake.input.pending(), REQUESTS - 1, "it has put one there");
        block_on(intake.start_waiting(Waiting::Blocking));
        assert_eq!(intake.input.pending(), REQUESTS);
        assert!(!intake.is_cancelled);
    }

    #[test]
    fn packets_of_before_a_stop_that_was_dropped_set_no_pace() {
        let device = OneEndpoint::plug();
        let mut intake = intake(&device);
        let mut heard = 0;
        intake.start();
        // The device has nothing to send: a packet is missed each millisecond.
        device.bus.step(8 * 6);
        intake.cancel();
        take_one(&mut intake);
        intake.start();
        intake.service(&mut |_| heard += 1).unwrap();
        assert_eq!(heard, 0);
        assert!(intake.statistics.missed_packets > 2);
        device.bus.step(8 * 6);
        intake.service(&mut |_| heard += 1).unwrap();
        assert!(heard > 0);
    }
}
