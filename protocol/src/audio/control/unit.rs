//! Mixers and selectors.

use super::super::codes::control_subtype as subtype;
use super::super::fields::{Fields, push_counted};
use super::super::{AudioError, ChannelCluster, Version};
use super::Access;

/// Mixes several inputs (UAC1 4.3.2.3, UAC2 4.7.2.6).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MixerUnit {
    /// Its identifier.
    #[doc(alias = "bUnitID")]
    pub id: u8,
    /// The entities whose sound comes in, by input pin; pin 1 is the first.
    #[doc(alias = "baSourceID")]
    pub sources: Vec<u8>,
    /// The channels that go out.
    pub channels: ChannelCluster,
    /// Which crossings can be set, as written; see [`can_set`](Self::can_set).
    #[doc(alias = "bmMixerControls")]
    pub mixer_controls: Vec<u8>,
    /// Audio 2.0: its controls, two bits each: cluster, underflow, overflow.
    #[doc(alias = "bmControls")]
    pub controls: u8,
    /// The string that names it; 0 for none.
    #[doc(alias = "iMixer")]
    pub string_index: u8,
}

impl MixerUnit {
    /// Whether the host can set how much of an input channel goes into an output channel. Both count from 0,
    /// input channels through all pins in their order.
    #[must_use]
    pub fn can_set(&self, input_channel: usize, output_channel: usize) -> bool {
        let outputs = usize::from(self.channels.count);
        if output_channel >= outputs {
            return false;
        }
        // Most significant bit first (UAC1 4.3.2.3).
        let bit = input_channel
            .checked_mul(outputs)
            .and_then(|bit| bit.checked_add(output_channel));
        bit.and_then(|bit| Some(self.mixer_controls.get(bit / 8)? << (bit % 8) & 0x80 != 0))
            .unwrap_or(false)
    }

    pub(super) fn read(version: Version, mut fields: Fields<'_>) -> Result<Self, AudioError> {
        let (id, sources) = (fields.u8()?, fields.counted()?);
        let channels = ChannelCluster::read(version, &mut fields)?;
        let behind = match version {
            Version::Uac1 => 1,
            Version::Uac2 => 2,
        };
        let mixer_controls = fields.bytes(fields.left().saturating_sub(behind))?.to_vec();
        Ok(Self {
            id,
            sources,
            channels,
            mixer_controls,
            controls: match version {
                Version::Uac1 => 0,
                Version::Uac2 => fields.u8()?,
            },
            string_index: fields.u8()?,
        })
    }

    pub(super) fn write(&self, version: Version, to: &mut Vec<u8>) -> u8 {
        to.push(self.id);
        push_counted(to, &self.sources);
        self.channels.write_to(version, to);
        to.extend_from_slice(&self.mixer_controls);
        if version == Version::Uac2 {
            to.push(self.controls);
        }
        to.push(self.string_index);
        subtype::MIXER_UNIT
    }
}

/// Takes one of several inputs (UAC1 4.3.2.4, UAC2 4.7.2.7).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SelectorUnit {
    /// Its identifier.
    #[doc(alias = "bUnitID")]
    pub id: u8,
    /// The entities whose sound comes in, by input pin; pin 1 is the first.
    #[doc(alias = "baSourceID")]
    pub sources: Vec<u8>,
    /// Audio 2.0: the selector's control, in bits 0 and 1.
    #[doc(alias = "bmControls")]
    pub controls: u8,
    /// The string that names it; 0 for none.
    #[doc(alias = "iSelector")]
    pub string_index: u8,
}

impl SelectorUnit {
    /// What may be done with the selection.
    #[must_use]
    pub const fn access(&self, version: Version) -> Access {
        match version {
            Version::Uac1 => Access::ReadWrite,
            Version::Uac2 => Access::of(self.controls as u64, 0),
        }
    }

    pub(super) fn read(version: Version, mut fields: Fields<'_>) -> Result<Self, AudioError> {
        Ok(Self {
            id: fields.u8()?,
            sources: fields.counted()?,
            controls: match version {
                Version::Uac1 => 0,
                Version::Uac2 => fields.u8()?,
            },
            string_index: fields.u8()?,
        })
    }

    pub(super) fn write(&self, version: Version, to: &mut Vec<u8>) -> u8 {
        to.push(self.id);
        push_counted(to, &self.sources);
        if version == Version::Uac2 {
            to.push(self.controls);
        }
        to.push(self.string_index);
        subtype::SELECTOR_UNIT
    }
}
