//! `cargo xtask bench`: what a transfer costs, by every way from user space to an endpoint.
//!
//! | file | what it knows |
//! |---|---|
//! | `check.rs` | the benchmark as a test |
//! | `document.rs` | `docs/benchmarks.md` |
//! | `guest_run.rs` | the one guest, and the rows it reports |
//! | `plot.rs` | rows as bars |
//! | `profile/` | functions and their instructions, counted from outside of the guest |
//! | `table.rs` | rows as text |
//! | `targets.rs` | ratios of rows, and what they are to be |

pub(crate) mod check;
mod document;
mod guest_run;
mod plot;
mod profile;
mod table;
mod targets;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::bench_row::{Case, REPEATS_WITHIN, Row, spread};

use crate::args::BenchOptions;
use crate::{apt, progress};

pub(crate) use guest_run::{Measured, measure};

/// What this needs besides the VM: the guest's program has a part in C, and so has the profiler.
pub(crate) const PACKAGES: &[&str] = &["gcc", "libc6-dev"];

/// Measures, shows and writes what `options` ask for; the exit status is 1 when a row does not repeat.
pub(crate) fn run(options: &BenchOptions) -> Result<u8> {
    apt::ensure_installed(apt::VM_PACKAGES)?;
    apt::ensure_installed(PACKAGES)?;
    if options.profile {
        return profile(options);
    }
    if options.document {
        let streams = [Case::Audio.word()];
        ensure!(
            options.case.is_empty() || options.case == streams,
            "docs/benchmarks.md is about all rows: leave --case out, or say --case audio for that part of it"
        );
    }
    let measured = measure(&options.kernel, &options.case)?;
    let rows = measured.rows();
    let tables = table::text(&rows);
    match options.json.as_deref() {
        // What reads the rows from a pipe wants nothing else there.
        Some(file) if file == Path::new("-") => {
            eprint!("{tables}");
            println!("{}", json(&rows)?);
        }
        Some(file) => {
            print!("{tables}");
            fs::write(file, json(&rows)? + "\n")
                .with_context(|| format!("write {}", file.display()))?;
        }
        None => print!("{tables}"),
    }
    if let Some(file) = &options.plot {
        plot::draw(&rows, file)?;
    }
    if options.document {
        document::write(&measured)?;
    }
    Ok(u8::from(!all_repeat(&measured)))
}

/// Counts the instructions of each function and shows the largest.
fn profile(options: &BenchOptions) -> Result<u8> {
    let directory = tempfile::Builder::new()
        .prefix("usbfs2-profile-")
        .tempdir()?;
    let directory = directory.path();
    let plugin = profile::plugin(directory)?;
    let measured = guest_run::profile(&options.kernel, &options.case, &plugin, directory)?;
    let kallsyms =
        fs::read_to_string(directory.join("kallsyms")).context("the guest left no kallsyms")?;
    print!(
        "{}",
        profile::report(
            directory,
            &kallsyms,
            &guest_run::program()?,
            &measured.windows
        )?
    );
    Ok(0)
}

/// The rows as a JSON array, one a line.
pub(crate) fn json(rows: &[Row]) -> Result<String> {
    let lines = rows
        .iter()
        .map(serde_json::to_string)
        .collect::<Result<Vec<_>, _>>()?;
    ensure!(!lines.is_empty(), "no row was measured");
    Ok(format!("[\n{}\n]", lines.join(",\n")))
}

/// Says which rows do not repeat; true if there is none.
pub(crate) fn all_repeat(measured: &Measured) -> bool {
    let mut all = true;
    for (row, runs) in &measured.rows {
        let apart = spread(runs);
        if apart > REPEATS_WITHIN {
            progress::say(&format!(
                "{} does not repeat: its measurements are {:.1} % apart",
                row.spec,
                apart * 100.0
            ));
            all = false;
        }
    }
    let worst = measured
        .rows
        .iter()
        .map(|(_, runs)| spread(runs))
        .fold(0.0, f64::max);
    progress::say(&format!(
        "{} rows, each measured twice, at most {:.2} % apart",
        measured.rows.len(),
        worst * 100.0
    ));
    all
}
