//! From the caller to the bus: a ring of whole frames into packets at the pace the device sets.

use std::time::{Duration, Instant};

use usbfs2_host::{IsochronousCompletion, IsochronousEndpoint, Out, TransferError, Waiting};

use crate::intake::Intake;
use crate::latency::Depth;
use crate::out_queue::OutQueue;
use crate::pace::Pace;
use crate::ring::FrameRing;
use crate::statistics::Statistics;
use crate::timing::Timing;

/// Silence that a stream begins with, of which a device may lose some while it opens its interface. The kernel's driver
/// begins with what its queue holds, which is up to 18 ms.
pub(crate) const LEAD: Duration = Duration::from_millis(16);

/// The device's end of a playback.
#[derive(Debug)]
pub(crate) struct Outlet {
    queue: OutQueue,
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
    /// Requests of silence to submit ahead of the first frame.
    lead: u32,
    /// Those of them that have not ended, submitted or not.
    lead_unsent: u32,
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
        let lead = timing.packets_in(LEAD).div_ceil(depth.packets.max(1));
        Self {
            queue: OutQueue::new(output, frame_bytes),
            pace,
            recording,
            depth,
            frame_bytes: frame_bytes.max(1),
            ring: FrameRing::new(frame_bytes, bound),
            bound,
            prefill: timing.frames_in(depth.packets * depth.requests).min(bound),
            plan: Vec::new(),
            lead,
            lead_unsent: lead,
            is_running: false,
            is_starved: false,
            failure: None,
            statistics,
        }
    }

    /// Frames given and not yet sent, silence included.
    pub(crate) fn waiting_frames(&self) -> usize {
        self.queue.frames() + self.ring.len()
    }

    /// The most that can be, the silence it begins with apart.
    pub(crate) fn bound(&self) -> usize {
        self.bound
    }

    /// Whether the bus moves, or waits for frames that come too late.
    pub(crate) fn is_running(&self) -> bool {
        self.is_running
    }

    /// Frames of what the device records meanwhile, where that sets the pace and is kept. Never blocks.
    pub(crate) fn recorded(&mut self, to: &mut [u8]) -> usize {
        self.recording
            .as_mut()
            .map_or(0, |recording| recording.pop(to))
    }

    /// What became of the recording that sets the pace.
    pub(crate) fn recording_statistics(&self) -> Option<Statistics> {
        self.recording
            .as_ref()
            .map(|recording| recording.statistics)
    }

    /// Takes whole frames of `data`: as soon as there is room for any, as many as there is room for. 0 once
    /// `deadline` has passed.
    ///
    /// Cancellation: frames are taken in the poll that returns how many.
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
            let cushion = self.depth.requests - 1;
            if self.lead < cushion {
                self.lead_unsent += cushion - self.lead;
                self.lead = cushion;
            }
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
                while self.queue.pending() < 2 {
                    self.starved();
                    let frames = self.planned_frames();
                    let silence = frames.saturating_sub(self.ring.len());
                    self.statistics.silence_frames += silence as u64;
                    self.submit(frames);
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
            while self.ring.len() > 0 && self.queue.pending() < self.most_requests() {
                if !self.submit_lead() {
                    let frames = self.planned_frames();
                    self.submit(frames);
                }
            }
            self.wait(waiting, None).await;
            self.service()?;
        }
        self.is_running = false;
        while self.wait(waiting, None).await {
            self.service()?;
        }
        self.service()?;
        // A stream that rests is not paced.
        if let Some(recording) = &mut self.recording {
            recording.stop(waiting).await;
            self.forget();
        }
        Ok(())
    }

    /// Forgets what a recording said: a stream that starts again is paced by what is recorded from then on.
    fn forget(&mut self) {
        if self.recording.is_some() {
            self.pace.forget();
            self.plan.clear();
        }
    }

    /// Ends what is in flight. What was not sent is lost.
    pub(crate) async fn end(&mut self, waiting: Waiting) {
        self.is_running = false;
        self.queue.cancel();
        while self.wait(waiting, None).await {}
        self.pace.stop(waiting).await;
        if let Some(recording) = &mut self.recording {
            recording.stop(waiting).await;
        }
    }

    /// Takes what has completed. Never blocks.
    fn service(&mut self) -> Result<(), TransferError> {
        while let Some(completion) = self.queue.ended() {
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
        match self.queue.next_ended(waiting, deadline).await {
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
        } else if self.queue.pending() == 0 && self.lead == 0 {
            // Nothing was sent meanwhile. Silence before what comes now, so that the next delay does no harm.
            self.starved();
            for _ in 1..self.depth.requests {
                self.statistics.silence_frames += self.submit_silence() as u64;
            }
        }
        while self.queue.pending() < self.most_requests() {
            if self.submit_lead() {
                continue;
            }
            let frames = self.planned_frames();
            if frames > self.ring.len() {
                break;
            }
            self.submit(frames);
            self.is_starved = false;
        }
    }

    fn begin(&mut self) {
        if !self.is_running && self.queue.pending() == 0 {
            // The future of a drain may have been dropped before it got there.
            self.forget();
        }
        self.is_running = true;
        self.pace.start();
        if let Some(recording) = &mut self.recording {
            recording.start();
        }
    }

    /// A request of the silence the stream begins with. Whether there was one left to submit.
    fn submit_lead(&mut self) -> bool {
        if self.lead == 0 {
            return false;
        }
        self.lead -= 1;
        self.submit_silence();
        true
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

    /// A request of silence. Returns its frames.
    fn submit_silence(&mut self) -> usize {
        let frames = self.planned_frames();
        self.submit(0);
        frames
    }

    /// Submits the request that was planned: up to `given` of the ring's frames, filled up with silence.
    fn submit(&mut self, given: usize) {
        self.queue.submit(&self.plan, &mut self.ring, given);
        self.plan.clear();
    }

    fn take(&mut self, completion: IsochronousCompletion) {
        let before = self.waiting_frames() as u64;
        let counted = self.queue.count(completion, &mut self.statistics);
        self.failure = self.failure.or(counted.err());
        if self.lead_unsent > 0 {
            // What is kept beside the silence it begins with is not what is kept from then on.
            self.lead_unsent -= 1;
            return;
        }
        self.statistics.saw_fill(before);
        if self.is_running {
            self.statistics.saw_fill(self.waiting_frames() as u64);
        }
    }
}
