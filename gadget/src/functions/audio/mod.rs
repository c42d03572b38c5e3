//! A sound card: USB Audio 2.0, or 1.0 for old hosts, with a speaker, a microphone or both.
//!
//! What the host plays is read from the [`Audio`], and what it records is written to it, as frames of 32-bit samples,
//! the most significant bits first whatever the host's format. Nothing is mixed, scaled or converted: frames arrive as
//! they were sent, and volume and mute are told but not applied.
//!
//! The card's clock counts the bus's service intervals, with an error that can be set, to stand in for the quartz of a
//! real one. An asynchronous speaker plays at that clock's pace from a buffer, and asks the host by feedback for as
//! many frames as it plays, a little more or less where its buffer is not as full as it should be.
//!
//! ```
//! use usbfs2_gadget::functions::{Audio, AudioOptions};
//! use usbfs2_gadget::{DeviceIds, Gadget, Target, Udc};
//!
//! let card = Audio::new(AudioOptions::default())?;
//! let ids = DeviceIds { vendor: 0x1d6b, product: 0x0104, release: 0x0100 };
//! let gadget = Gadget::builder(ids).product("Sound card").function(card.clone()).build()?;
//! assert_eq!(gadget.check(&Target::Gadgetfs(Udc::dummy_hcd_isochronous())), []);
//! card.write(&[0; 2 * 48], None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Hosts
//!
//! Linux, macOS and Windows 10 (version 1703) bring drivers for Audio 2.0; older ones of Windows know 1.0 alone. What is
//! described here is what they are known to insist on: an interface association, a clock source, terminals of a
//! type they have icons for, feedback in a packet of 3 bytes (10.14) at full speed and 4 bytes (16.16) above, at the
//! interval of the data.

mod clock;
mod describe;
mod error;
mod event;
mod function;
mod microphone;
mod opened;
mod options;
mod packets;
mod playout;
mod requests;
mod samples;
mod sink;
mod speaker;
mod state;
mod streaming;

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use usbfs2_protocol::audio::Decibel;

pub use self::error::AudioOptionsError;
pub use self::event::{AudioEvent, Stream, StreamFormat, StreamStatistics};
pub use self::options::{
    AudioOptions, MicrophoneTiming, SpeakerTiming, StreamOptions, VolumeRange,
};
pub use self::samples::SampleSize;
use self::state::State;

/// A sound card, and the handle to what the host plays on it and records from it.
pub struct Audio {
    options: AudioOptions,
    state: Mutex<State>,
    /// Frames came or went, or something was told.
    changed: Condvar,
}

impl Audio {
    /// A sound card of these options.
    ///
    /// # Errors
    /// [`AudioOptionsError`] says what to change.
    pub fn new(options: AudioOptions) -> Result<Arc<Self>, AudioOptionsError> {
        options.check()?;
        Ok(Arc::new(Self {
            state: Mutex::new(State::new(&options)),
            options,
            changed: Condvar::new(),
        }))
    }

    /// What it was made of.
    #[must_use]
    pub fn options(&self) -> &AudioOptions {
        &self.options
    }

    /// Takes what the host played, up to as many whole frames as fit, and returns how many. Waits for the first one up
    /// to `timeout`, without end for `None`; 0 when none came, as while the host plays nothing.
    ///
    /// Frames wait in a ring; what does not fit there is dropped and counted. The end of a stream leaves them there.
    pub fn read(&self, samples: &mut [i32], timeout: Option<Duration>) -> usize {
        let mut state = self.wait_until(timeout, |state| !state.speaker.ring.is_empty());
        let one = &mut state.speaker;
        let whole = samples.len() - samples.len() % one.channels;
        let count = whole.min(one.ring.len());
        for (sample, heard) in samples.iter_mut().zip(one.ring.drain(..count)) {
            *sample = heard;
        }
        count / one.channels
    }

    /// Puts frames where the host will record them, as many as there is room for, and returns how many. Waits for room
    /// for the first up to `timeout`, without end for `None`; 0 when there was none, as while the host does not
    /// record. An incomplete frame at the end is left out.
    pub fn write(&self, samples: &[i32], timeout: Option<Duration>) -> usize {
        let mut state = self.wait_until(timeout, |state| state.microphone.room() > 0);
        let one = &mut state.microphone;
        let whole = samples.len() - samples.len() % one.channels;
        let count = whole.min(one.room());
        one.ring.extend(&samples[..count]);
        one.is_starved &= count == 0;
        count / one.channels
    }

    /// Frames that [`read`](Self::read) would return (speaker), or that were written and are not yet on their way
    /// (microphone).
    #[must_use]
    pub fn waiting(&self, stream: Stream) -> usize {
        let state = self.lock();
        let one = state.stream(stream);
        one.ring.len() / one.channels
    }

    /// Frames in the speaker's buffer, between the host and [`read`](Self::read).
    #[must_use]
    pub fn fill(&self) -> usize {
        self.lock().speaker.fill
    }

    /// What a stream carries; `None` while it is off.
    #[must_use]
    pub fn format(&self, stream: Stream) -> Option<StreamFormat> {
        self.lock().stream(stream).format
    }

    /// Waits up to `timeout`, without end for `None`, for what the host does next. If nobody takes them, 1024 events are
    /// kept.
    pub fn next_event(&self, timeout: Option<Duration>) -> Option<AudioEvent> {
        let mut state = self.wait_until(timeout, |state| !state.events.is_empty());
        state.events.pop_front()
    }

    /// A stream's volume, as the host set it last.
    #[must_use]
    pub fn volume(&self, stream: Stream) -> Decibel {
        self.lock().stream(stream).volume
    }

    /// Whether the host has muted a stream.
    #[must_use]
    pub fn is_muted(&self, stream: Stream) -> bool {
        self.lock().stream(stream).mute
    }

    /// A stream's sampling rate in Hz, as the host set it last.
    #[must_use]
    pub fn rate(&self, stream: Stream) -> u32 {
        self.lock().stream(stream).rate
    }

    /// How a stream went so far.
    #[must_use]
    pub fn statistics(&self, stream: Stream) -> StreamStatistics {
        self.lock().stream(stream).statistics
    }

    /// Sets how far off the card's clock is, in parts per million, from the next packet on. More than 1000 either way
    /// is 1000.
    pub fn set_clock_error(&self, ppm: i32) {
        let largest = clock::LARGEST_ERROR_PPM;
        self.lock().clock_error_ppm = ppm.clamp(-largest, largest);
    }

    /// Packets to submit ahead.
    fn depth(&self, interval_microseconds: u32) -> usize {
        let depth = self.options.queue.as_micros() / u128::from(interval_microseconds.max(1));
        usize::try_from(depth).unwrap_or(usize::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs half-way through an update.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state as soon as it is so, or at the end of the time.
    fn wait_until(
        &self,
        timeout: Option<Duration>,
        is_so: impl Fn(&State) -> bool,
    ) -> MutexGuard<'_, State> {
        // A timeout too long for the clock is no deadline.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut state = self.lock();
        while !is_so(&state) {
            state = match deadline {
                None => self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        state
    }
}

impl fmt::Debug for Audio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audio")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
