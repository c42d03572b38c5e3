//! A stream's rate against the bus's.

use std::time::Duration;

use usbfs2_host::Speed;
use usbfs2_protocol::audio::Feedback;

/// Microframes in a full-speed frame.
const MICROFRAMES_A_FRAME: u32 = 8;

/// What decides how many frames a packet has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timing {
    /// Frames a second.
    pub(crate) rate: u32,
    /// Microframes of 125 us from packet to packet.
    pub(crate) interval: u32,
    /// The bus's speed, which decides how feedback is written.
    pub(crate) speed: Speed,
    /// Frames a packet has room for.
    pub(crate) packet_frames: u32,
}

impl Timing {
    /// A service interval in microframes, 1 at least.
    pub(crate) fn microframes(interval: Duration) -> u32 {
        u32::try_from(interval.as_micros() / 125)
            .unwrap_or(u32::MAX)
            .max(1)
    }

    /// Microframes for which a feedback value counts frames (USB 2.0 5.12.4.2).
    pub(crate) fn unit(self) -> u32 {
        if self.speed.has_microframes() {
            1
        } else {
            MICROFRAMES_A_FRAME
        }
    }

    /// Frames that go by in so many packets, rounded up.
    pub(crate) fn frames_in(self, packets: u32) -> usize {
        let microframes = u64::from(packets) * u64::from(self.interval);
        let frames = (u64::from(self.rate) * microframes).div_ceil(8_000);
        usize::try_from(frames).unwrap_or(usize::MAX)
    }

    /// Packets that go by in a time, rounded up.
    pub(crate) fn packets_in(self, time: Duration) -> u32 {
        let microframes = u32::try_from(time.as_micros().div_ceil(125)).unwrap_or(u32::MAX);
        microframes.div_ceil(self.interval.max(1))
    }

    /// The fastest rate packets have room for.
    pub(crate) fn largest_rate(self) -> Feedback {
        let units = (self.interval / self.unit()).max(1);
        let rate = (u64::from(self.packet_frames) << 16) / u64::from(units);
        Feedback(u32::try_from(rate).unwrap_or(u32::MAX))
    }

    /// A feedback value in frames a second.
    pub(crate) fn hertz(self, feedback: Feedback) -> f64 {
        feedback.rate(8_000 / self.unit())
    }
}
