//! What the host records: frames at the pace of a clock, in packets.

use std::collections::VecDeque;

use super::clock::SampleClock;
use super::opened::Opened;
use super::{Audio, AudioEvent, MicrophoneTiming, Stream, StreamFormat};
use crate::{Buffer, Completion, Endpoint, EndpointError, Endpoints};

/// A microphone's stream while it runs.
struct Run<'a> {
    audio: &'a Audio,
    format: StreamFormat,
    data: Endpoint,
    clock: SampleClock,
    /// Of the packets submitted, what was written to be recorded.
    sent: VecDeque<Vec<i32>>,
    /// Of those that came back without having been sent.
    unsent: Vec<Vec<i32>>,
    rate_changes: u64,
    is_synchronous: bool,
}

impl Audio {
    /// Runs the microphone's stream until its endpoint is disabled.
    pub(super) fn run_microphone(&self, mut endpoints: Endpoints) -> Result<(), EndpointError> {
        // First, so that a rate chosen meanwhile is followed.
        let rate_changes = self.lock().microphone.rate_changes;
        let Some(opened) = self.opened(Stream::Microphone, &endpoints) else {
            return Ok(());
        };
        let Opened {
            index,
            format,
            interval_microseconds,
        } = opened;
        let data = endpoints.take(self.speaker_endpoints() + index)?;
        let run = Run {
            audio: self,
            format,
            data,
            clock: SampleClock::new(format.rate, interval_microseconds),
            sent: VecDeque::new(),
            unsent: Vec::new(),
            rate_changes,
            is_synchronous: self.options.microphone_timing == MicrophoneTiming::Synchronous,
        };
        run.run(self.depth(interval_microseconds))
    }
}

impl Run<'_> {
    fn run(mut self, depth: usize) -> Result<(), EndpointError> {
        let canceller = Some(self.data.canceller());
        let mut state = self.audio.lock();
        state.start(Stream::Microphone, self.format, canceller);
        drop(state);
        self.audio.changed.notify_all();
        let result = self.serve(depth);
        self.take_back();
        self.audio.lock().stop(Stream::Microphone);
        self.audio.changed.notify_all();
        result
    }

    fn serve(&mut self, depth: usize) -> Result<(), EndpointError> {
        let mut buffers: Vec<Buffer> = Vec::new();
        buffers.resize_with(depth, || Buffer::with_capacity(self.data.max_packet_size()));
        loop {
            self.follow_rate();
            while let Some(buffer) = buffers.pop() {
                self.submit(buffer);
            }
            // Between submit and wait: whoever changes the rate says so first and cancels then.
            if self.follow_rate() {
                self.data.cancel_all();
                buffers = self.take_back();
                continue;
            }
            let completion = self.data.wait(None).ok_or(EndpointError::Disabled)?;
            self.completed(&completion);
            match completion.status {
                Err(EndpointError::Disabled) => return Err(EndpointError::Disabled),
                // The rate has changed, and everything behind it comes back too.
                Err(EndpointError::Cancelled) => buffers = self.take_back(),
                _ => {}
            }
            buffers.push(completion.buffer);
        }
    }

    /// Submits the packet of the next service interval.
    fn submit(&mut self, mut buffer: Buffer) {
        let channels = usize::from(self.format.channels);
        let mut state = self.audio.lock();
        let error_ppm = if self.is_synchronous {
            0
        } else {
            state.clock_error_ppm
        };
        let frames = self.clock.tick(error_ppm);
        let one = &mut state.microphone;
        let there = one.ring.len().min(frames * channels);
        let packet: Vec<i32> = one.ring.drain(..there).collect();
        let silent = frames * channels - there;
        one.statistics.silent_frames += (silent / channels) as u64;
        if silent > 0 && one.starved() {
            state.tell(AudioEvent::Xrun {
                stream: Stream::Microphone,
            });
        }
        drop(state);
        self.audio.changed.notify_all();

        buffer.clear();
        let mut write = |sample: &[u8]| buffer.extend_from_slice(sample);
        self.format.size.encode(&packet, &mut write);
        let silence = [0; 4];
        for _ in 0..silent {
            write(&silence[..usize::from(self.format.size.bytes())]);
        }
        self.sent.push_back(packet);
        self.data.submit(buffer);
    }

    /// A packet has gone, or has not.
    fn completed(&mut self, completion: &Completion) {
        let Some(packet) = self.sent.pop_front() else {
            return;
        };
        match &completion.status {
            Ok(()) => {
                let frame =
                    usize::from(self.format.channels) * usize::from(self.format.size.bytes());
                let mut state = self.audio.lock();
                let statistics = &mut state.microphone.statistics;
                statistics.packets += 1;
                statistics.frames += (completion.actual_length / frame) as u64;
            }
            Err(EndpointError::Disabled | EndpointError::Cancelled) => self.unsent.push(packet),
            Err(error) => {
                log::debug!("a packet from the microphone: {error}");
                self.audio.lock().microphone.statistics.lost_packets += 1;
            }
        }
    }

    /// Waits for what is cancelled or disabled, and puts what was not sent back to where it came from.
    fn take_back(&mut self) -> Vec<Buffer> {
        let mut buffers = Vec::new();
        while let Some(completion) = self.data.wait(None) {
            self.completed(&completion);
            buffers.push(completion.buffer);
        }
        let mut state = self.audio.lock();
        for packet in self.unsent.drain(..).rev() {
            for sample in packet.into_iter().rev() {
                state.microphone.ring.push_front(sample);
            }
        }
        buffers
    }

    /// Goes on at the rate the host has chosen; true when that is another.
    fn follow_rate(&mut self) -> bool {
        let state = self.audio.lock();
        let one = &state.microphone;
        let is_new =
            std::mem::replace(&mut self.rate_changes, one.rate_changes) != one.rate_changes;
        self.clock.set_rate(one.rate);
        is_new
    }
}
