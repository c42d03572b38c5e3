//! `cargo xtask package`: the module's source as a Debian package, which DKMS builds where it is installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::cache::{self, CacheLock};
use crate::kernel::{self, Kernel};
use crate::progress::{self, Step};
use crate::sources::Suites;
use crate::{apt, cargo, module};

/// What builds the package and checks its unit, and what a guest needs that installs it.
const PACKAGES: &[&str] = &[
    "debhelper",
    "dh-dkms",
    "dkms",
    "dpkg-dev",
    "make",
    "systemd",
    "udev",
];

/// As `dkms.conf` and `debian/changelog` have it.
const VERSION: &str = "0.1.0";

/// Puts the package into the project's `target` and says where.
pub(crate) fn run() -> Result<u8> {
    let built = build()?;
    let name = built.file_name().context("a package has a name")?;
    let target = cargo::workspace().join("target").join(name);
    module::parent_of(&target)?;
    fs::copy(&built, &target).with_context(|| format!("write {}", target.display()))?;
    progress::say(&format!("{}", target.display()));
    Ok(0)
}

/// The package, built if it has not been built from the same files before.
///
/// # Errors
/// When dpkg-buildpackage refuses, or systemd finds fault with the unit; the message is what they said.
pub(crate) fn build() -> Result<PathBuf> {
    let cache = cache::directory()?;
    let mut files = module::source_files(&module::sources())?;
    files.retain(|(path, _)| !path.starts_with("selftests"));
    let _lock = CacheLock::take(&cache)?;
    apt::ensure_installed(PACKAGES)?;
    let builds = cache.join("packages");
    let finished = builds.join(module::digest(&files));
    if !finished.exists() {
        let step = Step::begin("building usbfs2-dkms");
        let scratch = builds.join("partial");
        if scratch.exists() {
            fs::remove_dir_all(&scratch)?;
        }
        let tree = scratch.join("usbfs2");
        module::copy(&files, &tree)?;
        kernel::succeed(
            Command::new("systemd-analyze")
                .args(["verify", "--man=no"])
                .arg(tree.join("system/dev-usbfs2.mount")),
        )?;
        kernel::succeed(
            Command::new("sh")
                // Modes are no part of a copy.
                .args([
                    "-c",
                    "chmod +x debian/rules && exec dpkg-buildpackage -b -us -uc",
                ])
                .current_dir(&tree)
                .env_remove("MAKEFLAGS"),
        )?;
        fs::rename(&scratch, &finished)
            .with_context(|| format!("complete {}", finished.display()))?;
        step.done();
    }
    let mut packages = fs::read_dir(&finished)?.flatten().map(|entry| entry.path());
    packages
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .with_context(|| {
            format!(
                "dpkg-buildpackage made no package in {}",
                finished.display()
            )
        })
}

/// An archive of what DKMS builds of the package for a kernel, as an installation of the package takes it; none for
/// a kernel of the next release, whose compiler this machine's DKMS does not have.
///
/// # Errors
/// When DKMS cannot build it; the message is what it said.
pub(crate) fn build_by_dkms(package: &Path, series: &str) -> Result<Option<PathBuf>> {
    let cache = cache::directory()?;
    let kernel = Kernel::obtain(&cache, series)?;
    if kernel.suites() == Suites::Next {
        return Ok(None);
    }
    let directory = package.parent().context("a package is in a directory")?;
    let finished = directory.join(format!("{}.dkms.tar.gz", kernel.release()));
    let _lock = CacheLock::take(&cache)?;
    if finished.exists() {
        return Ok(Some(finished));
    }
    kernel.ensure_build_tools(&[])?;
    let step = Step::begin(&format!("building usbfs2-dkms for {}", kernel.release()));
    let scratch = tempfile::tempdir()?;
    let (root, tree) = (scratch.path().join("root"), scratch.path().join("tree"));
    let archive = scratch.path().join("archive.tar.gz");
    fs::create_dir_all(&tree)?;
    let mut unpack = Command::new("dpkg-deb");
    kernel::succeed(unpack.arg("-x").arg(package).arg(&root))?;
    let dkms = |arguments: &[&str]| {
        let mut command = Command::new("dkms");
        command.args(arguments);
        command.args(["-m", "usbfs2", "-v", VERSION, "-k", kernel.release()]);
        command.arg("--dkmstree").arg(&tree);
        command.arg("--sourcetree").arg(root.join("usr/src"));
        command.env_remove("MAKEFLAGS");
        command
    };
    let mut build = dkms(&["build"]);
    kernel::succeed(build.arg("--kernelsourcedir").arg(kernel.headers()))?;
    let mut pack = dkms(&["mktarball", "--binaries-only"]);
    kernel::succeed(pack.arg("--archive").arg(&archive))?;
    fs::copy(&archive, &finished).with_context(|| format!("write {}", finished.display()))?;
    step.done();
    Ok(Some(finished))
}
