//! Recording.

use std::time::{Duration, Instant};

use usbfs2_host::{TransferError, Waiting, block_on};

use crate::device::AudioDevice;
use crate::error::StreamError;
use crate::format::AudioFormat;
use crate::intake::Intake;
use crate::opening::Opening;
use crate::options::StreamOptions;
use crate::statistics::Statistics;
use crate::stream::AudioStream;

/// A stream from the device.
///
/// [`read`](Self::read) gives interleaved sample frames, as many as the device put into each packet: its clock sets
/// the pace. The bus starts with the first read, or with [`start`](Self::start).
///
/// There is no thread behind it. Requests wait on the bus for what the device sends while the caller is away, for as
/// long as the [latency](StreamOptions::latency) says. When it comes back too late, the device was not asked meanwhile:
/// that is an xrun, which is counted, and so is what the ring had no room for.
///
/// # Errors
/// After [`StreamError::Disconnected`] and [`StreamError::Transfer`] the stream is at its end: frames that came
/// before are given before. What became of it until then is in the error, and in [`statistics`](Self::statistics).
///
/// # Cancellation
/// Dropping a future of a method loses nothing.
///
/// # Drop
/// Requests are cancelled and taken back, alternate setting 0 is selected, which frees the bus's bandwidth, and the
/// interface is given back.
#[derive(Debug)]
pub struct Capture {
    // Before `opening`: endpoints close before the alternate setting changes.
    intake: Intake,
    opening: Opening,
    stream: AudioStream,
    options: StreamOptions,
}

impl Capture {
    pub(crate) async fn open(
        waiting: Waiting,
        device: &AudioDevice,
        stream: &AudioStream,
        format: AudioFormat,
        options: StreamOptions,
    ) -> Result<Self, StreamError> {
        let opening = Opening::start(waiting, device, stream, format).await?;
        let intake = opening.intake(options, Statistics::default())?;
        Ok(Self {
            intake,
            opening,
            stream: stream.clone(),
            options,
        })
    }

    /// What [`read`](Self::read) gives.
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
        self.intake.statistics
    }

    /// Frames that came and were not read.
    #[must_use]
    pub fn latency_frames(&self) -> usize {
        self.intake.waiting_frames()
    }

    /// Lets the device send. No effect on a stream that runs.
    pub fn start(&mut self) {
        self.intake.start();
    }

    /// Reads whole sample frames: as soon as there are any, as many as there are and fit. Returns how many; 0 only for
    /// a buffer without room for one.
    ///
    /// # Errors
    /// See [`Capture`].
    pub async fn read(&mut self, frames: &mut [u8]) -> Result<usize, StreamError> {
        self.read_some(Waiting::Async, frames, None).await
    }

    /// [`read`](Self::read), blocking.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_blocking(&mut self, frames: &mut [u8]) -> Result<usize, StreamError> {
        block_on(self.read_some(Waiting::Blocking, frames, None))
    }

    /// [`read`](Self::read), blocking until there are frames or `timeout` has passed. Returns how many. With
    /// [`Duration::ZERO`] it never blocks.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_timeout(
        &mut self,
        frames: &mut [u8],
        timeout: Duration,
    ) -> Result<usize, StreamError> {
        let deadline = Instant::now().checked_add(timeout);
        block_on(self.read_some(Waiting::Blocking, frames, deadline))
    }

    /// [`read`](Self::read), waiting as told until there are frames or `deadline` has passed.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_some(
        &mut self,
        waiting: Waiting,
        frames: &mut [u8],
        deadline: Option<Instant>,
    ) -> Result<usize, StreamError> {
        let read = self.intake.read(waiting, frames, deadline).await;
        read.map_err(|error| self.ended(error))
    }

    /// Goes on at another rate. Frames that were not read are lost; the counts go on.
    ///
    /// # Errors
    /// The device does not have the rate in this stream, channels and samples.
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

    async fn set_rate_waiting(self, waiting: Waiting, rate: u32) -> Result<Self, StreamError> {
        let format = AudioFormat {
            rate,
            ..self.format()
        };
        self.stream.setting_for(format)?;
        let statistics = self.intake.end();
        let opening = self.opening.restart(waiting, &self.stream, format).await?;
        let intake = opening.intake(self.options, statistics)?;
        Ok(Self {
            intake,
            opening,
            stream: self.stream,
            options: self.options,
        })
    }

    /// Ends the stream. Frames that were not read are lost.
    ///
    /// # Errors
    /// Alternate setting 0 could not be selected.
    pub fn stop(self) -> Result<Statistics, StreamError> {
        let statistics = self.intake.end();
        self.opening.close()?;
        Ok(statistics)
    }

    fn ended(&self, error: TransferError) -> StreamError {
        StreamError::ended(error, self.intake.statistics)
    }
}
