//! The kernel's sources, out of Debian's source package: single files, or all of them.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::kernel::{self, Kernel};
use crate::progress::{self, Step};
use crate::sources::{Package, PrivateApt, Suites};
use crate::{apt, module};

/// One version of a package that has the sources of a kernel.
#[derive(Debug)]
pub(crate) struct SourcePackage {
    apt: PrivateApt,
    name: String,
    version: String,
}

impl SourcePackage {
    /// The newest of `series` that `suites` have.
    pub(crate) fn newest(cache: &Path, suites: Suites, series: &str) -> Result<Self> {
        let apt = PrivateApt::prepare(cache, suites)?;
        let complaints = apt.update()?;
        let name = format!("linux-source-{series}");
        let newest = kernel::newest_of_series(apt.versions(&name)?, series);
        let newest = newest.with_context(|| format!("apt knows no {name}\n{complaints}"))?;
        Ok(Self {
            version: newest.version,
            apt,
            name,
        })
    }

    /// The one of the kernel's own version, or the newest of its series once apt has that no longer.
    fn of(cache: &Path, kernel: &Kernel) -> Result<Self> {
        let mut source = Self::newest(cache, kernel.suites(), kernel.series())?;
        let wanted = kernel.version()?;
        let is_there = |known: &Package| known.version == wanted;
        if source.apt.versions(&source.name)?.iter().any(is_there) {
            source.version = wanted;
        } else {
            progress::say(&format!(
                "apt has no {} {wanted}: using {}",
                source.name, source.version
            ));
        }
        Ok(source)
    }

    /// The package's version, as "6.12.95-1~bpo12+1".
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Puts `files` of the sources into the new directory `target`, with their paths; none: all of them.
    ///
    /// The caller holds the cache's lock.
    pub(crate) fn extract(&self, cache: &Path, files: &[&str], target: &Path) -> Result<()> {
        apt::ensure_installed(&["tar", "xz-utils"])?;
        let Self { apt, name, version } = self;
        // What a killed invocation left behind is of no use: the rename below is what completes it.
        let scratch = cache.join("kernel-source.partial");
        if scratch.exists() {
            fs::remove_dir_all(&scratch)?;
        }
        fs::create_dir_all(&scratch)?;
        let what = match files {
            [] => "everything".to_owned(),
            files => files.join(" "),
        };
        let step = Step::begin(&format!("taking {what} out of {name} (about 150 MB)"));
        apt.download(&[format!("{name}={version}")], &scratch)?;
        let archive = fs::read_dir(&scratch)?
            .next()
            .context("apt-get downloaded nothing")??
            .path();
        let members = files.iter().map(|file| format!("{name}/{file}"));
        // Once it has them tar is done, and whoever still writes to it need not be.
        let script = format!(
            "dpkg-deb --fsys-tarfile \"$1\" | tar -xO ./usr/src/{name}.tar.xz | tar -xJ -C \"$2\" {}",
            members.collect::<Vec<_>>().join(" ")
        );
        kernel::succeed(
            Command::new("sh")
                .args(["-c", &script, "sh"])
                .arg(&archive)
                .arg(&scratch),
        )?;
        let tree = scratch.join(name);
        for file in files {
            ensure!(tree.join(file).exists(), "{name} {version} holds no {file}");
        }
        module::parent_of(target)?;
        fs::rename(&tree, target).with_context(|| format!("complete {}", target.display()))?;
        fs::remove_dir_all(&scratch)?;
        step.done();
        Ok(())
    }
}

/// Puts `files` of the sources of `kernel` into the new directory `target`, with their paths.
///
/// The caller holds the cache's lock.
pub(crate) fn extract(cache: &Path, kernel: &Kernel, files: &[&str], target: &Path) -> Result<()> {
    SourcePackage::of(cache, kernel)?.extract(cache, files, target)
}

/// Applies one of our patches to the sources in `tree`.
pub(crate) fn patch(tree: &Path, patch: &Path) -> Result<()> {
    apt::ensure_installed(&["patch"])?;
    kernel::succeed(
        Command::new("patch")
            .args(["--strip=1", "--batch", "--forward", "--directory"])
            .arg(tree)
            .arg("--input")
            .arg(patch),
    )
    .with_context(|| format!("{} does not apply to {}", patch.display(), tree.display()))
}
