//! Volume: feature units on the way of a stream (UAC1 4.3.2.5, UAC2 4.7.2.8).

use usbfs2_host::{Direction, Waiting, block_on};
use usbfs2_protocol::audio::{Access, Decibel, Entity, FeatureControl, FeatureUnit, SubRange};

use crate::device::AudioDevice;
use crate::error::ControlError;
use crate::stream::AudioStream;

/// The volume of a stream: of all channels together (channel 0, the master), or of each (from 1), or both.
#[derive(Debug, Clone)]
pub struct Volume {
    device: AudioDevice,
    unit: u8,
    channels: Vec<(u8, VolumeRange)>,
}

/// What a volume can be set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VolumeRange {
    /// The least. Below it there may be [silence](Decibel::SILENCE).
    pub least: Decibel,
    /// The most.
    pub most: Decibel,
    /// From one volume to the next, in 1/256 dB, 1 at least.
    pub step: u16,
    /// Whether it can be set at all.
    pub can_set: bool,
}

impl VolumeRange {
    fn new(raw: SubRange<Decibel>, access: Access) -> Self {
        Self {
            least: raw.minimum.min(raw.maximum),
            most: raw.maximum.max(raw.minimum),
            step: raw.resolution.0.unsigned_abs().max(1),
            can_set: access.can_write(),
        }
    }

    /// The volume nearest to this one that can be set. Silence stays silence.
    #[must_use]
    pub fn nearest(&self, volume: Decibel) -> Decibel {
        if volume == Decibel::SILENCE {
            return volume;
        }
        let range = SubRange {
            minimum: self.least,
            maximum: self.most,
            // A step too large for a volume leads beyond the range whatever it is.
            resolution: Decibel(i16::try_from(self.step).unwrap_or(i16::MAX)),
        };
        range.nearest(volume)
    }
}

impl AudioDevice {
    /// The volume of a stream; `None` where the device has none on the stream's way. Of several, the one nearest to
    /// the stream.
    ///
    /// # Errors
    /// The device does not answer.
    pub async fn volume(&self, stream: &AudioStream) -> Result<Option<Volume>, ControlError> {
        self.volume_waiting(Waiting::Async, stream).await
    }

    /// [`volume`](Self::volume), blocking.
    ///
    /// # Errors
    /// As [`volume`](Self::volume).
    pub fn volume_blocking(&self, stream: &AudioStream) -> Result<Option<Volume>, ControlError> {
        block_on(self.volume_waiting(Waiting::Blocking, stream))
    }

    async fn volume_waiting(
        &self,
        waiting: Waiting,
        stream: &AudioStream,
    ) -> Result<Option<Volume>, ControlError> {
        for unit in self.feature_units(stream) {
            let mut channels = Vec::new();
            for (channel, access) in controlled(unit, FeatureControl::Volume) {
                match self
                    .requests()
                    .volume_range(waiting, unit.id, channel)
                    .await
                {
                    Ok(raw) => channels.push((channel, VolumeRange::new(raw, access))),
                    Err(ControlError::Disconnected) => return Err(ControlError::Disconnected),
                    // A control that is described and does not answer is none.
                    Err(error) => {
                        log::warn!("feature unit {}, channel {channel}: {error}", unit.id)
                    }
                }
            }
            if !channels.is_empty() {
                let (device, unit) = (self.clone(), unit.id);
                return Ok(Some(Volume {
                    device,
                    unit,
                    channels,
                }));
            }
        }
        Ok(None)
    }

    /// Feature units on the stream's way, the nearest to the stream first.
    #[must_use]
    pub fn feature_units(&self, stream: &AudioStream) -> Vec<&FeatureUnit> {
        let topology = self.topology();
        let entities = match stream.direction() {
            Direction::Out => topology.downstream(stream.terminal()),
            Direction::In => topology.upstream(stream.terminal()),
        };
        let features = entities.into_iter().filter_map(|entity| match entity {
            Entity::FeatureUnit(unit) => Some(unit),
            _ => None,
        });
        features.collect()
    }
}

/// The channels whose control can be read, the master first.
pub(crate) fn controlled(
    unit: &FeatureUnit,
    control: FeatureControl,
) -> impl Iterator<Item = (u8, Access)> + use<'_> {
    let channels = 0..=unit.channel_count();
    let with_access = channels.map(move |channel| (channel, unit.access(control, channel)));
    with_access.filter(|(_, access)| access.can_read())
}

impl Volume {
    /// The feature unit.
    #[must_use]
    pub fn unit(&self) -> u8 {
        self.unit
    }

    /// The channels that have a volume, and what it can be: 0 is the master of all.
    pub fn channels(&self) -> impl Iterator<Item = (u8, VolumeRange)> {
        self.channels.iter().copied()
    }

    /// The volume of a channel.
    ///
    /// # Errors
    /// The channel has none, or the device does not answer.
    pub async fn get(&self, waiting: Waiting, channel: u8) -> Result<Decibel, ControlError> {
        self.range(channel)?;
        let requests = self.device.requests();
        requests.volume(waiting, self.unit, channel).await
    }

    /// [`get`](Self::get), blocking.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_blocking(&self, channel: u8) -> Result<Decibel, ControlError> {
        block_on(self.get(Waiting::Blocking, channel))
    }

    /// Sets a channel to the volume nearest to this one that it can have. Returns that.
    ///
    /// # Errors
    /// The channel has none or it cannot be set, or the device does not answer.
    pub async fn set(
        &self,
        waiting: Waiting,
        channel: u8,
        volume: Decibel,
    ) -> Result<Decibel, ControlError> {
        let range = self.range(channel)?;
        if !range.can_set {
            return Err(ControlError::ReadOnly { control: "volume" });
        }
        let volume = range.nearest(volume);
        let requests = self.device.requests();
        let set = requests
            .set_volume(waiting, self.unit, channel, volume)
            .await;
        set.map(|()| volume)
    }

    /// [`set`](Self::set), blocking.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn set_blocking(&self, channel: u8, volume: Decibel) -> Result<Decibel, ControlError> {
        block_on(self.set(Waiting::Blocking, channel, volume))
    }

    /// Sets the stream's volume: the master's where that can be set, else every channel's. Returns what the
    /// first of them got.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub async fn set_all(
        &self,
        waiting: Waiting,
        volume: Decibel,
    ) -> Result<Decibel, ControlError> {
        let settable = self.channels().filter(|(_, range)| range.can_set);
        let mut got = None;
        for (channel, _) in settable {
            let set = self.set(waiting, channel, volume).await?;
            got.get_or_insert(set);
            if channel == 0 {
                break;
            }
        }
        got.ok_or(ControlError::ReadOnly { control: "volume" })
    }

    /// [`set_all`](Self::set_all), blocking.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn set_all_blocking(&self, volume: Decibel) -> Result<Decibel, ControlError> {
        block_on(self.set_all(Waiting::Blocking, volume))
    }

    fn range(&self, channel: u8) -> Result<VolumeRange, ControlError> {
        let found = self.channels().find(|&(number, _)| number == channel);
        found.map(|(_, range)| range).ok_or_else(|| {
            let existing = self.channels().map(|(number, _)| number);
            no_channel("volume", channel, existing)
        })
    }
}

pub(crate) fn no_channel(
    control: &'static str,
    channel: u8,
    existing: impl Iterator<Item = u8>,
) -> ControlError {
    let existing: Vec<String> = existing.map(|number| number.to_string()).collect();
    ControlError::NoSuchChannel {
        control,
        channel,
        existing: existing.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(least: i16, most: i16, step: i16) -> VolumeRange {
        let raw = SubRange {
            minimum: Decibel(least),
            maximum: Decibel(most),
            resolution: Decibel(step),
        };
        VolumeRange::new(raw, Access::ReadWrite)
    }

    #[test]
    fn volumes_are_put_on_the_nearest_step() {
        let range = range(-60 * 256, 0, 256);
        assert_eq!(range.nearest(Decibel(-300)), Decibel(-256));
        assert_eq!(range.nearest(Decibel(-400)), Decibel(-512));
        assert_eq!(range.nearest(Decibel(5_000)), Decibel(0));
        assert_eq!(range.nearest(Decibel(-30_000)), Decibel(-60 * 256));
        assert_eq!(range.nearest(Decibel::SILENCE), Decibel::SILENCE);
    }
}
