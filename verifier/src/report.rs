//! The results of a verification.

use crate::check::CheckResult;
use crate::finding::Outcome;

/// The results of every check, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// By check.
    pub results: Vec<CheckResult>,
}

/// How many checks ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// As the specification says.
    pub passed: usize,
    /// Otherwise.
    pub failed: usize,
    /// About something the device has not.
    pub not_applicable: usize,
    /// Not put to the device.
    pub not_possible: usize,
}

impl Report {
    /// How many checks ended how.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for result in &self.results {
            *match result.outcome {
                Outcome::Passed => &mut counts.passed,
                Outcome::Failed { .. } => &mut counts.failed,
                Outcome::NotApplicable(_) => &mut counts.not_applicable,
                Outcome::NotPossible(_) => &mut counts.not_possible,
            } += 1;
        }
        counts
    }

    /// The checks the device failed.
    pub fn failures(&self) -> impl Iterator<Item = &CheckResult> {
        self.results
            .iter()
            .filter(|result| result.outcome.is_failure())
    }

    /// The result of the check of this name.
    #[must_use]
    pub fn result(&self, name: &str) -> Option<&CheckResult> {
        self.results.iter().find(|result| result.name == name)
    }
}
