//! A process that has claimed an interface: a thread for each endpoint, one for the interface, and one for the
//! isochronous endpoints.
//!
//! | file | what it knows |
//! |---|---|
//! | `shared.rs` | the claim, and what the threads tell each other |
//! | `excuses.rs` | what is going on that may end an operation early |
//! | `lane.rs` | an endpoint, and its steps |
//! | `endpoint.rs` | its file |
//! | `queue.rs`, `queue/` | what is in flight on it, by Linux AIO and in the ring |
//! | `transfers.rs`, `places.rs` | the ring, and the mapped buffers |
//! | `armed.rs` | the same endpoint, armed |
//! | `judge.rs` | which results are true |
//! | `packets.rs` | the isochronous endpoints |
//! | `steer.rs` | the interface's steps |

mod armed;
mod endpoint;
mod excuses;
mod judge;
mod lane;
mod packets;
mod places;
mod queue;
mod shared;
mod steer;
mod transfers;

use std::io::Write as _;
use std::thread;

use anyhow::{Context as _, Result, anyhow, ensure};
use dummy_hcd_tests::stress::counts::{Counts, Report};
use dummy_hcd_tests::stress::plan::{LANE, Plan, STEER, STREAM, Step};

use crate::arguments::{THREADS, Worker};
use lane::Lane;
use packets::Packets;
use shared::Shared;
use steer::Steer;

/// A report comes after this many steps.
const STEPS_A_REPORT: u64 = 16;

/// Makes the steps that are left, and says how it went on the standard output.
pub(crate) fn run(arguments: &Worker) -> Result<()> {
    let shared = Shared::new(arguments)?;
    let shared = &shared;
    let results = thread::scope(|scope| {
        let threads = [0, 1, 2, 3].map(|index| scope.spawn(move || work(shared, arguments, index)));
        threads.map(|thread| thread.join())
    });
    for result in results {
        let result = result.map_err(|_| anyhow!("a thread panicked"))?;
        result?;
    }
    shared.end()
}

fn work(shared: &Shared, arguments: &Worker, index: usize) -> Result<()> {
    let name = THREADS[index];
    let (from, to) = arguments
        .from
        .get(index)
        .zip(arguments.to.get(index))
        .context("no numbers of steps for each thread")?;
    let reporter = Reporter {
        thread: name,
        steps: *from,
        to: *to,
    };
    let plan = format!("{} {name}", arguments.bus);
    let skipped = usize::try_from(*from)?;
    let result = match index {
        0 | 1 => {
            let plan = Plan::new(arguments.seed, &plan, LANE).skip(skipped);
            Lane::new(shared, index == 0).and_then(|lane| reporter.run(plan, lane))
        }
        2 => {
            let plan = Plan::new(arguments.seed, &plan, STEER).skip(skipped);
            reporter.run(plan, Steer::new(shared))
        }
        _ => {
            let plan = Plan::new(arguments.seed, &plan, STREAM).skip(skipped);
            Packets::new(shared).and_then(|packets| reporter.run(plan, packets))
        }
    };
    if result.is_err() {
        shared.fail();
    }
    result
}

/// What makes steps.
trait Stepper<A> {
    fn step(&mut self, step: Step<A>, counts: &mut Counts) -> Result<()>;
    /// After the last step: waits for what is under way.
    fn finish(&mut self, counts: &mut Counts) -> Result<()>;
    /// Whether another thread has found something that ends the run.
    fn must_stop(&self) -> bool;
}

/// Makes the steps of one thread and reports them.
struct Reporter {
    thread: &'static str,
    steps: u64,
    to: u64,
}

impl Reporter {
    fn run<A: Copy>(
        mut self,
        mut plan: impl Iterator<Item = Step<A>>,
        mut stepper: impl Stepper<A>,
    ) -> Result<()> {
        let mut counts = Counts::default();
        let result = self.steps(&mut plan, &mut stepper, &mut counts);
        let violation = result.as_ref().err().map(|error| format!("{error:#}"));
        self.report(&mut counts, violation)?;
        result
    }

    fn steps<A: Copy>(
        &mut self,
        plan: &mut impl Iterator<Item = Step<A>>,
        stepper: &mut impl Stepper<A>,
        counts: &mut Counts,
    ) -> Result<()> {
        while self.steps < self.to {
            ensure!(!stepper.must_stop(), "stopped by another thread");
            let step = plan.next().context("the plan has no end")?;
            stepper.step(step, counts)?;
            self.steps += 1;
            if self.steps.is_multiple_of(STEPS_A_REPORT) {
                self.report(counts, None)?;
            }
        }
        stepper.finish(counts)
    }

    fn report(&self, counts: &mut Counts, violation: Option<String>) -> Result<()> {
        let report = Report {
            thread: self.thread.to_owned(),
            steps: self.steps,
            counts: std::mem::take(counts),
            violation,
        };
        let mut line = serde_json::to_string(&report)?;
        line.push('\n');
        // One call, and the lock of stdout: lines of two threads do not mix.
        std::io::stdout().lock().write_all(line.as_bytes())?;
        Ok(())
    }
}
