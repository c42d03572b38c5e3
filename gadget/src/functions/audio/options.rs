//! What a sound card has: streams, formats, rates, and whose clock it keeps to.

use std::time::Duration;

use usbfs2_protocol::audio::{Decibel, Version};

use super::SampleSize;
use super::clock::LARGEST_ERROR_PPM;
use super::error::AudioOptionsError;

/// A sound card to be.
///
/// The default is a stereo speaker and a stereo microphone of 16 bits at 48 kHz on one clock, which the host follows
/// by explicit feedback, both with volume and mute: the most that gadgetfs's 256 bytes on endpoint 0 hold. More
/// runs on the in-process bus; what needs over 1023 bytes a millisecond also needs
/// [`GadgetBuilder::speeds`](crate::GadgetBuilder::speeds) without full speed. [`Gadget::check`](crate::Gadget::check)
/// counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioOptions {
    /// Audio 2.0, or 1.0 for old hosts.
    pub version: Version,
    /// Sampling rates in Hz, all of them for each format. The first is the one before the host chooses. In Audio 2.0
    /// both streams run at the rate of the one clock.
    pub rates: Vec<u32>,
    /// What the host plays to.
    pub speaker: Option<StreamOptions>,
    /// Whose clock the speaker keeps to.
    pub speaker_timing: SpeakerTiming,
    /// What the host records from.
    pub microphone: Option<StreamOptions>,
    /// Whose clock the microphone keeps to.
    pub microphone_timing: MicrophoneTiming,
    /// How far off the function's clock is, in parts per million, from -1000 to 1000:
    /// [`Audio::set_clock_error`](super::Audio::set_clock_error) changes it.
    pub clock_error_ppm: i32,
    /// How much the speaker holds back on average to even out the host's packets, where it has a clock of its own: 2 ms
    /// to a second.
    pub buffer: Duration,
    /// The time between packets at high and super speed: 125 us, 250 us, 500 us or 1 ms, less where a packet would be
    /// too long. At full speed it is always 1 ms.
    pub service_interval: Duration,
    /// How much is submitted ahead, and so how late the function's thread may be: 2 ms to a second. Of a
    /// microphone's latency, this is the most.
    pub queue: Duration,
    /// How much sound waits for [`Audio::read`](super::Audio::read), or after [`Audio::write`](super::Audio::write), at
    /// the highest rate: up to a minute.
    pub ring: Duration,
}

/// One direction of a sound card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamOptions {
    /// How many channels, 1 to 32.
    pub channels: u8,
    /// The formats, each an alternate setting in this order.
    pub sizes: Vec<SampleSize>,
    /// Volume and mute of all channels together; `None` for a stream with neither.
    pub volume: Option<VolumeRange>,
}

/// The volumes to choose from (UAC1 5.2.2.4.3.2, UAC2 5.2.5.7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VolumeRange {
    /// The quietest.
    pub minimum: Decibel,
    /// The loudest, which it is set to at first.
    pub maximum: Decibel,
    /// From one to the next, in 1/256 dB.
    pub resolution: i16,
}

/// Whose clock the speaker keeps to, and how the host learns of it (USB 2.0 5.12.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpeakerTiming {
    /// Its own: asynchronous, with a feedback endpoint.
    Feedback,
    /// Its own: asynchronous. The microphone's packets, by the same clock, tell the host how long its own must be.
    ImplicitFeedback,
    /// The host's: adaptive, whatever comes is played.
    Adaptive,
    /// The bus's: synchronous.
    Synchronous,
}

/// Whose clock the microphone keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MicrophoneTiming {
    /// Its own: asynchronous.
    Asynchronous,
    /// The bus's: synchronous, without error.
    Synchronous,
}

impl VolumeRange {
    /// From -50 dB to 0 in halves.
    pub const DEFAULT: Self = Self {
        minimum: Decibel(-50 * 256),
        maximum: Decibel::ZERO,
        resolution: 128,
    };
}

impl StreamOptions {
    /// Two channels of 16 bits, with volume and mute.
    #[must_use]
    pub fn stereo() -> Self {
        Self {
            channels: 2,
            sizes: vec![SampleSize::Bits16],
            volume: Some(VolumeRange::DEFAULT),
        }
    }
}

impl Default for AudioOptions {
    fn default() -> Self {
        Self {
            version: Version::Uac2,
            rates: vec![48_000],
            speaker: Some(StreamOptions::stereo()),
            speaker_timing: SpeakerTiming::Feedback,
            microphone: Some(StreamOptions::stereo()),
            microphone_timing: MicrophoneTiming::Asynchronous,
            clock_error_ppm: 0,
            buffer: Duration::from_millis(8),
            service_interval: Duration::from_millis(1),
            queue: Duration::from_millis(16),
            ring: Duration::from_secs(1),
        }
    }
}

/// What a descriptor and a range block can list (bLength of the format type, wLength on a small endpoint 0).
const RATES: usize = 80;
const CHANNELS: u8 = 32;
/// Faster than any converter, and not more than three bytes of Audio 1.0.
const LARGEST_RATE: u32 = 768_000;
const SMALLEST_RATE: u32 = 1_000;

impl AudioOptions {
    pub(super) fn streams(&self) -> impl Iterator<Item = &StreamOptions> {
        self.speaker.iter().chain(&self.microphone)
    }

    pub(super) fn highest_rate(&self) -> u32 {
        self.rates.iter().copied().max().unwrap_or_default()
    }

    /// Frames of the speaker's buffer at this rate.
    pub(super) fn buffer_frames(&self, rate: u32) -> usize {
        let frames = u128::from(rate) * self.buffer.as_micros() / 1_000_000;
        usize::try_from(frames).unwrap_or(usize::MAX)
    }

    /// Frames of this time at the highest rate.
    pub(super) fn frames(&self, time: Duration) -> usize {
        let frames = u128::from(self.highest_rate()) * time.as_micros() / 1_000_000;
        usize::try_from(frames).unwrap_or(usize::MAX)
    }

    pub(super) fn check(&self) -> Result<(), AudioOptionsError> {
        if self.streams().next().is_none() {
            return Err(AudioOptionsError::NoStream);
        }
        if self.rates.is_empty() || self.rates.len() > RATES {
            return Err(AudioOptionsError::RateCount {
                count: self.rates.len(),
                limit: RATES,
            });
        }
        let limits = SMALLEST_RATE..=LARGEST_RATE;
        if let Some(&rate) = self.rates.iter().find(|rate| !limits.contains(rate)) {
            return Err(AudioOptionsError::Rate { rate });
        }
        for stream in self.streams() {
            if !(1..=CHANNELS).contains(&stream.channels) {
                return Err(AudioOptionsError::Channels {
                    channels: stream.channels,
                    limit: CHANNELS,
                });
            }
            // An alternate setting each, besides the one without a stream.
            if stream.sizes.is_empty() || stream.sizes.len() > 254 {
                return Err(AudioOptionsError::Sizes);
            }
            let sound = |volume: VolumeRange| {
                volume.minimum > Decibel::SILENCE
                    && volume.minimum <= volume.maximum
                    && volume.resolution > 0
            };
            if !stream.volume.is_none_or(sound) {
                return Err(AudioOptionsError::Volume);
            }
        }
        if self.speaker_timing == SpeakerTiming::ImplicitFeedback
            && self.speaker.is_some()
            && (self.microphone.is_none()
                || self.microphone_timing != MicrophoneTiming::Asynchronous)
        {
            return Err(AudioOptionsError::ImplicitFeedback);
        }
        if !(-LARGEST_ERROR_PPM..=LARGEST_ERROR_PPM).contains(&self.clock_error_ppm) {
            return Err(AudioOptionsError::ClockError {
                ppm: self.clock_error_ppm,
            });
        }
        if ![125, 250, 500, 1000]
            .map(Duration::from_micros)
            .contains(&self.service_interval)
        {
            return Err(AudioOptionsError::ServiceInterval {
                interval: self.service_interval,
            });
        }
        let (least, most) = (Duration::from_millis(2), Duration::from_secs(1));
        for (name, time, most) in [
            ("buffer", self.buffer, most),
            ("queue", self.queue, most),
            ("ring", self.ring, Duration::from_secs(60)),
        ] {
            if !(least..=most).contains(&time) {
                return Err(AudioOptionsError::Time {
                    name,
                    time,
                    least,
                    most,
                });
            }
        }
        Ok(())
    }
}
