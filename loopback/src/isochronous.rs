//! The packets of an isochronous transfer, and when each is due.

use crate::BusError;

/// Bytes of the largest packet there is: sixteen in a burst, three bursts a service interval
/// (USB 3.2 9.6.7). Longer ones are refused before memory is got for them.
const LARGEST_PACKET: u32 = 3 * 16 * 1024;

/// How one packet of a host's isochronous transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketOutcome {
    /// Bytes asked for: a sent packet's length, or what the packet's slot in the buffer holds. The slot begins
    /// at the sum of the lengths before it.
    pub length: u32,
    /// Bytes that moved. 0 where `status` is an error.
    pub actual_length: u32,
    /// Success, or one of these: [`BusError::Missed`], nothing was queued at the device's end, or the
    /// interval was over before the request came; [`BusError::Overflow`], the device sent more than the slot
    /// holds; [`BusError::Protocol`], the packet was lost, or no endpoint was there;
    /// [`BusError::Cancelled`] and [`BusError::Unplugged`], the transfer ended before its turn.
    pub status: Result<(), BusError>,
}

/// What makes a transfer an isochronous one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packets {
    pub(crate) outcomes: Vec<PacketOutcome>,
    /// The microframe asked for; `None` for as soon as possible.
    pub(crate) start: Option<u64>,
}

impl Packets {
    /// Packets of these lengths, missed until they are served.
    pub(crate) fn new(lengths: &[u32]) -> Self {
        let outcome = |&length| PacketOutcome {
            length,
            actual_length: 0,
            status: Err(BusError::Missed),
        };
        Self {
            outcomes: lengths.iter().map(outcome).collect(),
            start: None,
        }
    }

    /// Bytes of all packets. `None` where there is no packet, or one that no endpoint could carry.
    pub(crate) fn total(&self) -> Option<usize> {
        let mut total = 0_usize;
        for outcome in &self.outcomes {
            if outcome.length > LARGEST_PACKET {
                return None;
            }
            total = total.checked_add(usize::try_from(outcome.length).ok()?)?;
        }
        (!self.outcomes.is_empty()).then_some(total)
    }

    pub(crate) fn longest(&self) -> u32 {
        let lengths = self.outcomes.iter().map(|outcome| outcome.length);
        lengths.max().unwrap_or(0)
    }
}

/// What an enabled isochronous endpoint moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Service {
    /// Microframes from one packet to the next, a power of two. Intervals begin at its multiples.
    pub(crate) interval: u64,
    /// The most bytes in one of them.
    pub(crate) capacity: u32,
}

impl Service {
    /// The first interval's beginning at `microframe` or after it.
    pub(crate) fn boundary(&self, microframe: u64) -> Option<u64> {
        microframe.checked_next_multiple_of(self.interval)
    }
}

/// Where a queued transfer is in its packets, one a service interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Course {
    /// The microframe of the first packet.
    pub(crate) start: u64,
    pub(crate) interval: u64,
    pub(crate) count: usize,
    /// Packets that had their turn.
    pub(crate) done: usize,
    /// Where the next packet's bytes begin in the buffer.
    pub(crate) offset: usize,
    /// The first packet's number among the endpoint's since plug.
    pub(crate) first: u64,
}

impl Course {
    /// The course of `packets` on an idle bus at `now`, or behind what is queued until `free`. `None` where
    /// it would end after all time.
    pub(crate) fn plan(
        packets: &Packets,
        service: Service,
        now: u64,
        free: Option<u64>,
        first: u64,
    ) -> Option<Self> {
        let possible = free.max(service.boundary(now.checked_add(1)?))?;
        let start = match packets.start {
            Some(asked) => service.boundary(asked)?,
            None => possible,
        };
        let count = packets.outcomes.len();
        let intervals = u64::try_from(count).ok()?;
        start.checked_add(intervals.checked_mul(service.interval)?)?;
        let late = possible.saturating_sub(start) / service.interval;
        let done = usize::try_from(late).map_or(count, |late| late.min(count));
        let skipped = packets.outcomes.iter().take(done);
        let offset: u64 = skipped.map(|outcome| u64::from(outcome.length)).sum();
        Some(Self {
            start,
            interval: service.interval,
            count,
            done,
            offset: usize::try_from(offset).ok()?,
            first,
        })
    }

    /// The microframe of the next packet; `None` once every packet had its turn.
    pub(crate) fn due(&self) -> Option<u64> {
        (self.done < self.count).then(|| self.microframe_of(self.done))
    }

    /// The microframe of the last packet.
    pub(crate) fn last(&self) -> u64 {
        self.microframe_of(self.count.saturating_sub(1))
    }

    /// The first microframe behind the last packet's interval.
    pub(crate) fn end(&self) -> u64 {
        self.microframe_of(self.count)
    }

    /// The next packet's number.
    pub(crate) fn number(&self) -> u64 {
        self.first + self.done as u64
    }

    /// The number behind the last packet's.
    pub(crate) fn behind(&self) -> u64 {
        self.first + self.count as u64
    }

    /// Whether packet `number` is still to have its turn.
    pub(crate) fn awaits(&self, number: u64) -> bool {
        (self.number()..self.behind()).contains(&number)
    }

    // plan() has checked the largest.
    fn microframe_of(&self, packet: usize) -> u64 {
        self.start + packet as u64 * self.interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EIGHT: Service = Service {
        interval: 8,
        capacity: 100,
    };

    fn plan(start: Option<u64>, now: u64, free: Option<u64>) -> Option<(u64, usize, usize)> {
        let mut packets = Packets::new(&[10, 20, 30]);
        packets.start = start;
        let course = Course::plan(&packets, EIGHT, now, free, 0)?;
        Some((course.start, course.done, course.offset))
    }

    #[test]
    fn as_soon_as_possible_is_the_next_boundary_or_behind_what_is_queued() {
        assert_eq!(plan(None, 0, None), Some((8, 0, 0)));
        assert_eq!(plan(None, 7, None), Some((8, 0, 0)));
        assert_eq!(plan(None, 8, None), Some((16, 0, 0)));
        assert_eq!(plan(None, 8, Some(80)), Some((80, 0, 0)));
    }

    #[test]
    fn a_start_in_the_past_misses_the_packets_that_are_late() {
        assert_eq!(plan(Some(33), 8, None), Some((40, 0, 0)));
        assert_eq!(plan(Some(8), 8, None), Some((8, 1, 10)));
        assert_eq!(plan(Some(0), 16, None), Some((0, 3, 60)));
        assert_eq!(plan(Some(0), 1600, None), Some((0, 3, 60)));
        assert_eq!(plan(Some(16), 0, Some(32)), Some((16, 2, 30)));
    }

    #[test]
    fn no_course_goes_past_the_end_of_time() {
        assert_eq!(plan(Some(u64::MAX), 0, None), None);
        assert_eq!(plan(Some(u64::MAX - 15), 0, None), None);
        assert_eq!(plan(None, u64::MAX, None), None);
        assert!(plan(Some((u64::MAX - 31) & !7), 0, None).is_some());
    }
}
