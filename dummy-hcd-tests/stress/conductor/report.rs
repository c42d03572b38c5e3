//! The page, and whether it says that something grew.

use std::fs;
use std::io::{self, Write as _};
use std::time::Duration;

use anyhow::{Result, ensure};
use dummy_hcd_tests::stress::counts::Counts;

use super::gadgets::Maker;
use super::{DEVICES, Sample};
use crate::arguments::Run;

/// The kernel's per-processor caches of free objects move by this much.
const SLAB_LIMIT_KIB: u64 = 4096;
/// The whole machine's; the page cache and the console are part of it.
const AVAILABLE_LIMIT_KIB: u64 = 32 * 1024;

pub(super) fn print(
    run: &Run,
    counts: &Counts,
    samples: &[Sample],
    elapsed: Duration,
) -> Result<()> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let processors = std::thread::available_parallelism()?;
    let devices = DEVICES.iter().map(|(kind, maker)| match maker {
        Maker::Kernel => format!("{kind:?}"),
        Maker::Functionfs => format!("{kind:?} of ours on FunctionFS"),
        Maker::Gadgetfs => format!("{kind:?} of ours on gadgetfs"),
    });
    let devices: Vec<String> = devices.collect();
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "Linux {}, {processors} processor(s), seed {}, {} operations in {:.0} s, on {}.\n\n\
         | what | times |\n|---|---:|\n{}",
        kernel.trim(),
        run.seed,
        samples.last().map_or(0, |last| last.steps),
        elapsed.as_secs_f64(),
        devices.join(", "),
        counts.rows()
    )?;
    writeln!(
        out,
        "Between the runs of the module, when nothing uses it:\n\n\
         | operations | kernel slab, unreclaimable KiB | MemAvailable KiB | live requests |\n|---:|---:|---:|---:|"
    )?;
    for Sample { steps, vitals } in thinned(samples) {
        writeln!(
            out,
            "| {steps} | {} | {} | {} |",
            vitals.slab_kib, vitals.available_kib, vitals.live_requests
        )?;
    }
    Ok(())
}

/// At most a dozen of them, first and last included.
fn thinned(samples: &[Sample]) -> impl Iterator<Item = &Sample> {
    let every = samples.len().div_ceil(11).max(1);
    let last = samples.len().saturating_sub(1);
    let chosen = samples.iter().enumerate();
    chosen.filter_map(move |(index, sample)| {
        (index.is_multiple_of(every) || index == last).then_some(sample)
    })
}

/// Fails when something grew from the first sample to the last by more than it may.
pub(super) fn judge(samples: &[Sample]) -> Result<()> {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
        return Ok(());
    };
    let (first, last) = (first.vitals, last.vitals);
    let slab = last.slab_kib.saturating_sub(first.slab_kib);
    ensure!(
        slab <= SLAB_LIMIT_KIB,
        "the kernel's slab grew by {slab} KiB, which is more than {SLAB_LIMIT_KIB}"
    );
    let used = first.available_kib.saturating_sub(last.available_kib);
    ensure!(
        used <= AVAILABLE_LIMIT_KIB,
        "the machine's use of memory grew by {used} KiB, which is more than {AVAILABLE_LIMIT_KIB}"
    );
    Ok(())
}
