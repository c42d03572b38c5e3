//! The speaker's endpoints: packets in, feedback out.

use std::time::Duration;

use usbfs2_protocol::audio::{Feedback, FeedbackFormat};

use super::opened::Opened;
use super::sink::Sink;
use super::{Audio, SpeakerTiming, Stream, StreamFormat};
use crate::{Buffer, Endpoint, EndpointError, Endpoints, Speed};

/// Feedback packets submitted ahead: what the host gets is no older than that.
const FEEDBACK_PACKETS: usize = 2;

/// A speaker's stream while it runs.
struct Run<'a> {
    audio: &'a Audio,
    format: StreamFormat,
    data: Endpoint,
    feedback: Option<Endpoint>,
    speed: Speed,
    sink: Sink,
}

impl Audio {
    /// Submits room for the host's first packets.
    pub(super) fn prepare_speaker(&self, endpoints: &mut Endpoints) {
        let Some(opened) = self.opened(Stream::Speaker, endpoints) else {
            return;
        };
        let index = opened.index * self.endpoints_per_setting();
        if let Ok(data) = endpoints.get_mut(index) {
            for _ in 0..self.depth(opened.interval_microseconds) {
                data.submit(Buffer::with_capacity(data.max_packet_size()));
            }
        }
    }

    /// Runs the speaker's stream until its endpoints are disabled.
    pub(super) fn run_speaker(&self, mut endpoints: Endpoints) -> Result<(), EndpointError> {
        let Some(opened) = self.opened(Stream::Speaker, &endpoints) else {
            return Ok(());
        };
        let Opened {
            index,
            format,
            interval_microseconds,
        } = opened;
        let first = index * self.endpoints_per_setting();
        let data = endpoints.take(first)?;
        let feedback = match self.options.speaker_timing {
            SpeakerTiming::Feedback => Some(endpoints.take(first + 1)?),
            _ => None,
        };
        let run = Run {
            audio: self,
            format,
            data,
            feedback,
            speed: endpoints.speed(),
            sink: Sink::new(&self.options, format, interval_microseconds),
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
        self.sink.finish(&mut state);
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
            let options = &self.audio.options;
            let mut state = self.audio.lock();
            match &completion.status {
                Ok(()) => self.sink.packet(&mut state, options, &completion.buffer),
                Err(EndpointError::Disabled) => return Err(EndpointError::Disabled),
                Err(error) => {
                    log::debug!("a packet to the speaker: {error}");
                    self.sink.lost(&mut state, options);
                }
            }
            drop(state);
            self.audio.changed.notify_all();
            let mut buffer = completion.buffer;
            buffer.clear();
            self.data.submit(buffer);
            self.give_feedback();
        }
    }

    /// Keeps the feedback endpoint supplied with the rate that is wanted now. When it is disabled, packets may still
    /// wait to be heard: the end of those ends the stream.
    fn give_feedback(&mut self) {
        let Some(endpoint) = &mut self.feedback else {
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
            let Some(wanted) = self.sink.wanted_rate(&state) else {
                return;
            };
            state.speaker.statistics.feedback_microhertz = Some(wanted);
            drop(state);
            let mut buffer = std::mem::take(&mut buffer);
            buffer.clear();
            buffer.extend_from_slice(&feedback_packet(wanted, self.speed));
            endpoint.submit(buffer);
        }
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
