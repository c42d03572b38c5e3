//! `cargo xtask fuzz-kernel`: random system calls on every file of the mount, and devices that lie.

use std::time::Duration;

use anyhow::Result;

use crate::args::{FuzzKernelOptions, VmOptions};
use crate::tally::Tee;
use crate::{cargo, progress, record, vm};

/// For the gadgets that are plugged in and out meanwhile, and the one that lies.
const BUSES: u8 = 3;
const BOOT: Duration = Duration::from_secs(900);

const PAGE: record::Page = record::Page {
    name: "fuzz-kernel.md",
    intro: "# Fuzzing the module\n\n\
        What `cargo xtask fuzz-kernel --record` says of its runs. Two processes of root and two of a plain user, to whom the\n\
        files are given now and then, make system calls with arguments at random from the seed on every file and directory\n\
        of the mount, and are killed and started again in the middle of it. A third of the calls are of a program that knows\n\
        the module: it claims, opens endpoints, arms them, maps buffers and the ring, puts transfers there, right ones half of\n\
        the time, makes and cancels batches, forks, and writes to the text files what they understand, while another thread\n\
        writes garbage into the ring. SourceSink and Loopback are plugged in and out, and a device on gadgetfs comes as\n\
        another one every moment, with descriptors that lie about numbers, lengths, endpoints and sizes, and endpoints that\n\
        send anything, halt, pause and disappear. (Debian builds no raw_gadget, so what gadgetfs itself checks is right: the\n\
        headers of the configurations.) Root hubs that lost their configuration or driver get them back.\n\n\
        The kernel's log must be clean, each process must go on and be gone soon when it is killed, and in the end the module\n\
        must hold no request and be unloaded. The parts of the interface must have been reached. A seed gives each process\n\
        the same calls; what they meet is chance.\n",
};

/// Runs it in a guest and returns its exit status. Its page goes to stdout.
pub(crate) fn run(options: &FuzzKernelOptions) -> Result<u8> {
    let seed = options.seed.unwrap_or_else(record::any_seed);
    let again = format!(
        "cargo xtask fuzz-kernel --kernel {} --seed {seed} --minutes {}",
        options.kernel, options.minutes
    );
    progress::say(&format!("this is {again}"));
    let program = cargo::example("fuzz-kernel")?;
    let time = Duration::try_from_secs_f64(options.minutes * 60.0)?;
    let command = [
        &program,
        "run",
        "--seed",
        &seed.to_string(),
        "--seconds",
        &time.as_secs().to_string(),
    ];
    let vm = VmOptions {
        kernel: options.kernel.clone(),
        buses: BUSES,
        // Whoever writes into a ring does so while the kernel reads there.
        cpus: 2,
        command: command.map(str::to_owned).to_vec(),
        deadline: BOOT + 2 * time,
        ..VmOptions::default()
    };
    let tee = Tee::default();
    let status = vm::run_with(&vm, tee.clone())?;
    if status != 0 {
        progress::say(&format!("the same calls once more: {again}"));
    } else if options.record {
        PAGE.record(&options.kernel, &tee.text())?;
    }
    Ok(status)
}
