//! `cargo xtask conformance`: what the programs that test SCSI disks say of ours.

mod checks;
mod outcome;
mod page;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use self::checks::SG3_UTILS;
use self::outcome::Report;
use self::page::Line;
use crate::args::{ConformanceOptions, VmOptions};
use crate::{apt, cargo, progress, vm};

/// What the guest runs.
pub(crate) const PACKAGES: &[&str] = &["libiscsi-bin", "sg3-utils"];

const GUEST: &str = include_str!("guest.sh");
/// Ends a guest that hangs; the tests take two minutes where it is emulated.
const DEADLINE: Duration = Duration::from_secs(1200);

/// Makes the page, or fails where a test does.
pub(crate) fn run(options: &ConformanceOptions) -> Result<u8> {
    apt::ensure_installed(PACKAGES)?;
    apt::ensure_installed(apt::VM_PACKAGES)?;
    let command = match &options.command {
        Some(command) => command.clone(),
        None => {
            progress::say("building the command");
            cargo::optimized_program(cargo::COMMAND)?
        }
    };
    let lines = page::judge(&measure(&options.kernel, &command)?);
    let path = page_path();
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    let text = page::page(&lines);
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    progress::say(&format!("wrote {}", path.display()));
    nothing_fails(&lines)?;
    Ok(0)
}

/// Fails unless our disk does what the page says.
pub(crate) fn check(kernel: &str, command: &str) -> Result<()> {
    let lines = page::judge(&measure(kernel, command)?);
    nothing_fails(&lines)?;
    let path = page_path();
    let page = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    for line in &lines {
        if let Ok(outcome) = &line.outcome {
            let start = format!("| {} | {outcome} |", line.test);
            ensure!(
                page.lines().any(|line| line.starts_with(&start)),
                "{} does not have `{start}`: run cargo xtask conformance",
                path.display()
            );
        }
    }
    Ok(())
}

fn nothing_fails(lines: &[Line]) -> Result<()> {
    let failures: Vec<String> = lines
        .iter()
        .filter_map(|line| Some(format!("{}: {}", line.test, line.outcome.as_ref().err()?)))
        .collect();
    if !failures.is_empty() {
        bail!("{} tests fail:\n{}", failures.len(), failures.join("\n"));
    }
    Ok(())
}

fn page_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("docs/scsi-conformance.md")
}

/// Puts our disk to the tests, in a guest of its own.
fn measure(kernel: &str, command: &str) -> Result<Report> {
    let directory = tempfile::tempdir().context("create a temporary directory")?;
    let script = directory.path().join("guest.sh");
    fs::write(&script, GUEST)?;
    let checks = directory.path().join("checks");
    let numbered = SG3_UTILS.iter().enumerate();
    let numbered: String = numbered
        .map(|(number, check)| format!("{number} {}\n", check.line))
        .collect();
    fs::write(&checks, numbered)?;
    let results = directory.path().join("results");
    let options = VmOptions {
        kernel: kernel.to_owned(),
        deadline: DEADLINE,
        results: Some(results.clone()),
        command: vec![
            "bash".to_owned(),
            script.display().to_string(),
            command.to_owned(),
            checks.display().to_string(),
        ],
        ..VmOptions::default()
    };
    let status = vm::run_with(&options, progress::stdout())?;
    ensure!(status == 0, "the guest's exit status is {status}");
    let report = results.join("report");
    let report = fs::read(&report).with_context(|| format!("read {}", report.display()))?;
    Report::parse(&String::from_utf8_lossy(&report))
}
