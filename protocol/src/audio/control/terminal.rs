//! Terminals: where sound enters and leaves the function.

use super::super::codes::control_subtype as subtype;
use super::super::fields::Fields;
use super::super::{AudioError, ChannelCluster, TerminalType, Version};

/// Where sound comes into the function: from the host, or a microphone (UAC1 4.3.2.1, UAC2 4.7.2.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InputTerminal {
    /// Its identifier.
    #[doc(alias = "bTerminalID")]
    pub id: u8,
    /// What it stands for.
    #[doc(alias = "wTerminalType")]
    pub terminal_type: TerminalType,
    /// The output terminal it belongs with, as the microphone of a headset; 0 for none.
    #[doc(alias = "bAssocTerminal")]
    pub associated_terminal: u8,
    /// Audio 2.0: the clock it runs on; 0 for none.
    #[doc(alias = "bCSourceID")]
    pub clock: u8,
    /// The channels that come in.
    pub channels: ChannelCluster,
    /// Audio 2.0: its controls, two bits each: copy protect, connector, overload, cluster, underflow, overflow.
    #[doc(alias = "bmControls")]
    pub controls: u16,
    /// The string that names it; 0 for none.
    #[doc(alias = "iTerminal")]
    pub string_index: u8,
}

impl InputTerminal {
    /// A terminal of these channels, without a clock, a name or controls.
    #[must_use]
    pub const fn new(id: u8, terminal_type: TerminalType, channels: ChannelCluster) -> Self {
        Self {
            id,
            terminal_type,
            associated_terminal: 0,
            clock: 0,
            channels,
            controls: 0,
            string_index: 0,
        }
    }

    pub(super) fn read(
        version: Version,
        mut fields: Fields<'_>,
        problems: &mut Vec<AudioError>,
    ) -> Result<Self, AudioError> {
        let terminal = Self {
            id: fields.u8()?,
            terminal_type: TerminalType(fields.u16()?),
            associated_terminal: fields.u8()?,
            clock: match version {
                Version::Uac1 => 0,
                Version::Uac2 => fields.u8()?,
            },
            channels: ChannelCluster::read(version, &mut fields)?,
            controls: match version {
                Version::Uac1 => 0,
                Version::Uac2 => fields.u16()?,
            },
            string_index: fields.u8()?,
        };
        if terminal.channels.count == 0 {
            problems.push(AudioError::NoChannel {
                descriptor: "input terminal",
                offset: fields.start(),
            });
        }
        Ok(terminal)
    }

    pub(super) fn write(&self, version: Version, to: &mut Vec<u8>) -> u8 {
        let [t0, t1] = self.terminal_type.0.to_le_bytes();
        to.extend_from_slice(&[self.id, t0, t1, self.associated_terminal]);
        match version {
            Version::Uac1 => self.channels.write_to(version, to),
            Version::Uac2 => {
                to.push(self.clock);
                self.channels.write_to(version, to);
                to.extend_from_slice(&self.controls.to_le_bytes());
            }
        }
        to.push(self.string_index);
        subtype::INPUT_TERMINAL
    }
}

/// Where sound leaves the function: to the host, or a speaker (UAC1 4.3.2.2, UAC2 4.7.2.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OutputTerminal {
    /// Its identifier.
    #[doc(alias = "bTerminalID")]
    pub id: u8,
    /// What it stands for.
    #[doc(alias = "wTerminalType")]
    pub terminal_type: TerminalType,
    /// The input terminal it belongs with, as the earpiece of a headset; 0 for none.
    #[doc(alias = "bAssocTerminal")]
    pub associated_terminal: u8,
    /// The entity whose sound it puts out.
    #[doc(alias = "bSourceID")]
    pub source: u8,
    /// Audio 2.0: the clock it runs on; 0 for none.
    #[doc(alias = "bCSourceID")]
    pub clock: u8,
    /// Audio 2.0: its controls, two bits each: copy protect, connector, overload, underflow, overflow.
    #[doc(alias = "bmControls")]
    pub controls: u16,
    /// The string that names it; 0 for none.
    #[doc(alias = "iTerminal")]
    pub string_index: u8,
}

impl OutputTerminal {
    /// A terminal fed by this entity, without a clock, a name or controls.
    #[must_use]
    pub const fn new(id: u8, terminal_type: TerminalType, source: u8) -> Self {
        Self {
            id,
            terminal_type,
            associated_terminal: 0,
            source,
            clock: 0,
            controls: 0,
            string_index: 0,
        }
    }

    pub(super) fn read(version: Version, mut fields: Fields<'_>) -> Result<Self, AudioError> {
        let (id, terminal_type) = (fields.u8()?, TerminalType(fields.u16()?));
        let (associated_terminal, source) = (fields.u8()?, fields.u8()?);
        let (clock, controls) = match version {
            Version::Uac1 => (0, 0),
            Version::Uac2 => (fields.u8()?, fields.u16()?),
        };
        Ok(Self {
            id,
            terminal_type,
            associated_terminal,
            source,
            clock,
            controls,
            string_index: fields.u8()?,
        })
    }

    pub(super) fn write(&self, version: Version, to: &mut Vec<u8>) -> u8 {
        let [t0, t1] = self.terminal_type.0.to_le_bytes();
        to.extend_from_slice(&[self.id, t0, t1, self.associated_terminal, self.source]);
        if version == Version::Uac2 {
            to.push(self.clock);
            to.extend_from_slice(&self.controls.to_le_bytes());
        }
        to.push(self.string_index);
        subtype::OUTPUT_TERMINAL
    }
}
