//! What the host plays: packets in, frames out at the pace of a clock.

use std::collections::VecDeque;
use std::time::Duration;

use usbfs2_protocol::audio::{Feedback, FeedbackFormat};

use super::clock::SampleClock;
use super::playout::Playout;
use super::state::State;
use super::{Audio, AudioEvent, SpeakerTiming, Stream, StreamFormat, packets};
use crate::{Buffer, Endpoint, EndpointError, Endpoints, Speed};

/// Feedback packets submitted ahead: what the host gets is no older than that.
const FEEDBACK_PACKETS: usize = 2;

const XRUN: AudioEvent = AudioEvent::Xrun {
    stream: Stream::Speaker,
};

/// A speaker's stream while it runs.
struct Run<'a> {
    audio: &'a Audio,
    format: StreamFormat,
    data: Endpoint,
    feedback: Option<Endpoint>,
    speed: Speed,
    clock: SampleClock,
    /// With a clock of its own.
    playout: Option<Playout>,
    /// Scratch.
    samples: Vec<i32>,
}

impl Audio {
    /// Submits room for the host's first packets.
    pub(super) fn prepare_speaker(&self, endpoints: &mut Endpoints) {
        let (Some(options), Some((index, size))) = (
            &self.options.speaker,
            self.size_of(Stream::Speaker, endpoints),
        ) else {
            return;
        };
        let interval =
            packets::interval_microseconds(&self.options, options, size, endpoints.speed());
        if let Ok(data) = endpoints.get_mut(index * self.endpoints_per_setting()) {
            for _ in 0..self.depth(interval) {
                data.submit(Buffer::with_capacity(data.max_packet_size()));
            }
        }
    }

    /// Runs the speaker's stream until its endpoints are disabled.
    pub(super) fn run_speaker(&self, mut endpoints: Endpoints) -> Result<(), EndpointError> {
        let (Some(options), Some((index, size))) = (
            &self.options.speaker,
            self.size_of(Stream::Speaker, &endpoints),
        ) else {
            return Ok(());
        };
        let timing = self.options.speaker_timing;
        let first = index * self.endpoints_per_setting();
        let data = endpoints.take(first)?;
        let feedback = match timing {
            SpeakerTiming::Feedback => Some(endpoints.take(first + 1)?),
            _ => None,
        };
        let speed = endpoints.speed();
        let interval = packets::interval_microseconds(&self.options, options, size, speed);
        let channels = usize::from(options.channels);
        let rate = self.lock().speaker.rate;
        let has_own_clock = matches!(
            timing,
            SpeakerTiming::Feedback | SpeakerTiming::ImplicitFeedback
        );
        let run = Run {
            audio: self,
            format: StreamFormat {
                channels: options.channels,
                size,
                rate,
            },
            data,
            feedback,
            speed,
            clock: SampleClock::new(rate, interval),
            playout: has_own_clock.then(|| Playout::new(channels, self.buffer_frames(rate))),
            samples: Vec::new(),
        };
        run.run()
    }

    /// The endpoints of each format of the speaker.
    fn endpoints_per_setting(&self) -> usize {
        match self.options.speaker_timing {
            SpeakerTiming::Feedback => 2,
            _ => 1,
        }
    }

    /// The speaker's endpoints, behind which the microphone's are declared.
    pub(super) fn speaker_endpoints(&self) -> usize {
        let speaker = self.options.speaker.as_ref();
        speaker.map_or(0, |speaker| speaker.sizes.len()) * self.endpoints_per_setting()
    }

    /// Frames of the options' buffer at this rate.
    fn buffer_frames(&self, rate: u32) -> usize {
        let frames = u128::from(rate) * self.options.buffer.as_micros() / 1_000_000;
        usize::try_from(frames).unwrap_or(usize::MAX)
    }
}

impl Run<'_> {
    fn run(mut self) -> Result<(), EndpointError> {
        {
            let mut state = self.audio.lock();
            state.speaker.statistics.fill_range = None;
            state.start(Stream::Speaker, self.format, None);
        }
        self.audio.changed.notify_all();
        let result = self.serve();
        let mut state = self.audio.lock();
        if let Some(playout) = &mut self.playout {
            let mut rest = VecDeque::new();
            playout.finish(&mut rest);
            if state.hear(&mut rest) > 0 && state.speaker.starved() {
                state.tell(XRUN);
            }
        }
        state.stop(Stream::Speaker);
        drop(state);
        self.audio.changed.notify_all();
        result
    }

    /// One packet after the other.
    fn serve(&mut self) -> Result<(), EndpointError> {
        self.give_feedback();
        loop {
            let completion = self.data.wait(None).ok_or(EndpointError::Disabled)?;
            match &completion.status {
                Ok(()) => self.packet(&completion.buffer),
                Err(EndpointError::Disabled) => return Err(EndpointError::Disabled),
                Err(error) => {
                    log::debug!("a packet to the speaker: {error}");
                    self.audio.lock().speaker.statistics.lost_packets += 1;
                }
            }
            let mut buffer = completion.buffer;
            buffer.clear();
            self.data.submit(buffer);
            self.give_feedback();
        }
    }

    /// Takes a packet, which is also how the time of a service interval passes.
    fn packet(&mut self, bytes: &[u8]) {
        self.samples.clear();
        self.format.size.decode(bytes, &mut self.samples);
        let channels = usize::from(self.format.channels);
        let frames = self.samples.len() / channels;
        self.samples.truncate(frames * channels);

        let mut state = self.audio.lock();
        let state = &mut *state;
        state.speaker.statistics.packets += 1;
        state.speaker.statistics.frames += frames as u64;
        let mut played = VecDeque::new();
        let mut is_well = true;
        match &mut self.playout {
            None => played.extend(&self.samples),
            Some(playout) => {
                let rate = state.speaker.rate;
                if std::mem::replace(&mut self.format.rate, rate) != rate {
                    // As Audio 1.0 hosts do once the stream is open.
                    playout.set_target(self.audio.buffer_frames(rate));
                    self.clock.set_rate(rate);
                }
                let dropped = playout.push(&self.samples);
                let due = self.clock.tick(state.clock_error_ppm);
                let is_fed = playout.play(due, &mut played);
                let one = &mut state.speaker;
                one.fill = playout.fill();
                one.statistics.dropped_frames += dropped as u64;
                is_well = is_fed && dropped == 0;
                if !played.is_empty() && is_fed {
                    let (low, high) = one.statistics.fill_range.unwrap_or((one.fill, one.fill));
                    one.statistics.fill_range = Some((low.min(one.fill), high.max(one.fill)));
                }
            }
        }
        let is_heard = !played.is_empty();
        is_well &= state.hear(&mut played) == 0;
        if !is_well && state.speaker.starved() {
            state.tell(XRUN);
        } else if is_well && is_heard {
            state.speaker.is_starved = false;
        }
        self.audio.changed.notify_all();
    }

    /// Keeps the feedback endpoint supplied with the rate that is wanted now. When it is disabled, packets may still
    /// wait to be heard: the end of those ends the stream.
    fn give_feedback(&mut self) {
        let (Some(endpoint), Some(playout)) = (&mut self.feedback, &self.playout) else {
            return;
        };
        let mut buffer = Buffer::with_capacity(4);
        while let Some(completion) = endpoint.wait(Some(Duration::ZERO)) {
            if matches!(completion.status, Err(EndpointError::Disabled)) {
                self.feedback = None;
                return;
            }
            buffer = completion.buffer;
        }
        while endpoint.pending() < FEEDBACK_PACKETS {
            let mut state = self.audio.lock();
            let wanted = playout.wanted_rate(state.speaker.rate, state.clock_error_ppm);
            state.speaker.statistics.feedback_microhertz = Some(wanted);
            drop(state);
            let mut buffer = std::mem::take(&mut buffer);
            buffer.clear();
            buffer.extend_from_slice(&feedback_packet(wanted, self.speed));
            endpoint.submit(buffer);
        }
    }
}

impl State {
    /// Hands frames on to whoever listens. Returns how many found no room.
    fn hear(&mut self, played: &mut VecDeque<i32>) -> usize {
        let one = &mut self.speaker;
        let room = one.room().min(played.len());
        let lost = (played.len() - room) / one.channels;
        one.ring.extend(played.drain(..room));
        one.statistics.dropped_frames += lost as u64;
        lost
    }
}

/// A rate in millionths of a frame per second as a feedback packet: frames per frame of the bus at full speed, per
/// microframe above (USB 2.0 5.12.4.2).
fn feedback_packet(microhertz: u64, speed: Speed) -> Vec<u8> {
    const SCALE: u128 = 1_000_000 * 1_000_000;
    let (microseconds, format) = match speed {
        Speed::Low | Speed::Full => (1000, FeedbackFormat::Bytes3Q10_14),
        _ => (125, FeedbackFormat::Bytes4Q16_16),
    };
    let frames = u128::from(microhertz) * microseconds * 65_536 + SCALE / 2;
    let feedback = Feedback(u32::try_from(frames / SCALE).unwrap_or(u32::MAX));
    feedback.to_bytes(format)
}
