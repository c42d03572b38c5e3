//! The tests of the whole stack.
//!
//! In the VM (`USBFS2_WORLD=kernel`, set by `cargo xtask test`) every test runs in a process of its own,
//! one at a time, with a deadline: a test that hangs in the kernel costs itself and not the rest.

mod bad_input;
mod endpoint_files;
mod faults;
mod runner;
mod setup;
mod unload;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(runner::ONE) => runner::run_one(&arguments.next().unwrap_or_default(), kernel_tests()),
        Some(faults::HOLD) => faults::hold(&arguments.collect::<Vec<_>>()),
        _ => runner::run_all(kernel_tests()),
    }
}

/// The tests that need the module and `dummy_hcd`.
fn kernel_tests() -> Vec<runner::Test> {
    [
        endpoint_files::tests(),
        bad_input::tests(),
        faults::tests(),
        unload::tests(),
    ]
    .concat()
}
