//! Counts what passed and failed over several test programs, and says again what failed.

use std::io::{self, Stdout, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;

use crate::failures::{self, Failure};
use crate::progress::{self, Lines};

/// Tests so far. A check that is no test program counts as one test.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    passed: AtomicU64,
    failed: AtomicU64,
    failures: Mutex<Vec<Failure>>,
}

impl Tally {
    /// Counts the "test result:" lines of `output`, and one failure more if the program failed and they
    /// do not say why: it did not compile, hung or crashed.
    pub(crate) fn count(&self, what: &str, output: &str, succeeded: bool) {
        let (passed, failed) = output
            .lines()
            .filter_map(parse_result)
            .fold((0, 0), |sum, result| (sum.0 + result.0, sum.1 + result.1));
        self.passed.fetch_add(passed, Ordering::Relaxed);
        self.failed.fetch_add(failed, Ordering::Relaxed);
        for failure in failures::of_tests(what, output) {
            self.note(failure);
        }
        if !succeeded && failed == 0 {
            eprintln!("xtask: {what} FAILED without a failed test");
            self.failed.fetch_add(1, Ordering::Relaxed);
            self.note(Failure::new(what, output));
        } else if succeeded && passed == 0 {
            eprintln!("xtask: {what} ran no test");
            self.failed.fetch_add(1, Ordering::Relaxed);
            self.note(Failure::new(what, "ran no test"));
        }
    }

    fn note(&self, failure: Failure) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.push(failure);
    }

    /// Counts one check and shows how it went.
    pub(crate) fn check(&self, what: &str, result: Result<()>) {
        match result {
            Ok(()) => {
                println!("check {what} ... ok");
                self.passed.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                println!("check {what} ... FAILED\n{error:#}");
                self.failed.fetch_add(1, Ordering::Relaxed);
                self.note(Failure::new(what, &format!("{error:#}")));
            }
        }
    }

    /// What failed, which was said long ago and by many at once, and the last line: "N passed, N failed".
    /// Returns the exit status.
    pub(crate) fn finish(&self) -> u8 {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        for failure in failures.iter() {
            println!("\n{failure}");
        }
        let (passed, failed) = self.counts();
        println!("{passed} passed, {failed} failed");
        u8::from(failed > 0 || passed == 0)
    }

    fn counts(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.passed), count(&self.failed))
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

/// Shows bytes on stdout and keeps them.
#[derive(Debug, Clone)]
pub(crate) struct Tee {
    kept: Arc<Mutex<Vec<u8>>>,
    shown: Arc<Mutex<Lines<Stdout>>>,
}

impl Default for Tee {
    /// With this thread's label.
    fn default() -> Self {
        Self {
            kept: Arc::default(),
            shown: Arc::new(Mutex::new(progress::stdout())),
        }
    }
}

impl Tee {
    fn shown(&self) -> MutexGuard<'_, Lines<Stdout>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

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
        self.shown().write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.shown().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_summed() {
        let tally = Tally::default();
        let output = "test a ... ok\ntest result: ok. 4 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
                      test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured\n";
        tally.count("two programs", output, false);
        assert_eq!(tally.counts(), (6, 3));
    }

    #[test]
    fn a_program_that_dies_or_runs_nothing_is_a_failure() {
        let tally = Tally::default();
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
        assert_eq!(tally.counts(), (4, 2));
    }
}
