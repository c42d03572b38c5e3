//! `cargo xtask soak`: a great many transfers over the module, and a look at what grew.

use std::time::Duration;

use anyhow::Result;

use crate::args::{SoakOptions, VmOptions};
use crate::{cargo, progress, vm};

/// Far below what the emulated guest does on a busy machine; it only ends a soak that hangs.
const TRANSFERS_PER_SECOND: u64 = 500;
const BOOT: Duration = Duration::from_secs(600);

/// Runs the soak in a guest and returns its exit status. Its page goes to stdout.
pub(crate) fn run(options: &SoakOptions) -> Result<u8> {
    progress::say("building the soak");
    let program = cargo::optimized_program(cargo::SOAK)?;
    let command = vec![
        program,
        "--transfers".to_owned(),
        options.transfers.to_string(),
    ];
    let options = VmOptions {
        kernel: options.kernel.clone(),
        command,
        deadline: BOOT + Duration::from_secs(options.transfers / TRANSFERS_PER_SECOND),
        ..VmOptions::default()
    };
    vm::run_with(&options, progress::stdout())
}
