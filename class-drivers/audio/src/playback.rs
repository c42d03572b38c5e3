//! Playing.

use std::time::{Duration, Instant};

use usbfs2_host::{Waiting, block_on};

use crate::device::AudioDevice;
use crate::error::StreamError;
use crate::format::AudioFormat;
use crate::opening::Opening;
use crate::options::StreamOptions;
use crate::outlet::Outlet;
use crate::statistics::Statistics;
use crate::stream::AudioStream;

/// A stream to the device.
///
/// [`write`](Self::write) puts interleaved sample frames into a ring, from which requests go to the bus, in packets
/// of the size the stream's pace asks for: exactly the nominal rate for synchronous and adaptive sinks, what the
/// device says for asynchronous ones. The bus starts once the ring and the bus hold what the
/// [latency](StreamOptions::latency) allows.
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
/// Dropping a future of a method loses nothing: frames taken from the caller stay in the ring.
///
/// # Drop
/// What was not sent is lost: [`drain`](Self::drain) first where it matters. Requests are cancelled and taken back,
/// alternate setting 0 is selected, which frees the bus's bandwidth, and the interface is given back.
#[derive(Debug)]
pub struct Playback {
    // Before `opening`: endpoints close before the alternate setting changes.
    outlet: Outlet,
    opening: Opening,
    stream: AudioStream,
    options: StreamOptions,
}

impl Playback {
    pub(crate) async fn open(
        waiting: Waiting,
        device: &AudioDevice,
        stream: &AudioStream,
        format: AudioFormat,
        options: StreamOptions,
    ) -> Result<Self, StreamError> {
        let opening = Opening::start(waiting, device, stream, format).await?;
        let outlet = opening.outlet(options, Statistics::default())?;
        Ok(Self {
            outlet,
            opening,
            stream: stream.clone(),
            options,
        })
    }

    /// What [`write`](Self::write) takes.
    #[must_use]
    pub fn format(&self) -> AudioFormat {
        self.opening.format()
    }

    /// The stream of the device.
    #[must_use]
    pub fn stream(&self) -> &AudioStream {
        &self.stream
    }

    /// What has become of the stream so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.outlet.statistics
    }

    /// Frames given and not yet sent: a frame written now is sent after so many others.
    #[must_use]
    pub fn latency_frames(&self) -> usize {
        self.outlet.waiting_frames()
    }

    /// The most frames that can be given and not yet sent.
    #[must_use]
    pub fn max_latency_frames(&self) -> usize {
        self.outlet.bound()
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
        self.format().check_whole(frames)?;
        let written = self.outlet.write(waiting, frames, deadline).await;
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
    pub fn start(&mut self) -> Result<(), StreamError> {
        let started = self.outlet.start();
        started.map_err(|error| self.ended(error))
    }

    /// Keeps a stream that has started going for `time`: with the frames there are, then with silence, which counts as
    /// an xrun.
    ///
    /// # Errors
    /// See [`Playback`].
    pub async fn pump(&mut self, waiting: Waiting, time: Duration) -> Result<(), StreamError> {
        let deadline = Instant::now().checked_add(time);
        let pumped = self.outlet.pump(waiting, deadline).await;
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
        let drained = self.outlet.drain(waiting).await;
        drained.map_err(|error| self.ended(error))
    }

    /// Frames the device recorded meanwhile, where they set the pace of playback and are
    /// [kept](StreamOptions::keep_recording). Returns how many. Never blocks.
    pub fn recorded(&mut self, to: &mut [u8]) -> usize {
        self.outlet.recorded(to)
    }

    /// Plays everything written, then goes on at another rate. The counts go on as well.
    ///
    /// # Errors
    /// See [`Playback`]; the device does not have the rate in this stream, channels and samples.
    pub async fn set_rate(self, rate: u32) -> Result<Self, StreamError> {
        self.set_rate_waiting(Waiting::Async, rate).await
    }

    /// [`set_rate`](Self::set_rate), blocking.
    ///
    /// # Errors
    /// As [`set_rate`](Self::set_rate).
    pub fn set_rate_blocking(self, rate: u32) -> Result<Self, StreamError> {
        block_on(self.set_rate_waiting(Waiting::Blocking, rate))
    }

    async fn set_rate_waiting(mut self, waiting: Waiting, rate: u32) -> Result<Self, StreamError> {
        let format = AudioFormat {
            rate,
            ..self.format()
        };
        self.stream.setting_for(format)?;
        self.drain_waiting(waiting).await?;
        let statistics = self.outlet.end();
        let opening = self.opening.restart(waiting, &self.stream, format).await?;
        let outlet = opening.outlet(self.options, statistics)?;
        Ok(Self {
            outlet,
            opening,
            stream: self.stream,
            options: self.options,
        })
    }

    /// Ends the stream at once. What was not sent is lost: [`drain`](Self::drain) first where it matters.
    ///
    /// # Errors
    /// Alternate setting 0 could not be selected.
    pub fn stop(self) -> Result<Statistics, StreamError> {
        let statistics = self.outlet.end();
        self.opening.close()?;
        Ok(statistics)
    }

    fn ended(&self, error: usbfs2_host::TransferError) -> StreamError {
        StreamError::ended(error, self.outlet.statistics)
    }
}
