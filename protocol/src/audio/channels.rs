//! Channel clusters: how many channels sound has, and where each belongs in the room.

use std::fmt;

use super::fields::Fields;
use super::{AudioError, Version};

/// The channels of a stream, or of what leaves an entity (UAC1 3.7.2.3, UAC2 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ChannelCluster {
    /// How many channels. Audio 2.0 allows 0 in processing units: as many as come in.
    #[doc(alias = "bNrChannels")]
    pub count: u8,
    /// A bit for each position a channel has; the channels come in the order of the bits, then those
    /// without a position. Audio 1.0 sends the low 16 bits.
    #[doc(alias = "wChannelConfig")]
    #[doc(alias = "bmChannelConfig")]
    pub positions: ChannelPositions,
    /// The string that names the first channel without a position; the next ones follow. 0 for none.
    #[doc(alias = "iChannelNames")]
    pub names: u8,
}

bitflags::bitflags! {
    /// Where channels belong in the room (UAC1 3.7.2.3, UAC2 4.1).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct ChannelPositions: u32 {
        /// Front left.
        const FRONT_LEFT = 1 << 0;
        /// Front right.
        const FRONT_RIGHT = 1 << 1;
        /// Front centre.
        const FRONT_CENTER = 1 << 2;
        /// Low frequency effects.
        const LOW_FREQUENCY_EFFECTS = 1 << 3;
        /// Back left; Audio 1.0 calls it left surround.
        const BACK_LEFT = 1 << 4;
        /// Back right; Audio 1.0 calls it right surround.
        const BACK_RIGHT = 1 << 5;
        /// Front left of centre.
        const FRONT_LEFT_OF_CENTER = 1 << 6;
        /// Front right of centre.
        const FRONT_RIGHT_OF_CENTER = 1 << 7;
        /// Back centre; Audio 1.0 calls it surround.
        const BACK_CENTER = 1 << 8;
        /// Side left.
        const SIDE_LEFT = 1 << 9;
        /// Side right.
        const SIDE_RIGHT = 1 << 10;
        /// Top centre.
        const TOP_CENTER = 1 << 11;
        /// Top front left.
        const TOP_FRONT_LEFT = 1 << 12;
        /// Top front centre.
        const TOP_FRONT_CENTER = 1 << 13;
        /// Top front right.
        const TOP_FRONT_RIGHT = 1 << 14;
        /// Top back left.
        const TOP_BACK_LEFT = 1 << 15;
        /// Top back centre.
        const TOP_BACK_CENTER = 1 << 16;
        /// Top back right.
        const TOP_BACK_RIGHT = 1 << 17;
        /// Top front left of centre.
        const TOP_FRONT_LEFT_OF_CENTER = 1 << 18;
        /// Top front right of centre.
        const TOP_FRONT_RIGHT_OF_CENTER = 1 << 19;
        /// Left low frequency effects.
        const LEFT_LOW_FREQUENCY_EFFECTS = 1 << 20;
        /// Right low frequency effects.
        const RIGHT_LOW_FREQUENCY_EFFECTS = 1 << 21;
        /// Top side left.
        const TOP_SIDE_LEFT = 1 << 22;
        /// Top side right.
        const TOP_SIDE_RIGHT = 1 << 23;
        /// Bottom centre.
        const BOTTOM_CENTER = 1 << 24;
        /// Back left of centre.
        const BACK_LEFT_OF_CENTER = 1 << 25;
        /// Back right of centre.
        const BACK_RIGHT_OF_CENTER = 1 << 26;
        /// The channels are raw data.
        const RAW_DATA = 1 << 31;
        /// What is not given out is kept.
        const _ = !0;
    }
}

/// Names by bit.
const NAMES: [&str; 27] = [
    "front left",
    "front right",
    "front center",
    "LFE",
    "back left",
    "back right",
    "front left of center",
    "front right of center",
    "back center",
    "side left",
    "side right",
    "top center",
    "top front left",
    "top front center",
    "top front right",
    "top back left",
    "top back center",
    "top back right",
    "top front left of center",
    "top front right of center",
    "left LFE",
    "right LFE",
    "top side left",
    "top side right",
    "bottom center",
    "back left of center",
    "back right of center",
];

impl ChannelCluster {
    /// One channel at the front.
    pub const MONO: Self = Self::new(1, ChannelPositions::FRONT_CENTER);
    /// Front left and right.
    pub const STEREO: Self = Self::new(
        2,
        ChannelPositions::FRONT_LEFT.union(ChannelPositions::FRONT_RIGHT),
    );

    /// Channels without names.
    #[must_use]
    pub const fn new(count: u8, positions: ChannelPositions) -> Self {
        Self {
            count,
            positions,
            names: 0,
        }
    }

    /// This many channels, where speakers commonly stand: 1 in the centre, 2 left and right, then
    /// quadraphonic, 5.0, 5.1 and 7.1. Other counts have no positions.
    #[must_use]
    pub const fn usual(count: u8) -> Self {
        let bits = match count {
            1 => 0x004,
            2 => 0x003,
            4 => 0x033,
            5 => 0x037,
            6 => 0x03f,
            8 => 0x63f,
            _ => 0,
        };
        Self::new(count, ChannelPositions::from_bits_retain(bits))
    }

    /// What each channel is called: its position, or `channel 3` counted from 1.
    pub fn channel_names(&self) -> impl Iterator<Item = String> + use<> {
        let positions = self.positions;
        let mut named = NAMES
            .iter()
            .zip(0..)
            .filter(move |(_, bit)| positions.bits() & 1_u32 << bit != 0)
            .map(|(name, _)| *name);
        (1..=self.count).map(move |channel| match named.next() {
            Some(name) => name.to_owned(),
            None => format!("channel {channel}"),
        })
    }

    pub(super) fn read(version: Version, fields: &mut Fields<'_>) -> Result<Self, AudioError> {
        Ok(Self {
            count: fields.u8()?,
            positions: ChannelPositions::from_bits_retain(match version {
                Version::Uac1 => fields.u16()?.into(),
                Version::Uac2 => fields.u32()?,
            }),
            names: fields.u8()?,
        })
    }

    pub(super) fn write_to(self, version: Version, to: &mut Vec<u8>) {
        let positions = self.positions.bits().to_le_bytes();
        to.push(self.count);
        to.extend_from_slice(match version {
            Version::Uac1 => &positions[..2],
            Version::Uac2 => &positions,
        });
        to.push(self.names);
    }
}

impl fmt::Display for ChannelCluster {
    /// `front left, front right`, or `10 channels` where they have no positions.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.count == 0 {
            return f.pad("no channel");
        }
        let known = ChannelPositions::from_bits_retain((1 << NAMES.len()) - 1);
        if !self.positions.intersects(known) {
            let plural = if self.count == 1 { "" } else { "s" };
            return f.pad(&format!("{} channel{plural}", self.count));
        }
        let names: Vec<String> = self.channel_names().collect();
        f.pad(&names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_named_in_the_order_of_their_bits() {
        assert_eq!(
            ChannelCluster::STEREO.to_string(),
            "front left, front right"
        );
        let positions = ChannelPositions::BACK_LEFT | ChannelPositions::FRONT_LEFT;
        let cluster = ChannelCluster::new(3, positions);
        assert_eq!(cluster.to_string(), "front left, back left, channel 3");
        assert_eq!(
            ChannelCluster::new(10, ChannelPositions::empty()).to_string(),
            "10 channels"
        );
        assert_eq!(
            ChannelCluster::new(1, ChannelPositions::RAW_DATA).to_string(),
            "1 channel"
        );
        assert_eq!(ChannelCluster::default().to_string(), "no channel");
    }

    #[test]
    fn usual_speakers_have_as_many_positions_as_channels() {
        for count in [1, 2, 4, 5, 6, 8] {
            let cluster = ChannelCluster::usual(count);
            assert_eq!(cluster.positions.bits().count_ones(), u32::from(count));
        }
        assert_eq!(ChannelCluster::usual(2), ChannelCluster::STEREO);
        assert_eq!(ChannelCluster::usual(1), ChannelCluster::MONO);
    }
}
