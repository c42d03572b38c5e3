//! A stream set up: interfaces, alternate settings, rate; and all of it undone.

use usbfs2_host::{AlternateSettingError, Interface, TransferError, Waiting};

use crate::device::{AudioDevice, claim};
use crate::error::StreamError;
use crate::format::AudioFormat;
use crate::stream::{AudioStream, FeedbackKind, RateControl, StreamSetting};
use crate::tuned::Tuned;
use crate::{offload, rate};

/// The claimed interfaces of a stream, and what they are set to.
///
/// # Drop
/// Selects alternate setting 0, which ends the stream on the device's side and frees the bus's bandwidth.
#[derive(Debug)]
pub(crate) struct Opening {
    /// `None` while the stream rests, in alternate setting 0.
    tuned: Option<Tuned>,
    /// What records where that sets the pace.
    recording: Option<Interface>,
    interface: Interface,
    /// Last: the control interface is given back after the streaming interfaces, since the kernel's driver takes
    /// those when it gets that one.
    device: AudioDevice,
}

impl Opening {
    /// Claims the stream's interface, and sets nothing.
    pub(crate) async fn claim(
        waiting: Waiting,
        device: &AudioDevice,
        stream: &AudioStream,
    ) -> Result<Self, StreamError> {
        Ok(Self {
            tuned: None,
            recording: None,
            interface: claim(waiting, device.device(), stream.interface()).await?,
            device: device.clone(),
        })
    }

    /// Puts the stream into a format, whatever it had before. Endpoints must have been closed.
    ///
    /// Cancellation: it may be done again.
    pub(crate) async fn tune(
        &mut self,
        waiting: Waiting,
        stream: &AudioStream,
        format: AudioFormat,
    ) -> Result<&Tuned, StreamError> {
        let setting = stream.setting_for(format)?;
        // A program before may have left it streaming; and a clock is set while nothing runs on it.
        self.rest(waiting).await?;
        match self.tune_all(waiting, setting, format).await {
            Ok(tuned) => Ok(self.tuned.insert(tuned)),
            Err(error) => {
                // What was wrong with the setting says more than that leaving it went wrong too.
                self.rest(waiting).await.ok();
                Err(error)
            }
        }
    }

    async fn tune_all(
        &mut self,
        waiting: Waiting,
        setting: &StreamSetting,
        format: AudioFormat,
    ) -> Result<Tuned, StreamError> {
        let mut recording = None;
        if let FeedbackKind::Implicit { interface } = setting.feedback {
            let claimed = self.claim_recording(waiting, interface).await?;
            let (setting, format) = recording_setting(&self.device, interface, format)?;
            recording = Some(tune_one(waiting, &self.device, claimed, setting, format).await?);
        } else {
            self.recording = None;
        }
        let interface = self.interface.clone();
        let mut tuned = tune_one(waiting, &self.device, interface, setting, format).await?;
        tuned.recording = recording.map(Box::new);
        Ok(tuned)
    }

    async fn claim_recording(
        &mut self,
        waiting: Waiting,
        number: u8,
    ) -> Result<Interface, StreamError> {
        match &self.recording {
            Some(claimed) if claimed.number() == number => Ok(claimed.clone()),
            _ => {
                // Given back first: no stream needs two.
                self.recording = None;
                let claimed = claim(waiting, self.device.device(), number).await?;
                select(waiting, &claimed, 0).await?;
                Ok(self.recording.insert(claimed).clone())
            }
        }
    }

    /// Alternate setting 0, with what becomes of it, and the clock left to others. Endpoints must have been closed.
    ///
    /// Cancellation: it may be done again.
    pub(crate) async fn rest(&mut self, waiting: Waiting) -> Result<(), StreamError> {
        let mut result = Ok(());
        for interface in self.recording.iter().chain([&self.interface]) {
            let rested = select(waiting, interface, 0).await.or_else(ignore_gone);
            result = result.and(rested);
        }
        self.tuned = None;
        Ok(result?)
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        for interface in self.recording.iter().chain([&self.interface]) {
            let is_resting = interface
                .alternate_setting()
                .is_ok_and(|setting| setting.alternate_setting == 0);
            if !is_resting
                && let Err(error) = interface
                    .set_alternate_setting(0)
                    .or_else(ignore_missing)
                    .or_else(ignore_gone)
            {
                log::warn!("interface {}: {error}", interface.number());
            }
        }
    }
}

async fn select(
    waiting: Waiting,
    interface: &Interface,
    number: u8,
) -> Result<(), AlternateSettingError> {
    let interface = interface.clone();
    let selected = offload::call(waiting, move || interface.set_alternate_setting(number)).await;
    match number {
        0 => selected.or_else(ignore_missing),
        _ => selected,
    }
}

/// A device with no setting to rest in streams all the time.
fn ignore_missing(error: AlternateSettingError) -> Result<(), AlternateSettingError> {
    match error {
        AlternateSettingError::NotFound { .. } => Ok(()),
        error => Err(error),
    }
}

/// What is unplugged streams no more.
fn ignore_gone(error: AlternateSettingError) -> Result<(), AlternateSettingError> {
    match error {
        AlternateSettingError::Disconnected
        | AlternateSettingError::Refused(TransferError::Disconnected) => Ok(()),
        error => Err(error),
    }
}

/// The recording that sets the pace, in whatever format it has at the rate of what is played.
fn recording_setting(
    device: &AudioDevice,
    interface: u8,
    played: AudioFormat,
) -> Result<(&StreamSetting, AudioFormat), StreamError> {
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
    Ok((stream.setting_for(format)?, format))
}

async fn tune_one(
    waiting: Waiting,
    device: &AudioDevice,
    interface: Interface,
    setting: &StreamSetting,
    format: AudioFormat,
) -> Result<Tuned, StreamError> {
    let clock = match &setting.rate_control {
        RateControl::Clock(clocks) => {
            let holder = interface.number();
            let clock = device.run_clock(waiting, clocks, format.rate, holder).await;
            Some(clock?)
        }
        _ => None,
    };
    select(waiting, &interface, setting.alternate_setting).await?;
    if matches!(setting.rate_control, RateControl::Endpoint) {
        let endpoint = setting.endpoint;
        rate::set(waiting, &interface, endpoint, &setting.rates, format.rate).await?;
    }
    Ok(Tuned {
        recording: None,
        interface,
        setting: setting.clone(),
        format,
        speed: device.device().info().speed(),
        _clock: clock,
    })
}
