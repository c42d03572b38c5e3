//! `usbfs2 verify`.

use anyhow::{Result, bail};
use serde::Serialize;
use usbfs2_host::Host;
use usbfs2_verifier::{CheckResult, Group, KernelPort, Options, Outcome, Report, Stop, verify};

use crate::args::VerifyArgs;
use crate::interrupt;
use crate::output::say;
use crate::select;

/// The longest name of a check, and so where sections begin.
const NAME_WIDTH: usize = 54;
const SECTION_WIDTH: usize = 17;
/// A check has the time of this many requests that are answered late.
const REQUESTS_OF_A_CHECK: u32 = 12;

/// Checks a device and prints each result as it comes.
pub(crate) fn run(host: &Host, args: &VerifyArgs) -> Result<()> {
    let info = select::device(host, &args.device)?;
    // A verification that is killed would leave a port switched off, or a disk's blocks altered.
    interrupt::catch()?;
    let defaults = Options::default();
    let options = Options {
        deadline: args.deadline,
        // Who gives a request more time gives a check as much more.
        budget: defaults.budget.max(args.deadline * REQUESTS_OF_A_CHECK),
        mass_storage: args.mass_storage,
        allow_writes: args.allow_writes,
        rounds: args.rounds,
        stop: Stop::when(interrupt::requested),
    };
    let port = KernelPort::of(info.id());
    let mut group = None;
    // A reader who has seen enough ends the command, but not in the middle of a check.
    let mut printed = Ok(());
    let report = verify(host, info.id(), &port, &options, |result| {
        if !args.output.json && printed.is_ok() {
            printed = print(result, &mut group);
        }
    })?;
    printed?;
    if args.output.json {
        let rows: Vec<Row<'_>> = report.results.iter().map(Row::of).collect();
        say!("{}", serde_json::to_string_pretty(&rows)?)?;
    } else {
        say!("\n{}", summary(&report))?;
    }
    if interrupt::requested() {
        bail!("interrupted: checks that are not listed were not run");
    }
    match report.counts().failed {
        0 => Ok(()),
        1 => bail!("the device failed a check"),
        failed => bail!("the device failed {failed} checks"),
    }
}

fn print(result: &CheckResult, group: &mut Option<Group>) -> std::io::Result<()> {
    if *group != Some(result.group) {
        let gap = if group.is_some() { "\n" } else { "" };
        say!("{gap}{}", result.group.name())?;
        *group = Some(result.group);
    }
    let line = format!(
        "  {:<14}  {:<NAME_WIDTH$}  {:<SECTION_WIDTH$}  {}",
        result.outcome.name(),
        result.name,
        result.section,
        reason(&result.outcome)
    );
    say!("{}", line.trim_end())
}

fn reason(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Passed => String::new(),
        Outcome::Failed { expected, seen } => format!("expected {expected}; seen: {seen}"),
        Outcome::NotApplicable(why) | Outcome::NotPossible(why) => why.clone(),
    }
}

fn summary(report: &Report) -> String {
    let counts = report.counts();
    format!(
        "{} passed, {} failed, {} not applicable, {} not possible here",
        counts.passed, counts.failed, counts.not_applicable, counts.not_possible
    )
}

/// A result for scripts.
#[derive(Serialize)]
struct Row<'a> {
    group: &'static str,
    check: &'static str,
    section: &'static str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> Row<'a> {
    fn of(result: &'a CheckResult) -> Self {
        let (expected, seen, reason) = match &result.outcome {
            Outcome::Passed => (None, None, None),
            Outcome::Failed { expected, seen } => (Some(&**expected), Some(&**seen), None),
            Outcome::NotApplicable(why) | Outcome::NotPossible(why) => (None, None, Some(&**why)),
        };
        Self {
            group: result.group.name(),
            check: result.name,
            section: result.section,
            outcome: result.outcome.name(),
            expected,
            seen,
            reason,
        }
    }
}
