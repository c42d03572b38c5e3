//! Packages of the machine: what the harness needs and installs when it is missing.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};

use crate::progress::{self, Step};

/// Package lists older than this are fetched again before an installation: the pool keeps only the
/// newest version of a package, so that a stale list names files that are gone.
const LISTS_ARE_FRESH_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Everything `cargo xtask vm` runs, on either side of the VM, besides the compiler the kernel asks for.
pub(crate) const VM_PACKAGES: &[&str] = &[
    "busybox-static",
    "kmod",
    "make",
    "mount",
    "perl",
    "qemu-system-x86",
    "util-linux",
    "xz-utils",
];

/// Installs whatever of `packages` is missing.
///
/// # Errors
/// When not root and something is missing (the message is the command to type), or when apt fails.
pub(crate) fn ensure_installed(packages: &[&str]) -> Result<()> {
    let mut missing = Vec::new();
    for package in packages {
        if !is_installed(package)? {
            missing.push(*package);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    ensure!(
        is_root()?,
        "these Debian packages are missing; as root, type:\n  apt-get install --no-install-recommends {list}"
    );
    if !lists_are_fresh(Path::new("/var/lib/apt/lists")) {
        apt_get(&["update"], "fetching the package lists")?;
    }
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(&missing);
    apt_get(&arguments, &format!("installing {list}"))
}

fn apt_get(arguments: &[&str], what: &str) -> Result<()> {
    let step = Step::begin(what);
    let output = Command::new("apt-get")
        .args(["-q", "-o", "DPkg::Lock::Timeout=300"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .context("run apt-get (this harness needs Debian or a derivative)")?;
    if !output.status.success() {
        progress::say(&String::from_utf8_lossy(&output.stdout));
        bail!(
            "apt-get {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    step.done();
    Ok(())
}

fn is_installed(package: &str) -> Result<bool> {
    let output = Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status}", package])
        .output()
        .context("run dpkg-query (this harness needs Debian or a derivative)")?;
    Ok(output.stdout == b"installed")
}

fn is_root() -> Result<bool> {
    let output = Command::new("id").arg("-u").output().context("run id")?;
    Ok(output.stdout.trim_ascii() == b"0")
}

/// True if a package list in `directory` was fetched lately.
pub(crate) fn lists_are_fresh(directory: &Path) -> bool {
    let Ok(entries) = fs::read_dir(directory) else {
        return false;
    };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
        .filter_map(|entry| entry.metadata().ok()?.modified().ok())
        .any(|fetched| {
            SystemTime::now()
                .duration_since(fetched)
                .is_ok_and(|age| age < LISTS_ARE_FRESH_FOR)
        })
}
