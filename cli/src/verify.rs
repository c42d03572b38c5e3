//! `usbfs2 verify`.

use std::io::{self, Write};

use anyhow::{Result, bail};
use serde::Serialize;
use usbfs2_host::{DeviceId, Host};
use usbfs2_verifier::{
    CheckResult, Group, KernelPort, Options, Outcome, Port, Report, Stop, verify,
};

use crate::args::VerifyArgs;
use crate::interrupt;
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
    let port = KernelPort::of(info.id());
    check(host, info.id(), &port, args, &mut io::stdout())
}

/// An error where the device fails a check.
fn check(
    host: &Host,
    device: &DeviceId,
    port: &dyn Port,
    args: &VerifyArgs,
    output: &mut dyn Write,
) -> Result<()> {
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
    let mut group = None;
    // A reader who has seen enough ends the command, but not in the middle of a check.
    let mut printed = Ok(());
    let report = verify(host, device, port, &options, |result| {
        if !args.output.json && printed.is_ok() {
            printed = print(output, result, &mut group);
        }
    })?;
    printed?;
    if args.output.json {
        let rows: Vec<Row<'_>> = report.results.iter().map(Row::of).collect();
        writeln!(output, "{}", serde_json::to_string_pretty(&rows)?)?;
    } else {
        writeln!(output, "\n{}", summary(&report))?;
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

fn print(
    output: &mut dyn Write,
    result: &CheckResult,
    group: &mut Option<Group>,
) -> io::Result<()> {
    if *group != Some(result.group) {
        let gap = if group.is_some() { "\n" } else { "" };
        writeln!(output, "{gap}{}", result.group.name())?;
        *group = Some(result.group);
    }
    let line = format!(
        "  {:<14}  {:<NAME_WIDTH$}  {:<SECTION_WIDTH$}  {}",
        result.outcome.name(),
        result.name,
        result.section,
        reason(&result.outcome)
    );
    writeln!(output, "{}", line.trim_end())
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::Value;
    use usbfs2_gadget::functions::Keyboard;
    use usbfs2_gadget::functions::mass_storage::{DiskOptions, Misbehaviour, ScriptedDisk};
    use usbfs2_gadget::scsi::{LogicalUnit, MemoryMedium};
    use usbfs2_gadget::{DeviceIds, Function, Gadget, Speed};
    use usbfs2_loopback::Bus;
    use usbfs2_verifier::BusPort;

    use super::*;
    use crate::args::JsonArgs;

    fn keyboard() -> Arc<dyn Function> {
        Keyboard::new()
    }

    fn liar() -> Arc<dyn Function> {
        let medium = MemoryMedium::new(1 << 20);
        let unit = LogicalUnit::with_medium(medium, DiskOptions::default()).unwrap();
        ScriptedDisk::misbehaving(vec![unit], Misbehaviour::ConstantTag)
    }

    /// What the command prints of a device, and how it ends.
    fn verified(function: Arc<dyn Function>, json: bool) -> (String, Result<()>) {
        let ids = DeviceIds {
            vendor: 0x1209,
            product: 0x0001,
            release: 0x0100,
        };
        let gadget = Gadget::builder(ids)
            .serial_number("0123456789AB")
            .function(function)
            .build()
            .unwrap();
        let bus = Bus::new();
        let running = gadget.start_on(&bus, Speed::High).unwrap();
        let host = Host::on(&bus);
        let id = host.devices().unwrap()[0].id().clone();
        let port = BusPort::new(&bus, running.port_name()).unwrap();
        let args = VerifyArgs {
            device: id.to_string(),
            mass_storage: true,
            allow_writes: false,
            rounds: 2,
            deadline: Duration::from_secs(5),
            output: JsonArgs { json },
        };
        let mut output = Vec::new();
        let result = check(&host, &id, &port, &args, &mut output);
        (String::from_utf8(output).unwrap(), result)
    }

    #[test]
    fn a_device_that_keeps_the_rules_passes() {
        let (table, result) = verified(keyboard(), false);
        result.unwrap();
        assert!(table.starts_with("Descriptors\n  passed "), "{table}");
        assert!(table.contains("\n\nInvalid requests\n"), "{table}");
        let last = table.lines().last().unwrap();
        assert!(last.contains(" passed, 0 failed, "), "{last}");

        let (rows, result) = verified(keyboard(), true);
        result.unwrap();
        let rows: Value = serde_json::from_str(&rows).unwrap();
        let rows = rows.as_array().unwrap();
        assert_eq!(rows[0]["outcome"], "passed");
        assert!(rows.iter().all(|row| row["outcome"] != "failed"));
        // As many as the table has lines for.
        let lines = table.lines().filter(|line| line.starts_with("  "));
        assert_eq!(rows.len(), lines.count());
    }

    #[test]
    fn a_device_that_breaks_a_rule_fails_the_command() {
        let (table, result) = verified(liar(), false);
        let error = result.unwrap_err().to_string();
        assert!(error.starts_with("the device failed "), "{error}");
        let failed = table.lines().find(|line| line.starts_with("  failed "));
        let failed = failed.unwrap();
        assert!(
            failed.contains("expected ") && failed.contains("; seen: "),
            "{failed}"
        );

        let (rows, result) = verified(liar(), true);
        result.unwrap_err();
        let rows: Value = serde_json::from_str(&rows).unwrap();
        let failed = rows.as_array().unwrap().iter();
        let mut failed = failed.filter(|row| row["outcome"] == "failed");
        let failed = failed.next().unwrap();
        assert!(
            failed["expected"].is_string() && failed["seen"].is_string(),
            "{failed}"
        );
    }
}
