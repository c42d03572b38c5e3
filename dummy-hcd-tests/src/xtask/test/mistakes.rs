//! Whether the debug kernel and this harness notice what they are for: mistakes, made on purpose.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use dummy_hcd_tests::{kernel_log, kmemleak};

use crate::args::VmOptions;
use crate::kernel::Kernel;
use crate::{HARNESS_FAILED, cache, debug_kernel, guest, module, vm};

/// The mistakes and a word of the reports of each. Lockdep's comes first: it looks no more once KASAN has reported.
const MISTAKES: [(&str, &str); 5] = [
    ("abba", "WARNING: possible circular locking dependency"),
    ("use-after-free", "BUG: KASAN: slab-use-after-free"),
    ("out-of-bounds", "BUG: KASAN: slab-out-of-bounds"),
    ("refcount", "refcount_t: addition on 0"),
    (
        "sleep",
        "BUG: sleeping function called from invalid context",
    ),
];

/// Selects this alone on the debug kernel.
pub(super) const NAME: &str = "mistakes";

/// Tells in the kernel's log which mistake comes next.
const MARK: &str = "usbfs2 mistake: ";

/// The leaking module stays, so that the report can name the function in it.
const SCRIPT: &str = r#"
set -e
module=$1
mark=$2
shift 2
for mistake; do
	echo "$mark$mistake" >/dev/kmsg
	insmod "$module" mistake="$mistake"
	rmmod mistakes
done
echo "${mark}leak" >/dev/kmsg
insmod "$module" mistake=leak
"#;

/// Makes each mistake on `kernel` and fails unless each is reported.
pub(super) fn check(kernel: &str) -> Result<()> {
    let results = tempfile::tempdir().context("create a temporary directory")?;
    let mut command = ["bash", "-c", SCRIPT, "mistakes"]
        .map(str::to_owned)
        .to_vec();
    command.push(build(kernel)?.display().to_string());
    command.push(MARK.to_owned());
    command.extend(MISTAKES.map(|(mistake, _)| mistake.to_owned()));
    let options = VmOptions {
        kernel: kernel.to_owned(),
        no_module: true,
        results: Some(results.path().to_owned()),
        command,
        ..VmOptions::default()
    };
    let status = vm::run_with(&options, io::stdout())?;
    ensure!(
        status == HARNESS_FAILED,
        "the guest of mistakes ended with {status}, not as one whose kernel reported trouble"
    );
    let read = |name: &str| {
        let path = results.path().join(name);
        fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    };
    let log = read(guest::KERNEL_LOG)?;
    for (mistake, report) in MISTAKES {
        let reported = kernel_log::trouble(after_mark(&log, mistake)?);
        ensure!(
            reported.iter().any(|line| line.contains(report)),
            "nobody noticed {mistake}: {reported:#?}"
        );
    }
    let report = read(guest::LEAKS)?;
    ensure!(
        kmemleak::leaks(&report)
            .iter()
            .any(|leak| leak.contains("[mistakes]")),
        "nobody noticed the leak: {report}"
    );
    ensure!(
        guest::lockdep_has_stopped(&read(guest::LOCKDEP)?),
        "lockdep goes on after a report, or that is not noticed"
    );
    Ok(())
}

/// What was logged between the mark of `mistake` and the next one.
fn after_mark<'log>(log: &'log str, mistake: &str) -> Result<&'log str> {
    let mark = format!("{MARK}{mistake}\n");
    let (_, after) = log
        .split_once(&mark)
        .with_context(|| format!("the guest did not come to {mistake}"))?;
    Ok(after.split(MARK).next().unwrap_or(after))
}

/// The module that makes them, for `kernel`.
fn build(kernel: &str) -> Result<PathBuf> {
    let cache = cache::directory()?;
    let kernel = Kernel::obtain(&cache, kernel)?;
    kernel.ensure_build_tools(&[])?;
    let _lock = cache::CacheLock::take(&cache)?;
    let directory: &Path = &cache
        .join("modules")
        .join(kernel.release())
        .join("mistakes");
    module::copy(&module::source_files(&debug_kernel::mistakes())?, directory)?;
    module::make(&kernel, directory, &["modules"])?;
    Ok(directory.join("mistakes.ko"))
}
