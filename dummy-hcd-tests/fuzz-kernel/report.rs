//! The page, and whether the calls got anywhere.

use std::fs;

use anyhow::{Result, ensure};
use dummy_hcd_tests::stress::counts::Counts;

/// What happens and is no call.
const EVENTS: &[&str] = &[
    "access to a mapping",
    "cables pulled",
    "devices that lie",
    "devices that lie: refused by gadgetfs",
    "endpoints that disappear",
    "endpoints that halt",
    "kill -9",
    "remounts",
    "requests to devices that lie",
    "root hubs bound again",
    "root hubs configured again",
];

/// Calls that the file system has nothing for: they are refused, whoever makes them.
const REFUSED: &[&str] = &[
    "fallocate",
    "fgetxattr",
    "fsetxattr",
    "link",
    "mkdir",
    "mknod",
    "name_to_handle_at",
    "rmdir",
    "setxattr",
    "symlink",
    "unlink",
];

/// What a run of any length must reach.
const REACHED: &[&str] = &[
    "batch",
    "batch, as AIO",
    "cancelling of a batch",
    "endpoints of devices that lie",
    "fork",
    "io_submit",
    "mmap of a ring",
    "mmap of buffers",
    "munmap",
    "open of an endpoint, IN",
    "open of an endpoint, IN, armed",
    "poll of an armed endpoint",
];

/// A call made so often should have succeeded once.
const OFTEN: u64 = 500;

pub(crate) fn print(seed: u64, seconds: u64, counts: &Counts) -> Result<()> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    println!(
        "Linux {}, seed {seed}, {seconds} s. No report of the kernel's, nothing hung, the module unloaded.\n",
        kernel.trim()
    );
    println!("| what | times | without an error |\n|---|---:|---:|");
    let mut never = Vec::new();
    for (what, number) in counts.iter() {
        if what.contains(": succeeded") {
            continue;
        }
        let succeeded = counts.of(&format!("{what}: succeeded"));
        let is_refused = REFUSED.contains(&what);
        if EVENTS.contains(&what) {
            println!("| {what} | {number} | |");
            continue;
        }
        let remark = if is_refused {
            ", there is no such thing here"
        } else {
            ""
        };
        println!("| {what}{remark} | {number} | {succeeded} |");
        if succeeded == 0 && !is_refused && number >= OFTEN {
            never.push(what);
        }
    }
    ensure!(never.is_empty(), "made often and always refused: {never:?}");
    let reached = |what: &&&str| counts.of(&format!("{what}: succeeded")) == 0;
    let missed: Vec<_> = REACHED.iter().filter(reached).collect();
    ensure!(missed.is_empty(), "never reached: {missed:?}");
    Ok(())
}
