//! The devices, what happens to them from outside, the processes that use them, and what must be true in the end.
//!
//! | file | what it knows |
//! |---|---|
//! | `device.rs` | a device: its gadget, its worker processes, what happens to it |
//! | `gadgets.rs` | whose gadget it can be |
//! | `worker_process.rs` | one of those processes |
//! | `module.rs` | the file system and the module: unmounted, reloaded, empty |
//! | `report.rs` | the page |

mod device;
mod gadgets;
mod module;
mod report;
mod worker_process;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use dummy_hcd_tests::composite::KernelGadget;
use dummy_hcd_tests::modprobe;
use dummy_hcd_tests::stress::counts::Counts;
use dummy_hcd_tests::vitals::Vitals;

use crate::arguments::{Kind, Run};
use device::Device;
use gadgets::Maker;
use module::Module;

/// Steps between two times that everything ends and the module is reloaded.
const EPOCH: u64 = 5_000;

/// What there is, whose packets are long enough for two processors.
const DEVICES: [(Kind, Maker); 6] = [
    (Kind::SourceSink, Maker::Kernel),
    (Kind::Loopback, Maker::Kernel),
    (Kind::SourceSink, Maker::Kernel),
    (Kind::Loopback, Maker::Kernel),
    (Kind::Loopback, Maker::Functionfs),
    (Kind::Loopback, Maker::Gadgetfs),
];

/// What the threads of this process share.
#[derive(Debug)]
struct Course {
    seed: u64,
    /// Steps made by workers and from outside.
    steps: AtomicU64,
    counts: Mutex<Counts>,
    /// Somebody has found what must not be.
    failed: AtomicBool,
    /// The workers of the epoch are done.
    over: AtomicBool,
    nonces: AtomicU64,
}

impl Course {
    fn made(&self, steps: u64, counts: &Counts) {
        self.steps.fetch_add(steps, Ordering::Relaxed);
        let mut all = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        all.merge(counts);
    }

    fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

/// What is looked at between two epochs.
#[derive(Debug)]
struct Sample {
    steps: u64,
    vitals: Vitals,
}

pub(crate) fn run(arguments: &Run) -> Result<()> {
    let course = Course {
        seed: arguments.seed,
        steps: AtomicU64::new(0),
        counts: Mutex::default(),
        failed: AtomicBool::new(false),
        over: AtomicBool::new(false),
        nonces: AtomicU64::new(1),
    };
    let result = stress(arguments, &course);
    result.with_context(|| {
        format!(
            "seed {}, after {} of {} operations",
            arguments.seed,
            course.steps.load(Ordering::Relaxed),
            arguments.operations
        )
    })
}

fn stress(arguments: &Run, course: &Course) -> Result<()> {
    KernelGadget::remove_leftovers()?;
    let mut module = Module::new(course)?;
    modprobe::load("usbtest")?;
    let mut devices = Vec::new();
    for (bus, (kind, maker)) in (0..).zip(DEVICES) {
        devices.push(Device::plug(bus, kind, maker, course)?);
    }
    let since = Instant::now();
    let mut samples = Vec::new();
    while course.steps.load(Ordering::Relaxed) < arguments.operations {
        let left = arguments.operations - course.steps.load(Ordering::Relaxed);
        epoch(&mut devices, &mut module, course, left.min(EPOCH))?;
        module.must_be_empty()?;
        module.reload()?;
        samples.push(Sample {
            steps: course.steps.load(Ordering::Relaxed),
            vitals: Vitals::read()?,
        });
        eprintln!(
            "{} of {} operations after {:.0} s",
            course.steps.load(Ordering::Relaxed),
            arguments.operations,
            since.elapsed().as_secs_f64()
        );
    }
    drop(devices);
    module.must_be_empty()?;
    let counts = course.counts.lock().unwrap_or_else(PoisonError::into_inner);
    report::print(arguments, &counts, &samples, since.elapsed())?;
    report::judge(&samples)
}

/// Everything at once, until the workers have made their steps.
fn epoch(
    devices: &mut [Device<'_>],
    module: &mut Module<'_>,
    course: &Course,
    steps: u64,
) -> Result<()> {
    course.over.store(false, Ordering::Relaxed);
    let share = steps.div_ceil(devices.len() as u64);
    thread::scope(|scope| {
        let mounting = scope.spawn(|| module.disturb_until_over());
        let workers: Vec<_> = devices
            .iter_mut()
            .map(|device| {
                scope.spawn(move || {
                    let result = device.epoch(share);
                    if result.is_err() {
                        course.failed.store(true, Ordering::Relaxed);
                    }
                    result
                })
            })
            .collect();
        let results: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        course.over.store(true, Ordering::Relaxed);
        let mounted = mounting.join();
        // A device's own words first: whoever was stopped because of them has less to say.
        let mut results = results;
        results.push(mounted);
        let mut errors = results.into_iter().filter_map(|result| match result {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(_) => Some(anyhow!("a thread panicked")),
        });
        let mut first = None;
        for error in &mut errors {
            let is_echo = error.is::<Stopped>();
            if first.is_none()
                || !is_echo && first.as_ref().is_some_and(anyhow::Error::is::<Stopped>)
            {
                first = Some(error);
            }
        }
        first.map_or(Ok(()), Err)
    })
}

/// Another thread has found something.
#[derive(Debug, thiserror::Error)]
#[error("stopped since another device failed")]
struct Stopped;
