//! Jobs that run beside each other: a guest keeps one processor of this machine busy, seldom two.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use crate::progress;

/// More guests than this would want more memory than a small machine has.
const MOST_AT_A_TIME: usize = 4;

/// A piece of work with a name, which begins each line it says.
pub(crate) struct Job<'a> {
    name: &'static str,
    work: Box<dyn FnOnce() + Send + 'a>,
}

impl<'a> Job<'a> {
    pub(crate) fn new(name: &'static str, work: impl FnOnce() + Send + 'a) -> Self {
        Self {
            name,
            work: Box::new(work),
        }
    }

    fn run(self) {
        let since = Instant::now();
        progress::labelled(self.name, || {
            (self.work)();
            let seconds = since.elapsed().as_secs_f32();
            progress::say(&format!("ended after {seconds:.1} s"));
        });
    }
}

impl fmt::Debug for Job<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Job").field(&self.name).finish()
    }
}

/// Runs every job, in this order, one for each processor at a time. Put the longest first.
pub(crate) fn run(jobs: Vec<Job<'_>>) {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let workers = processors.min(MOST_AT_A_TIME).min(jobs.len());
    let jobs = Mutex::new(VecDeque::from(jobs));
    let next = || {
        jobs.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    };
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(job) = next() {
                    job.run();
                }
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn every_job_runs_once() {
        let ran = AtomicUsize::new(0);
        let job = || {
            Job::new("count", || {
                ran.fetch_add(1, Ordering::Relaxed);
            })
        };
        run((0..20).map(|_| job()).collect());
        assert_eq!(ran.into_inner(), 20);
        run(Vec::new());
    }

    #[test]
    fn as_many_run_beside_each_other_as_there_are_processors() {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let count = processors.min(MOST_AT_A_TIME);
        // Every job waits for all the others, and none of them for ever.
        let all_at_once = Barrier::new(count);
        let job = || {
            Job::new("meet", || {
                all_at_once.wait();
            })
        };
        run((0..count).map(|_| job()).collect());
    }
}
