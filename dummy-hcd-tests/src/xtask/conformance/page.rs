//! `docs/scsi-conformance.md`.

use std::fmt::Write as _;

use super::checks::{Expected, Reasons, SG3_UTILS, WRITABLE, WRITE_PROTECTED};
use super::outcome::{Report, Verdict};

/// sg3-utils: the disk does not know the command, or not this form of it.
const INVALID_OPERATION_CODE: u32 = 9;
const ILLEGAL_REQUEST: u32 = 5;

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) test: String,
    /// `pass`, or what does not apply and why; an error says what failed.
    pub(super) outcome: Result<String, String>,
}

const PASS: &str = "pass";
const PARTLY: &str = "pass in part";
const NOT_APPLICABLE: &str = "not applicable";

/// Judges our disk.
pub(super) fn judge(report: &Report) -> Vec<Line> {
    let mut lines = Vec::new();
    for (index, check) in SG3_UTILS.iter().enumerate() {
        let status = report.sg3_utils.get(index).copied();
        let outcome = match (check.expected, status) {
            (Expected::Pass, Some(0)) => Ok(PASS.to_owned()),
            (Expected::NotApplicable(reason), Some(INVALID_OPERATION_CODE | ILLEGAL_REQUEST)) => {
                Ok(format!("{NOT_APPLICABLE}: {reason}"))
            }
            (_, Some(status)) => Err(format!("exit status {status}")),
            (_, None) => Err("it was not run".to_owned()),
        };
        lines.push(Line {
            test: format!("`{}`", check.line.replace('|', "\\|")),
            outcome,
        });
    }
    for (program, tests, reasons) in [
        ("iscsi-test-cu", &report.libiscsi, WRITABLE),
        (
            "iscsi-test-cu, write-protected disk",
            &report.read_only,
            WRITE_PROTECTED,
        ),
    ] {
        for (name, verdict) in tests {
            lines.push(Line {
                test: format!("{program} {name}"),
                outcome: outcome(name, verdict, reasons),
            });
        }
    }
    lines
}

fn outcome(name: &str, verdict: &Verdict, reasons: Reasons) -> Result<String, String> {
    let (kind, said, reason) = match verdict {
        Verdict::Pass => return Ok(PASS.to_owned()),
        Verdict::Fail(reason) => return Err(reason.chars().take(200).collect()),
        Verdict::Partly(said) => match reasons.for_a_part(name) {
            Some(reason) => (PARTLY, said, Some(reason)),
            // What passed was made ready for the command that is not there.
            None => (NOT_APPLICABLE, said, reasons.for_all(name)),
        },
        Verdict::Skipped(said) => (NOT_APPLICABLE, said, reasons.for_all(name)),
    };
    let said = said.replace('|', "\\|");
    match reason {
        Some(reason) if said.is_empty() => Ok(format!("{kind}: {reason}")),
        Some(reason) => Ok(format!("{kind} (\"{said}\"): {reason}")),
        None => Err(format!("{kind}, and nobody says why it may: {said}")),
    }
}

/// The page.
pub(super) fn page(lines: &[Line]) -> String {
    let count = |kind: &str| {
        let outcomes = lines.iter().filter_map(|line| line.outcome.as_ref().ok());
        outcomes
            .filter(|outcome| outcome.split([':', '(']).next().map(str::trim) == Some(kind))
            .count()
    };
    let failures = lines.iter().filter(|line| line.outcome.is_err()).count();
    let mut page = format!(
        "# SCSI conformance\n\n\
         What Debian's sg3-utils and libiscsi's `iscsi-test-cu` say of this project's disk gadget, through the\n\
         kernel's usb-storage in the VM: {} tests pass, {} pass in part, {} do not apply, {failures}\n\
         fail. In quotes is what the tool says that it skips.\n\n\
         `cargo xtask conformance` made this page; `cargo xtask test` puts the disk through the same and fails when\n\
         an outcome is another.\n\n\
         | test | outcome |\n|---|---|\n",
        count(PASS),
        count(PARTLY),
        count(NOT_APPLICABLE),
    );
    for line in lines {
        let outcome = match &line.outcome {
            Ok(outcome) => outcome.clone(),
            Err(error) => format!("FAILS: {error}"),
        };
        // Writing to a string does not fail.
        let _ = writeln!(page, "| {} | {outcome} |", line.test);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_skips_itself_needs_a_reason() {
        let skipped = Verdict::Skipped("it is not there".into());
        let partly = Verdict::Partly("it is not there".into());
        let of = |name, verdict: &Verdict, reasons| {
            let outcome = outcome(name, verdict, reasons);
            outcome.map(|text| text.split(" (").next().unwrap_or_default().to_owned())
        };
        let not_applicable = Ok(NOT_APPLICABLE.to_owned());
        assert_eq!(of("OrWrite.Simple", &skipped, WRITABLE), not_applicable);
        // What passes of it is only what makes ready for it.
        assert_eq!(of("OrWrite.Verify", &partly, WRITABLE), not_applicable);
        assert!(of("Read10.Simple", &skipped, WRITABLE).is_err());
        assert!(of("Read10.Simple", &partly, WRITABLE).is_err());
        let read_only = "ReadOnly.ReadOnlySBC";
        assert_eq!(
            of(read_only, &partly, WRITE_PROTECTED),
            Ok(PARTLY.to_owned())
        );
        assert!(of(read_only, &skipped, WRITE_PROTECTED).is_err());
    }
}
