//! The figures as a page, and whether they say that something grew.

use std::fs;
use std::io::{self, Write as _};
use std::time::Duration;

use anyhow::{Result, ensure};
use dummy_hcd_tests::vitals::Vitals;

use crate::traffic::{Counts, DEPTH};

/// Taken while nothing is in flight.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) completed: u64,
    pub(crate) elapsed: Duration,
    pub(crate) vitals: Vitals,
}

/// Growth of the process that is no leak: its allocator's arenas move by this much.
const RESIDENT_LIMIT_KIB: u64 = 1024;
/// The kernel's per-processor caches of free objects move by this much.
const SLAB_LIMIT_KIB: u64 = 4096;
/// The whole machine's; the page cache and the console are part of it.
const AVAILABLE_LIMIT_KIB: u64 = 16 * 1024;

pub(crate) fn print(transfers: u64, counts: &Counts, samples: &[Sample]) -> Result<()> {
    let mut out = io::stdout().lock();
    let elapsed = samples
        .last()
        .map_or(0.0, |last| last.elapsed.as_secs_f64());
    // Rates and shares need no more than three digits.
    #[allow(clippy::cast_precision_loss)]
    let rate = counts.completed as f64 / elapsed.max(f64::MIN_POSITIVE);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    writeln!(
        out,
        "# Soak\n\n\
         The output of `cargo xtask soak --transfers {transfers}`: transfers of mixed lengths in both directions\n\
         at once, {DEPTH} in flight on each endpoint, through `host` and the module on `dummy_hcd` (Linux {},\n\
         in QEMU). The data is checked. At random moments transfers are cancelled, endpoints halted by the device,\n\
         read with too small a buffer, or closed with everything in flight.\n\n\
         ## What happened\n\n| | |\n|---|---:|",
        kernel.trim()
    )?;
    for (what, count) in [
        ("transfers completed", counts.completed),
        ("of them on the bulk IN endpoint", counts.received),
        ("on the bulk OUT endpoint", counts.sent),
        ("control transfers", counts.control),
        ("bytes moved", counts.bytes),
        ("transfers cancelled", counts.cancelled),
        ("stalls", counts.stalled),
        ("babbles", counts.babbled),
        ("recoveries (`clear_halt`)", counts.recovered),
        ("endpoints closed with transfers in flight", counts.closed),
        ("claims", counts.claims),
    ] {
        writeln!(out, "| {what} | {count} |")?;
    }
    writeln!(
        out,
        "| seconds, on an emulated processor | {elapsed:.0} |\n| transfers a second | {rate:.0} |\n"
    )?;
    writeln!(
        out,
        "## Memory\n\n\
         | transfers | process, resident KiB | open files | kernel slab, unreclaimable KiB | MemAvailable KiB | live requests |\n\
         |---:|---:|---:|---:|---:|---:|"
    )?;
    for Sample {
        completed, vitals, ..
    } in samples
    {
        writeln!(
            out,
            "| {completed} | {} | {} | {} | {} | {} |",
            vitals.resident_kib,
            vitals.open_files,
            vitals.slab_kib,
            vitals.available_kib,
            vitals.live_requests
        )?;
    }
    writeln!(
        out,
        "\nAllowed from the first line to the last: {RESIDENT_LIMIT_KIB} KiB of the process, {SLAB_LIMIT_KIB} KiB of slab,\n\
         {AVAILABLE_LIMIT_KIB} KiB of MemAvailable; no file and no request."
    )?;
    Ok(())
}

/// Fails when something grew from the first sample to the last by more than it may.
pub(crate) fn judge(samples: &[Sample]) -> Result<()> {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
        return Ok(());
    };
    let (first, last) = (first.vitals, last.vitals);
    for (what, before, after, limit) in [
        (
            "the process",
            first.resident_kib,
            last.resident_kib,
            RESIDENT_LIMIT_KIB,
        ),
        (
            "the kernel's slab",
            first.slab_kib,
            last.slab_kib,
            SLAB_LIMIT_KIB,
        ),
        // Less is more here.
        (
            "the machine's use of memory",
            last.available_kib,
            first.available_kib,
            AVAILABLE_LIMIT_KIB,
        ),
    ] {
        let growth = after.saturating_sub(before);
        ensure!(
            growth <= limit,
            "{what} grew by {growth} KiB, which is more than {limit}"
        );
    }
    ensure!(
        last.open_files == first.open_files,
        "{} files are open, {} were at the beginning",
        last.open_files,
        first.open_files
    );
    ensure!(
        last.live_requests == 0,
        "the module holds {} requests",
        last.live_requests
    );
    Ok(())
}
