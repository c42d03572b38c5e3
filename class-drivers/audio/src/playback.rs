//! Playing.

use std::time::{Duration, Instant};

use usbfs2_host::{Waiting, block_on};

use crate::device::AudioDevice;
use crate::error::StreamError;
use crate::format::AudioFormat;
use crate::opening::Opening;
use crate::options::StreamOptions;
use crate::outlet::{LEAD, Outlet};
use crate::statistics::Statistics;
use crate::stream::AudioStream;

/// A stream to the device.
///
/// [`write`](Self::write) puts interleaved sample frames into a ring, from which requests go to the bus, in packets
/// of the size the stream's pace asks for: exactly the nominal rate for synchronous and adaptive sinks, what the
/// device says for asynchronous ones. The bus starts once the ring and the bus hold what the
/// [latency](StreamOptions::latency) allows, with [silence](Self::LEAD): a device may lose packets while it opens its
/// interface.
///
/// There is no thread behind it. Requests are queued ahead while the caller is in one of the methods, and the caller
/// may be away for as long as the bus has frames. When it comes back too late, nothing was sent meanwhile: that is an
/// xrun, which is counted; silence goes ahead of the next frames, so that the queue is as deep as before. Who has
/// nothing to play for a while calls [`pump`](Self::pump), which sends silence; who wants a thread moves this to one.
///
/// # Errors
/// After [`StreamError::Disconnected`] and [`StreamError::Transfer`] the stream is at its end, and says so again
/// whenever it is used. What became of it until then is in the error, and in [`statistics`](Self::statistics).
///
/// # Cancellation
/// Dropping a future of a method loses nothing: frames taken from the caller stay in the ring, and the stream goes on
/// with whatever is called next. How many frames a [`write`](Self::write) had taken when it was dropped is not told;
/// [`write_some`](Self::write_some) takes frames in the poll that returns how many.
///
/// # Drop
/// As [`stop`](Self::stop), which async programs should prefer: it blocks while requests are taken back and alternate
/// setting 0 is selected.
#[derive(Debug)]
pub struct Playback {
    /// Before `opening`: endpoints close before the alternate setting changes. `None` between two rates.
    outlet: Option<Box<Outlet>>,
    opening: Opening,
    stream: AudioStream,
    format: AudioFormat,
    options: StreamOptions,
    /// Counts of what went before the outlet there is, and of the recording that set its pace.
    before: (Statistics, Option<Statistics>),
}

impl Playback {
    /// The silence a stream begins with, and again at another rate. The first frame is sent so much later than the
    /// [latency](StreamOptions::latency) alone would have it; frames behind it are not, for they wait in the ring
    /// meanwhile. Rounded up to whole requests, a quarter of the latency each, it counts as
    /// [frames sent](Statistics::frames).
    pub const LEAD: Duration = LEAD;

    pub(crate) async fn open(
        waiting: Waiting,
        device: &AudioDevice,
        stream: &AudioStream,
        format: AudioFormat,
        options: StreamOptions,
    ) -> Result<Self, StreamError> {
        stream.setting_for(format)?;
        let mut playback = Self {
            outlet: None,
            opening: Opening::claim(waiting, device, stream).await?,
            stream: stream.clone(),
            format,
            options,
            before: Default::default(),
        };
        playback.ready(waiting).await?;
        Ok(playback)
    }

    /// What [`write`](Self::write) takes.
    #[must_use]
    pub fn format(&self) -> AudioFormat {
        self.format
    }

    /// The stream of the device.
    #[must_use]
    pub fn stream(&self) -> &AudioStream {
        &self.stream
    }

    /// What has become of the stream so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let now = self.outlet.as_ref().map(|outlet| outlet.statistics);
        now.unwrap_or(self.before.0)
    }

    /// What has become of the recording whose packets set the pace of this stream; `None` where none does.
    #[must_use]
    pub fn recording_statistics(&self) -> Option<Statistics> {
        let now = self
            .outlet
            .as_ref()
            .and_then(|outlet| outlet.recording_statistics());
        now.or(self.before.1)
    }

    /// Whether the bus has been started: by enough frames, or by [`start`](Self::start). A stream that does not run has
    /// nothing to [`pump`](Self::pump).
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.outlet
            .as_ref()
            .is_some_and(|outlet| outlet.is_running())
    }

    /// Frames given and not yet sent: a frame written now is sent after so many others.
    #[must_use]
    pub fn latency_frames(&self) -> usize {
        self.outlet
            .as_ref()
            .map_or(0, |outlet| outlet.waiting_frames())
    }

    /// The most frames that can be given and not yet sent, the [silence](Self::LEAD) the stream begins with apart; 0
    /// for a stream whose last change of rate did not come to its end.
    #[must_use]
    pub fn max_latency_frames(&self) -> usize {
        self.outlet.as_ref().map_or(0, |outlet| outlet.bound())
    }

    /// Plays whole sample frames, waiting until there was room for all.
    ///
    /// # Errors
    /// See [`Playback`]; [`StreamError::NotWholeFrames`].
    pub async fn write(&mut self, frames: &[u8]) -> Result<(), StreamError> {
        self.write_waiting(Waiting::Async, frames).await
    }

    /// [`write`](Self::write), blocking.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_blocking(&mut self, frames: &[u8]) -> Result<(), StreamError> {
        block_on(self.write_waiting(Waiting::Blocking, frames))
    }

    /// Plays as many whole sample frames as there is room for, blocking until there is any or `timeout` has passed.
    /// Returns how many. With [`Duration::ZERO`] it never blocks.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_timeout(
        &mut self,
        frames: &[u8],
        timeout: Duration,
    ) -> Result<usize, StreamError> {
        let deadline = Instant::now().checked_add(timeout);
        block_on(self.write_some(Waiting::Blocking, frames, deadline))
    }

    /// Plays as many whole sample frames as there is room for, waiting as told until there is any or `deadline` has
    /// passed. Returns how many.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn write_some(
        &mut self,
        waiting: Waiting,
        frames: &[u8],
        deadline: Option<Instant>,
    ) -> Result<usize, StreamError> {
        self.format.check_whole(frames)?;
        let outlet = self.ready(waiting).await?;
        let written = outlet.write(waiting, frames, deadline).await;
        written.map_err(|error| self.ended(error))
    }

    async fn write_waiting(
        &mut self,
        waiting: Waiting,
        mut frames: &[u8],
    ) -> Result<(), StreamError> {
        while !frames.is_empty() {
            let taken = self.write_some(waiting, frames, None).await?;
            frames = &frames[taken * self.format().frame_bytes()..];
        }
        Ok(())
    }

    /// Starts now, with silence ahead of the frames to come, instead of with enough frames in the ring. No effect on
    /// a stream that runs.
    ///
    /// # Errors
    /// See [`Playback`].
    pub async fn start(&mut self) -> Result<(), StreamError> {
        self.start_waiting(Waiting::Async).await
    }

    /// [`start`](Self::start), blocking.
    ///
    /// # Errors
    /// See [`Playback`].
    pub fn start_blocking(&mut self) -> Result<(), StreamError> {
        block_on(self.start_waiting(Waiting::Blocking))
    }

    async fn start_waiting(&mut self, waiting: Waiting) -> Result<(), StreamError> {
        let started = self.ready(waiting).await?.start();
        started.map_err(|error| self.ended(error))
    }

    /// Keeps a stream that [runs](Self::is_running) going for `time`: with the frames there are, then with silence,
    /// which counts as an xrun. Returns at once where it does not run.
    ///
    /// # Errors
    /// See [`Playback`].
    pub async fn pump(&mut self, waiting: Waiting, time: Duration) -> Result<(), StreamError> {
        let deadline = Instant::now().checked_add(time);
        let pumped = self.ready(waiting).await?.pump(waiting, deadline).await;
        pumped.map_err(|error| self.ended(error))
    }

    /// [`pump`](Self::pump), blocking.
    ///
    /// # Errors
    /// See [`Playback`].
    pub fn pump_blocking(&mut self, time: Duration) -> Result<(), StreamError> {
        block_on(self.pump(Waiting::Blocking, time))
    }

    /// Plays everything written and waits until it was sent, the last packet filled up with silence. The stream
    /// rests then, until more is written.
    ///
    /// The device may need some milliseconds more, for what is in its own buffer.
    ///
    /// # Errors
    /// See [`Playback`].
    pub async fn drain(&mut self) -> Result<(), StreamError> {
        self.drain_waiting(Waiting::Async).await
    }

    /// [`drain`](Self::drain), blocking.
    ///
    /// # Errors
    /// See [`Playback`].
    pub fn drain_blocking(&mut self) -> Result<(), StreamError> {
        block_on(self.drain_waiting(Waiting::Blocking))
    }

    async fn drain_waiting(&mut self, waiting: Waiting) -> Result<(), StreamError> {
        let drained = self.ready(waiting).await?.drain(waiting).await;
        drained.map_err(|error| self.ended(error))
    }

    /// Frames the device recorded meanwhile, where they set the pace of playback and are
    /// [kept](StreamOptions::keep_recording). Returns how many. Never blocks.
    pub fn recorded(&mut self, to: &mut [u8]) -> usize {
        self.outlet.as_mut().map_or(0, |outlet| outlet.recorded(to))
    }

    /// Plays everything written, then goes on at another rate. The counts go on as well.
    ///
    /// # Errors
    /// See [`Playback`]; the device does not have the rate in this stream, channels and samples, or refuses it. The
    /// stream goes on at the rate it had, then, whose clock it holds again; where it cannot, the next
    /// [`write`](Self::write) says why.
    ///
    /// # Cancellation
    /// Dropping the future leaves the stream at the rate it had, as an error does; frames that were still to be played
    /// stay in the ring.
    pub async fn set_rate(&mut self, rate: u32) -> Result<(), StreamError> {
        self.set_rate_waiting(Waiting::Async, rate).await
    }

    /// [`set_rate`](Self::set_rate), blocking.
    ///
    /// # Errors
    /// As [`set_rate`](Self::set_rate).
    pub fn set_rate_blocking(&mut self, rate: u32) -> Result<(), StreamError> {
        block_on(self.set_rate_waiting(Waiting::Blocking, rate))
    }

    async fn set_rate_waiting(&mut self, waiting: Waiting, rate: u32) -> Result<(), StreamError> {
        let format = AudioFormat {
            rate,
            ..self.format
        };
        self.stream.setting_for(format)?;
        self.drain_waiting(waiting).await?;
        self.close(waiting).await;
        match self.tune(waiting, format).await {
            Ok(outlet) => {
                self.outlet = Some(Box::new(outlet));
                self.format = format;
                Ok(())
            }
            Err(refused) => {
                // Not left to the next write: another stream would take the clock meanwhile.
                if let Err(error) = self.ready(waiting).await {
                    let AudioFormat { rate, .. } = self.format;
                    log::warn!("{refused}; going back to {rate} Hz: {error}");
                }
                Err(refused)
            }
        }
    }

    /// Ends the stream at once. What was not sent is lost: [`drain`](Self::drain) first where it matters. Requests are
    /// cancelled and taken back, alternate setting 0 is selected, which frees the bus's bandwidth, and the interface is
    /// given back.
    ///
    /// # Errors
    /// Alternate setting 0 could not be selected.
    ///
    /// # Cancellation
    /// Dropping the future drops the stream.
    pub async fn stop(self) -> Result<Statistics, StreamError> {
        self.stop_waiting(Waiting::Async).await
    }

    /// [`stop`](Self::stop), blocking.
    ///
    /// # Errors
    /// As [`stop`](Self::stop).
    pub fn stop_blocking(self) -> Result<Statistics, StreamError> {
        block_on(self.stop_waiting(Waiting::Blocking))
    }

    async fn stop_waiting(mut self, waiting: Waiting) -> Result<Statistics, StreamError> {
        self.close(waiting).await;
        self.opening.rest(waiting).await?;
        Ok(self.before.0)
    }

    /// The outlet, made anew where a change of rate came to no end.
    async fn ready(&mut self, waiting: Waiting) -> Result<&mut Outlet, StreamError> {
        let outlet = match self.outlet.take() {
            Some(outlet) => outlet,
            None => Box::new(self.tune(waiting, self.format).await?),
        };
        Ok(self.outlet.insert(outlet))
    }

    async fn tune(&mut self, waiting: Waiting, format: AudioFormat) -> Result<Outlet, StreamError> {
        let tuned = self.opening.tune(waiting, &self.stream, format).await?;
        let (before, of_recording) = self.before;
        tuned.outlet(self.options, before, of_recording.unwrap_or_default())
    }

    /// Closes the endpoints, and keeps the counts.
    async fn close(&mut self, waiting: Waiting) {
        if let Some(outlet) = &mut self.outlet {
            outlet.end(waiting).await;
            self.before = (outlet.statistics, outlet.recording_statistics());
            self.outlet = None;
        }
    }

    fn ended(&self, error: usbfs2_host::TransferError) -> StreamError {
        StreamError::ended(error, self.statistics())
    }
}
