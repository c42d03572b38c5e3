//! The table, and the page it is in.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::usbtest::cases::{self, CASES, Case, Verdict};
use dummy_hcd_tests::usbtest::report::{BusSpeed, Outcome, Peer};

const REASONS: &str = include_str!("reasons.md");

const COLUMNS: [&str; 6] = [
    "f_sourcesink, full speed",
    "high",
    "ours, gadgetfs, full",
    "high",
    "ours, FunctionFS, full",
    "high",
];

/// A row for each case, and a cell for each peer and speed.
pub(super) struct Table {
    rows: Vec<(&'static Case, Vec<String>)>,
}

impl Table {
    /// Of what a guest has said.
    ///
    /// # Errors
    /// Where it has not said how a case that can be run went with each of its patterns, once.
    pub(super) fn of(outcomes: &[Outcome]) -> Result<Self> {
        let row = |(place, case): (usize, &'static Case)| {
            let columns = Peer::ALL
                .into_iter()
                .flat_map(|peer| BusSpeed::ALL.map(|speed| (peer, speed)));
            let cells = columns.map(|(peer, speed)| {
                if case.is_isochronous() && !peer.has_settings() {
                    return Ok("cannot run (2)".to_owned());
                }
                let of = |outcome: &&Outcome| {
                    (outcome.peer, outcome.speed, outcome.case) == (peer, speed, place)
                };
                cell(case, outcomes.iter().filter(of))
                    .with_context(|| format!("{peer:?} at {speed:?} speed, case {}", case.number))
            });
            Ok((case, cells.collect::<Result<_>>()?))
        };
        let rows = CASES.iter().enumerate().map(row).collect::<Result<_>>()?;
        Ok(Self { rows })
    }

    /// As Markdown.
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "| case | | times, bytes, vary, queue | {} |\n|--:|---|---|{}\n",
            COLUMNS.join(" | "),
            "---|".repeat(COLUMNS.len())
        );
        for (case, cells) in &self.rows {
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "| {} | {} | {}, {}, {}, {} | {} |",
                case.number,
                case.about,
                case.iterations,
                case.length,
                case.vary,
                case.queue,
                cells.join(" | ")
            );
        }
        text
    }

    fn passed(&self, columns: std::ops::Range<usize>) -> usize {
        let cells = self
            .rows
            .iter()
            .flat_map(|(_, cells)| &cells[columns.clone()]);
        cells.filter(|cell| *cell == PASSES).count()
    }
}

const PASSES: &str = "passes";

/// One cell, of a case's outcomes with each pattern.
fn cell<'a>(case: &Case, outcomes: impl Iterator<Item = &'a Outcome>) -> Result<String> {
    let outcomes: Vec<_> = outcomes.collect();
    let patterns: Vec<u8> = outcomes.iter().map(|outcome| outcome.pattern).collect();
    ensure!(
        patterns == case.patterns(),
        "the guest has run it with the patterns {patterns:?} instead of {:?}",
        case.patterns()
    );
    let mut cells: Vec<String> = outcomes
        .iter()
        .map(|outcome| match outcome.verdict {
            Verdict::Passed => PASSES.to_owned(),
            Verdict::Lost { packets, of } => format!("passes, but {packets} of {of} packets"),
            Verdict::Failed {
                errno: libc::EOPNOTSUPP,
            } => "no such endpoints".to_owned(),
            Verdict::Failed { errno } => {
                let is_known = cases::expected(outcome.peer, case) == outcome.verdict;
                let reason = if is_known { " (1)" } else { "" };
                format!("fails: {}{reason}", name(errno))
            }
        })
        .collect();
    cells.dedup();
    Ok(cells.join("; with pattern 1 "))
}

fn name(errno: i32) -> String {
    match errno {
        libc::EPIPE => "EPIPE".to_owned(),
        libc::ETIMEDOUT => "ETIMEDOUT".to_owned(),
        libc::EBADMSG => "EBADMSG".to_owned(),
        libc::EINVAL => "EINVAL".to_owned(),
        errno => std::io::Error::from_raw_os_error(errno).to_string(),
    }
}

/// Where ours does not do what it should, a line each.
pub(super) fn wrong(outcomes: &[Outcome]) -> Vec<String> {
    let ours = outcomes.iter().filter(|one| one.peer != Peer::Kernel);
    ours.filter_map(|outcome| {
        let case = &CASES[outcome.case];
        let expected = cases::expected(outcome.peer, case);
        (outcome.verdict != expected).then(|| {
            format!(
                "case {}, {}: {outcome:?} instead of {expected:?}",
                case.number, case.about
            )
        })
    })
    .collect()
}

/// The page.
pub(super) fn page(table: &Table) -> String {
    let count = table.rows.len() * BusSpeed::ALL.len();
    format!(
        "# usbtest\n\n\
         The cases of the kernel's usbtest, which tests device controllers and their drivers, on the kernel's own\n\
         f_sourcesink and on `usbfs2_gadget::functions::SourceSink`, at full and high speed on dummy_hcd with isochronous\n\
         transfers, with pattern 0 and 1 where there is data. Of {count} runs of a case f_sourcesink passes {}, ours {} on\n\
         gadgetfs and {} on FunctionFS. Neither has the interrupt endpoints of 25 and 26.\n\n\
         `cargo xtask usbtest --document` made this page, in one guest; `cargo xtask test` runs the cases on ours, with one\n\
         pattern, on gadgetfs at both speeds and on FunctionFS at high speed, and fails when an outcome is another than here.\n\n{}\n{REASONS}",
        table.passed(0..2),
        table.passed(2..4),
        table.passed(4..6),
        table.text()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(peer: Peer, pattern: u8, case: usize, verdict: Verdict) -> Outcome {
        Outcome {
            peer,
            speed: BusSpeed::High,
            pattern,
            case,
            verdict,
        }
    }

    #[test]
    fn a_failure_shows_in_its_cell_and_is_wrong() {
        let failed = Verdict::Failed {
            errno: libc::EINVAL,
        };
        let outcomes = [
            outcome(Peer::Gadgetfs, 0, 1, Verdict::Passed),
            outcome(Peer::Gadgetfs, 1, 1, failed),
        ];
        let text = cell(&CASES[1], outcomes.iter()).unwrap();
        assert_eq!(text, "passes; with pattern 1 fails: EINVAL");
        assert_eq!(wrong(&outcomes).len(), 1);
    }

    #[test]
    fn a_cell_needs_each_pattern_once() {
        let passed = |pattern| outcome(Peer::Gadgetfs, pattern, 1, Verdict::Passed);
        let of = |patterns: &[u8]| {
            let outcomes: Vec<_> = patterns.iter().copied().map(passed).collect();
            cell(&CASES[1], outcomes.iter())
        };
        assert_eq!(of(&[0, 1]).unwrap(), "passes");
        for patterns in [&[][..], &[0], &[1], &[0, 0], &[0, 1, 1]] {
            assert!(of(patterns).is_err(), "{patterns:?}");
        }
    }

    #[test]
    fn what_gadgetfs_prevents_is_not_ours_to_mend() {
        let long = CASES.iter().position(|case| case.number == 14).unwrap() + 1;
        let stalled = Verdict::Failed { errno: libc::EPIPE };
        let known = outcome(Peer::Gadgetfs, 0, long, stalled);
        assert_eq!(
            cell(&CASES[long], [known].iter()).unwrap(),
            "fails: EPIPE (1)"
        );
        assert_eq!(wrong(&[known]), [""; 0]);
        // Nor would it go unnoticed if it passed one day.
        assert_eq!(
            wrong(&[outcome(Peer::Gadgetfs, 0, long, Verdict::Passed)]).len(),
            1
        );
        assert_eq!(
            wrong(&[outcome(Peer::Functionfs, 0, long, stalled)]).len(),
            1
        );
    }
}
