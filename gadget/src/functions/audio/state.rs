//! What the sound card's threads, its requests and its user share.

use std::collections::VecDeque;

use usbfs2_protocol::audio::Decibel;

use super::{AudioEvent, AudioOptions, Stream, StreamFormat, StreamOptions, StreamStatistics};
use crate::Canceller;

/// Events that wait for somebody to take them; of more, the oldest are dropped.
const EVENTS: usize = 1024;

#[derive(Debug)]
pub(super) struct State {
    pub(super) speaker: StreamState,
    pub(super) microphone: StreamState,
    pub(super) clock_error_ppm: i32,
    pub(super) events: VecDeque<AudioEvent>,
}

#[derive(Debug)]
pub(super) struct StreamState {
    pub(super) channels: usize,
    /// Sound between the bus and the user, of whole frames.
    pub(super) ring: VecDeque<i32>,
    /// The samples it holds at most, of its own accord.
    pub(super) capacity: usize,
    /// Frames that the function holds besides.
    pub(super) fill: usize,
    pub(super) rate: u32,
    /// Goes up with every change of the rate.
    pub(super) rate_changes: u64,
    pub(super) mute: bool,
    pub(super) volume: Decibel,
    /// What the host has chosen, while the stream is on.
    pub(super) format: Option<StreamFormat>,
    /// Takes back what is submitted, where it was made at a rate.
    pub(super) canceller: Option<Canceller>,
    /// An xrun goes on, or nothing was ever there to run out of.
    pub(super) is_starved: bool,
    pub(super) statistics: StreamStatistics,
}

impl StreamState {
    fn new(options: &AudioOptions, stream: Option<&StreamOptions>) -> Self {
        let channels = stream.map_or(1, |stream| usize::from(stream.channels));
        let volume = stream.and_then(|stream| stream.volume);
        Self {
            channels,
            ring: VecDeque::new(),
            capacity: options.frames(options.ring).saturating_mul(channels),
            fill: 0,
            rate: options.rates.first().copied().unwrap_or_default(),
            rate_changes: 0,
            mute: false,
            volume: volume.map_or(Decibel::ZERO, |range| range.maximum),
            format: None,
            canceller: None,
            is_starved: true,
            statistics: StreamStatistics::default(),
        }
    }

    /// Room in the ring, in samples of whole frames.
    pub(super) fn room(&self) -> usize {
        let room = self.capacity.saturating_sub(self.ring.len());
        room - room % self.channels
    }

    /// An underrun or overrun; those that follow without a break are one.
    pub(super) fn starved(&mut self) -> bool {
        let is_new = !std::mem::replace(&mut self.is_starved, true);
        self.statistics.xruns += u64::from(is_new);
        is_new
    }
}

impl State {
    pub(super) fn new(options: &AudioOptions) -> Self {
        Self {
            speaker: StreamState::new(options, options.speaker.as_ref()),
            microphone: StreamState::new(options, options.microphone.as_ref()),
            clock_error_ppm: options.clock_error_ppm,
            events: VecDeque::new(),
        }
    }

    pub(super) fn stream(&self, stream: Stream) -> &StreamState {
        match stream {
            Stream::Speaker => &self.speaker,
            Stream::Microphone => &self.microphone,
        }
    }

    pub(super) fn stream_mut(&mut self, stream: Stream) -> &mut StreamState {
        match stream {
            Stream::Speaker => &mut self.speaker,
            Stream::Microphone => &mut self.microphone,
        }
    }

    pub(super) fn tell(&mut self, event: AudioEvent) {
        if self.events.len() == EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Sets the rate of a stream. What is to be cancelled then was made at the old one.
    pub(super) fn set_rate(&mut self, stream: Stream, rate: u32) -> Option<Canceller> {
        let one = self.stream_mut(stream);
        if one.rate == rate {
            return None;
        }
        one.rate = rate;
        one.rate_changes += 1;
        if let Some(format) = &mut one.format {
            format.rate = rate;
        }
        let canceller = one.canceller.clone();
        self.tell(AudioEvent::Rate { stream, rate });
        canceller
    }

    pub(super) fn set_volume(&mut self, stream: Stream, volume: Decibel) {
        if std::mem::replace(&mut self.stream_mut(stream).volume, volume) != volume {
            self.tell(AudioEvent::Volume { stream, volume });
        }
    }

    pub(super) fn set_mute(&mut self, stream: Stream, mute: bool) {
        if std::mem::replace(&mut self.stream_mut(stream).mute, mute) != mute {
            self.tell(AudioEvent::Mute { stream, mute });
        }
    }

    /// A stream begins.
    pub(super) fn start(
        &mut self,
        stream: Stream,
        format: StreamFormat,
        canceller: Option<Canceller>,
    ) {
        let one = self.stream_mut(stream);
        // The host may have chosen another meanwhile.
        let format = StreamFormat {
            rate: one.rate,
            ..format
        };
        one.format = Some(format);
        one.canceller = canceller;
        one.fill = 0;
        one.is_starved = stream == Stream::Microphone && one.ring.is_empty();
        self.tell(AudioEvent::Started { stream, format });
    }

    /// It ends.
    pub(super) fn stop(&mut self, stream: Stream) {
        let one = self.stream_mut(stream);
        one.format = None;
        one.canceller = None;
        one.fill = 0;
        self.tell(AudioEvent::Stopped { stream });
    }
}
