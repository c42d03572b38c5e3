//! What a source and sink is to be.

use std::time::Duration;

use super::Pattern;

/// A source and sink to be. The default has pattern 0, transfers of 4096 bytes and no isochronous endpoints.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceSinkOptions {
    /// What bytes are sent, and expected.
    pub pattern: Pattern,
    /// The bulk endpoints.
    pub bulk: BulkOptions,
    /// Setting 1, with an isochronous endpoint each way; `None` leaves it out, as for controllers and interfaces that
    /// have none.
    pub isochronous: Option<IsochronousOptions>,
}

/// How data is moved on bulk endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BulkOptions {
    /// Bytes of a transfer of the device's, of whole packets at every speed: a multiple of 1024, up to 4 MiB. The host's
    /// may be of any length.
    pub transfer_length: usize,
    /// Transfers submitted ahead on each endpoint: 2 to 128.
    pub queue: usize,
}

/// How packets are moved on isochronous endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IsochronousOptions {
    /// Bytes of a packet, 1 to 1024; at full speed no more than 1023.
    pub packet: u16,
    /// From one packet to the next: 1 ms to 32 ms in powers of two, and 125 us to 500 us, which at full speed, where
    /// there is no such thing, is refused when the gadget is built ([`GadgetBuilder::speeds`] leaves full speed out).
    ///
    /// [`GadgetBuilder::speeds`]: crate::GadgetBuilder::speeds
    pub interval: Duration,
    /// Packets submitted ahead on each endpoint, and so how late the function's threads may be: 2 to 128.
    pub queue: usize,
}

impl Default for BulkOptions {
    fn default() -> Self {
        Self {
            transfer_length: 4096,
            queue: 4,
        }
    }
}

impl Default for IsochronousOptions {
    fn default() -> Self {
        Self {
            packet: 1023,
            interval: Duration::from_millis(1),
            queue: 16,
        }
    }
}

/// What is wrong with [`SourceSinkOptions`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceSinkOptionsError {
    /// A transfer that is not of whole packets, or that no kernel has the memory for.
    #[error("bulk transfers of {length} bytes: use a multiple of 1024, up to {LONGEST_TRANSFER}")]
    TransferLength {
        /// The length.
        length: usize,
    },
    /// A queue that runs empty, or holds more than is of use.
    #[error("{count} transfers submitted ahead: use 2 to {DEEPEST_QUEUE}")]
    Queue {
        /// How many.
        count: usize,
    },
    /// A packet that is none.
    #[error("isochronous packets of {packet} bytes: use 1 to {LONGEST_PACKET}")]
    Packet {
        /// Its length.
        packet: u16,
    },
    /// An interval the bus does not have.
    #[error(
        "an isochronous packet every {interval:?}: use 125 us times a power of two, up to 32 ms"
    )]
    Interval {
        /// The interval.
        interval: Duration,
    },
}

/// What a file of gadgetfs carries at once.
const LONGEST_TRANSFER: usize = 4 << 20;
const DEEPEST_QUEUE: usize = 128;
const LONGEST_PACKET: u16 = 1024;

impl SourceSinkOptions {
    pub(super) fn check(&self) -> Result<(), SourceSinkOptionsError> {
        self.bulk.check()?;
        let Some(isochronous) = &self.isochronous else {
            return Ok(());
        };
        check_queue(isochronous.queue)?;
        let packet = isochronous.packet;
        if !(1..=LONGEST_PACKET).contains(&packet) {
            return Err(SourceSinkOptionsError::Packet { packet });
        }
        let interval = isochronous.interval;
        let is_interval = |exponent: u32| Duration::from_micros(125 << exponent) == interval;
        if !(0..=8).any(is_interval) {
            return Err(SourceSinkOptionsError::Interval { interval });
        }
        Ok(())
    }
}

impl BulkOptions {
    pub(super) fn check(&self) -> Result<(), SourceSinkOptionsError> {
        let length = self.transfer_length;
        if length == 0 || length > LONGEST_TRANSFER || !length.is_multiple_of(1024) {
            return Err(SourceSinkOptionsError::TransferLength { length });
        }
        check_queue(self.queue)
    }
}

fn check_queue(count: usize) -> Result<(), SourceSinkOptionsError> {
    if (2..=DEEPEST_QUEUE).contains(&count) {
        Ok(())
    } else {
        Err(SourceSinkOptionsError::Queue { count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_sound() {
        let options = SourceSinkOptions {
            isochronous: Some(IsochronousOptions::default()),
            ..SourceSinkOptions::default()
        };
        assert_eq!(options.check(), Ok(()));
    }

    #[test]
    fn what_no_bus_has_is_refused() {
        let bulk = |transfer_length, queue| {
            BulkOptions {
                transfer_length,
                queue,
            }
            .check()
            .is_ok()
        };
        assert!(bulk(1024, 2) && bulk(4 << 20, 128));
        assert!(!bulk(0, 4) && !bulk(512, 4) && !bulk((4 << 20) + 1024, 4));
        assert!(!bulk(4096, 1) && !bulk(4096, 129));

        let isochronous = |packet, microseconds| {
            let isochronous = IsochronousOptions {
                packet,
                interval: Duration::from_micros(microseconds),
                ..IsochronousOptions::default()
            };
            let options = SourceSinkOptions {
                isochronous: Some(isochronous),
                ..SourceSinkOptions::default()
            };
            options.check().is_ok()
        };
        assert!(isochronous(1, 125) && isochronous(1024, 32_000));
        assert!(!isochronous(0, 125) && !isochronous(1025, 125));
        assert!(!isochronous(1, 0) && !isochronous(1, 300) && !isochronous(1, 64_000));
    }
}
