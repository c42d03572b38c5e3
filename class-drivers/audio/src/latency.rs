//! How deep a stream is queued.

use std::time::Duration;

/// The longest a request is: feedback and the caller are heard this often.
const LONGEST_REQUEST: Duration = Duration::from_millis(8);
/// The most packets in a request, which every backend takes.
const MOST_PACKETS: u32 = 512;
/// The fewest requests on the bus: one moves while the next waits.
const FEWEST_REQUESTS: u32 = 2;
/// The most requests on the bus.
const MOST_REQUESTS: u32 = 4_096;

/// A latency as requests and packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Depth {
    /// Packets in a request.
    pub(crate) packets: u32,
    /// Requests on the bus at a time.
    pub(crate) requests: u32,
}

impl Depth {
    /// A quarter of the latency is a request, and waits outside the bus while the other three quarters are on it.
    pub(crate) fn new(latency: Duration, interval: Duration) -> Self {
        let interval = interval.max(Duration::from_micros(125));
        let in_intervals = |time: Duration| {
            let intervals = time.as_nanos() / interval.as_nanos();
            u32::try_from(intervals).unwrap_or(u32::MAX)
        };
        let all = in_intervals(latency);
        let longest = in_intervals(LONGEST_REQUEST).clamp(1, MOST_PACKETS);
        let packets = (all / 4).clamp(1, longest);
        let requests = (all / packets).saturating_sub(1);
        Self {
            packets,
            requests: requests.clamp(FEWEST_REQUESTS, MOST_REQUESTS),
        }
    }

    /// Packets on the bus and in the request that waits outside.
    pub(crate) fn all_packets(self) -> u32 {
        self.packets * (self.requests + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(1);
    const MICROFRAME: Duration = Duration::from_micros(125);

    fn depth(milliseconds: u64, interval: Duration) -> (u32, u32) {
        let depth = Depth::new(Duration::from_millis(milliseconds), interval);
        (depth.packets, depth.requests)
    }

    #[test]
    fn a_latency_is_never_exceeded_where_it_can_be_kept() {
        assert_eq!(depth(8, FRAME), (2, 3));
        assert_eq!(depth(20, FRAME), (5, 3));
        assert_eq!(depth(1, MICROFRAME), (2, 3));
        assert_eq!(depth(2, MICROFRAME), (4, 3));
        assert_eq!(depth(8, MICROFRAME), (16, 3));
        for milliseconds in 3..2_000 {
            for interval in [FRAME, MICROFRAME, FRAME / 2] {
                let latency = Duration::from_millis(milliseconds);
                let depth = Depth::new(latency, interval);
                assert!(interval * depth.all_packets() <= latency, "{depth:?}");
                assert!(interval * depth.all_packets() * 2 > latency, "{depth:?}");
            }
        }
    }

    #[test]
    fn two_requests_are_on_the_bus_whatever_the_latency() {
        assert_eq!(depth(0, FRAME), (1, 2));
        assert_eq!(depth(1, FRAME), (1, 2));
        assert_eq!(Depth::new(Duration::MAX, FRAME).requests, 4_096);
    }
}
