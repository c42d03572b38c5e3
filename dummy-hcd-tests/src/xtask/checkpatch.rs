//! The kernel's own style check of the module's sources and of our patches to the kernel.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::cache::CacheLock;
use crate::kernel::Kernel;
use crate::{apt, debug_kernel, dummy_hcd, kernel_source, module};

/// The descriptors' fields bear the specification's names.
const IGNORED: &str = "CAMELCASE";

/// `compat.h` is the one place for version checks, whose macros read best constant first.
const IGNORED_IN_COMPAT: &str =
    "CAMELCASE,LINUX_VERSION_CODE,CONSTANT_COMPARISON,MULTIPLE_ASSIGNMENTS";

const FILES: [&str; 3] = [
    "scripts/checkpatch.pl",
    "scripts/spelling.txt",
    "scripts/const_structs.checkpatch",
];

/// What `checkpatch --strict` of the 6.12 sources says about the module and our patches, empty if nothing.
pub(crate) fn run(cache: &Path) -> Result<String> {
    apt::ensure_installed(&["perl"])?;
    let kernel = Kernel::obtain(cache, "6.12")?;
    let tree = obtain(cache, &kernel)?;
    let mut complaints = String::new();
    for path in module::c_files()? {
        let is_compat = path
            .file_name()
            .is_some_and(|name| name.eq_ignore_ascii_case("compat.h"));
        let ignored = if is_compat {
            IGNORED_IN_COMPAT
        } else {
            IGNORED
        };
        complaints.push_str(&check(&tree, ignored, &["--file"], &path)?);
    }
    for patches in [dummy_hcd::patches(), debug_kernel::patches()] {
        for entry in fs::read_dir(patches)? {
            complaints.push_str(&check(&tree, IGNORED, &[], &entry?.path())?);
        }
    }
    Ok(complaints)
}

fn check(tree: &Path, ignored: &str, arguments: &[&str], path: &Path) -> Result<String> {
    let output = Command::new("perl")
        // It leaves a list of names in the directory it is run from.
        .current_dir(tree)
        .arg(tree.join("scripts/checkpatch.pl"))
        .arg(format!("--root={}", tree.display()))
        .args(["--no-tree", "--strict", "--terse", "--no-summary"])
        .args(["--show-types", "--color=never", "--ignore", ignored])
        .args(arguments)
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .context("run perl")?;
    ensure!(
        output.status.success() || !output.stdout.is_empty(),
        "checkpatch.pl: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A tree with the script and its lists, taken out of the kernel's source package.
fn obtain(cache: &Path, kernel: &Kernel) -> Result<PathBuf> {
    let _lock = CacheLock::take(cache)?;
    let tree = cache.join("checkpatch").join(kernel.release());
    if !tree.exists() {
        kernel_source::extract(cache, kernel, &FILES, &tree)?;
    }
    Ok(tree)
}
