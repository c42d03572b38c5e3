//! The program that `cargo xtask stress` runs in the VM: several devices, for each a process whose threads submit,
//! cancel, complete, stall, recover, close, fork and exec at random, and from outside cables pulled, drivers bound,
//! processes killed, the file system unmounted and the module reloaded. Every result is held against what can be true.
//!
//! | file | what it knows |
//! |---|---|
//! | `conductor/` | the devices, what happens to them from outside, the processes, and what must be true in the end |
//! | `worker/` | a process that uses a device, and which results are true |
//! | `companion.rs` | a program that inherits an endpoint |
//! | `disturbance.rs` | how workers know of what happens from outside |
//!
//! Which step comes when is decided in `dummy_hcd_tests::stress`.

mod arguments;
mod companion;
mod conductor;
mod disturbance;
mod stream;
#[allow(unsafe_code)]
mod sys;
mod worker;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Role};

/// A vendor's request of an interface of ours (bRequest), with which a worker asks whether the function has started
/// afresh since the last restart.
const HAS_STARTED: u64 = 0x7e;

fn main() -> ExitCode {
    let result = match Arguments::parse().role {
        Role::Run(run) => conductor::run(&run),
        Role::Worker(worker) => worker::run(&worker),
        Role::Companion(companion) => companion::run(&companion),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stress: {error:#}");
            ExitCode::FAILURE
        }
    }
}
