//! Why a sound card cannot be.

use std::time::Duration;

/// What is wrong with [`AudioOptions`](super::AudioOptions).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AudioOptionsError {
    /// Neither direction.
    #[error("the sound card has no stream: give it a speaker, a microphone or both")]
    NoStream,
    /// No rate, or more than descriptors hold.
    #[error("{count} sampling rates: name 1 to {limit}")]
    RateCount {
        /// How many.
        count: usize,
        /// The most.
        limit: usize,
    },
    /// A rate that is none.
    #[error("a sampling rate of {rate} Hz: use 1000 to 768000")]
    Rate {
        /// The rate.
        rate: u32,
    },
    /// No channel, or too many.
    #[error("{channels} channels: use 1 to {limit}")]
    Channels {
        /// How many.
        channels: u8,
        /// The most.
        limit: u8,
    },
    /// A stream without formats, or with more than alternate settings.
    #[error("a stream needs 1 to 254 sample sizes: name at least one")]
    Sizes,
    /// A range of volumes that is none.
    #[error(
        "no volume range: the minimum must be at most the maximum and above -128 dB, the resolution above 0"
    )]
    Volume,
    /// Nothing to derive the feedback from.
    #[error("implicit feedback comes from an asynchronous microphone: add one, or use Feedback")]
    ImplicitFeedback,
    /// A clock too far off.
    #[error("a clock error of {ppm} ppm: use -1000 to 1000")]
    ClockError {
        /// The error.
        ppm: i32,
    },
    /// No interval the bus has.
    #[error("a service interval of {interval:?}: use 125, 250, 500 or 1000 us")]
    ServiceInterval {
        /// The interval.
        interval: Duration,
    },
    /// A time that cannot be.
    #[error("{name} of {time:?}: use {least:?} to {most:?}")]
    Time {
        /// Which option.
        name: &'static str,
        /// Its value.
        time: Duration,
        /// The least it may be.
        least: Duration,
        /// The most.
        most: Duration,
    },
}
