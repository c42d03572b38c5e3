//! Counts what passed and failed over several test programs.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;

/// Tests so far. A check that is no test program counts as one test.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
}

impl Tally {
    /// Counts the "test result:" lines of `output`, and one failure more if the program failed and they
    /// do not say why: it did not compile, hung or crashed.
    pub(crate) fn count(&mut self, what: &str, output: &str, succeeded: bool) {
        let (passed, failed) = output
            .lines()
            .filter_map(parse_result)
            .fold((0, 0), |sum, result| (sum.0 + result.0, sum.1 + result.1));
        self.passed += passed;
        self.failed += failed;
        if !succeeded && failed == 0 {
            eprintln!("xtask: {what} FAILED without a failed test");
            self.failed += 1;
        } else if succeeded && passed == 0 {
            eprintln!("xtask: {what} ran no test");
            self.failed += 1;
        }
    }

    /// Counts one check and shows how it went.
    pub(crate) fn check(&mut self, what: &str, result: Result<()>) {
        match result {
            Ok(()) => {
                println!("check {what} ... ok");
                self.passed += 1;
            }
            Err(error) => {
                println!("check {what} ... FAILED\n{error:#}");
                self.failed += 1;
            }
        }
    }

    /// The last line: "N passed, N failed". Returns the exit status.
    pub(crate) fn finish(&self) -> u8 {
        println!("{} passed, {} failed", self.passed, self.failed);
        u8::from(self.failed > 0 || self.passed == 0)
    }
}

/// libtest's and libtest-mimic's last line, as passed and failed.
fn parse_result(line: &str) -> Option<(u64, u64)> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let count = |what: &str| {
        let part = counts
            .split("; ")
            .find_map(|part| part.strip_suffix(what))?;
        part.trim().parse::<u64>().ok()
    };
    Some((count("passed")?, count("failed")?))
}

/// Passes bytes on to stdout and keeps them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tee {
    kept: Arc<Mutex<Vec<u8>>>,
}

impl Tee {
    pub(crate) fn text(&self) -> String {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept).into_owned()
    }
}

impl Write for Tee {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        io::stdout().write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_summed() {
        let mut tally = Tally::default();
        let output = "test a ... ok\ntest result: ok. 4 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
                      test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured\n";
        tally.count("two programs", output, false);
        assert_eq!((tally.passed, tally.failed), (6, 3));
    }

    #[test]
    fn a_program_that_dies_or_runs_nothing_is_a_failure() {
        let mut tally = Tally::default();
        tally.count(
            "a crash",
            "test result: ok. 4 passed; 0 failed; 0 ignored\n",
            false,
        );
        tally.count(
            "an empty run",
            "test result: ok. 0 passed; 0 failed; 0 ignored\n",
            true,
        );
        assert_eq!((tally.passed, tally.failed), (4, 2));
    }
}
