//! How long a check may go on.

use std::time::{Duration, Instant};

use crate::finding::{Checked, Finding};
use crate::{Options, Stop};

/// A round's share of [`Options::budget`]: 5 s of the default.
const ROUNDS_PER_BUDGET: u32 = 12;

/// When a check that still goes on ends.
#[derive(Debug, Clone)]
pub(crate) struct Limit {
    begun: Instant,
    allowed: Duration,
    stop: Stop,
}

impl Limit {
    /// Of a check that begins now.
    pub(crate) fn of_check(options: &Options) -> Self {
        Self {
            begun: Instant::now(),
            allowed: options.budget,
            stop: options.stop.clone(),
        }
    }

    /// Of what is put back after a check: it is not left half done because somebody wants the end.
    pub(crate) fn of_restoring(options: &Options) -> Self {
        Self {
            stop: Stop::never(),
            ..Self::of_check(options)
        }
    }

    /// Adds the time of this many rounds.
    pub(crate) fn add_rounds(&mut self, options: &Options, rounds: u32) {
        let share = options.budget / ROUNDS_PER_BUDGET;
        self.allowed = self.allowed.saturating_add(share.saturating_mul(rounds));
    }

    /// Fails once nothing more is to be asked.
    pub(crate) fn check(&self) -> Checked {
        if self.stop.is_requested() {
            return Err(Finding::not_possible("the verification was stopped"));
        }
        if self.begun.elapsed() >= self.allowed {
            return Err(Finding::failed(
                "the check to come to its end",
                format!("it took longer than {:?}", self.allowed),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_add_their_share() {
        let options = Options {
            budget: Duration::from_secs(60),
            ..Options::default()
        };
        let mut limit = Limit::of_check(&options);
        limit.add_rounds(&options, 200);
        assert_eq!(limit.allowed, Duration::from_secs(60 + 200 * 5));
    }

    #[test]
    fn what_is_put_back_does_not_stop() {
        let options = Options {
            stop: Stop::when(|| true),
            ..Options::default()
        };
        let stopped = Limit::of_check(&options).check();
        assert!(matches!(stopped, Err(Finding::NotPossible(_))));
        assert_eq!(Limit::of_restoring(&options).check(), Ok(()));
    }

    #[test]
    fn no_options_overflow() {
        let options = Options {
            budget: Duration::MAX,
            ..Options::default()
        };
        let mut limit = Limit::of_check(&options);
        limit.add_rounds(&options, u32::MAX);
        assert_eq!(limit.check(), Ok(()));
    }
}
