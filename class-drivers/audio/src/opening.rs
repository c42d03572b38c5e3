//! A stream set up: interface, alternate setting, rate, endpoints; and all of it undone.

use usbfs2_host::{
    AlternateSettingError, EndpointDirection, Interface, IsochronousEndpoint, Speed, TransferError,
    Waiting,
};

use crate::clock_control::ClockLease;
use crate::device::AudioDevice;
use crate::error::StreamError;
use crate::format::AudioFormat;
use crate::intake::Intake;
use crate::latency::Depth;
use crate::options::StreamOptions;
use crate::outlet::Outlet;
use crate::pace::Pace;
use crate::rate;
use crate::statistics::Statistics;
use crate::stream::{AudioStream, FeedbackKind, RateControl, StreamSetting};
use crate::timing::Timing;

/// A claimed streaming interface in the alternate setting of a format, its rate set.
///
/// # Drop
/// Selects alternate setting 0, which ends the stream on the device's side and frees the bus's bandwidth.
#[derive(Debug)]
pub(crate) struct Opening {
    /// What sets the pace, where that is a recording. Closed first.
    recording: Option<Box<Opening>>,
    interface: Interface,
    setting: StreamSetting,
    format: AudioFormat,
    /// No other stream changes the rate meanwhile.
    _clock: Option<ClockLease>,
    /// Last: the control interface is given back after the streaming interfaces, since the kernel's driver takes
    /// those when it gets that one.
    device: AudioDevice,
}

impl Opening {
    pub(crate) async fn start(
        waiting: Waiting,
        device: &AudioDevice,
        stream: &AudioStream,
        format: AudioFormat,
    ) -> Result<Self, StreamError> {
        let setting = stream.setting_for(format)?;
        let recording = match setting.feedback {
            FeedbackKind::Implicit { interface } => {
                let opening = Self::start_recording(waiting, device, interface, format).await;
                Some(Box::new(opening?))
            }
            _ => None,
        };
        let mut opening = Self::start_one(waiting, device, stream, setting, format).await?;
        opening.recording = recording;
        Ok(opening)
    }

    /// The recording that sets the pace, in whatever format it has at this rate.
    async fn start_recording(
        waiting: Waiting,
        device: &AudioDevice,
        interface: u8,
        played: AudioFormat,
    ) -> Result<Self, StreamError> {
        let mut streams = device.capture_streams();
        let stream = streams.find(|stream| stream.interface() == interface);
        let stream = stream.ok_or_else(|| device.no_stream(usbfs2_host::Direction::In))?;
        let formats = stream.settings().iter().map(|setting| AudioFormat {
            rate: played.rate,
            channels: setting.channels,
            sample: setting.sample,
        });
        let format = formats.clone().find(|&format| format == played);
        let format = format
            .into_iter()
            .chain(formats)
            .find(|&format| stream.supports(format))
            .unwrap_or(played);
        let setting = stream.setting_for(format)?;
        Self::start_one(waiting, device, stream, setting, format).await
    }

    async fn start_one(
        waiting: Waiting,
        device: &AudioDevice,
        stream: &AudioStream,
        setting: &StreamSetting,
        format: AudioFormat,
    ) -> Result<Self, StreamError> {
        let interface = device.device().claim(stream.interface())?;
        // A program before may have left it streaming; a clock is set while nothing runs on it.
        interface.set_alternate_setting(0).or_else(ignore_missing)?;
        let clock = match &setting.rate_control {
            RateControl::Clock(clocks) => {
                Some(device.run_clock(waiting, clocks, format.rate).await?)
            }
            _ => None,
        };
        let opening = Self {
            recording: None,
            interface,
            setting: setting.clone(),
            format,
            _clock: clock,
            device: device.clone(),
        };
        let number = setting.alternate_setting;
        opening.interface.set_alternate_setting(number)?;
        if matches!(setting.rate_control, RateControl::Endpoint) {
            let rate_wanted = format.rate;
            let endpoint = setting.endpoint;
            rate::set(
                waiting,
                &opening.interface,
                endpoint,
                &setting.rates,
                rate_wanted,
            )
            .await?;
        }
        Ok(opening)
    }

    pub(crate) fn format(&self) -> AudioFormat {
        self.format
    }

    /// The endpoints of a playback, opened.
    pub(crate) fn outlet(
        &self,
        options: StreamOptions,
        statistics: Statistics,
    ) -> Result<Outlet, StreamError> {
        let (output, timing, depth) = self.endpoint(options)?;
        let microframes = depth.packets * timing.interval;
        let (pace, recording) = match (self.setting.feedback, &self.recording) {
            (FeedbackKind::Explicit(address), _) => {
                let endpoint = self.interface.isochronous_endpoint(address)?;
                (Pace::explicit(timing, endpoint, microframes), None)
            }
            (_, Some(recording)) => {
                let (input, of_input, depth) = recording.endpoint(options)?;
                let frame_bytes = recording.format.frame_bytes();
                let mut intake = Intake::new(input, depth, frame_bytes, Statistics::default());
                if !options.keep_recording {
                    intake = intake.discarding();
                }
                (Pace::implicit(timing, of_input.interval), Some(intake))
            }
            _ => (Pace::nominal(timing), None),
        };
        let frame_bytes = self.format.frame_bytes();
        let bus = (timing, depth);
        Ok(Outlet::new(
            output,
            pace,
            recording,
            bus,
            frame_bytes,
            statistics,
        ))
    }

    /// The endpoint of a capture, opened.
    pub(crate) fn intake(
        &self,
        options: StreamOptions,
        statistics: Statistics,
    ) -> Result<Intake, StreamError> {
        let (input, _, depth) = self.endpoint(options)?;
        let frame_bytes = self.format.frame_bytes();
        Ok(Intake::new(input, depth, frame_bytes, statistics))
    }

    fn endpoint<D: EndpointDirection>(
        &self,
        options: StreamOptions,
    ) -> Result<(IsochronousEndpoint<D>, Timing, Depth), StreamError> {
        let Timing { interval, .. } = self.setting.timing;
        let depth = Depth::new(options.latency, MICROFRAME * interval);
        let address = self.setting.endpoint;
        let requests = depth.requests;
        let endpoint = self
            .interface
            .isochronous_endpoint_with_depth::<D>(address, requests)?;
        let packet_frames = endpoint.max_packet_size() / self.format.frame_bytes().max(1);
        let timing = Timing {
            rate: self.format.rate,
            interval: Timing::microframes(endpoint.service_interval()),
            speed: self.device.device().info().speed().unwrap_or(Speed::High),
            packet_frames: u32::try_from(packet_frames).unwrap_or(u32::MAX),
        };
        Ok((endpoint, timing, depth))
    }

    /// Starts the stream anew, in another format. Endpoints must have been closed.
    pub(crate) async fn restart(
        self,
        waiting: Waiting,
        stream: &AudioStream,
        format: AudioFormat,
    ) -> Result<Self, StreamError> {
        let device = self.device.clone();
        self.close()?;
        Self::start(waiting, &device, stream, format).await
    }

    /// Alternate setting 0, with what becomes of it. Endpoints must have been closed.
    pub(crate) fn close(self) -> Result<(), StreamError> {
        let recording = self.recording.as_ref().map_or(Ok(()), |it| it.rest());
        let rest = self.rest();
        Ok(recording.and(rest)?)
    }

    fn rest(&self) -> Result<(), AlternateSettingError> {
        match self.interface.set_alternate_setting(0) {
            // It streams no more.
            Err(
                AlternateSettingError::Disconnected
                | AlternateSettingError::Refused(TransferError::Disconnected),
            ) => Ok(()),
            other => other.or_else(ignore_missing),
        }
    }
}

const MICROFRAME: std::time::Duration = std::time::Duration::from_micros(125);

/// A device with no setting to rest in streams all the time.
fn ignore_missing(error: AlternateSettingError) -> Result<(), AlternateSettingError> {
    match error {
        AlternateSettingError::NotFound { .. } => Ok(()),
        error => Err(error),
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        let Ok(setting) = self.interface.alternate_setting() else {
            return;
        };
        if setting.alternate_setting != 0
            && let Err(error) = self.rest()
        {
            log::warn!("interface {}: {error}", self.interface.number());
        }
    }
}
