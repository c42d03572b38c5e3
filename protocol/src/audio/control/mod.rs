//! The control interface: its header, and the entities behind it.

mod access;
mod clock;
mod entity;
mod feature;
mod processing;
mod terminal;
mod unit;

use super::codes::control_subtype as subtype;
use super::error::AudioError;
use super::fields::{Fields, push_counted, write_descriptor};
use super::{SUBCLASS_CONTROL, Version};
use crate::descriptor::{
    self, AlternateSetting, ClassDescriptor, DescriptorError, Descriptors, RawDescriptor,
    UnknownDescriptor,
};
use crate::standard::{class, descriptor_type};

pub use access::Access;
pub use clock::{ClockKind, ClockMultiplier, ClockSelector, ClockSource, SampleRateConverter};
pub use entity::{Entity, UnknownEntity};
pub use feature::{FeatureControl, FeatureControls, FeatureUnit};
pub use processing::{EffectUnit, ExtensionUnit, ProcessingUnit};
pub use terminal::{InputTerminal, OutputTerminal};
pub use unit::{MixerUnit, SelectorUnit};

/// What an audio function is made of (UAC1 4.3.2, UAC2 4.7.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ControlInterface {
    /// The specification it follows.
    pub version: Version,
    /// The release it says it follows.
    #[doc(alias = "bcdADC")]
    pub release: descriptor::Version,
    /// Audio 1.0: the streaming and MIDI interfaces of the function; the first 244 are sent. Audio 2.0 has an
    /// interface association for that.
    #[doc(alias = "baInterfaceNr")]
    pub streaming_interfaces: Vec<u8>,
    /// Audio 2.0: what the function is for, one of [`category`](super::category).
    #[doc(alias = "bCategory")]
    pub category: u8,
    /// Audio 2.0: the latency control, in bits 0 and 1.
    #[doc(alias = "bmControls")]
    pub controls: u8,
    /// Terminals, units and clocks, in the order the device lists them.
    pub entities: Vec<Entity>,
}

impl ControlInterface {
    const MAX_STREAMING_INTERFACES: usize = 244;

    /// A control interface without entities.
    #[must_use]
    pub const fn new(version: Version) -> Self {
        Self {
            version,
            release: version.release(),
            streaming_interfaces: Vec::new(),
            category: 0,
            controls: 0,
            entities: Vec::new(),
        }
    }

    /// The entity of this identifier.
    #[must_use]
    pub fn entity(&self, id: u8) -> Option<&Entity> {
        self.entities.iter().find(|entity| entity.id() == id)
    }

    /// Reads the class-specific descriptors of a control interface, which stand one after the other, and
    /// checks the graph they make.
    ///
    /// # Errors
    /// The first rule that is broken. [`salvage`](Self::salvage) reads on.
    pub fn parse(version: Version, bytes: &[u8]) -> Result<Self, AudioError> {
        let (control, problems) = Self::salvage(version, bytes)?;
        match problems.into_iter().next() {
            None => Ok(control),
            Some(problem) => Err(problem),
        }
    }

    /// Reads what can be read of descriptors that may lie, and every rule they break. A unit that lies is
    /// kept as [`Entity::Unknown`], a second one of the same identifier is left out, lengths that lie are
    /// not believed; what the graph lacks is listed, and left to whoever walks it.
    ///
    /// # Errors
    /// There is no header.
    pub fn salvage(version: Version, bytes: &[u8]) -> Result<(Self, Vec<AudioError>), AudioError> {
        let mut control = None;
        let mut problems = Vec::new();
        for raw in Descriptors::new(bytes) {
            let raw = match raw {
                Ok(raw) => raw,
                Err(problem) => {
                    problems.push(problem.into());
                    break;
                }
            };
            if raw.descriptor_type != descriptor_type::CS_INTERFACE {
                continue;
            }
            match &mut control {
                // The header comes first, but nothing depends on it.
                None if raw.bytes.get(2) == Some(&subtype::HEADER) => {
                    control = Some(Self::header(version, raw, bytes.len(), &mut problems)?);
                }
                None => return Err(AudioError::NoHeader),
                Some(control) => control.add(raw, &mut problems),
            }
        }
        let Some(control) = control else {
            return Err(problems.into_iter().next().unwrap_or(AudioError::NoHeader));
        };
        control.check_graph(&mut problems);
        Ok((control, problems))
    }

    /// [`salvage`](Self::salvage) of an interface's setting.
    ///
    /// # Errors
    /// It is no audio interface, follows Audio 3.0, or has no header.
    pub fn from_setting(setting: &AlternateSetting) -> Result<(Self, Vec<AudioError>), AudioError> {
        let version = Version::of(setting)?;
        Self::salvage(version, &class_specific_bytes(setting))
    }

    /// The class-specific descriptors as they travel. What their length fields cannot count is left out or
    /// cut, and does not parse.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut contents = self.release.0.to_le_bytes().to_vec();
        let total_length_at = match self.version {
            Version::Uac1 => {
                let interfaces = &self.streaming_interfaces;
                let sent = interfaces.len().min(Self::MAX_STREAMING_INTERFACES);
                contents.extend_from_slice(&[0, 0]);
                push_counted(&mut contents, &interfaces[..sent]);
                5
            }
            Version::Uac2 => {
                contents.extend_from_slice(&[self.category, 0, 0, self.controls]);
                6
            }
        };
        let mut bytes = Vec::new();
        write_descriptor(
            &mut bytes,
            descriptor_type::CS_INTERFACE,
            subtype::HEADER,
            &contents,
        );
        for entity in &self.entities {
            entity.write_to(self.version, &mut bytes);
        }
        let total_length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        bytes[total_length_at..total_length_at + 2].copy_from_slice(&total_length.to_le_bytes());
        bytes
    }

    /// The interface that carries these descriptors, as it stands in a configuration.
    #[must_use]
    pub fn to_setting(&self, interface_number: u8) -> AlternateSetting {
        AlternateSetting {
            interface_number,
            class: class::AUDIO,
            subclass: SUBCLASS_CONTROL,
            protocol: self.version.to_protocol(),
            extra: class_descriptors(&self.to_bytes()),
            ..AlternateSetting::default()
        }
    }

    fn header(
        version: Version,
        raw: RawDescriptor<'_>,
        found: usize,
        problems: &mut Vec<AudioError>,
    ) -> Result<Self, AudioError> {
        const DESCRIPTOR: &str = "audio control header";
        let section = match version {
            Version::Uac1 => "UAC1 4.3.2",
            Version::Uac2 => "UAC2 4.7.2",
        };
        let mut fields = Fields::after_subtype(raw, DESCRIPTOR, section);
        let mut control = Self::new(version);
        control.release = descriptor::Version(fields.u16()?);
        if version == Version::Uac2 {
            control.category = fields.u8()?;
        }
        let total_length_at = fields.offset();
        let stated = fields.u16()?;
        if usize::from(stated) != found {
            problems.push(AudioError::Descriptor(DescriptorError::TotalLength {
                descriptor: "audio control interface",
                offset: total_length_at,
                stated,
                found,
                section,
            }));
        }
        match version {
            Version::Uac1 => match fields.counted() {
                Ok(interfaces) => control.streaming_interfaces = interfaces,
                Err(problem) => {
                    control.streaming_interfaces = fields.rest().to_vec();
                    problems.push(problem);
                }
            },
            Version::Uac2 => control.controls = fields.u8()?,
        }
        Ok(control)
    }

    fn add(&mut self, raw: RawDescriptor<'_>, problems: &mut Vec<AudioError>) {
        let entity = Entity::from_raw(self.version, raw, problems);
        let id = entity.id();
        if let Entity::Unknown(_) = entity {
            // A descriptor of a later specification may have something else where the identifier is.
        } else if id == 0 {
            let offset = raw.offset + 3;
            return problems.push(AudioError::EntityZero { offset });
        } else if self.entity(id).is_some() {
            let offset = raw.offset;
            return problems.push(AudioError::DuplicateEntity { offset, id });
        }
        self.entities.push(entity);
    }
}

/// The class-specific descriptors of a setting, one after the other.
pub(super) fn class_specific_bytes(setting: &AlternateSetting) -> Vec<u8> {
    let mut bytes = Vec::new();
    for extra in &setting.extra {
        if let ClassDescriptor::Unknown(extra) = extra
            && extra.descriptor_type == descriptor_type::CS_INTERFACE
        {
            extra.write_to(&mut bytes);
        }
    }
    bytes
}

/// The descriptors in bytes this crate has written.
pub(super) fn class_descriptors(bytes: &[u8]) -> Vec<ClassDescriptor> {
    Descriptors::new(bytes)
        .flatten()
        .map(|raw| ClassDescriptor::Unknown(UnknownDescriptor::from(raw)))
        .collect()
}
