//! `cargo xtask test`: every test there is.
//!
//! | file | what it knows |
//! |---|---|
//! | `guest.rs` | the guests that tests run in |
//! | `mistakes.rs` | whether the debug kernel notices what it is for |
//! | `suite.rs` | the suite in the VM, and which of its tests run in which guest |
//! | `tours.rs` | checks that run a whole command |

mod guest;
mod mistakes;
mod suite;
mod tours;

use std::path::Path;

use anyhow::{Result, anyhow, ensure};

use self::suite::Suite;
pub(crate) use self::suite::build_program as build_suite;
use crate::args::{CheckModuleOptions, TestOptions};
use crate::jobs::{self, Job};
use crate::kernel::{self, Kernel};
use crate::tally::Tally;
use crate::{apt, bench, cache, cargo, checkpatch, conformance, module, progress};

/// What the tests in the VM run, besides what the VM itself needs. The guest installs nothing.
const SUITE_PACKAGES: &[&str] = &[
    "alsa-utils",
    "dosfstools",
    "e2fsprogs",
    "fdisk",
    "gcc",
    "libc6-dev",
    "make",
    "mandoc",
    "python3",
    "sparse",
    "systemd",
    "tshark",
];

/// Runs everything, or what the filter selects of the suite in the VM; goes on after a failure, and
/// returns the exit status.
pub(crate) fn run(options: &TestOptions) -> Result<u8> {
    apt::ensure_installed(SUITE_PACKAGES)?;
    apt::ensure_installed(conformance::PACKAGES)?;
    apt::ensure_installed(apt::VM_PACKAGES)?;
    let tally = Tally::default();
    if options.kernel == kernel::DEBUG && options.filter == [mistakes::NAME] {
        notice_mistakes(&tally);
        return Ok(tally.finish());
    }
    let everything = options.filter.is_empty();
    if everything {
        progress::say("building the tests");
        cargo::build_tests()?;
    }
    progress::say("building the command");
    if everything {
        cargo::build_optimized(&[cargo::COMMAND, cargo::BENCH, cargo::SOAK])?;
    }
    let command = cargo::optimized_program(cargo::COMMAND)?;
    let mut untested = everything;
    for kernel in kernel::series_of(&options.kernel) {
        let options = TestOptions {
            kernel,
            ..options.clone()
        };
        let suite = Suite::build(&command, &options.kernel)?;
        if !everything {
            suite.run_selected(&tally, &options);
            continue;
        }
        check_module(&tally, &cache::directory()?, &options.kernel)?;
        if options.kernel == kernel::DEBUG {
            notice_mistakes(&tally);
            jobs::run(suite.jobs(&tally, &options));
        } else {
            // They mostly wait, which the guests do not.
            let beside = untested.then(|| Job::new("workspace", || test_workspace(&tally)));
            untested = false;
            run_in_guests(&tally, &options, &suite, &command, beside);
        }
    }
    if untested {
        test_workspace(&tally);
    }
    Ok(tally.finish())
}

/// The tests that need no kernel.
fn test_workspace(tally: &Tally) {
    let what = "cargo test --workspace";
    let tested = match cargo::test() {
        Ok(tested) => tested,
        Err(error) => return tally.check(what, Err(error)),
    };
    tally.count(what, &tested.output, tested.succeeded);
    for name in tested.hung {
        let what = format!("{name} ends");
        tally.check(
            &what,
            Err(anyhow!("it was silent for minutes, and was killed")),
        );
    }
}

fn notice_mistakes(tally: &Tally) {
    let noticed = mistakes::check(kernel::DEBUG);
    tally.check("the debug kernel notices mistakes", noticed);
}

/// Runs what needs a kernel, several guests at a time, and what may run beside them.
fn run_in_guests<'a>(
    tally: &'a Tally,
    options: &'a TestOptions,
    suite: &'a Suite,
    command: &'a str,
    beside: Option<Job<'a>>,
) {
    let mut jobs = suite.jobs(tally, options);
    jobs.extend(beside);
    jobs.push(Job::new("conformance", || {
        let conforms = conformance::check(&options.kernel, command);
        tally.check("SCSI conformance as in docs/scsi-conformance.md", conforms);
    }));
    let demo = Job::new("demo", || tours::demo(tally, options, command));
    jobs.push(demo.patient(true));
    jobs.push(Job::new("soak", || tours::soak(tally, options)));
    jobs.push(Job::new("stress", || tours::stress(tally, options)));
    jobs.push(Job::new("fuzz-kernel", || {
        tours::fuzz_kernel(tally, options)
    }));
    let bench = Job::new("bench", || {
        let measured = bench::check::run(&options.kernel);
        tally.check("cargo xtask bench, a few rows", measured);
    });
    jobs.push(bench.patient(true));
    jobs::run(jobs);
}

/// Builds and checks the module for each kernel of `options`, and returns the exit status.
pub(crate) fn run_module_checks(options: &CheckModuleOptions) -> Result<u8> {
    apt::ensure_installed(SUITE_PACKAGES)?;
    apt::ensure_installed(apt::VM_PACKAGES)?;
    let cache = cache::directory()?;
    let tally = Tally::default();
    for series in options.kernel.iter().flat_map(|one| kernel::series_of(one)) {
        check_module(&tally, &cache, &series)?;
    }
    tally.check(
        "checkpatch --strict",
        no_complaints(&checkpatch::run(&cache)?),
    );
    Ok(tally.finish())
}

fn check_module(tally: &Tally, cache: &Path, series: &str) -> Result<()> {
    let kernel = Kernel::obtain(cache, series)?;
    let what = format!(
        "module for {}: W=1 and sparse without a complaint",
        kernel.release()
    );
    let result =
        module::complaints(cache, &kernel).and_then(|complaints| no_complaints(&complaints));
    tally.check(&what, result);
    Ok(())
}

fn no_complaints(complaints: &str) -> Result<()> {
    ensure!(complaints.is_empty(), "{complaints}");
    Ok(())
}
