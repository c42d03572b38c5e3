//! Who sets the pace of playback: the host's frames, the device's feedback, or what it records.

use usbfs2_host::{Buffer, In, IsochronousEndpoint, IsochronousTransfer};

use crate::feedback::{FeedbackDecoder, Heard};
use crate::implicit::ImplicitPacing;
use crate::packetiser::Packetiser;
use crate::statistics::Statistics;
use crate::timing::Timing;

/// Requests of the feedback endpoint in flight.
const FEEDBACK_REQUESTS: usize = 4;
/// Bytes of a feedback packet: 16.16.
const FEEDBACK_BYTES: u32 = 4;

/// The sizes of packets to come.
#[derive(Debug)]
pub(crate) struct Pace {
    packetiser: Packetiser,
    timing: Timing,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// The host's own frames: synchronous and adaptive sinks.
    Nominal,
    Explicit(FeedbackLine),
    Implicit(Box<Implicit>),
}

#[derive(Debug)]
struct Implicit {
    pacing: ImplicitPacing,
    /// What packets of the recording carry when they are not heard.
    recording: Packetiser,
    /// Frames and packets since the rate was told last.
    frames: u64,
    packets: u64,
    packets_a_second: u64,
}

#[derive(Debug)]
struct FeedbackLine {
    endpoint: IsochronousEndpoint<In>,
    decoder: FeedbackDecoder,
    packet_bytes: u32,
    packets: usize,
}

impl Pace {
    /// The nominal rate, always.
    pub(crate) fn nominal(timing: Timing) -> Self {
        Self::new(timing, Source::Nominal)
    }

    /// What the device says on this endpoint, asked for about as often as a request of `request_microframes` ends.
    pub(crate) fn explicit(
        timing: Timing,
        endpoint: IsochronousEndpoint<In>,
        request_microframes: u32,
    ) -> Self {
        let interval = Timing::microframes(endpoint.service_interval());
        let packets = (request_microframes / interval).clamp(1, 64);
        let room = u32::try_from(endpoint.max_packet_size()).unwrap_or(u32::MAX);
        let line = FeedbackLine {
            decoder: FeedbackDecoder::new(timing.rate, timing.speed, timing.largest_rate()),
            packet_bytes: room.min(FEEDBACK_BYTES),
            packets: usize::try_from(packets).unwrap_or(1),
            endpoint,
        };
        Self::new(timing, Source::Explicit(line))
    }

    /// What the device records, in packets of these service intervals.
    pub(crate) fn implicit(timing: Timing, recording_interval: u32) -> Self {
        let implicit = Implicit {
            pacing: ImplicitPacing::new(recording_interval, timing.interval),
            recording: Packetiser::new(timing.rate, recording_interval, timing.unit()),
            frames: 0,
            packets: 0,
            packets_a_second: u64::from((8_000 / recording_interval.max(1)).max(1)),
        };
        Self::new(timing, Source::Implicit(Box::new(implicit)))
    }

    fn new(timing: Timing, source: Source) -> Self {
        Self {
            packetiser: Packetiser::new(timing.rate, timing.interval, timing.unit()),
            timing,
            source,
        }
    }

    /// Frames in the next packet.
    pub(crate) fn next_packet(&mut self) -> u32 {
        match &mut self.source {
            Source::Nominal | Source::Explicit(_) => self.packetiser.next_packet(),
            Source::Implicit(implicit) => implicit
                .pacing
                .next_packet(|| self.packetiser.next_packet(), self.timing.packet_frames),
        }
    }

    /// Starts asking for feedback, where there is an endpoint for it.
    pub(crate) fn start(&mut self) {
        if let Source::Explicit(line) = &mut self.source {
            line.start();
        }
    }

    /// Hears what feedback came meanwhile. Never blocks.
    pub(crate) fn listen(&mut self, statistics: &mut Statistics) {
        let Source::Explicit(line) = &mut self.source else {
            return;
        };
        while line.endpoint.pending() > 0
            && let Some(completion) = line.endpoint.wait(Some(std::time::Duration::ZERO))
        {
            if completion.status.is_err() {
                // The data endpoint fails in the same way, and says so.
                continue;
            }
            // A packet missed is one the device had no news in, as bRefresh allows (UAC1 4.6.2.1).
            for payload in completion.payloads().filter_map(Result::ok) {
                match line.decoder.hear(payload) {
                    Heard::Rate(rate) => {
                        self.packetiser.set_rate(rate);
                        statistics.heard(self.timing.hertz(rate));
                    }
                    Heard::Nothing => {}
                    Heard::OutOfRange => statistics.feedback_ignored += 1,
                }
            }
            line.endpoint.submit(completion.into_transfer());
        }
    }

    /// Hears the size of a packet the device recorded; `None` for one that was missed.
    pub(crate) fn recorded(&mut self, frames: Option<u32>, statistics: &mut Statistics) {
        let Source::Implicit(implicit) = &mut self.source else {
            return;
        };
        let nominal = implicit.recording.next_packet();
        // An eighth, as for explicit feedback, and a frame more or less for rounding.
        let range = nominal / 8 + 1;
        let heard = frames.filter(|&frames| frames > 0);
        let good = heard.filter(|frames| frames.abs_diff(nominal) <= range);
        if heard.is_some() && good.is_none() {
            statistics.feedback_ignored += 1;
        }
        let frames = good.unwrap_or(nominal);
        implicit.pacing.arrived(frames);
        implicit.frames += u64::from(frames);
        implicit.packets += 1;
        if implicit.packets == implicit.packets_a_second {
            statistics.heard(implicit.frames as f64);
            (implicit.frames, implicit.packets) = (0, 0);
        }
    }

    /// Ends what is in flight.
    pub(crate) fn stop(&mut self) {
        if let Source::Explicit(line) = &mut self.source {
            line.endpoint.cancel_all();
            while line.endpoint.pending() > 0 && line.endpoint.wait(None).is_some() {}
        }
    }
}

impl FeedbackLine {
    fn start(&mut self) {
        let missing = FEEDBACK_REQUESTS.saturating_sub(self.endpoint.pending());
        let requests = (0..missing).map(|_| {
            let lengths = vec![self.packet_bytes; self.packets];
            IsochronousTransfer::receive(Buffer::new(), lengths)
        });
        self.endpoint.submit_all(requests.collect::<Vec<_>>());
    }
}
