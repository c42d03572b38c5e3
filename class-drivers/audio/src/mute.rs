//! Mute: feature units on the way of a stream (UAC1 4.3.2.5, UAC2 4.7.2.8).

use usbfs2_host::{Waiting, block_on};
use usbfs2_protocol::audio::{Access, FeatureControl};

use crate::device::AudioDevice;
use crate::error::ControlError;
use crate::stream::AudioStream;
use crate::volume::{controlled, no_channel};

/// The mute control of a stream: of all channels together (channel 0), or of each (from 1), or both.
#[derive(Debug, Clone)]
pub struct Mute {
    device: AudioDevice,
    unit: u8,
    channels: Vec<(u8, Access)>,
}

impl Mute {
    /// The feature unit.
    #[must_use]
    pub fn unit(&self) -> u8 {
        self.unit
    }

    /// The channels that can be muted: 0 is all of them.
    pub fn channels(&self) -> impl Iterator<Item = u8> {
        self.channels.iter().map(|&(channel, _)| channel)
    }

    /// Whether a channel is muted.
    ///
    /// # Errors
    /// The channel has no such control, or the device does not answer.
    pub async fn get(&self, waiting: Waiting, channel: u8) -> Result<bool, ControlError> {
        self.access(channel)?;
        let requests = self.device.requests();
        requests.is_muted(waiting, self.unit, channel).await
    }

    /// [`get`](Self::get), blocking.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_blocking(&self, channel: u8) -> Result<bool, ControlError> {
        block_on(self.get(Waiting::Blocking, channel))
    }

    /// Mutes a channel, or ends that.
    ///
    /// # Errors
    /// The channel has no such control or it cannot be set, or the device does not answer.
    pub async fn set(
        &self,
        waiting: Waiting,
        channel: u8,
        is_muted: bool,
    ) -> Result<(), ControlError> {
        if !self.access(channel)?.can_write() {
            return Err(ControlError::ReadOnly { control: "mute" });
        }
        let requests = self.device.requests();
        requests
            .set_mute(waiting, self.unit, channel, is_muted)
            .await
    }

    /// [`set`](Self::set), blocking.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn set_blocking(&self, channel: u8, is_muted: bool) -> Result<(), ControlError> {
        block_on(self.set(Waiting::Blocking, channel, is_muted))
    }

    fn access(&self, channel: u8) -> Result<Access, ControlError> {
        let found = self.channels.iter().find(|&&(number, _)| number == channel);
        found
            .map(|&(_, access)| access)
            .ok_or_else(|| no_channel("mute", channel, self.channels()))
    }
}

impl AudioDevice {
    /// The mute control of a stream; `None` where the device has none on the stream's way.
    #[must_use]
    pub fn mute(&self, stream: &AudioStream) -> Option<Mute> {
        self.feature_units(stream).into_iter().find_map(|unit| {
            let channels: Vec<_> = controlled(unit, FeatureControl::Mute).collect();
            (!channels.is_empty()).then(|| Mute {
                device: self.clone(),
                unit: unit.id,
                channels,
            })
        })
    }
}
