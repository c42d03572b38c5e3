//! `cargo xtask stress`: everything that may happen to the module, at random, and whether every result was true.

use std::time::Duration;

use anyhow::Result;

use crate::args::{StressOptions, VmOptions};
use crate::tally::Tee;
use crate::{cargo, progress, record, vm};

/// Far below what the emulated guest does on a busy machine; it only ends a run that hangs, which the guest notices
/// by itself.
const OPERATIONS_PER_SECOND: u64 = 20;
const BOOT: Duration = Duration::from_secs(900);
/// Two of each kind of the kernel's devices, and two of ours.
const BUSES: u8 = 6;

const PAGE: record::Page = record::Page {
    name: "stress.md",
    intro: "# Stress\n\n\
        What `cargo xtask stress --record` says of its runs. On each of several devices a process has a thread for each\n\
        bulk endpoint, one for the interface and one for isochronous packets, which at random, from the seed, submit,\n\
        cancel, take completions, wait, halt the device, read too little, recover, close, fork, exec, switch settings, reset\n\
        and claim. Transfers go by Linux AIO and through the ring, from memory of the process and from mapped buffers, which\n\
        are unmapped under them now and then; every third time an endpoint is opened it is armed. Meanwhile cables are\n\
        pulled, processes killed, devices reset and unbound, drivers bound, the file system is unmounted lazily and\n\
        remounted, and the module is unloaded and loaded every 5,000 operations, when it must hold nothing. Of the devices\n\
        two are ours, on FunctionFS and on gadgetfs; the others are the kernel's.\n\n\
        Each submission must complete once, with a result that can be true: data as the device sends it, a length that was\n\
        asked for unless something ended it early, an error only where something that was going on gives it. A result in\n\
        the ring is overwritten when it was taken, so that a second one shows. What a Loopback sends back are numbered\n\
        messages: each whose write succeeded comes back once, in order, and no other; of ours, which\n\
        learn of a restart after it, from when they say that they have started afresh.\n\
        The kernel's log must be clean. A seed gives each thread the same steps in each run; how they meet is chance.\n",
};

/// Runs it in a guest and returns its exit status. Its page goes to stdout.
pub(crate) fn run(options: &StressOptions) -> Result<u8> {
    let seed = options.seed.unwrap_or_else(record::any_seed);
    let again = format!(
        "cargo xtask stress --kernel {} --cpus {} --seed {seed} --operations {}",
        options.kernel, options.cpus, options.operations
    );
    progress::say(&format!("this is {again}"));
    let program = cargo::example("stress")?;
    let command = [
        &program,
        "run",
        "--seed",
        &seed.to_string(),
        "--operations",
        &options.operations.to_string(),
    ];
    let vm = VmOptions {
        kernel: options.kernel.clone(),
        cpus: options.cpus,
        buses: BUSES,
        isochronous: true,
        command: command.map(str::to_owned).to_vec(),
        deadline: BOOT + Duration::from_secs(options.operations / OPERATIONS_PER_SECOND),
        ..VmOptions::default()
    };
    let tee = Tee::default();
    let status = vm::run_with(&vm, tee.clone())?;
    if status != 0 {
        progress::say(&format!("the same steps once more: {again}"));
    } else if options.record {
        let title = format!("{}, {} processor(s)", options.kernel, options.cpus);
        PAGE.record(&title, &tee.text())?;
    }
    Ok(status)
}
