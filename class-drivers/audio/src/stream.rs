//! What a device can play and record.

use std::fmt;
use std::sync::Arc;

use usbfs2_host::{Direction, EndpointAddress};
use usbfs2_protocol::audio::Sample;
use usbfs2_protocol::descriptor::SynchronizationType;

use crate::clock_control::Clock;
use crate::error::StreamError;
use crate::format::{AudioFormat, Rates};
use crate::timing::Timing;

/// A way sound goes to a device or comes from it: a streaming interface with its alternate settings.
#[derive(Debug, Clone)]
pub struct AudioStream {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) interface: u8,
    pub(crate) direction: Direction,
    pub(crate) terminal: u8,
    pub(crate) ends: Vec<String>,
    pub(crate) settings: Vec<StreamSetting>,
    pub(crate) unusable: Vec<Unusable>,
}

/// One alternate setting of a stream.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StreamSetting {
    /// Its number.
    pub alternate_setting: u8,
    /// Channels of a frame.
    pub channels: u8,
    /// How a sample of a channel travels.
    pub sample: Sample,
    /// The rates it can have.
    pub rates: Rates,
    /// Whose clock the device follows.
    pub synchronization: SynchronizationType,
    /// How the device says what its clock does.
    pub feedback: FeedbackKind,
    /// Where sound goes.
    pub endpoint: EndpointAddress,
    /// Bytes of a packet at most.
    pub packet_bytes: usize,
    /// The rate, without which nothing is known of the bus.
    pub(crate) timing: Timing,
    pub(crate) rate_control: RateControl,
}

/// How an asynchronous sink says what its clock does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FeedbackKind {
    /// It does not: the nominal rate is what it gets.
    None,
    /// On an endpoint of its own (USB 2.0 5.12.4.2).
    Explicit(EndpointAddress),
    /// By what it records on this interface (USB 2.0 5.12.4.3).
    Implicit {
        /// The interface that records.
        interface: u8,
    },
}

/// How the rate is set.
#[derive(Debug, Clone)]
pub(crate) enum RateControl {
    /// It cannot be: there is one.
    Fixed,
    /// By a request to the endpoint (UAC1 5.2.3.2.3.1).
    Endpoint,
    /// At a clock source, reached in one of these ways (UAC2 5.2.5.1).
    Clock(Vec<Clock>),
}

/// An alternate setting that this driver cannot use.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unusable {
    /// Its number.
    pub alternate_setting: u8,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "alternate setting {}: {}",
            self.alternate_setting, self.reason
        )
    }
}

impl AudioStream {
    pub(crate) fn new(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The streaming interface.
    #[must_use]
    pub fn interface(&self) -> u8 {
        self.shared.interface
    }

    /// OUT for playback, IN for capture.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.shared.direction
    }

    /// The terminal it is linked to.
    #[doc(alias = "bTerminalLink")]
    #[must_use]
    pub fn terminal(&self) -> u8 {
        self.shared.terminal
    }

    /// Where the sound goes to in the end, or where it comes from: `speaker`, `microphone`.
    #[must_use]
    pub fn ends(&self) -> &[String] {
        &self.shared.ends
    }

    /// The alternate settings this driver can use.
    #[must_use]
    pub fn settings(&self) -> &[StreamSetting] {
        &self.shared.settings
    }

    /// The alternate settings this driver cannot use, and why.
    #[must_use]
    pub fn unusable(&self) -> &[Unusable] {
        &self.shared.unusable
    }

    /// Whether the stream has this format.
    #[must_use]
    pub fn supports(&self, format: AudioFormat) -> bool {
        self.setting_for(format).is_ok()
    }

    /// The setting that carries this format.
    pub(crate) fn setting_for(&self, format: AudioFormat) -> Result<&StreamSetting, StreamError> {
        let matching = || self.settings().iter().filter(|setting| setting.has(format));
        if let Some(fitting) = matching().find(|setting| setting.fits(format)) {
            return Ok(fitting);
        }
        Err(match matching().next() {
            Some(setting) => setting.bandwidth_error(self.interface(), format),
            None => StreamError::NoSuchFormat {
                verb: verb(self.direction()),
                asked: format,
                existing: self.to_string(),
            },
        })
    }
}

impl StreamSetting {
    /// Those of its [rates](Self::rates) at which its packets have room for the frames. Devices name others too.
    #[must_use]
    pub fn fitting_rates(&self) -> Rates {
        let frame_bytes = (usize::from(self.channels) * usize::from(self.sample.bytes())).max(1);
        // As in `Timing::frames_in`, the other way round.
        let frames = self.packet_bytes as u64 / frame_bytes as u64;
        let most = frames * 8_000 / u64::from(self.timing.interval.max(1));
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let ranges = self.rates.ranges().iter();
        Rates::new(ranges.map(|range| *range.start()..=most.min(*range.end())))
    }

    fn has(&self, format: AudioFormat) -> bool {
        self.channels == format.channels
            && self.sample == format.sample
            && self.rates.contains(format.rate)
    }

    fn fits(&self, format: AudioFormat) -> bool {
        self.needed_bytes(format) <= self.packet_bytes
    }

    fn needed_bytes(&self, format: AudioFormat) -> usize {
        let rate = format.rate;
        let frames = Timing {
            rate,
            ..self.timing
        }
        .frames_in(1);
        frames.saturating_mul(format.frame_bytes())
    }

    fn bandwidth_error(&self, interface: u8, format: AudioFormat) -> StreamError {
        StreamError::Bandwidth {
            interface,
            alternate_setting: self.alternate_setting,
            packet_bytes: self.packet_bytes,
            format,
            needed: self.needed_bytes(format),
        }
    }
}

impl fmt::Display for StreamSetting {
    /// `2 channels, 16 bits, 44100, 48000 Hz`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.channels == 1 { "" } else { "s" };
        write!(
            f,
            "{} channel{plural}, {}, {}",
            self.channels, self.sample, self.rates
        )
    }
}

impl fmt::Display for AudioStream {
    /// Every format it has, and what it has else.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.settings().iter().map(StreamSetting::to_string);
        let unusable = self.unusable().iter().map(Unusable::to_string);
        let all: Vec<String> = settings.chain(unusable).collect();
        if all.is_empty() {
            return f.write_str("no format");
        }
        f.write_str(&all.join("; "))
    }
}

/// What one does with a stream.
pub(crate) fn verb(direction: Direction) -> &'static str {
    match direction {
        Direction::Out => "play",
        Direction::In => "record",
    }
}

#[cfg(test)]
mod tests {
    use usbfs2_host::Speed;

    use super::*;

    #[test]
    fn rates_fit_as_far_as_packets_have_room() {
        let setting = |packet_bytes, rates: &[std::ops::RangeInclusive<u32>]| StreamSetting {
            alternate_setting: 1,
            channels: 2,
            sample: Sample::S24,
            rates: Rates::new(rates.iter().cloned()),
            synchronization: SynchronizationType::Adaptive,
            feedback: FeedbackKind::None,
            endpoint: EndpointAddress::new(1, Direction::Out).unwrap(),
            packet_bytes,
            timing: Timing {
                rate: 48_000,
                interval: 8,
                speed: Speed::Full,
                packet_frames: 0,
            },
            rate_control: RateControl::Fixed,
        };
        let single = setting(388, &[44_100..=44_100, 48_000..=48_000, 96_000..=96_000]);
        assert_eq!(single.fitting_rates().to_string(), "44100, 48000 Hz");
        let range = setting(388, &[8000..=96_000]);
        assert_eq!(range.fitting_rates().to_string(), "8000 to 64000 Hz");
        for (rate, fits) in [(64_000, true), (64_001, false)] {
            assert_eq!(range.fits(AudioFormat::new(rate, 2, Sample::S24)), fits);
        }
        let none = setting(5, &[8000..=96_000]);
        assert_eq!(none.fitting_rates(), Rates::default());
    }
}
