//! Checks that run a whole command and look at what it does.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use dummy_hcd_tests::dissection::Dissection;

use super::guest::{self, AUDIO};
use crate::args::{
    FUZZ_KERNEL_MINUTES, FuzzKernelOptions, SOAK_TRANSFERS, STRESS_CPUS, STRESS_OPERATIONS,
    SoakOptions, StressOptions, TestOptions,
};
use crate::tally::{Tally, Tee};
use crate::{fuzz_kernel, manuals, progress, soak, stress};

/// Makes the tour of `usbfs2 demo` in both worlds, on record in the first.
pub(super) fn demo(tally: &Tally, options: &TestOptions, program: &str) {
    match tempfile::tempdir() {
        Ok(directory) => {
            let capture = directory.path().join("demo.pcapng");
            tally.check("usbfs2 demo", demo_in_process(program, &capture));
            tally.check("tshark dissects the demo", dissects_the_tour(&capture));
        }
        Err(error) => tally.check("usbfs2 demo", Err(error.into())),
    }
    tally.check("manual pages without a warning", manuals::check(program));
    let command = [program, "demo", "--kernel"].map(str::to_owned).to_vec();
    let tee = Tee::default();
    let tour = guest::run(options, &AUDIO, command, || Box::new(tee.clone()));
    let tour = tour.and_then(|()| {
        let has_sound = tee.text().contains("Sound card: recorded again");
        ensure!(has_sound, "the sound card was left out");
        Ok(())
    });
    tally.check("usbfs2 demo --kernel, with sound", tour);
}

fn demo_in_process(program: &str, capture: &Path) -> Result<()> {
    let mut command = Command::new(program);
    command.args(["demo", "--capture"]).arg(capture);
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().context("run the command")?;
    progress::stdout().write_all(&output.stdout)?;
    ensure!(output.status.success(), "{}", output.status);
    Ok(())
}

/// A hundredth of what docs/soak.md tells of.
pub(super) fn soak(tally: &Tally, options: &TestOptions) {
    let options = SoakOptions {
        kernel: options.kernel.clone(),
        transfers: SOAK_TRANSFERS / 100,
    };
    let what = format!("a soak of {} transfers", options.transfers);
    tally.check(&what, succeeded(soak::run(&options)));
}

/// A hundredth of the stress, of the same seed in each run.
pub(super) fn stress(tally: &Tally, options: &TestOptions) {
    let options = StressOptions {
        kernel: options.kernel.clone(),
        cpus: STRESS_CPUS,
        seed: Some(1),
        operations: STRESS_OPERATIONS / 100,
        record: false,
    };
    let what = format!("{} operations of stress", options.operations);
    tally.check(&what, succeeded(stress::run(&options)));
}

/// A hundredth of what docs/fuzz-kernel.md tells of.
pub(super) fn fuzz_kernel(tally: &Tally, options: &TestOptions) {
    let options = FuzzKernelOptions {
        kernel: options.kernel.clone(),
        seed: Some(1),
        minutes: FUZZ_KERNEL_MINUTES / 100.0,
        record: false,
    };
    let what = format!("random system calls for {} minutes", options.minutes);
    tally.check(&what, succeeded(fuzz_kernel::run(&options)));
}

fn succeeded(status: Result<u8>) -> Result<()> {
    let status = status?;
    ensure!(status == 0, "exit status {status}");
    Ok(())
}

/// Whether Wireshark's dissectors know a capture of the tour for what it is: a keyboard with its reports and a
/// disk with its commands, written and read.
fn dissects_the_tour(capture: &Path) -> Result<()> {
    let seen = Dissection::of(capture)?;
    let complete = seen.device_descriptors >= 2
        && seen.configurations >= 2
        // A key down and up for each character of the README.
        && seen.reports > 2 * 4000
        && seen.reads > 0
        && seen.writes > 0
        && seen.statuses > 0;
    ensure!(complete, "tshark saw only {seen:?}");
    Ok(())
}
