//! What has happened how often, by name.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// Names and numbers; those of several threads and processes are added up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts(BTreeMap<String, u64>);

impl Counts {
    /// One more of `what`.
    pub fn count(&mut self, what: &str) {
        self.add(what, 1);
    }

    /// `number` more of `what`.
    pub fn add(&mut self, what: &str, number: u64) {
        match self.0.get_mut(what) {
            Some(count) => *count += number,
            None => {
                self.0.insert(what.to_owned(), number);
            }
        }
    }

    /// Adds all of another's.
    pub fn merge(&mut self, other: &Self) {
        for (what, number) in &other.0 {
            self.add(what, *number);
        }
    }

    /// How many of `what`.
    #[must_use]
    pub fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }

    /// The sum of those whose name begins with `prefix`.
    #[must_use]
    pub fn sum(&self, prefix: &str) -> u64 {
        let counted = self.0.iter().filter(|(name, _)| name.starts_with(prefix));
        counted.map(|(_, number)| number).sum()
    }

    /// Everything, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(what, number)| (what.as_str(), *number))
    }

    /// Everything, in the order of the names, as rows of a table in Markdown.
    #[must_use]
    pub fn rows(&self) -> String {
        let mut rows = String::new();
        for (what, number) in &self.0 {
            // Writing to a string does not fail.
            let _ = writeln!(rows, "| {what} | {number} |");
        }
        rows
    }
}

/// What a thread of a process reports on its standard output, a line of JSON each.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Report {
    /// Which thread.
    pub thread: String,
    /// Steps it has made, those before its process was started included.
    pub steps: u64,
    /// Since its last report.
    pub counts: Counts,
    /// What was not as it must be; the end of the run.
    pub violation: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_two_add_up() {
        let mut one = Counts::default();
        one.count("submit");
        one.add("result: 0", 3);
        let mut two = one.clone();
        two.merge(&one);
        assert_eq!((two.of("submit"), two.of("cancel")), (2, 0));
        assert_eq!(two.sum("result"), 6);
        assert_eq!(two.rows(), "| result: 0 | 6 |\n| submit | 2 |\n");
    }
}
