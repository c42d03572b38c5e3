//! Units that change sound: processing, effects, and what vendors add.

use super::super::codes::control_subtype as subtype;
use super::super::fields::{Fields, push_counted};
use super::super::{AudioError, ChannelCluster, Version};

/// Processing of several channels together, as a mix up or down (UAC1 4.3.2.6, UAC2 4.7.2.11).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProcessingUnit {
    /// Its identifier.
    #[doc(alias = "bUnitID")]
    pub id: u8,
    /// What it does, one of [`process_type`](super::super::process_type).
    #[doc(alias = "wProcessType")]
    pub process_type: u16,
    /// The entities whose sound comes in, by input pin; pin 1 is the first.
    #[doc(alias = "baSourceID")]
    pub sources: Vec<u8>,
    /// The channels that go out.
    pub channels: ChannelCluster,
    /// Its controls as written: Audio 1.0 counts them and has one bit each, Audio 2.0 has two bytes and two
    /// bits each.
    #[doc(alias = "bmControls")]
    pub controls: Vec<u8>,
    /// The string that names it; 0 for none.
    #[doc(alias = "iProcessing")]
    pub string_index: u8,
    /// What follows, for this type of processing.
    pub specific: Vec<u8>,
}

impl ProcessingUnit {
    pub(super) fn read(version: Version, mut fields: Fields<'_>) -> Result<Self, AudioError> {
        Ok(Self {
            id: fields.u8()?,
            process_type: fields.u16()?,
            sources: fields.counted()?,
            channels: ChannelCluster::read(version, &mut fields)?,
            controls: read_controls(version, 2, &mut fields)?,
            string_index: fields.u8()?,
            specific: fields.rest().to_vec(),
        })
    }

    pub(super) fn write(&self, version: Version, to: &mut Vec<u8>) -> u8 {
        to.push(self.id);
        to.extend_from_slice(&self.process_type.to_le_bytes());
        push_counted(to, &self.sources);
        self.channels.write_to(version, to);
        write_controls(version, 2, &self.controls, to);
        to.push(self.string_index);
        to.extend_from_slice(&self.specific);
        match version {
            Version::Uac1 => subtype::UAC1_PROCESSING_UNIT,
            Version::Uac2 => subtype::PROCESSING_UNIT,
        }
    }
}

/// What the vendor added (UAC1 4.3.2.7, UAC2 4.7.2.12).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExtensionUnit {
    /// Its identifier.
    #[doc(alias = "bUnitID")]
    pub id: u8,
    /// What it does, as the vendor numbers it.
    #[doc(alias = "wExtensionCode")]
    pub code: u16,
    /// The entities whose sound comes in, by input pin; pin 1 is the first.
    #[doc(alias = "baSourceID")]
    pub sources: Vec<u8>,
    /// The channels that go out.
    pub channels: ChannelCluster,
    /// Its controls as written: Audio 1.0 counts them and has one bit each, the first switches the unit on;
    /// Audio 2.0 has one byte and two bits each.
    #[doc(alias = "bmControls")]
    pub controls: Vec<u8>,
    /// The string that names it; 0 for none.
    #[doc(alias = "iExtension")]
    pub string_index: u8,
}

impl ExtensionUnit {
    pub(super) fn read(version: Version, mut fields: Fields<'_>) -> Result<Self, AudioError> {
        Ok(Self {
            id: fields.u8()?,
            code: fields.u16()?,
            sources: fields.counted()?,
            channels: ChannelCluster::read(version, &mut fields)?,
            controls: read_controls(version, 1, &mut fields)?,
            string_index: fields.u8()?,
        })
    }

    pub(super) fn write(&self, version: Version, to: &mut Vec<u8>) -> u8 {
        to.push(self.id);
        to.extend_from_slice(&self.code.to_le_bytes());
        push_counted(to, &self.sources);
        self.channels.write_to(version, to);
        write_controls(version, 1, &self.controls, to);
        to.push(self.string_index);
        match version {
            Version::Uac1 => subtype::UAC1_EXTENSION_UNIT,
            Version::Uac2 => subtype::EXTENSION_UNIT,
        }
    }
}

/// An effect on each channel by itself (UAC2 4.7.2.10).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EffectUnit {
    /// Its identifier.
    #[doc(alias = "bUnitID")]
    pub id: u8,
    /// What it does, one of [`effect_type`](super::super::effect_type).
    #[doc(alias = "wEffectType")]
    pub effect_type: u16,
    /// The entity whose sound comes in.
    #[doc(alias = "bSourceID")]
    pub source: u8,
    /// The controls of all channels together, then those of each, two bits a control.
    #[doc(alias = "bmaControls")]
    pub controls: Vec<u32>,
    /// The string that names it; 0 for none.
    #[doc(alias = "iEffects")]
    pub string_index: u8,
}

impl EffectUnit {
    pub(super) fn read(
        mut fields: Fields<'_>,
        problems: &mut Vec<AudioError>,
    ) -> Result<Self, AudioError> {
        let (id, effect_type, source) = (fields.u8()?, fields.u16()?, fields.u8()?);
        let bytes = fields.left().saturating_sub(1);
        if !bytes.is_multiple_of(4) || bytes == 0 {
            problems.push(AudioError::ControlsCut {
                descriptor: "effect unit",
                offset: fields.start(),
                bytes,
                size: 4,
                section: "UAC2 4.7.2.10",
            });
        }
        let (controls, _) = fields.bytes(bytes - bytes % 4)?.as_chunks();
        Ok(Self {
            id,
            effect_type,
            source,
            controls: controls.iter().copied().map(u32::from_le_bytes).collect(),
            string_index: match fields.rest().last() {
                Some(index) => *index,
                None => fields.u8()?,
            },
        })
    }

    pub(super) fn write(&self, to: &mut Vec<u8>) -> u8 {
        let [t0, t1] = self.effect_type.to_le_bytes();
        to.extend_from_slice(&[self.id, t0, t1, self.source]);
        for controls in &self.controls {
            to.extend_from_slice(&controls.to_le_bytes());
        }
        to.push(self.string_index);
        subtype::EFFECT_UNIT
    }
}

/// Controls that Audio 1.0 counts, and of which Audio 2.0 has so many bytes.
fn read_controls(
    version: Version,
    uac2_size: usize,
    fields: &mut Fields<'_>,
) -> Result<Vec<u8>, AudioError> {
    match version {
        Version::Uac1 => fields.counted(),
        Version::Uac2 => Ok(fields.bytes(uac2_size)?.to_vec()),
    }
}

fn write_controls(version: Version, uac2_size: usize, controls: &[u8], to: &mut Vec<u8>) {
    match version {
        Version::Uac1 => push_counted(to, controls),
        Version::Uac2 => {
            let bytes = controls.iter().copied().chain(std::iter::repeat(0));
            to.extend(bytes.take(uac2_size));
        }
    }
}
