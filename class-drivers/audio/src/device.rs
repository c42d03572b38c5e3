//! Audio devices: finding the function, claiming it, what it can play and record.

use std::sync::Arc;

use usbfs2_host::{ClaimError, Device, Direction, Interface, Waiting, block_on};
use usbfs2_protocol::audio::{AudioError, AudioFunction, ControlInterface, Version};

use crate::capture::Capture;
use crate::clock_control::{self, Clock};
use crate::clock_lease::{ClockLease, ClockUses};
use crate::error::{OpenError, StreamError};
use crate::format::AudioFormat;
use crate::options::StreamOptions;
use crate::playback::Playback;
use crate::requests::Requests;
use crate::stream::{AudioStream, verb};
use crate::{offload, streams};

/// An audio function, claimed: its control interface is detached from the kernel's driver, and given back when the last
/// clone of this and the last stream is dropped. Streaming interfaces are claimed by the streams.
#[derive(Debug, Clone)]
pub struct AudioDevice {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    requests: Requests,
    function: AudioFunction,
    problems: Vec<AudioError>,
    streams: Vec<AudioStream>,
    clocks: ClockUses,
    device: Device,
}

impl AudioDevice {
    /// Claims the device's first audio function, and asks its clocks which rates they have.
    ///
    /// Descriptors that break a rule are used as far as they make sense; what is wrong is in
    /// [`problems`](Self::problems).
    ///
    /// # Errors
    /// There is none, its descriptors make no sense, or another program has it.
    pub async fn open(device: &Device) -> Result<Self, OpenError> {
        Self::open_waiting(Waiting::Async, device, None).await
    }

    /// [`open`](Self::open), blocking.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_blocking(device: &Device) -> Result<Self, OpenError> {
        block_on(Self::open_waiting(Waiting::Blocking, device, None))
    }

    /// As [`open`](Self::open), the function with this control interface, of a device that has several.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_function(device: &Device, control_interface: u8) -> Result<Self, OpenError> {
        Self::open_waiting(Waiting::Async, device, Some(control_interface)).await
    }

    /// [`open_function`](Self::open_function), blocking.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_function_blocking(
        device: &Device,
        control_interface: u8,
    ) -> Result<Self, OpenError> {
        block_on(Self::open_waiting(
            Waiting::Blocking,
            device,
            Some(control_interface),
        ))
    }

    async fn open_waiting(
        waiting: Waiting,
        device: &Device,
        number: Option<u8>,
    ) -> Result<Self, OpenError> {
        let (function, problems) = find(device, number)?;
        let requests = Requests {
            interface: claim(waiting, device, function.control_interface).await?,
            version: function.control.version,
        };
        let streams = streams::of(waiting, device, &function, &problems, &requests).await?;
        Ok(Self {
            shared: Arc::new(Shared {
                requests,
                function,
                problems,
                streams,
                clocks: ClockUses::default(),
                device: device.clone(),
            }),
        })
    }

    /// The device it is a function of.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.shared.device
    }

    /// The specification the function follows.
    #[must_use]
    pub fn version(&self) -> Version {
        self.shared.function.control.version
    }

    /// The claimed control interface, for requests this driver does not know.
    #[must_use]
    pub fn control_interface(&self) -> &Interface {
        &self.shared.requests.interface
    }

    /// Terminals, units and clocks.
    #[must_use]
    pub fn topology(&self) -> &ControlInterface {
        &self.shared.function.control
    }

    /// The function as its descriptors have it.
    #[must_use]
    pub fn function(&self) -> &AudioFunction {
        &self.shared.function
    }

    /// Rules the descriptors break.
    #[must_use]
    pub fn problems(&self) -> &[AudioError] {
        &self.shared.problems
    }

    /// Every stream, in the order of the interfaces.
    #[must_use]
    pub fn streams(&self) -> &[AudioStream] {
        &self.shared.streams
    }

    /// The streams to the device.
    pub fn playback_streams(&self) -> impl Iterator<Item = &AudioStream> + Clone {
        self.streams_of(Direction::Out)
    }

    /// The streams from the device.
    pub fn capture_streams(&self) -> impl Iterator<Item = &AudioStream> + Clone {
        self.streams_of(Direction::In)
    }

    fn streams_of(&self, direction: Direction) -> impl Iterator<Item = &AudioStream> + Clone {
        let streams = self.streams().iter();
        streams.filter(move |stream| stream.direction() == direction)
    }

    /// Opens the first stream that plays this format.
    ///
    /// # Errors
    /// [`StreamError::NoSuchFormat`], which lists those there are; what [`play_on`](Self::play_on) fails with.
    pub async fn play(
        &self,
        format: AudioFormat,
        options: StreamOptions,
    ) -> Result<Playback, StreamError> {
        let stream = self.find_stream(Direction::Out, format)?;
        self.play_on(stream, format, options).await
    }

    /// [`play`](Self::play), blocking.
    ///
    /// # Errors
    /// As [`play`](Self::play).
    pub fn play_blocking(
        &self,
        format: AudioFormat,
        options: StreamOptions,
    ) -> Result<Playback, StreamError> {
        let stream = self.find_stream(Direction::Out, format)?;
        self.play_on_blocking(stream, format, options)
    }

    /// Opens a stream of this device to play: claims its interface, sets the rate, selects the alternate setting.
    ///
    /// # Errors
    /// The stream does not have the format, another program has the interface, or the device refuses.
    pub async fn play_on(
        &self,
        stream: &AudioStream,
        format: AudioFormat,
        options: StreamOptions,
    ) -> Result<Playback, StreamError> {
        Playback::open(Waiting::Async, self, stream, format, options).await
    }

    /// [`play_on`](Self::play_on), blocking.
    ///
    /// # Errors
    /// As [`play_on`](Self::play_on).
    pub fn play_on_blocking(
        &self,
        stream: &AudioStream,
        format: AudioFormat,
        options: StreamOptions,
    ) -> Result<Playback, StreamError> {
        let waiting = Waiting::Blocking;
        block_on(Playback::open(waiting, self, stream, format, options))
    }

    /// Opens the first stream that records this format.
    ///
    /// # Errors
    /// [`StreamError::NoSuchFormat`], which lists those there are; what [`record_on`](Self::record_on) fails with.
    pub async fn record(
        &self,
        format: AudioFormat,
        options: StreamOptions,
    ) -> Result<Capture, StreamError> {
        let stream = self.find_stream(Direction::In, format)?;
        self.record_on(stream, format, options).await
    }

    /// [`record`](Self::record), blocking.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub fn record_blocking(
        &self,
        format: AudioFormat,
        options: StreamOptions,
    ) -> Result<Capture, StreamError> {
        let stream = self.find_stream(Direction::In, format)?;
        self.record_on_blocking(stream, format, options)
    }

    /// Opens a stream of this device to record, as [`play_on`](Self::play_on) does to play.
    ///
    /// # Errors
    /// As [`play_on`](Self::play_on).
    pub async fn record_on(
        &self,
        stream: &AudioStream,
        format: AudioFormat,
        options: StreamOptions,
    ) -> Result<Capture, StreamError> {
        Capture::open(Waiting::Async, self, stream, format, options).await
    }

    /// [`record_on`](Self::record_on), blocking.
    ///
    /// # Errors
    /// As [`play_on`](Self::play_on).
    pub fn record_on_blocking(
        &self,
        stream: &AudioStream,
        format: AudioFormat,
        options: StreamOptions,
    ) -> Result<Capture, StreamError> {
        let waiting = Waiting::Blocking;
        block_on(Capture::open(waiting, self, stream, format, options))
    }

    /// The first stream that has the format; an error that lists what all of them have.
    fn find_stream(
        &self,
        direction: Direction,
        format: AudioFormat,
    ) -> Result<&AudioStream, StreamError> {
        let mut streams = self.streams_of(direction);
        if let Some(stream) = streams.clone().find(|stream| stream.supports(format)) {
            return Ok(stream);
        }
        match (streams.next(), streams.next()) {
            (None, _) => Err(self.no_stream(direction)),
            // Its own error may say more.
            (Some(only), None) => only.setting_for(format).map(|_| only),
            (Some(_), Some(_)) => {
                let each = self.streams_of(direction).map(AudioStream::to_string);
                Err(StreamError::NoSuchFormat {
                    verb: verb(direction),
                    asked: format,
                    existing: each.collect::<Vec<_>>().join("; "),
                })
            }
        }
    }

    pub(crate) fn no_stream(&self, direction: Direction) -> StreamError {
        let problems: Vec<String> = self.problems().iter().map(ToString::to_string).collect();
        StreamError::NoStream {
            verb: verb(direction),
            why: match problems.is_empty() {
                true => String::new(),
                false => format!("; its descriptors are wrong: {}", problems.join("; ")),
            },
        }
    }

    pub(crate) fn requests(&self) -> &Requests {
        &self.shared.requests
    }

    /// Has a clock run at this rate for the stream of this interface.
    pub(crate) async fn run_clock(
        &self,
        waiting: Waiting,
        clocks: &[Clock],
        rate: u32,
        holder: u8,
    ) -> Result<ClockLease, StreamError> {
        let Shared {
            requests,
            clocks: uses,
            ..
        } = &*self.shared;
        clock_control::run_at(waiting, requests, uses, clocks, (rate, holder)).await
    }
}

/// Claims an interface, which blocks while another driver lets go of it.
pub(crate) async fn claim(
    waiting: Waiting,
    device: &Device,
    number: u8,
) -> Result<Interface, ClaimError> {
    let device = device.clone();
    offload::call(waiting, move || device.claim(number)).await
}

/// The function asked for, or the first that can be used, else what is wrong with the first.
fn find(
    device: &Device,
    number: Option<u8>,
) -> Result<(AudioFunction, Vec<AudioError>), OpenError> {
    let mut first_problem = None;
    for function in AudioFunction::all(device.configuration()?) {
        match function {
            Ok((function, problems)) => {
                if number.is_none_or(|number| function.control_interface == number) {
                    return Ok((function, problems));
                }
            }
            Err(problem) => {
                first_problem.get_or_insert(problem);
            }
        }
    }
    Err(first_problem
        .unwrap_or(AudioError::NoControlInterface)
        .into())
}
