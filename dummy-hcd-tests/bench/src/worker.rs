//! One process for the rows of one stack, so that what one stack leaves behind costs no other anything.

use std::fs;

use anyhow::{Context as _, Result};
use dummy_hcd_tests::bench_row::{Case, REPEATS_WITHIN, Spec, spread};
use serde::{Deserialize, Serialize};

use crate::clock::{self, Spent};
use crate::stacks::{self, Transfers};
use crate::sys;
use crate::syscalls::SyscallCounter;
use crate::target::Target;

/// What a worker does with its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Pass {
    /// Times them.
    Time,
    /// Counts their system calls, which would disturb the times.
    Count,
    /// Marks them for a profiler outside of the guest.
    Profile,
}

/// A worker's orders.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) pass: Pass,
    /// usbcore's name for the device.
    pub(crate) device: String,
    pub(crate) rows: Vec<Spec>,
}

/// What a worker found out about a row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Finding {
    Times {
        /// Busy nanoseconds for a transfer, of the measurements that agreed, or of the last.
        runs: Vec<f64>,
        per_second: f64,
        latencies: Option<(u64, u64)>,
    },
    Calls(f64),
    Window {
        transfers: u64,
        maps: String,
    },
}

/// Busy time of one measurement: long enough that what the kernel does now and then does not show.
const BUSY_NS: u64 = 20_000_000;

/// Transfers before the first measurement, to fill caches and pools, and to tell how many a measurement takes.
const WARM_UP: u64 = 96;

/// Transfers in a measurement: fewer would make one late wake-up show.
const AT_LEAST: u64 = 96;

/// A row that does not repeat is measured longer, this often.
const ATTEMPTS: u32 = 4;

/// Reports, or milliseconds of sound, in a latency measurement.
const REPORTS: usize = 1000;

/// Runs `job` and tells each finding as it comes.
pub(crate) fn run(job: &Job, mut tell: impl FnMut(&Finding) -> Result<()>) -> Result<()> {
    // First, so that it is inherited by every thread a stack may start.
    let mut counter = match job.pass {
        Pass::Count => Some(SyscallCounter::new()?),
        Pass::Time | Pass::Profile => None,
    };
    let target = Target::new(&job.device);
    for row in &job.rows {
        let finding = (|| {
            let mut stack = stacks::open(row, &target)?;
            match (job.pass, &mut counter) {
                (Pass::Count, Some(counter)) => calls(&mut *stack, row, counter),
                (Pass::Profile, _) => window(&mut *stack),
                _ => times(&mut *stack, row),
            }
        })();
        tell(&finding.with_context(|| row.to_string())?)?;
    }
    Ok(())
}

fn times(stack: &mut dyn Transfers, row: &Spec) -> Result<Finding> {
    stack.run(WARM_UP)?;
    let mut count = suitable_count(clock::measure(|| stack.run(WARM_UP))?);
    let mut attempt = 1;
    let (runs, last) = loop {
        let first = clock::measure(|| stack.run(count))?;
        let second = clock::measure(|| stack.run(count))?;
        let runs = vec![per_transfer(first, count), per_transfer(second, count)];
        if spread(&runs) <= REPEATS_WITHIN || attempt == ATTEMPTS {
            break (runs, second);
        }
        attempt += 1;
        count *= 2;
    };
    let latencies = match row.case {
        Case::Hid | Case::Audio => Some(median_and_p99(stack.latencies(REPORTS)?)),
        _ => None,
    };
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts and nanoseconds of a second or so"
    )]
    let per_second = count as f64 * 1e9 / last.elapsed_ns as f64;
    Ok(Finding::Times {
        runs,
        per_second,
        latencies,
    })
}

/// How many transfers make a measurement, from the time [`WARM_UP`] of them took.
fn suitable_count(spent: Spent) -> u64 {
    let count = BUSY_NS * WARM_UP / spent.busy_ns.max(1);
    count.max(AT_LEAST).next_multiple_of(WARM_UP)
}

fn per_transfer(spent: Spent, count: u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts and nanoseconds of a second or so"
    )]
    let figure = spent.busy_ns as f64 / count as f64;
    figure
}

fn median_and_p99(mut latencies: Vec<u64>) -> (u64, u64) {
    latencies.sort_unstable();
    let at = |part: usize| {
        latencies
            .get(latencies.len() * part / 100)
            .copied()
            .unwrap_or(0)
    };
    (at(50), at(99))
}

fn calls(stack: &mut dyn Transfers, row: &Spec, counter: &mut SyscallCounter) -> Result<Finding> {
    stack.run(WARM_UP)?;
    let count = 10 * WARM_UP;
    let calls = counter.count(|| stack.run(count))?;
    // The gadget's end of f_hid is this process too, one call a report.
    let gadgets = match row.case {
        Case::Interrupt | Case::Hid => count,
        _ => 0,
    };
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let per_transfer = calls.saturating_sub(gadgets) as f64 / count as f64;
    Ok(Finding::Calls(per_transfer))
}

fn window(stack: &mut dyn Transfers) -> Result<Finding> {
    stack.run(WARM_UP)?;
    let transfers = suitable_count(clock::measure(|| stack.run(WARM_UP))?);
    sys::window_begins();
    let result = stack.run(transfers);
    sys::window_ends();
    result?;
    let maps = fs::read_to_string("/proc/self/maps").context("read /proc/self/maps")?;
    Ok(Finding::Window { transfers, maps })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_has_enough_transfers_and_a_whole_number_of_queues() {
        let slow = Spent {
            elapsed_ns: 1_000_000_000,
            busy_ns: 900_000_000,
        };
        assert_eq!(suitable_count(slow), AT_LEAST);
        let fast = Spent {
            elapsed_ns: 1_000_000,
            busy_ns: 200_000,
        };
        assert_eq!(suitable_count(fast), 9600);
        assert!(
            suitable_count(Spent {
                elapsed_ns: 1,
                busy_ns: 0
            })
            .is_multiple_of(16)
        );
    }

    #[test]
    fn percentiles_of_a_ramp() {
        assert_eq!(median_and_p99((0..1000).rev().collect()), (500, 990));
        assert_eq!(median_and_p99(Vec::new()), (0, 0));
    }
}
