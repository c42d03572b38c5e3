//! What a plain user may have in flight at once.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::sys::{self, Context};
use dummy_hcd_tests::{usbfs2, wait};

use crate::runner::Test;
use crate::setup;
use crate::users::{ALICE, Program};

/// The argument that makes this program the plain user's.
pub(crate) const READ: &str = "--read-a-lot";

/// Less than any of the reads below pins.
const LOCKED: u64 = 1 << 20;

pub(crate) fn tests() -> Vec<Test> {
    vec![Test::new(
        "limits::a_plain_user_may_read_more_than_he_may_pin",
        more_than_he_may_pin,
    )]
}

fn more_than_he_may_pin() -> Result<()> {
    let plugged = setup::source_sink()?;
    let endpoint = plugged.interface.endpoint(true)?;
    chown(&endpoint, Some(ALICE), None)?;
    let program = Program::copy_of(&std::env::current_exe()?)?;
    let output = program.run_by(ALICE).arg(READ).arg(&endpoint).output()?;
    ensure!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    usbfs2::wait_no_live_request()?;
    Ok(())
}

/// The plain user's program.
pub(crate) fn read_a_lot(arguments: &[String]) -> ExitCode {
    let endpoint = arguments.first().context("no endpoint file");
    match endpoint.and_then(|endpoint| read_all(Path::new(endpoint))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn read_all(endpoint: &Path) -> Result<()> {
    sys::limit_locked_memory(LOCKED)?;
    let file = Arc::new(fs::File::open(endpoint)?);
    for (count, length) in [(32, 1 << 20), (4096, 512), (1, 18 << 20)] {
        let mut context = Context::new(count)?;
        for number in 0..count {
            context
                .read(&file, 0, length)
                .with_context(|| format!("submit read {number} of {count} of {length} bytes"))?;
        }
        let completed = context.wait(count as usize, wait::DEADLINE)?;
        ensure!(
            completed.len() == count as usize,
            "{} of {count} reads of {length} bytes completed",
            completed.len()
        );
        for (number, one) in completed.into_iter().enumerate() {
            ensure!(one.result? == length, "read {number} was cut short");
            // Each byte is its offset in its packet of 512 bytes, modulo 63. All of them take too long to look at.
            let mut offsets = (0_usize..length).step_by(127);
            ensure!(
                offsets.all(|offset| usize::from(one.buffer[offset]) == offset % 512 % 63),
                "read {number} of {length} bytes has other bytes than the device sent"
            );
        }
    }
    Ok(())
}
