//! USB audio host class driver: playing and recording PCM, sample-exactly, with devices of Audio 1.0 and 2.0.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use usbfs2_audio::{AudioDevice, AudioFormat, Sample, StreamOptions};
//! use usbfs2_host::Host;
//!
//! let host = Host::system()?;
//! let card = AudioDevice::open_blocking(&host.open(&"1-1".into())?)?;
//! let format = AudioFormat::new(48_000, 2, Sample::S16);
//!
//! // A second of a square wave of 480 Hz.
//! let mut playback = card.play_blocking(format, StreamOptions::default())?;
//! for frame in 0..48_000 {
//!     let sample: i16 = if frame / 50 % 2 == 0 { 4_000 } else { -4_000 };
//!     let [low, high] = sample.to_le_bytes();
//!     playback.write_blocking(&[low, high, low, high])?;
//! }
//! playback.drain_blocking()?;
//! println!("{}", playback.stop_blocking()?);
//!
//! // A second of what the microphone hears.
//! let mut capture = card.record_blocking(format, StreamOptions::default())?;
//! let mut heard = vec![0; 48_000 * format.frame_bytes()];
//! let mut frames = 0;
//! while frames < 48_000 {
//!     frames += capture.read_blocking(&mut heard[frames * format.frame_bytes()..])?;
//! }
//! println!("{}", capture.stop_blocking()?);
//! # Ok(()) }
//! ```
//!
//! # The parts
//!
//! | type | what it is |
//! |---|---|
//! | [`AudioDevice`] | a claimed audio function: its topology, streams, volume and mute |
//! | [`AudioStream`] | a way in or out: its alternate settings, formats and rates |
//! | [`AudioFormat`], [`Sample`], [`Rates`] | PCM: rate, channels, bits and bytes; conversion from and to `i32` |
//! | [`Playback`], [`Capture`] | an open stream |
//! | [`Volume`], [`Mute`] | feature units on a stream's way |
//! | [`Statistics`] | frames, xruns, missed packets, feedback, fill |
//!
//! # Time
//!
//! A device's clock is not the host's. How many frames a packet carries depends on whose clock rules
//! (USB 2.0 5.12.4):
//!
//! - A *synchronous* or *adaptive* sink takes what the host sends: exactly the nominal rate. The fraction that a packet
//!   cannot carry is an integer that is never rounded, so 44.1 kHz at full speed is nine packets of 44 frames and one of
//!   45, for ever.
//! - An *asynchronous* sink says what its clock does: on a feedback endpoint, in 10.14 or 16.16, whatever its speed; or
//!   implicitly, by the size of the packets it records. What it says is followed to the last bit. Values that are
//!   more than an eighth off the nominal rate are ignored and counted: playback goes on at the last good rate, which is
//!   the nominal one where there was none.
//! - A source puts into each packet what its clock gave it.
//!
//! # Latency and xruns
//!
//! [`StreamOptions::latency`] bounds the frames between the caller and the bus. A caller that is away for longer
//! causes an *xrun*: silence on the way out, frames lost on the way in. Both are counted, and the stream goes on with
//! whole frames, so that channels never change places.
//!
//! All of it needs isochronous transfers: the usbfs2 module, or the in-process bus.

#![forbid(unsafe_code)]

mod capture;
mod clock_control;
mod clock_lease;
mod device;
mod error;
mod format;
mod implicit;
mod intake;
mod latency;
mod mute;
mod offload;
#[cfg(test)]
mod one_endpoint;
mod opening;
mod options;
mod out_queue;
mod outlet;
mod pace;
mod packetiser;
mod plausible;
mod playback;
mod rate;
mod requests;
mod ring;
mod statistics;
mod stream;
mod streams;
mod timing;
mod tuned;
mod volume;

pub use capture::Capture;
pub use device::AudioDevice;
pub use error::{ControlError, OpenError, StreamError};
pub use format::{AudioFormat, Rates};
pub use mute::Mute;
pub use options::StreamOptions;
pub use playback::Playback;
pub use statistics::{FeedbackStatistics, Statistics};
pub use stream::{AudioStream, FeedbackKind, StreamSetting, Unusable};
pub use usbfs2_protocol::audio::{Decibel, Sample, Version};
pub use usbfs2_protocol::descriptor::SynchronizationType;
pub use volume::{Volume, VolumeRange};
