//! Jobs that run beside each other: a guest keeps one processor of this machine busy, seldom two. With more guests than
//! processors, what races the clock of one fails that is right: a disk's time-out, or requests to a gadgetfs gadget.

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
    is_patient: bool,
    work: Box<dyn FnOnce() + Send + 'a>,
}

impl<'a> Job<'a> {
    pub(crate) fn new(name: &'static str, work: impl FnOnce() + Send + 'a) -> Self {
        Self {
            name,
            is_patient: false,
            work: Box::new(work),
        }
    }

    /// The same work; `is_patient` if it has no deadlines by this machine's clock and lets others go first.
    pub(crate) fn patient(self, is_patient: bool) -> Self {
        Self { is_patient, ..self }
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

/// Runs every job, one for each processor at a time, and as long as there are patient ones, one of them at least. Of each
/// kind the first is begun first: put the longest there.
pub(crate) fn run(jobs: Vec<Job<'_>>) {
    let (patient, others) = jobs.into_iter().partition(|job| job.is_patient);
    let [patient, others] = [patient, others].map(|jobs: VecDeque<_>| Mutex::new(jobs));
    let next = |jobs: &Mutex<VecDeque<Job<'_>>>| {
        let job = jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        // The lock is free by now.
        job.map(Job::run)
    };
    thread::scope(|scope| {
        for _ in 1..at_a_time() {
            scope.spawn(|| while next(&others).or_else(|| next(&patient)).is_some() {});
        }
        scope.spawn(|| while next(&patient).or_else(|| next(&others)).is_some() {});
    });
}

fn at_a_time() -> usize {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    processors.min(MOST_AT_A_TIME)
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

    /// Every job waits for as many as there are processors, and none of them for ever.
    fn meet(are_patient: impl Fn(usize) -> bool) {
        let all_at_once = Barrier::new(at_a_time());
        let job = |number| {
            Job::new("meet", || {
                all_at_once.wait();
            })
            .patient(are_patient(number))
        };
        run((0..at_a_time()).map(job).collect());
    }

    #[test]
    fn as_many_run_beside_each_other_as_there_are_processors_of_whatever_kind() {
        meet(|_| false);
        meet(|_| true);
        meet(|number| number == 0);
    }
}
