//! `cargo xtask`: the kernel side of the project's tests, on any Debian machine.
//!
//! `vm` runs one command on a stock Debian kernel in QEMU with the module loaded; `test` runs every
//! test there is; `bench` measures what a transfer costs. They install what they need.

mod apt;
mod args;
mod bench;
mod cache;
mod cargo;
mod checkpatch;
mod conformance;
mod console;
mod debug_kernel;
mod dummy_hcd;
mod failures;
mod fuzz;
mod fuzz_kernel;
mod guest;
mod hung;
mod initramfs;
mod jobs;
mod kernel;
mod kernel_packages;
mod kernel_source;
mod kvm;
mod manuals;
mod module;
mod next_release;
mod package;
mod picture;
mod progress;
mod qemu;
mod record;
mod selftests;
mod soak;
mod sources;
mod stress;
mod suites;
mod tally;
mod test;
mod usbtest;
mod vm;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Action, Arguments};

/// The harness itself failed, as against the command it ran (`EX_SOFTWARE` of sysexits.h).
const HARNESS_FAILED: u8 = 70;

fn main() -> ExitCode {
    let outcome = match Arguments::parse().action {
        Action::Vm(options) => vm::run(&options),
        Action::Bench(options) => bench::run(&options),
        Action::Test(options) => test::run(&options),
        Action::Soak(options) => soak::run(&options),
        Action::Stress(options) => stress::run(&options),
        Action::FuzzKernel(options) => fuzz_kernel::run(&options),
        Action::Fuzz(options) => fuzz::run(&options),
        Action::Picture => picture::run(),
        Action::Package => package::run(),
        Action::Conformance(options) => conformance::run(&options),
        Action::Usbtest(options) => usbtest::run(&options),
        Action::CheckModule(options) => test::run_module_checks(&options),
        Action::Kernel(options) => debug_kernel::run(&options),
    };
    match outcome {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(HARNESS_FAILED)
        }
    }
}
