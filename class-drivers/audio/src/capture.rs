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
/// Dropping a future of a method loses nothing: frames are given in the poll that returns how many.
///
/// # Drop
/// As [`stop`](Self::stop), which async programs should prefer: it blocks while requests are taken back and alternate
/// setting 0 is selected.
#[derive(Debug)]
pub struct Capture {
    /// Before `opening`: endpoints close before the alternate setting changes. `None` between two rates.
    intake: Option<Box<Intake>>,
    opening: Opening,
    stream: AudioStream,
    format: AudioFormat,
    options: StreamOptions,
    /// Counts of what went before the intake there is.
    before: Statistics,
}

impl Capture {
    pub(crate) async fn open(
        waiting: Waiting,
        device: &AudioDevice,
        stream: &AudioStream,
        format: AudioFormat,
        options: StreamOptions,
    ) -> Result<Self, StreamError> {
        stream.setting_for(format)?;
        let mut capture = Self {
            intake: None,
            opening: Opening::claim(waiting, device, stream).await?,
            stream: stream.clone(),
            format,
            options,
            before: Statistics::default(),
        };
        capture.ready(waiting).await?;
        Ok(capture)
    }

    /// What [`read`](Self::read) gives.
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
        let now = self.intake.as_ref().map(|intake| intake.statistics);
        now.unwrap_or(self.before)
    }

    /// Frames that came and were not read.
    #[must_use]
    pub fn latency_frames(&self) -> usize {
        self.intake
            .as_ref()
            .map_or(0, |intake| intake.waiting_frames())
    }

    /// Lets the device send. No effect on a stream that runs.
    ///
    /// # Errors
    /// See [`Capture`].
    pub async fn start(&mut self) -> Result<(), StreamError> {
        self.start_waiting(Waiting::Async).await
    }

    /// [`start`](Self::start), blocking.
    ///
    /// # Errors
    /// See [`Capture`].
    pub fn start_blocking(&mut self) -> Result<(), StreamError> {
        block_on(self.start_waiting(Waiting::Blocking))
    }

    async fn start_waiting(&mut self, waiting: Waiting) -> Result<(), StreamError> {
        self.ready(waiting).await?.start_waiting(waiting).await;
        Ok(())
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
        let intake = self.ready(waiting).await?;
        let read = intake.read(waiting, frames, deadline).await;
        read.map_err(|error| self.ended(error))
    }

    /// Goes on at another rate, with the first [`read`](Self::read). Frames that were not read are lost; the counts go
    /// on.
    ///
    /// # Errors
    /// The device does not have the rate in this stream, channels and samples, or refuses it. The stream goes on at the
    /// rate it had, then, whose clock it holds again; where it cannot, the next [`read`](Self::read) says why.
    ///
    /// # Cancellation
    /// Dropping the future leaves the stream at the rate it had, as an error does.
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
        self.close(waiting).await;
        match self.tune(waiting, format).await {
            Ok(intake) => {
                self.intake = Some(Box::new(intake));
                self.format = format;
                Ok(())
            }
            Err(refused) => {
                // Not left to the next read: another stream would take the clock meanwhile.
                if let Err(error) = self.ready(waiting).await {
                    let AudioFormat { rate, .. } = self.format;
                    log::warn!("{refused}; going back to {rate} Hz: {error}");
                }
                Err(refused)
            }
        }
    }

    /// Ends the stream. Frames that were not read are lost. Requests are cancelled and taken back, alternate setting 0
    /// is selected, which frees the bus's bandwidth, and the interface is given back.
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
        Ok(self.before)
    }

    /// The intake, made anew where a change of rate came to no end.
    async fn ready(&mut self, waiting: Waiting) -> Result<&mut Intake, StreamError> {
        let intake = match self.intake.take() {
            Some(intake) => intake,
            None => Box::new(self.tune(waiting, self.format).await?),
        };
        Ok(self.intake.insert(intake))
    }

    async fn tune(&mut self, waiting: Waiting, format: AudioFormat) -> Result<Intake, StreamError> {
        let tuned = self.opening.tune(waiting, &self.stream, format).await?;
        tuned.intake(self.options, self.before)
    }

    /// Closes the endpoint, and keeps the counts.
    async fn close(&mut self, waiting: Waiting) {
        if let Some(intake) = &mut self.intake {
            intake.stop(waiting).await;
            self.before = intake.statistics;
            self.intake = None;
        }
    }

    fn ended(&self, error: TransferError) -> StreamError {
        StreamError::ended(error, self.statistics())
    }
}
