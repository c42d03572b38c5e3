//! What a program of the kernel's selftests prints (Documentation/dev-tools/ktap.rst).

use thiserror::Error;

/// The results of one program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Tests that passed.
    pub passed: Vec<String>,
    /// Tests that failed.
    pub failed: Vec<String>,
    /// Tests that were skipped, with the reason; of a program that skipped all, the reason alone.
    pub skipped: Vec<String>,
}

/// Why an output is none of a whole run.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Incomplete {
    /// The first line is missing.
    #[error("the first line is not `KTAP version 1`")]
    NoVersion,
    /// It is not known how many tests there should be.
    #[error("there is no plan (1..N)")]
    NoPlan,
    /// A test is missing, or told twice.
    #[error("result {found:?} in place of the one of test {expected}")]
    OutOfOrder {
        /// The number that comes next.
        expected: usize,
        /// The line.
        found: String,
    },
    /// The program ended before its last test.
    #[error("{results} results of {planned}")]
    TooFew {
        /// How many there are.
        results: usize,
        /// How many there should be.
        planned: usize,
    },
}

impl Report {
    /// Reads a program's output.
    ///
    /// # Errors
    /// When it is not that of a run from the first to the last test.
    pub fn parse(output: &str) -> Result<Self, Incomplete> {
        let is_said = |line: &&str| !line.starts_with('#') && !line.is_empty();
        let mut lines = output.lines().filter(is_said);
        if lines.next() != Some("KTAP version 1") {
            return Err(Incomplete::NoVersion);
        }
        let plan = lines.next().and_then(|line| line.strip_prefix("1.."));
        let plan = plan.ok_or(Incomplete::NoPlan)?;
        let (planned, reason) = split_skip(plan);
        let planned = planned.parse().map_err(|_| Incomplete::NoPlan)?;
        let mut report = Self::default();
        if planned == 0 {
            report.skipped.push(reason.unwrap_or("no test").to_owned());
        }
        let mut results = 0;
        for line in lines {
            results += 1;
            report.add(results, line)?;
        }
        if results == planned {
            Ok(report)
        } else {
            Err(Incomplete::TooFew { results, planned })
        }
    }

    fn add(&mut self, number: usize, line: &str) -> Result<(), Incomplete> {
        let out_of_order = || Incomplete::OutOfOrder {
            expected: number,
            found: line.to_owned(),
        };
        let (passed, rest) = match line.strip_prefix("not ok ") {
            Some(rest) => (false, rest),
            None => (true, line.strip_prefix("ok ").ok_or_else(out_of_order)?),
        };
        let (found, name) = rest.split_once(' ').ok_or_else(out_of_order)?;
        if found.parse() != Ok(number) {
            return Err(out_of_order());
        }
        let (name, reason) = split_skip(name);
        match reason {
            _ if !passed => self.failed.push(name.to_owned()),
            Some(reason) => self.skipped.push(format!("{name}: {reason}")),
            None => self.passed.push(name.to_owned()),
        }
        Ok(())
    }
}

/// A line's text, and the reason of a skip.
fn split_skip(text: &str) -> (&str, Option<&str>) {
    match text.split_once(" # SKIP") {
        Some((text, reason)) => (text, Some(reason.trim())),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_counts_once_under_its_result() {
        let output = "KTAP version 1\n1..3\nok 1 a\n# b.c:7: no\nnot ok 2 b\nok 3 c # SKIP no dummy_hcd\n# Totals\n";
        let report = Report::parse(output).unwrap();
        assert_eq!(report.passed, ["a"]);
        assert_eq!(report.failed, ["b"]);
        assert_eq!(report.skipped, ["c: no dummy_hcd"]);
    }

    #[test]
    fn a_program_that_skips_all_says_why() {
        let report = Report::parse("KTAP version 1\n1..0 # SKIP run as root\n").unwrap();
        assert_eq!(report.skipped, ["run as root"]);
    }

    #[test]
    fn a_run_that_is_cut_short_is_no_report() {
        let error = |output| Report::parse(output).unwrap_err();
        assert_eq!(error("1..1\nok 1 a\n"), Incomplete::NoVersion);
        assert_eq!(error("KTAP version 1\nok 1 a\n"), Incomplete::NoPlan);
        assert_eq!(
            error("KTAP version 1\n1..2\nok 1 a\n"),
            Incomplete::TooFew {
                results: 1,
                planned: 2
            }
        );
        assert_eq!(
            error("KTAP version 1\n1..2\nok 1 a\nok 1 a\n"),
            Incomplete::OutOfOrder {
                expected: 2,
                found: "ok 1 a".to_owned()
            }
        );
    }
}
