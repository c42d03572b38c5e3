//! An alternate setting of a streaming interface, as one value.

use super::super::codes::streaming_subtype as subtype;
use super::super::control::{class_descriptors, class_specific_bytes};
use super::super::fields::{Fields, write_descriptor};
use super::super::{AudioError, ChannelCluster, SUBCLASS_STREAMING, Version};
use super::{DataEndpoint, Encoding, FeedbackEndpoint, Format, FormatType, endpoint};
use crate::Direction;
use crate::descriptor::{
    AlternateSetting, ClassDescriptor, Descriptors, RawDescriptor, SynchronizationType,
    UnknownDescriptor, UsageType,
};
use crate::standard::{class, descriptor_type};

/// An alternate setting that carries sound (UAC1 4.5, UAC2 4.9).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamingSetting {
    /// The specification it follows.
    pub version: Version,
    /// The interface.
    pub interface_number: u8,
    /// This setting's number.
    pub alternate_setting: u8,
    /// The string that names it; 0 for none.
    pub string_index: u8,
    /// The terminal whose sound this is.
    #[doc(alias = "bTerminalLink")]
    pub terminal_link: u8,
    /// Audio 1.0: how long sound takes through the device, in frames of 1 ms.
    #[doc(alias = "bDelay")]
    pub delay_frames: u8,
    /// Audio 1.0: `wFormatTag`. Audio 2.0: a bit for each encoding; see [`encodings`](Self::encodings).
    #[doc(alias = "wFormatTag")]
    #[doc(alias = "bmFormats")]
    pub formats: u32,
    /// Audio 2.0: its controls, two bits each: active alternate setting, valid alternate settings.
    #[doc(alias = "bmControls")]
    pub controls: u8,
    /// Audio 2.0: the channels. Audio 1.0 counts them in the format; see [`channel_count`](Self::channel_count).
    pub channels: ChannelCluster,
    /// The format.
    pub format_type: FormatType,
    /// The endpoint that carries sound.
    pub data: DataEndpoint,
    /// The endpoint that says how much sound the device wants.
    pub feedback: Option<FeedbackEndpoint>,
    /// Class-specific descriptors this crate has no type for, as those of single formats.
    pub extra: Vec<UnknownDescriptor>,
}

impl StreamingSetting {
    /// Reads a setting; `None` when it carries no sound, as alternate setting 0.
    ///
    /// # Errors
    /// The first rule that is broken. [`salvage`](Self::salvage) reads on.
    pub fn parse(version: Version, setting: &AlternateSetting) -> Result<Option<Self>, AudioError> {
        let (read, problems) = Self::salvage(version, setting);
        match problems.into_iter().next() {
            None => Ok(read),
            Some(problem) => Err(problem),
        }
    }

    /// Reads what can be read of a setting that may lie, and every rule it breaks. `None` without a problem
    /// when it carries no sound, and with one when nobody could know which.
    #[must_use]
    pub fn salvage(
        version: Version,
        setting: &AlternateSetting,
    ) -> (Option<Self>, Vec<AudioError>) {
        let mut problems = Vec::new();
        let Some((data, feedback)) = endpoint::of_setting(version, setting, &mut problems) else {
            return (None, problems);
        };
        let read = Self::read(version, setting, data, feedback, &mut problems);
        match read {
            Ok(read) => (Some(read), problems),
            Err(problem) => {
                problems.push(problem);
                (None, problems)
            }
        }
    }

    /// Whether the host plays through this setting; it records otherwise.
    #[must_use]
    pub fn is_playback(&self) -> bool {
        self.data.endpoint.address.direction() == Direction::Out
    }

    /// How many channels.
    #[must_use]
    pub fn channel_count(&self) -> u8 {
        match (self.version, &self.format_type) {
            (Version::Uac1, FormatType::I { samples, .. } | FormatType::Iii { samples, .. }) => {
                samples.channels
            }
            (Version::Uac1, _) => 0,
            (Version::Uac2, _) => self.channels.count,
        }
    }

    /// The encodings a sample may have. Audio 1.0 has one.
    #[must_use]
    pub fn encodings(&self) -> Vec<Encoding> {
        match self.version {
            Version::Uac1 => {
                vec![Encoding::from_tag(
                    u16::try_from(self.formats).unwrap_or(u16::MAX),
                )]
            }
            Version::Uac2 => (0..32)
                .filter(|bit| self.formats >> bit & 1 != 0)
                .map(Encoding::from_bit)
                .collect(),
        }
    }

    /// The format of settings of type I, with the first of their encodings; `None` for other types, which
    /// have no samples, and where no encoding is named.
    #[must_use]
    pub fn format(&self) -> Option<Format> {
        let FormatType::I { samples, rates } = &self.format_type else {
            return None;
        };
        Some(Format {
            channels: self.channel_count(),
            subslot_size: samples.subslot_size,
            bit_resolution: samples.bit_resolution,
            encoding: *self.encodings().first()?,
            rates: rates.clone(),
        })
    }

    /// Whether what this setting records says how fast the device takes what is played to it
    /// (USB 2.0 9.6.6, usage type).
    #[must_use]
    pub fn gives_implicit_feedback(&self) -> bool {
        !self.is_playback() && self.data.endpoint.usage_type() == UsageType::ImplicitFeedback
    }

    /// Whether the device plays at its own rate and no endpoint says which: what it records does.
    #[must_use]
    pub fn needs_implicit_feedback(&self) -> bool {
        self.is_playback()
            && self.feedback.is_none()
            && self.data.endpoint.synchronization_type() == SynchronizationType::Asynchronous
    }

    /// The setting as it stands in a configuration.
    #[must_use]
    pub fn to_setting(&self) -> AlternateSetting {
        let mut bytes = Vec::new();
        let mut general = vec![self.terminal_link];
        match self.version {
            Version::Uac1 => {
                general.push(self.delay_frames);
                general.extend_from_slice(&self.formats.to_le_bytes()[..2]);
            }
            Version::Uac2 => {
                general.extend_from_slice(&[self.controls, self.format_type.number()]);
                general.extend_from_slice(&self.formats.to_le_bytes());
                self.channels.write_to(self.version, &mut general);
            }
        }
        write_descriptor(
            &mut bytes,
            descriptor_type::CS_INTERFACE,
            subtype::GENERAL,
            &general,
        );
        self.format_type.write_to(self.version, &mut bytes);
        let mut extra = class_descriptors(&bytes);
        extra.extend(self.extra.iter().cloned().map(ClassDescriptor::Unknown));
        let mut endpoints = vec![self.data.to_endpoint(self.version)];
        endpoints.extend(
            self.feedback
                .as_ref()
                .map(|feedback| feedback.endpoint.clone()),
        );
        AlternateSetting {
            interface_number: self.interface_number,
            alternate_setting: self.alternate_setting,
            class: class::AUDIO,
            subclass: SUBCLASS_STREAMING,
            protocol: self.version.to_protocol(),
            string_index: self.string_index,
            endpoints,
            extra,
        }
    }

    /// Alternate setting 0 of a streaming interface: no endpoint, no bandwidth.
    #[must_use]
    pub fn silent(version: Version, interface_number: u8) -> AlternateSetting {
        AlternateSetting {
            interface_number,
            class: class::AUDIO,
            subclass: SUBCLASS_STREAMING,
            protocol: version.to_protocol(),
            ..AlternateSetting::default()
        }
    }

    fn read(
        version: Version,
        setting: &AlternateSetting,
        data: DataEndpoint,
        feedback: Option<FeedbackEndpoint>,
        problems: &mut Vec<AudioError>,
    ) -> Result<Self, AudioError> {
        let bytes = class_specific_bytes(setting);
        let (mut general, mut format_type) = (None, None);
        let mut extra = Vec::new();
        for raw in Descriptors::new(&bytes).flatten() {
            match raw.bytes.get(2) {
                Some(&subtype::GENERAL) if general.is_none() => general = Some(raw),
                Some(&subtype::FORMAT_TYPE) if format_type.is_none() => format_type = Some(raw),
                _ => extra.push(UnknownDescriptor::from(raw)),
            }
        }
        let missing = |descriptor, uac1, uac2| AudioError::MissingDescriptor {
            interface: setting.interface_number,
            alternate_setting: setting.alternate_setting,
            descriptor,
            section: match version {
                Version::Uac1 => uac1,
                Version::Uac2 => uac2,
            },
        };
        let general = general.ok_or_else(|| missing("general", "UAC1 4.5.2", "UAC2 4.9.2"))?;
        let format_type =
            format_type.ok_or_else(|| missing("format type", "UAC1 4.5.3", "UAC2 4.9.3"))?;
        let format_type = FormatType::from_raw(version, format_type, problems)?;
        let mut read = Self {
            version,
            interface_number: setting.interface_number,
            alternate_setting: setting.alternate_setting,
            string_index: setting.string_index,
            terminal_link: 0,
            delay_frames: 0,
            formats: 0,
            controls: 0,
            channels: ChannelCluster::default(),
            format_type,
            data,
            feedback,
            extra,
        };
        read.read_general(general)?;
        Ok(read)
    }

    fn read_general(&mut self, raw: RawDescriptor<'_>) -> Result<(), AudioError> {
        const DESCRIPTOR: &str = "audio streaming interface";
        match self.version {
            Version::Uac1 => {
                let mut fields = Fields::after_subtype(raw, DESCRIPTOR, "UAC1 4.5.2");
                self.terminal_link = fields.u8()?;
                self.delay_frames = fields.u8()?;
                self.formats = fields.u16()?.into();
            }
            Version::Uac2 => {
                let mut fields = Fields::after_subtype(raw, DESCRIPTOR, "UAC2 4.9.2");
                self.terminal_link = fields.u8()?;
                self.controls = fields.u8()?;
                // The format type descriptor says it too.
                let _format_type = fields.u8()?;
                self.formats = fields.u32()?;
                self.channels = ChannelCluster::read(self.version, &mut fields)?;
                if self.channels.count == 0 {
                    return Err(AudioError::NoChannel {
                        descriptor: DESCRIPTOR,
                        offset: raw.offset,
                    });
                }
            }
        }
        Ok(())
    }
}
