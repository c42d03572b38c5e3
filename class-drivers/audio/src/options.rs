//! How a stream is run.

use std::time::Duration;

/// How a stream is run.
///
/// ```
/// use std::time::Duration;
/// use usbfs2_audio::StreamOptions;
///
/// let options = StreamOptions::default().latency(Duration::from_millis(8));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamOptions {
    /// What may wait between the caller and the device, in the driver and on the bus together: so long the caller
    /// may be away, less the request that is on the bus at the time. 20 ms unless told otherwise.
    ///
    /// Three quarters of it are on the bus, in requests of a quarter each and 8 ms at most. It is never less than
    /// three service intervals: one goes over the bus, one is queued, and one gathers in the driver.
    ///
    /// Playback's first frame waits for [silence](crate::Playback::LEAD) besides.
    pub latency: Duration,
    /// Playback whose pace is what the device records (implicit feedback): keep the recording for
    /// [`Playback::recorded`](crate::Playback::recorded) instead of dropping it. False unless told otherwise.
    pub keep_recording: bool,
}

impl StreamOptions {
    /// The same, with another [`latency`](Self::latency).
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// The same, with the recording of an implicit feedback stream [kept](Self::keep_recording) or not.
    #[must_use]
    pub fn keep_recording(mut self, is_kept: bool) -> Self {
        self.keep_recording = is_kept;
        self
    }
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(20),
            keep_recording: false,
        }
    }
}
