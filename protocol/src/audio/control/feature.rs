//! Feature units: volume, mute and the like, for each channel and for all of them.

use std::fmt;

use super::super::codes::control_subtype as subtype;
use super::super::fields::Fields;
use super::super::{AudioError, Version};
use super::Access;

/// What a feature unit can do to sound (UAC1 A.10.2, UAC2 A.17.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeatureControl {
    /// Silence.
    Mute,
    /// Volume in decibels.
    Volume,
    /// Tone control: bass.
    Bass,
    /// Tone control: middle.
    Mid,
    /// Tone control: treble.
    Treble,
    /// Graphic equalizer.
    GraphicEqualizer,
    /// Automatic gain.
    AutomaticGain,
    /// Delay.
    Delay,
    /// Bass boost.
    BassBoost,
    /// Loudness.
    Loudness,
    /// Audio 2.0: input gain.
    InputGain,
    /// Audio 2.0: input gain pad.
    InputGainPad,
    /// Audio 2.0: phase inverter.
    PhaseInverter,
    /// Audio 2.0: too few samples came.
    Underflow,
    /// Audio 2.0: too many samples came.
    Overflow,
}

impl FeatureControl {
    /// All of them, by selector.
    pub const ALL: [Self; 15] = [
        Self::Mute,
        Self::Volume,
        Self::Bass,
        Self::Mid,
        Self::Treble,
        Self::GraphicEqualizer,
        Self::AutomaticGain,
        Self::Delay,
        Self::BassBoost,
        Self::Loudness,
        Self::InputGain,
        Self::InputGainPad,
        Self::PhaseInverter,
        Self::Underflow,
        Self::Overflow,
    ];

    /// The control selector, which both versions have in common.
    #[must_use]
    pub const fn selector(self) -> u8 {
        self as u8 + 1
    }

    /// The control of this selector.
    #[must_use]
    pub fn from_selector(selector: u8) -> Option<Self> {
        let index = selector.checked_sub(1)?;
        Self::ALL.get(usize::from(index)).copied()
    }
}

impl fmt::Display for FeatureControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Mute => "mute",
            Self::Volume => "volume",
            Self::Bass => "bass",
            Self::Mid => "mid",
            Self::Treble => "treble",
            Self::GraphicEqualizer => "graphic equalizer",
            Self::AutomaticGain => "automatic gain",
            Self::Delay => "delay",
            Self::BassBoost => "bass boost",
            Self::Loudness => "loudness",
            Self::InputGain => "input gain",
            Self::InputGainPad => "input gain pad",
            Self::PhaseInverter => "phase inverter",
            Self::Underflow => "underflow",
            Self::Overflow => "overflow",
        })
    }
}

/// The controls of one channel, or of all together: two bits each, as Audio 2.0 has them. Audio 1.0 has one
/// bit, which says that the control can be read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FeatureControls(
    /// Two bits a control, the lowest for mute. Audio 2.0 sends the low 32 bits.
    pub u64,
);

impl FeatureControls {
    /// No control.
    pub const NONE: Self = Self(0);

    /// These, and this control with this access.
    #[must_use]
    pub const fn with(self, control: FeatureControl, access: Access) -> Self {
        let bits = match access {
            Access::None => 0b00,
            Access::ReadOnly => 0b01,
            Access::ReadWrite => 0b11,
        };
        let shift = 2 * control as u32;
        Self(self.0 & !(0b11 << shift) | bits << shift)
    }

    /// What may be done with a control.
    #[must_use]
    pub const fn access(self, control: FeatureControl) -> Access {
        Access::of(self.0, control as u32)
    }

    /// The controls there are.
    pub fn iter(self) -> impl Iterator<Item = (FeatureControl, Access)> {
        FeatureControl::ALL
            .into_iter()
            .map(move |control| (control, self.access(control)))
            .filter(|(_, access)| access.can_read())
    }

    /// A bit for each control becomes two.
    fn from_uac1(bits: u32) -> Self {
        Self(
            (0..u32::BITS).fold(0, |controls, bit| match bits >> bit & 1 {
                0 => controls,
                _ => controls | 0b11 << (2 * bit),
            }),
        )
    }

    fn to_uac1(self) -> u32 {
        (0..u32::BITS).fold(0, |bits, bit| match self.0 >> (2 * bit) & 0b11 {
            0 => bits,
            _ => bits | 1 << bit,
        })
    }
}

/// Volume, mute and the like (UAC1 4.3.2.5, UAC2 4.7.2.8).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FeatureUnit {
    /// Its identifier.
    #[doc(alias = "bUnitID")]
    pub id: u8,
    /// The entity whose sound comes in.
    #[doc(alias = "bSourceID")]
    pub source: u8,
    /// Audio 1.0: the bytes a channel's controls take, 1 to 4.
    #[doc(alias = "bControlSize")]
    pub control_size: u8,
    /// The controls of all channels together, then those of each.
    #[doc(alias = "bmaControls")]
    pub controls: Vec<FeatureControls>,
    /// The string that names it; 0 for none.
    #[doc(alias = "iFeature")]
    pub string_index: u8,
}

impl FeatureUnit {
    /// A unit without a name. `controls` has those of all channels together, then those of each.
    #[must_use]
    pub const fn new(id: u8, source: u8, controls: Vec<FeatureControls>) -> Self {
        Self {
            id,
            source,
            control_size: 2,
            controls,
            string_index: 0,
        }
    }

    /// What may be done with a control of a channel; channel 0 is all of them together.
    #[must_use]
    pub fn access(&self, control: FeatureControl, channel: u8) -> Access {
        match self.controls.get(usize::from(channel)) {
            None => Access::None,
            Some(controls) => controls.access(control),
        }
    }

    /// How many channels have controls of their own.
    #[must_use]
    pub fn channel_count(&self) -> u8 {
        let channels = self.controls.len().saturating_sub(1);
        u8::try_from(channels).unwrap_or(u8::MAX)
    }

    pub(super) fn read(
        version: Version,
        mut fields: Fields<'_>,
        problems: &mut Vec<AudioError>,
    ) -> Result<Self, AudioError> {
        let (id, source) = (fields.u8()?, fields.u8()?);
        let (control_size, section) = match version {
            Version::Uac1 => {
                let offset = fields.offset();
                let size = fields.u8()?;
                if !(1..=4).contains(&size) {
                    return Err(AudioError::ControlSize { offset, size });
                }
                (size, "UAC1 4.3.2.5")
            }
            Version::Uac2 => (4, "UAC2 4.7.2.8"),
        };
        let size = usize::from(control_size);
        let bytes = fields.left().saturating_sub(1);
        if !bytes.is_multiple_of(size) || bytes == 0 {
            problems.push(AudioError::ControlsCut {
                descriptor: "feature unit",
                offset: fields.start(),
                bytes,
                size,
                section,
            });
        }
        let controls = fields.bytes(bytes - bytes % size)?.chunks_exact(size);
        let controls = controls.map(|bytes| {
            let bits = bytes
                .iter()
                .rev()
                .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
            match version {
                Version::Uac1 => FeatureControls::from_uac1(bits),
                Version::Uac2 => FeatureControls(bits.into()),
            }
        });
        let controls = controls.collect();
        Ok(Self {
            id,
            source,
            control_size,
            controls,
            string_index: match fields.rest().last() {
                Some(index) => *index,
                None => fields.u8()?,
            },
        })
    }

    pub(super) fn write(&self, version: Version, to: &mut Vec<u8>) -> u8 {
        to.extend_from_slice(&[self.id, self.source]);
        match version {
            Version::Uac1 => {
                let size = self.control_size.clamp(1, 4);
                to.push(size);
                for controls in &self.controls {
                    let bytes = controls.to_uac1().to_le_bytes();
                    to.extend_from_slice(&bytes[..size.into()]);
                }
            }
            Version::Uac2 => {
                for controls in &self.controls {
                    to.extend_from_slice(&controls.0.to_le_bytes()[..4]);
                }
            }
        }
        to.push(self.string_index);
        subtype::FEATURE_UNIT
    }
}
