//! Single files of the kernel's sources, out of Debian's source package.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::kernel::{self, Kernel};
use crate::progress::{self, Step};
use crate::sources::PrivateApt;
use crate::{apt, module};

/// Puts `files` of the sources of `kernel` into the new directory `target`, with their paths.
///
/// The package is of the kernel's own version, or the newest of its series once apt has that no longer.
/// The caller holds the cache's lock.
pub(crate) fn extract(cache: &Path, kernel: &Kernel, files: &[&str], target: &Path) -> Result<()> {
    apt::ensure_installed(&["tar", "xz-utils"])?;
    let apt = PrivateApt::prepare(cache)?;
    let complaints = apt.update()?;
    let package = format!("linux-source-{}", kernel.series());
    let wanted = kernel.version()?;
    let versions = apt.versions(&package)?;
    let version = if versions.iter().any(|(version, _)| *version == wanted) {
        wanted
    } else {
        let newest = kernel::newest_of_series(versions, kernel.series());
        let (newest, _) =
            newest.with_context(|| format!("apt knows no {package}\n{complaints}"))?;
        progress::say(&format!("apt has no {package} {wanted}: using {newest}"));
        newest
    };
    // What a killed invocation left behind is of no use: the rename below is what completes it.
    let scratch = cache.join("kernel-source.partial");
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?;
    }
    fs::create_dir_all(&scratch)?;
    let step = Step::begin(&format!(
        "taking {} out of {package} (about 150 MB)",
        files.join(" ")
    ));
    apt.download(&[format!("{package}={version}")], &scratch)?;
    let archive = fs::read_dir(&scratch)?
        .next()
        .context("apt-get downloaded nothing")??
        .path();
    let members = files.iter().map(|file| format!("{package}/{file}"));
    // Once it has them tar is done, and whoever still writes to it need not be.
    let script = format!(
        "dpkg-deb --fsys-tarfile \"$1\" | tar -xO ./usr/src/{package}.tar.xz | tar -xJ -C \"$2\" {}",
        members.collect::<Vec<_>>().join(" ")
    );
    kernel::succeed(
        Command::new("sh")
            .args(["-c", &script, "sh"])
            .arg(&archive)
            .arg(&scratch),
    )?;
    let tree = scratch.join(&package);
    for file in files {
        ensure!(
            tree.join(file).exists(),
            "{package} {version} holds no {file}"
        );
    }
    module::parent_of(target)?;
    fs::rename(&tree, target).with_context(|| format!("complete {}", target.display()))?;
    fs::remove_dir_all(&scratch)?;
    step.done();
    Ok(())
}
