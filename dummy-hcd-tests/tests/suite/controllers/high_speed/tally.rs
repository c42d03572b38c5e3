//! How many packets of a stream were missed, and for how long it may go on.

use std::fmt;
use std::time::Instant;

use anyhow::{Result, ensure};
use dummy_hcd_tests::wait::DEADLINE;

use crate::runner::FIGURE;

/// What became of the packets that the host asked for or sent.
#[derive(Debug)]
pub(super) struct Tally {
    since: Instant,
    /// All of them.
    pub(super) packets: u64,
    /// This end was late, on a machine that is slow or busy: nothing of the stream went by.
    pub(super) missed: u64,
    /// Empty ones in front of the stream.
    pub(super) before: u64,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            packets: 0,
            missed: 0,
            before: 0,
        }
    }

    /// Fails where the stream takes so long that it might never end.
    pub(super) fn check_time(&self) -> Result<()> {
        let elapsed = self.since.elapsed();
        ensure!(
            elapsed < 3 * DEADLINE,
            "the stream is not over after {} s: {self}",
            elapsed.as_secs()
        );
        Ok(())
    }

    /// Shows it, at the end of a stream. A machine that misses most of the packets has not carried the stream.
    pub(super) fn finish(&self) -> Result<()> {
        println!("{FIGURE}{self}");
        ensure!(self.missed <= self.packets / 2, "{self}");
        Ok(())
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "of {} packets {} were missed, {} came empty before the stream",
            self.packets, self.missed, self.before
        )
    }
}
