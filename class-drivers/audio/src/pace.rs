//! Who sets the pace of playback: the host's frames, the device's feedback, or what it records.

use usbfs2_host::{Buffer, In, IsochronousEndpoint, IsochronousTransfer, TransferError, Waiting};
use usbfs2_protocol::audio::{FeedbackDecoder, Heard};

use crate::implicit::ImplicitPacing;
use crate::packetiser::Packetiser;
use crate::plausible::PlausibleSizes;
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
    plausible: PlausibleSizes,
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

    /// What the device records, in packets of these service intervals; `packets` go to it within the stream's latency.
    pub(crate) fn implicit(timing: Timing, recording_interval: u32, packets: u32) -> Self {
        let implicit = Implicit {
            pacing: ImplicitPacing::new(recording_interval, timing.interval, packets),
            plausible: PlausibleSizes::new(timing.rate, recording_interval, timing.unit()),
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
    ///
    /// # Errors
    /// A request failed as a whole. Playing on without the device's word would run it dry or over.
    pub(crate) fn listen(&mut self, statistics: &mut Statistics) -> Result<(), TransferError> {
        let Source::Explicit(line) = &mut self.source else {
            return Ok(());
        };
        while line.endpoint.pending() > 0
            && let Some(completion) = line.endpoint.wait(Some(std::time::Duration::ZERO))
        {
            match completion.status {
                Ok(()) => {}
                // The cancel is this end's wish.
                Err(TransferError::Cancelled) => continue,
                Err(error) => return Err(error),
            }
            // A packet missed is one the device had no news in, as bRefresh allows (UAC1 4.6.2.1).
            for payload in completion.payloads().filter_map(Result::ok) {
                match line.decoder.hear(payload) {
                    Heard::Rate(rate) => {
                        self.packetiser.set_rate(rate.0);
                        statistics.heard(self.timing.hertz(rate));
                    }
                    Heard::Nothing => {}
                    Heard::OutOfRange => statistics.feedback_ignored += 1,
                }
            }
            line.endpoint.submit(completion.into_transfer());
        }
        Ok(())
    }

    /// Hears the size of a packet the device recorded; `None` for one that was missed.
    pub(crate) fn recorded(&mut self, frames: Option<u32>, statistics: &mut Statistics) {
        let Source::Implicit(implicit) = &mut self.source else {
            return;
        };
        let (frames, is_ignored) = implicit.plausible.judge(frames);
        statistics.feedback_ignored += u64::from(is_ignored);
        implicit.pacing.arrived(frames);
        implicit.frames += u64::from(frames);
        implicit.packets += 1;
        if implicit.packets == implicit.packets_a_second {
            statistics.heard(implicit.frames as f64);
            (implicit.frames, implicit.packets) = (0, 0);
        }
    }

    /// Begins anew with what the device records.
    pub(crate) fn forget(&mut self) {
        if let Source::Implicit(implicit) = &mut self.source {
            implicit.pacing.clear();
            implicit.plausible.clear();
            (implicit.frames, implicit.packets) = (0, 0);
        }
    }

    /// Ends what is in flight.
    pub(crate) async fn stop(&mut self, waiting: Waiting) {
        if let Source::Explicit(line) = &mut self.source {
            line.endpoint.cancel_all();
            while line.endpoint.complete(waiting, None).await.is_some() {}
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

#[cfg(test)]
mod tests {
    use usbfs2_host::{Speed, block_on};

    use super::*;
    use crate::one_endpoint::OneEndpoint;

    #[test]
    fn a_request_for_feedback_that_is_refused_is_told_and_one_that_is_cancelled_is_not() {
        let device = OneEndpoint::plug();
        let timing = Timing {
            rate: 48_000,
            interval: 1,
            speed: Speed::High,
            packet_frames: 8,
        };
        let mut pace = Pace::explicit(timing, device.open(), 8);
        let mut statistics = Statistics::default();

        pace.start();
        let Source::Explicit(line) = &mut pace.source else {
            unreachable!("it is explicit");
        };
        line.endpoint.cancel_all();
        assert_eq!(pace.listen(&mut statistics), Ok(()));

        let Source::Explicit(line) = &mut pace.source else {
            unreachable!("it is explicit");
        };
        line.packet_bytes = 5;
        pace.start();
        let refused = Err(TransferError::InvalidRequest);
        assert_eq!(pace.listen(&mut statistics), refused);
        block_on(pace.stop(Waiting::Blocking));
    }
}
