//! Clocks and what goes between them; Audio 2.0 alone has them.

use super::super::AudioError;
use super::super::codes::control_subtype as subtype;
use super::super::fields::{Fields, push_counted};
use super::Access;

/// Where a clock comes from (UAC2 4.7.2.1, bits 0 and 1 of `bmAttributes`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClockKind {
    /// From outside the device.
    External,
    /// Made in the device, at one frequency.
    InternalFixed,
    /// Made in the device, at a frequency that varies by itself.
    InternalVariable,
    /// Made in the device, at the frequency the host asks for.
    InternalProgrammable,
}

impl ClockKind {
    /// The bits as they travel.
    #[must_use]
    pub const fn to_attributes(self) -> u8 {
        match self {
            Self::External => 0,
            Self::InternalFixed => 1,
            Self::InternalVariable => 2,
            Self::InternalProgrammable => 3,
        }
    }
}

/// Makes a clock (UAC2 4.7.2.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClockSource {
    /// Its identifier.
    #[doc(alias = "bClockID")]
    pub id: u8,
    /// Kind in bits 0 and 1, whether it runs with start of frame in bit 2.
    #[doc(alias = "bmAttributes")]
    pub attributes: u8,
    /// Its controls, two bits each: frequency, validity.
    #[doc(alias = "bmControls")]
    pub controls: u8,
    /// The terminal it comes with, as a digital input; 0 for none.
    #[doc(alias = "bAssocTerminal")]
    pub associated_terminal: u8,
    /// The string that names it; 0 for none.
    #[doc(alias = "iClockSource")]
    pub string_index: u8,
}

impl ClockSource {
    /// The bit of `attributes` that says the clock runs with start of frame.
    pub const SYNCHRONIZED_TO_SOF: u8 = 0x04;

    /// A clock of this kind without a name. `frequency` says whether the host may set it; it can always be
    /// read.
    #[must_use]
    pub const fn new(id: u8, kind: ClockKind, frequency: Access) -> Self {
        Self {
            id,
            attributes: kind.to_attributes(),
            controls: match frequency {
                Access::ReadWrite => 0b11,
                Access::ReadOnly | Access::None => 0b01,
            },
            associated_terminal: 0,
            string_index: 0,
        }
    }

    /// Where the clock comes from.
    #[must_use]
    pub const fn kind(&self) -> ClockKind {
        match self.attributes & 0x03 {
            0 => ClockKind::External,
            1 => ClockKind::InternalFixed,
            2 => ClockKind::InternalVariable,
            _ => ClockKind::InternalProgrammable,
        }
    }

    /// Whether the clock runs with start of frame.
    #[must_use]
    pub const fn is_synchronized_to_sof(&self) -> bool {
        self.attributes & Self::SYNCHRONIZED_TO_SOF != 0
    }

    /// What may be done with its frequency.
    #[must_use]
    pub const fn frequency_access(&self) -> Access {
        Access::of(self.controls as u64, 0)
    }

    /// What may be done with its validity, which nobody can write.
    #[must_use]
    pub const fn validity_access(&self) -> Access {
        Access::of(self.controls as u64, 1)
    }

    pub(super) fn read(mut fields: Fields<'_>) -> Result<Self, AudioError> {
        let [id, attributes, controls, associated_terminal, string_index] = fields.array()?;
        Ok(Self {
            id,
            attributes,
            controls,
            associated_terminal,
            string_index,
        })
    }

    pub(super) fn write(&self, to: &mut Vec<u8>) -> u8 {
        to.extend_from_slice(&[
            self.id,
            self.attributes,
            self.controls,
            self.associated_terminal,
            self.string_index,
        ]);
        subtype::CLOCK_SOURCE
    }
}

/// Takes one of several clocks (UAC2 4.7.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClockSelector {
    /// Its identifier.
    #[doc(alias = "bClockID")]
    pub id: u8,
    /// The clocks, by input pin; pin 1 is the first.
    #[doc(alias = "baCSourceID")]
    pub clocks: Vec<u8>,
    /// The selector's control, in bits 0 and 1.
    #[doc(alias = "bmControls")]
    pub controls: u8,
    /// The string that names it; 0 for none.
    #[doc(alias = "iClockSelector")]
    pub string_index: u8,
}

impl ClockSelector {
    /// What may be done with the selection.
    #[must_use]
    pub const fn access(&self) -> Access {
        Access::of(self.controls as u64, 0)
    }

    pub(super) fn read(mut fields: Fields<'_>) -> Result<Self, AudioError> {
        Ok(Self {
            id: fields.u8()?,
            clocks: fields.counted()?,
            controls: fields.u8()?,
            string_index: fields.u8()?,
        })
    }

    pub(super) fn write(&self, to: &mut Vec<u8>) -> u8 {
        to.push(self.id);
        push_counted(to, &self.clocks);
        to.extend_from_slice(&[self.controls, self.string_index]);
        subtype::CLOCK_SELECTOR
    }
}

/// Multiplies a clock (UAC2 4.7.2.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClockMultiplier {
    /// Its identifier.
    #[doc(alias = "bClockID")]
    pub id: u8,
    /// The clock it multiplies.
    #[doc(alias = "bCSourceID")]
    pub clock: u8,
    /// Its controls, two bits each: numerator, denominator.
    #[doc(alias = "bmControls")]
    pub controls: u8,
    /// The string that names it; 0 for none.
    #[doc(alias = "iClockMultiplier")]
    pub string_index: u8,
}

impl ClockMultiplier {
    pub(super) fn read(mut fields: Fields<'_>) -> Result<Self, AudioError> {
        let [id, clock, controls, string_index] = fields.array()?;
        Ok(Self {
            id,
            clock,
            controls,
            string_index,
        })
    }

    pub(super) fn write(&self, to: &mut Vec<u8>) -> u8 {
        to.extend_from_slice(&[self.id, self.clock, self.controls, self.string_index]);
        subtype::CLOCK_MULTIPLIER
    }
}

/// Brings sound from one clock to another (UAC2 4.7.2.9).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SampleRateConverter {
    /// Its identifier.
    #[doc(alias = "bUnitID")]
    pub id: u8,
    /// The entity whose sound comes in.
    #[doc(alias = "bSourceID")]
    pub source: u8,
    /// The clock of what comes in.
    #[doc(alias = "bCSourceInID")]
    pub clock_in: u8,
    /// The clock of what goes out.
    #[doc(alias = "bCSourceOutID")]
    pub clock_out: u8,
    /// The string that names it; 0 for none.
    #[doc(alias = "iSRC")]
    pub string_index: u8,
}

impl SampleRateConverter {
    pub(super) fn read(mut fields: Fields<'_>) -> Result<Self, AudioError> {
        let [id, source, clock_in, clock_out, string_index] = fields.array()?;
        Ok(Self {
            id,
            source,
            clock_in,
            clock_out,
            string_index,
        })
    }

    pub(super) fn write(&self, to: &mut Vec<u8>) -> u8 {
        to.extend_from_slice(&[
            self.id,
            self.source,
            self.clock_in,
            self.clock_out,
            self.string_index,
        ]);
        subtype::SAMPLE_RATE_CONVERTER
    }
}
