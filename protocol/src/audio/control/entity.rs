//! Any entity: reading and writing by subtype, and what all have in common.

use super::super::codes::control_subtype as subtype;
use super::super::fields::{Fields, write_descriptor};
use super::super::{AudioError, ChannelCluster, Version};
use super::{
    ClockMultiplier, ClockSelector, ClockSource, EffectUnit, ExtensionUnit, FeatureUnit,
    InputTerminal, MixerUnit, OutputTerminal, ProcessingUnit, SampleRateConverter, SelectorUnit,
};
use crate::descriptor::RawDescriptor;
use crate::standard::descriptor_type;

/// A terminal, unit or clock (UAC1 3.5, UAC2 3.13).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Entity {
    /// Where sound comes into the function.
    InputTerminal(InputTerminal),
    /// Where sound leaves the function.
    OutputTerminal(OutputTerminal),
    /// Mixes several inputs.
    MixerUnit(MixerUnit),
    /// Takes one of several inputs.
    SelectorUnit(SelectorUnit),
    /// Volume, mute and the like.
    FeatureUnit(FeatureUnit),
    /// Audio 2.0: an effect.
    EffectUnit(EffectUnit),
    /// Processing of several channels together.
    ProcessingUnit(ProcessingUnit),
    /// What the vendor added.
    ExtensionUnit(ExtensionUnit),
    /// Audio 2.0: makes a clock.
    ClockSource(ClockSource),
    /// Audio 2.0: takes one of several clocks.
    ClockSelector(ClockSelector),
    /// Audio 2.0: multiplies a clock.
    ClockMultiplier(ClockMultiplier),
    /// Audio 2.0: brings sound from one clock to another.
    SampleRateConverter(SampleRateConverter),
    /// One this crate has no type for, or that lies.
    Unknown(UnknownEntity),
}

/// An entity that is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnknownEntity {
    /// What follows `bLength` and `bDescriptorType`: subtype, identifier and the rest; the first 253 bytes are
    /// sent.
    pub bytes: Vec<u8>,
}

impl UnknownEntity {
    /// `bDescriptorSubtype`, 0 where the descriptor is too short to have one.
    #[must_use]
    pub fn subtype(&self) -> u8 {
        self.bytes.first().copied().unwrap_or_default()
    }

    /// The identifier, where every known entity has it; 0 where the descriptor is too short to have one.
    #[must_use]
    pub fn id(&self) -> u8 {
        self.bytes.get(1).copied().unwrap_or_default()
    }
}

impl Entity {
    /// Its identifier, unlike all others of the function.
    #[doc(alias = "bUnitID")]
    #[doc(alias = "bTerminalID")]
    #[doc(alias = "bClockID")]
    #[must_use]
    pub fn id(&self) -> u8 {
        match self {
            Self::InputTerminal(it) => it.id,
            Self::OutputTerminal(it) => it.id,
            Self::MixerUnit(it) => it.id,
            Self::SelectorUnit(it) => it.id,
            Self::FeatureUnit(it) => it.id,
            Self::EffectUnit(it) => it.id,
            Self::ProcessingUnit(it) => it.id,
            Self::ExtensionUnit(it) => it.id,
            Self::ClockSource(it) => it.id,
            Self::ClockSelector(it) => it.id,
            Self::ClockMultiplier(it) => it.id,
            Self::SampleRateConverter(it) => it.id,
            Self::Unknown(it) => it.id(),
        }
    }

    /// What it is, in words.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::InputTerminal(_) => "input terminal",
            Self::OutputTerminal(_) => "output terminal",
            Self::MixerUnit(_) => "mixer unit",
            Self::SelectorUnit(_) => "selector unit",
            Self::FeatureUnit(_) => "feature unit",
            Self::EffectUnit(_) => "effect unit",
            Self::ProcessingUnit(_) => "processing unit",
            Self::ExtensionUnit(_) => "extension unit",
            Self::ClockSource(_) => "clock source",
            Self::ClockSelector(_) => "clock selector",
            Self::ClockMultiplier(_) => "clock multiplier",
            Self::SampleRateConverter(_) => "sample rate converter",
            Self::Unknown(_) => "unit of an unknown kind",
        }
    }

    /// The string that names it; 0 for none.
    #[must_use]
    pub const fn string_index(&self) -> u8 {
        match self {
            Self::InputTerminal(it) => it.string_index,
            Self::OutputTerminal(it) => it.string_index,
            Self::MixerUnit(it) => it.string_index,
            Self::SelectorUnit(it) => it.string_index,
            Self::FeatureUnit(it) => it.string_index,
            Self::EffectUnit(it) => it.string_index,
            Self::ProcessingUnit(it) => it.string_index,
            Self::ExtensionUnit(it) => it.string_index,
            Self::ClockSource(it) => it.string_index,
            Self::ClockSelector(it) => it.string_index,
            Self::ClockMultiplier(it) => it.string_index,
            Self::SampleRateConverter(it) => it.string_index,
            Self::Unknown(_) => 0,
        }
    }

    /// The entities it takes its sound from, by input pin. Clocks have none.
    #[doc(alias = "bSourceID")]
    #[doc(alias = "baSourceID")]
    #[must_use]
    pub fn sources(&self) -> &[u8] {
        use std::slice::from_ref;
        match self {
            Self::OutputTerminal(it) => from_ref(&it.source),
            Self::MixerUnit(it) => &it.sources,
            Self::SelectorUnit(it) => &it.sources,
            Self::FeatureUnit(it) => from_ref(&it.source),
            Self::EffectUnit(it) => from_ref(&it.source),
            Self::ProcessingUnit(it) => &it.sources,
            Self::ExtensionUnit(it) => &it.sources,
            Self::SampleRateConverter(it) => from_ref(&it.source),
            Self::InputTerminal(_)
            | Self::ClockSource(_)
            | Self::ClockSelector(_)
            | Self::ClockMultiplier(_)
            | Self::Unknown(_) => &[],
        }
    }

    /// The clocks it runs on: a terminal's, both of a sample rate converter, or what a clock selector or
    /// multiplier takes. None is 0.
    #[doc(alias = "bCSourceID")]
    #[must_use]
    pub fn clocks(&self) -> Vec<u8> {
        let mut clocks = match self {
            Self::InputTerminal(it) => vec![it.clock],
            Self::OutputTerminal(it) => vec![it.clock],
            Self::SampleRateConverter(it) => vec![it.clock_in, it.clock_out],
            Self::ClockSelector(it) => it.clocks.clone(),
            Self::ClockMultiplier(it) => vec![it.clock],
            _ => Vec::new(),
        };
        clocks.retain(|clock| *clock != 0);
        clocks
    }

    /// Whether it is a clock source, selector or multiplier.
    #[must_use]
    pub const fn is_clock(&self) -> bool {
        matches!(
            self,
            Self::ClockSource(_) | Self::ClockSelector(_) | Self::ClockMultiplier(_)
        )
    }

    /// The channels it says leave it; `None` for entities that pass on what comes in, and for clocks.
    #[must_use]
    pub const fn own_channels(&self) -> Option<ChannelCluster> {
        match self {
            Self::InputTerminal(it) => Some(it.channels),
            Self::MixerUnit(it) => Some(it.channels),
            // Audio 2.0 writes no channels for "those that come in".
            Self::ProcessingUnit(it) if it.channels.count != 0 => Some(it.channels),
            Self::ExtensionUnit(it) if it.channels.count != 0 => Some(it.channels),
            _ => None,
        }
    }

    /// Appends the entity's descriptor as it travels. Entities one version does not have are written as the
    /// other has them.
    pub fn write_to(&self, version: Version, to: &mut Vec<u8>) {
        let mut contents = Vec::new();
        let subtype = match self {
            Self::InputTerminal(it) => it.write(version, &mut contents),
            Self::OutputTerminal(it) => it.write(version, &mut contents),
            Self::MixerUnit(it) => it.write(version, &mut contents),
            Self::SelectorUnit(it) => it.write(version, &mut contents),
            Self::FeatureUnit(it) => it.write(version, &mut contents),
            Self::EffectUnit(it) => it.write(&mut contents),
            Self::ProcessingUnit(it) => it.write(version, &mut contents),
            Self::ExtensionUnit(it) => it.write(version, &mut contents),
            Self::ClockSource(it) => it.write(&mut contents),
            Self::ClockSelector(it) => it.write(&mut contents),
            Self::ClockMultiplier(it) => it.write(&mut contents),
            Self::SampleRateConverter(it) => it.write(&mut contents),
            Self::Unknown(it) => match it.bytes.split_first() {
                Some((subtype, rest)) => {
                    contents.extend_from_slice(rest);
                    *subtype
                }
                // A descriptor without a subtype, which `write_descriptor` would add.
                None => return to.extend_from_slice(&[2, descriptor_type::CS_INTERFACE]),
            },
        };
        write_descriptor(to, descriptor_type::CS_INTERFACE, subtype, &contents);
    }

    /// The entity in this descriptor; what lies is kept as it is, with a problem.
    pub(super) fn from_raw(
        version: Version,
        raw: RawDescriptor<'_>,
        problems: &mut Vec<AudioError>,
    ) -> Self {
        match Self::read(version, raw, problems) {
            Ok(Some(entity)) => entity,
            Ok(None) => Self::unknown(raw),
            Err(problem) => {
                problems.push(problem);
                Self::unknown(raw)
            }
        }
    }

    fn unknown(raw: RawDescriptor<'_>) -> Self {
        Self::Unknown(UnknownEntity {
            bytes: raw.bytes[2..].to_vec(),
        })
    }

    fn read(
        version: Version,
        raw: RawDescriptor<'_>,
        problems: &mut Vec<AudioError>,
    ) -> Result<Option<Self>, AudioError> {
        use Version::{Uac1, Uac2};
        let Some(&subtype) = raw.bytes.get(2) else {
            return Ok(None);
        };
        let fields = |descriptor, uac1, uac2| {
            let section = match version {
                Uac1 => uac1,
                Uac2 => uac2,
            };
            Fields::after_subtype(raw, descriptor, section)
        };
        let in_uac2 = |descriptor, section| Fields::after_subtype(raw, descriptor, section);
        Ok(Some(match (version, subtype) {
            (_, subtype::INPUT_TERMINAL) => Self::InputTerminal(InputTerminal::read(
                version,
                fields("input terminal", "UAC1 4.3.2.1", "UAC2 4.7.2.4"),
                problems,
            )?),
            (_, subtype::OUTPUT_TERMINAL) => Self::OutputTerminal(OutputTerminal::read(
                version,
                fields("output terminal", "UAC1 4.3.2.2", "UAC2 4.7.2.5"),
            )?),
            (_, subtype::MIXER_UNIT) => Self::MixerUnit(MixerUnit::read(
                version,
                fields("mixer unit", "UAC1 4.3.2.3", "UAC2 4.7.2.6"),
            )?),
            (_, subtype::SELECTOR_UNIT) => Self::SelectorUnit(SelectorUnit::read(
                version,
                fields("selector unit", "UAC1 4.3.2.4", "UAC2 4.7.2.7"),
            )?),
            (_, subtype::FEATURE_UNIT) => Self::FeatureUnit(FeatureUnit::read(
                version,
                fields("feature unit", "UAC1 4.3.2.5", "UAC2 4.7.2.8"),
                problems,
            )?),
            (Uac1, subtype::UAC1_PROCESSING_UNIT) | (Uac2, subtype::PROCESSING_UNIT) => {
                Self::ProcessingUnit(ProcessingUnit::read(
                    version,
                    fields("processing unit", "UAC1 4.3.2.6", "UAC2 4.7.2.11"),
                )?)
            }
            (Uac1, subtype::UAC1_EXTENSION_UNIT) | (Uac2, subtype::EXTENSION_UNIT) => {
                Self::ExtensionUnit(ExtensionUnit::read(
                    version,
                    fields("extension unit", "UAC1 4.3.2.7", "UAC2 4.7.2.12"),
                )?)
            }
            (Uac2, subtype::EFFECT_UNIT) => Self::EffectUnit(EffectUnit::read(
                in_uac2("effect unit", "UAC2 4.7.2.10"),
                problems,
            )?),
            (Uac2, subtype::CLOCK_SOURCE) => {
                Self::ClockSource(ClockSource::read(in_uac2("clock source", "UAC2 4.7.2.1"))?)
            }
            (Uac2, subtype::CLOCK_SELECTOR) => Self::ClockSelector(ClockSelector::read(in_uac2(
                "clock selector",
                "UAC2 4.7.2.2",
            ))?),
            (Uac2, subtype::CLOCK_MULTIPLIER) => Self::ClockMultiplier(ClockMultiplier::read(
                in_uac2("clock multiplier", "UAC2 4.7.2.3"),
            )?),
            (Uac2, subtype::SAMPLE_RATE_CONVERTER) => Self::SampleRateConverter(
                SampleRateConverter::read(in_uac2("sample rate converter", "UAC2 4.7.2.9"))?,
            ),
            _ => return Ok(None),
        }))
    }
}
