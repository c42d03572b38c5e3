//! The kernel's own style check of the module's sources.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::cache::CacheLock;
use crate::kernel::{self, Kernel};
use crate::progress::Step;
use crate::sources::PrivateApt;
use crate::{apt, module};

/// The descriptors' fields bear the specification's names.
const IGNORED: &str = "CAMELCASE";

/// `compat.h` is the one place for version checks, whose macros read best constant first.
const IGNORED_IN_COMPAT: &str =
    "CAMELCASE,LINUX_VERSION_CODE,CONSTANT_COMPARISON,MULTIPLE_ASSIGNMENTS";

const FILES: [&str; 3] = ["checkpatch.pl", "spelling.txt", "const_structs.checkpatch"];

/// What `checkpatch --strict` of the newest 6.12 sources says about the module, empty if nothing.
pub(crate) fn run(cache: &Path) -> Result<String> {
    apt::ensure_installed(&["perl", "tar", "xz-utils"])?;
    let kernel = Kernel::obtain(cache, "6.12")?;
    let tree = obtain(cache, &kernel)?;
    let mut complaints = String::new();
    for path in module::c_files()? {
        let is_compat = path
            .file_name()
            .is_some_and(|name| name.eq_ignore_ascii_case("compat.h"));
        let output = Command::new("perl")
            // It leaves a list of names in the directory it is run from.
            .current_dir(&tree)
            .arg(tree.join("scripts/checkpatch.pl"))
            .arg(format!("--root={}", tree.display()))
            .args(["--no-tree", "--strict", "--terse", "--no-summary"])
            .args(["--show-types", "--color=never", "--ignore"])
            .arg(if is_compat {
                IGNORED_IN_COMPAT
            } else {
                IGNORED
            })
            .arg("--file")
            .arg(&path)
            .stdin(Stdio::null())
            .output()
            .context("run perl")?;
        complaints.push_str(&String::from_utf8_lossy(&output.stdout));
        ensure!(
            output.status.success() || !output.stdout.is_empty(),
            "checkpatch.pl: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(complaints)
}

/// A tree with the script and its lists, taken out of the kernel's source package.
fn obtain(cache: &Path, kernel: &Kernel) -> Result<PathBuf> {
    let _lock = CacheLock::take(cache)?;
    let tree = cache.join("checkpatch").join(kernel.release());
    if tree.exists() {
        return Ok(tree);
    }
    let apt = PrivateApt::prepare(cache)?;
    let complaints = apt.update()?;
    let package = "linux-source-6.12";
    let newest = kernel::newest_of_series(apt.versions(package)?, "6.12");
    let (version, _) = newest.with_context(|| format!("apt knows no {package}\n{complaints}"))?;
    let scratch = cache.join("checkpatch.partial");
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?;
    }
    fs::create_dir_all(&scratch)?;
    let step = Step::begin(&format!(
        "fetching checkpatch from {package} (about 150 MB)"
    ));
    apt.download(&[format!("{package}={version}")], &scratch)?;
    let archive = fs::read_dir(&scratch)?
        .next()
        .context("apt-get downloaded nothing")??
        .path();
    let wanted = FILES
        .map(|file| format!("{package}/scripts/{file}"))
        .join(" ");
    // The paths are this program's own and the cache's; both go to the shell as arguments.
    let script = format!(
        "set -e; dpkg-deb --fsys-tarfile \"$1\" | tar -xO ./usr/src/{package}.tar.xz | tar -xJ -C \"$2\" {wanted}"
    );
    kernel::succeed(
        Command::new("sh")
            .args(["-c", &script, "sh"])
            .arg(&archive)
            .arg(&scratch),
    )?;
    if !scratch.join(package).join("scripts/checkpatch.pl").exists() {
        bail!("{package} {version} holds no scripts/checkpatch.pl");
    }
    fs::create_dir_all(cache.join("checkpatch"))?;
    fs::rename(scratch.join(package), &tree)
        .with_context(|| format!("complete {}", tree.display()))?;
    fs::remove_dir_all(&scratch)?;
    step.done();
    Ok(tree)
}
