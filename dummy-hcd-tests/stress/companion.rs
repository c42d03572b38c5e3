//! A program that was started with an endpoint for its standard input: it ends, or becomes another program, with
//! operations in flight.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use std::{env, thread};

use anyhow::Result;
use dummy_hcd_tests::sys::Context;

use crate::arguments::{Companion, What};
use crate::stream;

const OPERATIONS: u32 = 8;
const LENGTH: usize = 4096;

pub(crate) fn run(companion: &Companion) -> Result<()> {
    let time = Duration::from_millis(companion.milliseconds);
    let endpoint = Arc::new(File::from(io::stdin().as_fd().try_clone_to_owned()?));
    let mut context = Context::new(OPERATIONS)?;
    for _ in 0..OPERATIONS {
        match companion.what {
            What::Hold => break,
            What::Read | What::ReadExec => context.read(&endpoint, 0, LENGTH)?,
            What::Write | What::WriteExec => {
                context.write(&endpoint, 0, stream::pattern(LENGTH))?
            }
        };
    }
    if matches!(companion.what, What::ReadExec | What::WriteExec) {
        // Does not return unless it fails; the kernel ends the context.
        let error = Command::new(env::current_exe()?)
            .args(["companion", "hold", "--milliseconds"])
            .arg(companion.milliseconds.to_string())
            .exec();
        return Err(error.into());
    }
    thread::sleep(time);
    // The kernel, not `Context`, ends what is in flight.
    std::process::exit(0)
}
