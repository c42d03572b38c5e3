//! The module's selftests in C: every line of KTAP is a pass. What they skip elsewhere is here, so a skip fails.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::ktap::Report;

use crate::runner::{FIGURE, Test};

/// The directory that `cargo xtask test` has them built in.
const DIRECTORY: &str = "USBFS2_SELFTESTS";

const PROGRAMS: [&str; 13] = [
    "aio",
    "armed",
    "batch",
    "claim",
    "delegation",
    "errors",
    "events",
    "halt",
    "iso",
    "transfer",
    "tree",
    "unplug",
    "uring",
];

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = vec![Test::new(
        "faults::selftests::every_program_that_is_built_is_run",
        every_program_is_run,
    )];
    tests.extend(PROGRAMS.map(|program| Test::selftest("faults::selftests", program)));
    tests
}

fn directory() -> Result<PathBuf> {
    let directory = env::var_os(DIRECTORY).with_context(|| {
        format!(
            "{DIRECTORY} is no directory of selftests: run the suite by cargo xtask test, or \
             make -C usbfs2-module/selftests OUTPUT=DIRECTORY"
        )
    })?;
    Ok(directory.into())
}

fn every_program_is_run() -> Result<()> {
    let mut programs = BTreeSet::new();
    for entry in fs::read_dir(directory()?)? {
        let path = entry?.path();
        if path.extension().is_none() {
            programs.extend(
                path.file_name()
                    .map(|name| name.to_string_lossy().into_owned()),
            );
        }
    }
    let run = PROGRAMS.map(str::to_owned).into();
    ensure!(programs == run, "there are {programs:?}");
    Ok(())
}

/// Runs one program.
pub(crate) fn run(program: &str) -> Result<()> {
    let path = directory()?.join(program);
    let (succeeded, said) = run_program(&path)?;
    println!("{said}");
    let report = Report::parse(&said).with_context(|| path.display().to_string())?;
    ensure!(
        succeeded && report.failed.is_empty() && report.skipped.is_empty(),
        "failed: {:?}, skipped: {:?}",
        report.failed,
        report.skipped
    );
    ensure!(!report.passed.is_empty(), "it ran no test");
    println!(
        "{FIGURE}selftest {program}: {} of {0} ok",
        report.passed.len()
    );
    Ok(())
}

fn run_program(path: &Path) -> Result<(bool, String)> {
    let output = Command::new(path).output();
    let output = output.with_context(|| format!("run {}", path.display()))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok((output.status.success(), said))
}
