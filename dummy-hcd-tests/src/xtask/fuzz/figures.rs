//! What libFuzzer says of a run.

use std::fmt;

/// A run in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) seconds: u64,
    pub(super) executions: u64,
    /// Edges of the program that some input took.
    pub(super) coverage: u64,
    /// Combinations of edges and counts, which is what libFuzzer collects inputs for.
    pub(super) features: u64,
    /// What broke, and the input that did it.
    pub(super) finding: Option<String>,
}

impl Figures {
    /// Takes what one line of output says.
    pub(super) fn line(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix('#') {
            let mut words = rest.split_whitespace();
            if let Some(Ok(executions)) = words.next().map(str::parse) {
                self.executions = executions;
            }
            while let Some(word) = words.next() {
                let place = match word {
                    "cov:" => &mut self.coverage,
                    "ft:" => &mut self.features,
                    _ => continue,
                };
                if let Some(Ok(value)) = words.next().map(str::parse) {
                    *place = value;
                }
            }
        } else if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
            self.executions = count.trim().parse().unwrap_or(self.executions);
        } else if let Some((_, path)) = line.split_once("Test unit written to ") {
            let path = path.trim();
            // Inputs that are only slow are written too.
            if !path.contains("slow-unit-") {
                self.finding = Some(path.to_owned());
            }
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            executions,
            coverage,
            features,
            ..
        } = self;
        write!(
            f,
            "{executions} executions, {coverage} edges, {features} features"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_totals_and_findings_are_read() {
        let mut figures = Figures::default();
        for line in [
            "INFO: Seed: 1",
            "#2048\tpulse  cov: 300 ft: 500 corp: 9/81b lim: 21 exec/s: 1024 rss: 60Mb",
            "#4096\tNEW    cov: 301 ft: 512 corp: 10/90b lim: 21 exec/s: 1024 rss: 60Mb L: 3/9",
            "artifact_prefix='x'; Test unit written to /w/fuzz/artifacts/bot/slow-unit-1",
            "stat::number_of_executed_units: 5000",
        ] {
            figures.line(line);
        }
        let expected = Figures {
            executions: 5000,
            coverage: 301,
            features: 512,
            ..Figures::default()
        };
        assert_eq!(figures, expected);
        figures.line("artifact_prefix='x'; Test unit written to /w/fuzz/artifacts/bot/crash-1");
        assert_eq!(
            figures.finding.as_deref(),
            Some("/w/fuzz/artifacts/bot/crash-1")
        );
    }
}
