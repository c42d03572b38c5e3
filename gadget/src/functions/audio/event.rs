//! What the host does with the sound card, and how it goes.

use usbfs2_protocol::audio::Decibel;

use super::SampleSize;

/// One direction of a sound card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// What the host plays to.
    Speaker,
    /// What the host records from.
    Microphone,
}

/// What a stream carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamFormat {
    /// How many channels.
    pub channels: u8,
    /// How samples travel.
    pub size: SampleSize,
    /// Frames per second.
    pub rate: u32,
}

/// Something the host did, or that befell a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AudioEvent {
    /// The host opened a stream. With Audio 1.0 the rate may follow.
    Started {
        /// Which.
        stream: Stream,
        /// What it carries.
        format: StreamFormat,
    },
    /// The host closed a stream, or is gone.
    Stopped {
        /// Which.
        stream: Stream,
    },
    /// The host chose another sampling rate.
    Rate {
        /// The stream it is for; Audio 2.0 has one clock for both.
        stream: Stream,
        /// Frames per second.
        rate: u32,
    },
    /// The host set the volume. Samples are not changed by it.
    Volume {
        /// Of which stream.
        stream: Stream,
        /// How loud.
        volume: Decibel,
    },
    /// The host muted a stream or made it heard again. Samples are not changed by it.
    Mute {
        /// Which.
        stream: Stream,
        /// Whether it is silent.
        mute: bool,
    },
    /// A stream ran empty or full: see [`StreamStatistics::xruns`].
    Xrun {
        /// Which.
        stream: Stream,
    },
}

/// How a stream went, since the function was made.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct StreamStatistics {
    /// Packets that moved.
    pub packets: u64,
    /// Frames in them.
    pub frames: u64,
    /// Service intervals of which the controller said that they went wrong.
    pub lost_packets: u64,
    /// How often a speaker had nothing to play though it was playing, or more than its buffer and ring hold; and how
    /// often a microphone had less to send than its clock asked for, although something had been written.
    pub xruns: u64,
    /// Frames a speaker dropped, for want of room.
    pub dropped_frames: u64,
    /// Frames of silence a microphone sent, for want of others.
    pub silent_frames: u64,
    /// The smallest and the largest number of frames in a speaker's buffer while it played since its stream began;
    /// `None` before.
    pub fill_range: Option<(usize, usize)>,
    /// The rate that a speaker last asked for by explicit feedback, in millionths of a frame per second.
    pub feedback_microhertz: Option<u64>,
}
