//! Where the speaker's packets go: through a buffer at the pace of the card's clock, or straight on.

use std::collections::VecDeque;

use super::clock::SampleClock;
use super::playout::Playout;
use super::state::State;
use super::{AudioEvent, AudioOptions, SpeakerTiming, Stream, StreamFormat};

/// A speaker while it plays.
pub(super) struct Sink {
    format: StreamFormat,
    clock: SampleClock,
    /// With a clock of its own.
    playout: Option<Playout>,
    /// Scratch.
    samples: Vec<i32>,
}

const XRUN: AudioEvent = AudioEvent::Xrun {
    stream: Stream::Speaker,
};

impl Sink {
    pub(super) fn new(
        options: &AudioOptions,
        format: StreamFormat,
        interval_microseconds: u32,
    ) -> Self {
        let has_own_clock = matches!(
            options.speaker_timing,
            SpeakerTiming::Feedback | SpeakerTiming::ImplicitFeedback
        );
        let playout = || {
            Playout::new(
                usize::from(format.channels),
                options.buffer_frames(format.rate),
            )
        };
        Self {
            format,
            clock: SampleClock::new(format.rate, interval_microseconds),
            playout: has_own_clock.then(playout),
            samples: Vec::new(),
        }
    }

    /// Takes a packet, which is also how the time of a service interval passes.
    pub(super) fn packet(&mut self, state: &mut State, options: &AudioOptions, bytes: &[u8]) {
        self.samples.clear();
        self.format.size.decode(bytes, &mut self.samples);
        let channels = usize::from(self.format.channels);
        let frames = self.samples.len() / channels;
        self.samples.truncate(frames * channels);
        let statistics = &mut state.speaker.statistics;
        statistics.packets += 1;
        statistics.frames += frames as u64;
        self.interval(state, options);
    }

    /// An interval of which the controller says that its packet was lost: there is nothing in it, but its time has passed.
    pub(super) fn lost(&mut self, state: &mut State, options: &AudioOptions) {
        self.samples.clear();
        state.speaker.statistics.lost_packets += 1;
        self.interval(state, options);
    }

    /// Lets a service interval pass that brought `self.samples`.
    fn interval(&mut self, state: &mut State, options: &AudioOptions) {
        let mut played = VecDeque::new();
        let mut is_well = true;
        match &mut self.playout {
            None => played.extend(&self.samples),
            Some(playout) => {
                let rate = state.speaker.rate;
                if std::mem::replace(&mut self.format.rate, rate) != rate {
                    // As Audio 1.0 hosts do once the stream is open.
                    playout.set_target(options.buffer_frames(rate));
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
    }

    /// The rate to ask the host for, in millionths of a frame per second; `None` where it is not asked.
    pub(super) fn wanted_rate(&self, state: &State) -> Option<u64> {
        let playout = self.playout.as_ref()?;
        Some(playout.wanted_rate(state.speaker.rate, state.clock_error_ppm))
    }

    /// Plays what is left: the host has ended the stream.
    pub(super) fn finish(&mut self, state: &mut State) {
        let Some(playout) = &mut self.playout else {
            return;
        };
        let mut rest = VecDeque::new();
        playout.finish(&mut rest);
        if state.hear(&mut rest) > 0 && state.speaker.starved() {
            state.tell(XRUN);
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

#[cfg(test)]
mod tests {
    use super::super::SampleSize;
    use super::*;

    /// A millisecond at 48 kHz, in stereo of 16 bits.
    const PACKET: [u8; 48 * 4] = [1; 48 * 4];

    fn sink(speaker_timing: SpeakerTiming) -> (Sink, State, AudioOptions) {
        let options = AudioOptions {
            speaker_timing,
            ..AudioOptions::default()
        };
        let format = StreamFormat {
            channels: 2,
            size: SampleSize::Bits16,
            rate: 48_000,
        };
        (
            Sink::new(&options, format, 1000),
            State::new(&options),
            options,
        )
    }

    #[test]
    fn the_clock_goes_on_in_an_interval_whose_packet_is_lost() {
        let (mut sink, mut state, options) = sink(SpeakerTiming::Feedback);
        for _ in 0..20 {
            sink.packet(&mut state, &options, &PACKET);
        }
        let target = options.buffer_frames(48_000);
        assert_eq!(state.speaker.fill, target);
        let heard = state.speaker.ring.len();
        assert_eq!(sink.wanted_rate(&state), Some(48_000_000_000));
        for _ in 0..3 {
            sink.lost(&mut state, &options);
        }
        // What was played meanwhile is missing now, and asked for.
        assert_eq!(state.speaker.ring.len(), heard + 3 * PACKET.len() / 2);
        assert_eq!(state.speaker.fill, target - 3 * 48);
        assert!(sink.wanted_rate(&state) > Some(48_000_000_000));
        let statistics = &state.speaker.statistics;
        assert_eq!((statistics.packets, statistics.lost_packets), (20, 3));
        assert_eq!((statistics.frames, statistics.xruns), (960, 0));
        // All that is kept lasts eight intervals: more is a break, and one.
        for _ in 0..10 {
            sink.lost(&mut state, &options);
        }
        assert_eq!((state.speaker.fill, state.speaker.statistics.xruns), (0, 1));
    }

    #[test]
    fn a_lost_packet_is_nothing_to_hear_where_the_host_has_the_clock() {
        let (mut sink, mut state, options) = sink(SpeakerTiming::Adaptive);
        sink.packet(&mut state, &options, &PACKET);
        sink.lost(&mut state, &options);
        assert_eq!(state.speaker.ring.len(), PACKET.len() / 2);
        assert_eq!(sink.wanted_rate(&state), None);
        assert_eq!(state.speaker.statistics.xruns, 0);
    }
}
