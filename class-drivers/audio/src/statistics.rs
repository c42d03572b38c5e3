//! What became of a stream.

use std::fmt;

/// Counts of a stream, from its start.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct Statistics {
    /// Frames that went over the bus: sent to the device, silence included, or received from it.
    pub frames: u64,
    /// How often the stream broke. Playback: the caller was late, and silence was sent or nothing at all. Capture:
    /// the caller was late, and frames were lost for want of room.
    pub xruns: u64,
    /// Playback: frames of silence sent because the caller was late.
    pub silence_frames: u64,
    /// Frames known to be lost: in packets that were missed, or for want of room in the capture ring.
    pub lost_frames: u64,
    /// Packets that did not go over the bus, or not whole.
    pub missed_packets: u64,
    /// Capture: packets that ended within a frame. The whole frames before were kept.
    pub ragged_packets: u64,
    /// What the device says of its clock; `None` where it says nothing, or has no way to.
    pub feedback: Option<FeedbackStatistics>,
    /// Feedback values that could be no rate, and so were not followed.
    pub feedback_ignored: u64,
    /// Frames between the caller and the device, as seen whenever a transfer ended: the least and the most.
    pub fill: Option<(u64, u64)>,
}

/// What a device said of its clock, in frames a second.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct FeedbackStatistics {
    /// The latest value.
    pub last: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
    /// How many values there were.
    pub count: u64,
}

impl Statistics {
    pub(crate) fn saw_fill(&mut self, frames: u64) {
        let (least, most) = self.fill.unwrap_or((frames, frames));
        self.fill = Some((least.min(frames), most.max(frames)));
    }

    pub(crate) fn heard(&mut self, rate: f64) {
        let feedback = self.feedback.get_or_insert(FeedbackStatistics {
            last: rate,
            least: rate,
            most: rate,
            count: 0,
        });
        feedback.last = rate;
        feedback.least = feedback.least.min(rate);
        feedback.most = feedback.most.max(rate);
        feedback.count += 1;
    }
}

impl fmt::Display for Statistics {
    /// One line: `48000 frames, 0 xruns, 0 missed packets, feedback 48024.00 Hz (47999.00 to 48024.00)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} frames, {} xruns, {} missed packets",
            self.frames, self.xruns, self.missed_packets
        )?;
        if let Some(FeedbackStatistics {
            last, least, most, ..
        }) = self.feedback
        {
            write!(f, ", feedback {last:.2} Hz ({least:.2} to {most:.2})")?;
        }
        if self.feedback_ignored > 0 {
            write!(f, ", {} feedback values ignored", self.feedback_ignored)?;
        }
        Ok(())
    }
}
