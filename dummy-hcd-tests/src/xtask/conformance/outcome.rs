//! What a guest reports, as outcomes.

use anyhow::{Context, Result, ensure};

/// How one test went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    /// It passes, and says what parts of it do not apply.
    Partly(String),
    /// The program says that it does not apply, or does nothing and says nothing, as where it wants iSCSI.
    Skipped(String),
    Fail(String),
}

/// All that one disk was put through.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Exit statuses, in the order of the checks.
    pub(super) sg3_utils: Vec<u32>,
    /// libiscsi's tests and how they went.
    pub(super) libiscsi: Vec<(String, Verdict)>,
    /// Those on a write-protected disk.
    pub(super) read_only: Vec<(String, Verdict)>,
}

impl Report {
    /// Reads what the guest wrote.
    ///
    /// # Errors
    /// A part is missing: a program died, or was not there.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let (checks, rest) = text
            .split_once("iscsi\n")
            .context("the guest did not come to iscsi-test-cu")?;
        let (libiscsi, read_only) = rest
            .split_once("iscsi read-only\n")
            .context("the guest did not come to the write-protected disk")?;
        let statuses = checks.lines().map(|line| {
            let status = line.split(' ').nth(2).and_then(|it| it.parse().ok());
            status.with_context(|| format!("no status in `{line}`"))
        });
        let report = Self {
            sg3_utils: statuses.collect::<Result<_>>()?,
            libiscsi: parse_libiscsi(libiscsi),
            read_only: parse_libiscsi(read_only),
        };
        ensure!(
            !report.libiscsi.is_empty() && !report.read_only.is_empty(),
            "iscsi-test-cu ran no test:\n{rest}"
        );
        Ok(report)
    }
}

/// CUnit's verbose output: `Suite: NAME`, and under it `Test: NAME ...`, what the test says, and `passed` or
/// `FAILED` with its reasons.
fn parse_libiscsi(text: &str) -> Vec<(String, Verdict)> {
    let mut tests = Vec::new();
    for suite in text.split("\nSuite: ").skip(1) {
        let suite = suite.split("\nRun Summary").next().unwrap_or_default();
        let mut parts = suite.split("\n  Test: ");
        let name = parts.next().unwrap_or_default().trim();
        for test in parts {
            let (test_name, said) = test.split_once(" ...").unwrap_or((test, ""));
            tests.push((format!("{name}.{}", test_name.trim()), verdict(said)));
        }
    }
    tests
}

fn verdict(said: &str) -> Verdict {
    if !said.trim_end().ends_with("passed") {
        let from = said.find("FAILED\n    1.").unwrap_or_default();
        return Verdict::Fail(
            said[from..]
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" "),
        );
    }
    let mut lines: Vec<&str> = said.lines().map(str::trim).collect();
    // `passed`, which CUnit says of tests that only skip themselves, too.
    lines.pop();
    if lines.iter().all(|line| line.is_empty()) {
        return Verdict::Skipped(String::new());
    }
    let mut skipped: Vec<&str> = lines.iter().filter_map(|line| skips(line)).collect();
    skipped.dedup();
    let skipped = skipped.join(" ");
    let asked = lines
        .iter()
        .any(|line| line.starts_with("[OK]") || line.starts_with("[SUCCESS]"));
    match (skipped.is_empty(), asked) {
        (true, _) => Verdict::Pass,
        (false, true) => Verdict::Partly(skipped),
        (false, false) => Verdict::Skipped(skipped),
    }
}

/// What a line says is skipped.
fn skips(line: &str) -> Option<&str> {
    const UNMARKED: &str = "SWP is not changeable";
    let marked = ["[SKIPPED] ", "[SKIPPING] "];
    let marked = marked.iter().find_map(|mark| line.strip_prefix(mark));
    marked.or((line == UNMARKED).then_some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_that_pass_are_skipped_and_fail_are_told_apart() {
        let text = "check 0 0\ncheck 1 9\niscsi\n\nSuite: A\n  Test: One ...    said\npassed\n  Test: Two ...\
                    \n    [SKIPPED] NOT is not implemented.\n    [SKIPPED] NOT is not implemented.\npassed\
                    \n  Test: Half ...    [OK] YES returned GOOD\n    [SKIPPED] NOT is not implemented.\npassed\
                    \n  Test: Silent ...passed\n\nSuite: B\n  Test: One ...FAILED\n    1. b.c:7\
                    \n\nRun Summary: all\niscsi read-only\n\nSuite: C\n  Test: It ...    said\npassed\n\nRun Summary: all\n";
        let report = Report::parse(text).unwrap();
        assert_eq!(report.sg3_utils, [0, 9]);
        let skipped = Verdict::Skipped("NOT is not implemented.".into());
        let half = Verdict::Partly("NOT is not implemented.".into());
        let failed = Verdict::Fail("FAILED 1. b.c:7".into());
        let expected = [
            ("A.One", Verdict::Pass),
            ("A.Two", skipped),
            ("A.Half", half),
            ("A.Silent", Verdict::Skipped(String::new())),
            ("B.One", failed),
        ];
        assert_eq!(
            report.libiscsi,
            expected.map(|(name, verdict)| (name.to_owned(), verdict))
        );
        assert_eq!(report.read_only, [("C.It".to_owned(), Verdict::Pass)]);
    }

    #[test]
    fn a_report_that_stops_is_an_error() {
        assert!(Report::parse("check 0 0\n").is_err());
        assert!(Report::parse("iscsi\niscsi read-only\n").is_err());
    }
}
