//! `cargo xtask usbtest`: every case of the kernel's usbtest on the kernel's own source and sink and on ours.
//!
//! | file | what it knows |
//! |---|---|
//! | `page.rs` | `docs/usbtest.md` |
//! | `reasons.md` | why a case cannot pass, with the kernel's code |

mod page;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use dummy_hcd_tests::usbtest::report::Outcome;

use crate::args::{UsbtestOptions, VmOptions};
use crate::test::build_suite;
use crate::{apt, progress, vm};

/// Ends a guest that hangs; the cases take a minute or two where it is emulated.
const DEADLINE: Duration = Duration::from_secs(1200);

/// Shows the table, or writes the page; the exit status is 1 where ours fails a case without a reason that is known.
pub(crate) fn run(options: &UsbtestOptions) -> Result<u8> {
    apt::ensure_installed(apt::VM_PACKAGES)?;
    let outcomes = measure(&options.kernel)?;
    let table = page::Table::of(&outcomes)?;
    if options.document {
        let path = page_path();
        fs::write(&path, page::page(&table))
            .with_context(|| format!("write {}", path.display()))?;
        progress::say(&format!("wrote {}", path.display()));
    } else {
        print!("{}", table.text());
    }
    let wrong = page::wrong(&outcomes);
    for line in &wrong {
        progress::say(line);
    }
    Ok(u8::from(!wrong.is_empty()))
}

fn page_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("docs/usbtest.md")
}

/// Runs them all in one guest, in which time is counted in instructions: packets have deadlines.
fn measure(kernel: &str) -> Result<Vec<Outcome>> {
    let directory = tempfile::tempdir().context("create a temporary directory")?;
    let results = directory.path().join("results");
    let script = r#"exec "$0" --usbtest > "$USBFS2_VM_RESULTS/outcomes""#;
    let options = VmOptions {
        kernel: kernel.to_owned(),
        deadline: DEADLINE,
        isochronous: true,
        icount: true,
        results: Some(results.clone()),
        command: ["bash", "-c", script, &build_suite()?]
            .map(str::to_owned)
            .to_vec(),
        ..VmOptions::default()
    };
    let status = vm::run_with(&options, progress::stdout())?;
    let outcomes = results.join("outcomes");
    let outcomes =
        fs::read_to_string(&outcomes).with_context(|| format!("read {}", outcomes.display()));
    if status != 0 {
        let said = outcomes.unwrap_or_default();
        bail!("the guest's exit status is {status}, after these:\n{said}");
    }
    let outcomes = outcomes?;
    let outcomes = outcomes
        .lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("the guest said `{line}`")));
    outcomes.collect()
}
