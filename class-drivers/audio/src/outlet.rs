//! From the caller to the bus: a ring of whole frames into packets at the pace the device sets.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use usbfs2_host::{
    Buffer, IsochronousCompletion, IsochronousEndpoint, IsochronousTransfer, Out, PacketError,
    TransferError, Waiting,
};

use crate::intake::Intake;
use crate::latency::Depth;
use crate::pace::Pace;
use crate::ring::FrameRing;
use crate::statistics::Statistics;
use crate::timing::Timing;

/// The device's end of a playback.
#[derive(Debug)]
pub(crate) struct Outlet {
    output: IsochronousEndpoint<Out>,
    pace: Pace,
    /// What the device records, where that sets the pace.
    recording: Option<Intake>,
    depth: Depth,
    frame_bytes: usize,
    ring: FrameRing,
    /// Frames the ring and the bus hold together, at most.
    bound: usize,
    /// Frames to have before the first request goes out.
    prefill: usize,
    /// Frames of each packet of the next request; empty while nobody asked.
    plan: Vec<u32>,
    /// Frames of each request on the bus.
    in_flight: VecDeque<usize>,
    in_flight_frames: usize,
    spare: Vec<IsochronousTransfer>,
    is_running: bool,
    /// Silence is being sent because the caller is late: one xrun, until a request of its frames goes out.
    is_starved: bool,
    failure: Option<TransferError>,
    pub(crate) statistics: Statistics,
}

impl Outlet {
    pub(crate) fn new(
        output: IsochronousEndpoint<Out>,
        pace: Pace,
        recording: Option<Intake>,
        (timing, depth): (Timing, Depth),
        frame_bytes: usize,
        statistics: Statistics,
    ) -> Self {
        let bound = timing.frames_in(depth.all_packets());
        Self {
            output,
            pace,
            recording,
            depth,
            frame_bytes: frame_bytes.max(1),
            ring: FrameRing::new(frame_bytes, bound),
            bound,
            prefill: timing.frames_in(depth.packets * depth.requests).min(bound),
            plan: Vec::new(),
            in_flight: VecDeque::new(),
            in_flight_frames: 0,
            spare: Vec::new(),
            is_running: false,
            is_starved: false,
            failure: None,
            statistics,
        }
    }

    /// Frames given and not yet sent, silence included.
    pub(crate) fn waiting_frames(&self) -> usize {
        self.in_flight_frames + self.ring.len()
    }

    /// The most that can be.
    pub(crate) fn bound(&self) -> usize {
        self.bound
    }

    /// Frames of what the device records meanwhile, where that sets the pace and is kept. Never blocks.
    pub(crate) fn recorded(&mut self, to: &mut [u8]) -> usize {
        self.recording
            .as_mut()
            .map_or(0, |recording| recording.pop(to))
    }

    /// Takes whole frames of `data`: as soon as there is room for any, as many as there is room for. 0 once
    /// `deadline` has passed.
    pub(crate) async fn write(
        &mut self,
        waiting: Waiting,
        data: &[u8],
        deadline: Option<Instant>,
    ) -> Result<usize, TransferError> {
        let few = data.len() / self.frame_bytes;
        if few > 0 && self.ring.len() + few < self.wanted_frames() && few <= self.room() {
            // The bus has nothing to do with this yet, and need not be asked for every frame.
            return match self.failure {
                None => Ok(self.ring.push(data, few)),
                Some(error) => Err(error),
            };
        }
        loop {
            self.service()?;
            let frames = self.ring.push(data, self.room());
            if self.is_running || self.ring.len() >= self.prefill {
                self.run();
            }
            if frames > 0 || data.len() < self.frame_bytes {
                return Ok(frames);
            }
            if !self.wait(waiting, deadline).await {
                return Ok(0);
            }
        }
    }

    fn room(&self) -> usize {
        self.bound.saturating_sub(self.waiting_frames())
    }

    /// Frames the ring must have before there is something to put on the bus.
    fn wanted_frames(&mut self) -> usize {
        if self.is_running {
            self.planned_frames()
        } else {
            self.prefill
        }
    }

    /// Starts now, with silence ahead of the frames to come.
    pub(crate) fn start(&mut self) -> Result<(), TransferError> {
        self.service()?;
        if !self.is_running {
            self.begin();
            self.submit_cushion();
            self.run();
        }
        Ok(())
    }

    /// Keeps the stream going until `deadline`: with the ring's frames, then with silence, which is counted.
    pub(crate) async fn pump(
        &mut self,
        waiting: Waiting,
        deadline: Option<Instant>,
    ) -> Result<(), TransferError> {
        loop {
            self.service()?;
            if self.is_running {
                self.run();
                while self.output.pending() < 2 {
                    self.starved();
                    self.submit_next(true);
                }
            }
            if !self.wait(waiting, deadline).await {
                return Ok(());
            }
        }
    }

    /// Sends what the ring holds, the last packet filled up with silence, and waits until it has gone.
    pub(crate) async fn drain(&mut self, waiting: Waiting) -> Result<(), TransferError> {
        self.service()?;
        if self.ring.len() > 0 {
            self.begin();
        }
        while self.ring.len() > 0 {
            while self.ring.len() > 0 && self.output.pending() < self.most_requests() {
                self.submit_next(false);
            }
            self.wait(waiting, None).await;
            self.service()?;
        }
        self.is_running = false;
        while self.wait(waiting, None).await {
            self.service()?;
        }
        self.service()?;
        self.rest();
        Ok(())
    }

    /// Ends a recording that sets the pace, and forgets what it said: a stream that rests is not paced, and one that
    /// starts again is paced by what is recorded from then on.
    fn rest(&mut self) {
        if let Some(recording) = &mut self.recording {
            recording.stop();
            self.pace.forget();
            self.plan.clear();
        }
    }

    /// Ends what is in flight and closes the endpoints. What was not sent is lost.
    pub(crate) fn end(mut self) -> Statistics {
        self.is_running = false;
        self.output.cancel_all();
        while self.output.pending() > 0
            && let Some(completion) = self.output.wait(None)
        {
            self.take(completion);
        }
        self.pace.stop();
        if let Some(recording) = &mut self.recording {
            recording.stop();
        }
        self.statistics
    }

    /// Takes what has completed. Never blocks.
    fn service(&mut self) -> Result<(), TransferError> {
        while self.output.pending() > 0
            && let Some(completion) = self.output.wait(Some(Duration::ZERO))
        {
            self.take(completion);
        }
        let heard = self.pace.listen(&mut self.statistics);
        self.failure = self.failure.or(heard.err());
        if let Some(recording) = &mut self.recording {
            let (pace, statistics) = (&mut self.pace, &mut self.statistics);
            // What fails there fails here as well, and is told with this end's counts.
            let serviced = recording.service(&mut |frames| pace.recorded(frames, statistics));
            self.failure = self.failure.or(serviced.err());
        }
        self.failure.map_or(Ok(()), Err)
    }

    /// Waits for a request to end. Whether one did before `deadline`.
    async fn wait(&mut self, waiting: Waiting, deadline: Option<Instant>) -> bool {
        match self.output.complete(waiting, deadline).await {
            Some(completion) => {
                self.take(completion);
                true
            }
            None => false,
        }
    }

    /// Puts on the bus what the ring has whole requests of.
    fn run(&mut self) {
        if !self.is_running {
            self.begin();
        } else if self.output.pending() == 0 {
            // Nothing was sent meanwhile. Silence before what comes now, so that the next delay does no harm.
            self.starved();
            self.statistics.silence_frames += self.submit_cushion();
        }
        while self.output.pending() < self.most_requests()
            && self.planned_frames() <= self.ring.len()
        {
            self.submit_next(false);
            self.is_starved = false;
        }
    }

    fn begin(&mut self) {
        if !self.is_running && self.output.pending() == 0 {
            // The future of a drain may have been dropped before it got there.
            self.rest();
        }
        self.is_running = true;
        self.pace.start();
        if let Some(recording) = &mut self.recording {
            recording.start();
        }
    }

    /// All requests but one, of silence. Returns the frames.
    fn submit_cushion(&mut self) -> u64 {
        let before = self.in_flight_frames;
        for _ in 1..self.depth.requests {
            let frames = self.planned_frames();
            self.submit(frames, 0);
        }
        (self.in_flight_frames - before) as u64
    }

    fn starved(&mut self) {
        if !self.is_starved {
            self.is_starved = true;
            self.statistics.xruns += 1;
        }
    }

    fn most_requests(&self) -> usize {
        usize::try_from(self.depth.requests).unwrap_or(usize::MAX)
    }

    /// Frames of the next request, whose packets are decided now unless they were.
    fn planned_frames(&mut self) -> usize {
        if self.plan.is_empty() {
            let pace = &mut self.pace;
            self.plan
                .extend((0..self.depth.packets).map(|_| pace.next_packet()));
        }
        self.plan.iter().map(|&frames| frames as usize).sum()
    }

    /// Submits a request of the ring's frames, filled up with silence, which is counted where it breaks the stream.
    fn submit_next(&mut self, is_break: bool) {
        let frames = self.planned_frames();
        let given = frames.min(self.ring.len());
        if is_break {
            self.statistics.silence_frames += (frames - given) as u64;
        }
        self.submit(frames, given);
    }

    fn submit(&mut self, frames: usize, given: usize) {
        let mut transfer = self
            .spare
            .pop()
            .unwrap_or_else(|| IsochronousTransfer::send(Buffer::new(), Vec::new()));
        let frame_bytes = self.frame_bytes;
        let bytes = transfer.buffer_mut();
        bytes.clear();
        self.ring.pop_to_buffer(bytes, given);
        append_silence(bytes, (frames - given) * frame_bytes);
        let frame_length = u32::try_from(frame_bytes).unwrap_or(u32::MAX);
        transfer.set_packet_lengths(self.plan.drain(..).map(|frames| frames * frame_length));
        self.in_flight.push_back(frames);
        self.in_flight_frames += frames;
        self.output.submit(transfer);
    }

    fn take(&mut self, completion: IsochronousCompletion) {
        self.statistics.saw_fill(self.waiting_frames() as u64);
        let frames = self.in_flight.pop_front().unwrap_or(0);
        self.in_flight_frames -= frames;
        if self.is_running {
            self.statistics.saw_fill(self.waiting_frames() as u64);
        }
        for packet in &completion.packets {
            let frames = |bytes: usize| (bytes / self.frame_bytes) as u64;
            match packet.status {
                Ok(()) => self.statistics.frames += frames(packet.actual_length),
                // What a cancel kept from moving was not missed.
                Err(PacketError::Cancelled) => {}
                Err(PacketError::Disconnected) => {
                    self.failure = Some(TransferError::Disconnected);
                }
                Err(_) => {
                    self.statistics.missed_packets += 1;
                    self.statistics.lost_frames += frames(packet.length);
                }
            }
        }
        if let Err(error) = completion.status {
            self.failure = self.failure.or(Some(error));
        }
        self.spare.push(completion.into_transfer());
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
