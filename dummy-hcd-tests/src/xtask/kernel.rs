//! The kernels that guests run, unpacked or built in the cache, each with the headers that match it exactly.

use std::cmp::Ordering;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, ensure};

use crate::apt;
use crate::cache::CacheLock;
use crate::debug_kernel;
use crate::kernel_packages;
use crate::next_release;
use crate::sources::{Package, Suites};

/// What stands for the kernel that `cargo xtask kernel --debug` builds, where a series is asked for.
pub(crate) const DEBUG: &str = "debug";

/// What stands for every series of [`SERIES`].
const ALL: &str = "all";

/// The series that the module is kept working on: those of two Debian releases, and the newest.
const SERIES: [&str; 3] = ["6.1", "6.12", "7.2"];

/// The series that an argument names.
pub(crate) fn series_of(argument: &str) -> Vec<String> {
    match argument {
        ALL => SERIES.map(str::to_owned).to_vec(),
        one => vec![one.to_owned()],
    }
}

/// One kernel, unpacked.
#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    root: PathBuf,
    release: String,
    built_with: BuiltWith,
}

/// The compiler that a kernel and its modules are built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BuiltWith {
    /// One of the machine's own release, which the kernel's headers name.
    Machine,
    /// One of a later release, unpacked into the kernel's own root.
    NextRelease,
    /// The one that [`debug_kernel`] built it with.
    DebugKernel,
}

impl Kernel {
    /// The newest unpacked kernel of `series` ("6.12"), fetched first if there is none; or the debug kernel,
    /// built first.
    pub(crate) fn obtain(cache: &Path, series: &str) -> Result<Self> {
        if series == DEBUG {
            let (root, release) = debug_kernel::obtain(cache)?;
            let built_with = BuiltWith::DebugKernel;
            return Ok(Self {
                root,
                release,
                built_with,
            });
        }
        ensure!(
            series.split('.').count() == 2
                && series.split('.').all(|part| part.parse::<u16>().is_ok()),
            "{series} is no kernel series: write two numbers, as 6.12, or {DEBUG}"
        );
        let kernels = cache.join("kernels");
        fs::create_dir_all(&kernels).with_context(|| format!("create {}", kernels.display()))?;
        let _lock = CacheLock::take(cache)?;
        if let Some(kernel) = Self::newest_unpacked(&kernels, series)? {
            return Ok(kernel);
        }
        fetch(cache, &kernels, series)?;
        Self::newest_unpacked(&kernels, series)?.context("the kernel that was fetched is not there")
    }

    /// `uname -r` of this kernel.
    pub(crate) fn release(&self) -> &str {
        &self.release
    }

    /// The series it belongs to: "6.12".
    pub(crate) fn series(&self) -> &str {
        let end = self.release.match_indices('.').nth(1);
        end.map_or(&self.release, |(end, _)| &self.release[..end])
    }

    /// Whether it looks for mistakes as it runs, which takes several times as long.
    pub(crate) fn is_debug(&self) -> bool {
        self.built_with == BuiltWith::DebugKernel
    }

    /// How many times longer than on others something may take on it.
    pub(crate) fn patience(&self) -> u32 {
        if self.is_debug() {
            debug_kernel::PATIENCE
        } else {
            1
        }
    }

    /// Where its packages come from.
    pub(crate) fn suites(&self) -> Suites {
        match self.built_with {
            BuiltWith::Machine | BuiltWith::DebugKernel => Suites::Machine,
            BuiltWith::NextRelease => Suites::Next,
        }
    }

    /// The version of the packages built from Debian's source package `linux`, as "6.12.95-1~bpo12+1".
    pub(crate) fn version(&self) -> Result<String> {
        if self.is_debug() {
            return debug_kernel::version(&self.root);
        }
        let common = format!(
            "linux-headers-{}",
            self.release.replace("-amd64", "-common")
        );
        let path = self
            .root
            .join("usr/share/doc")
            .join(common)
            .join("changelog.Debian.gz");
        let output = Command::new("gzip")
            .args(["--decompress", "--stdout"])
            .arg(&path)
            .output()
            .context("run gzip")?;
        // The first line: linux (6.12.95-1~bpo12+1) bookworm-backports; urgency=medium
        String::from_utf8_lossy(&output.stdout)
            .split(['(', ')'])
            .nth(1)
            .map(str::to_owned)
            .with_context(|| format!("{} tells no version", path.display()))
    }

    /// Newer packages have it among the modules.
    pub(crate) fn image(&self) -> PathBuf {
        match self.modules().join("vmlinuz") {
            image if image.exists() => image,
            _ => {
                let boot = self.root.join("boot");
                boot.join(format!("vmlinuz-{}", self.release))
            }
        }
    }

    /// What belongs at `/lib/modules/RELEASE`.
    pub(crate) fn modules(&self) -> PathBuf {
        self.root.join("lib/modules").join(&self.release)
    }

    /// The directory to build a module against.
    pub(crate) fn headers(&self) -> PathBuf {
        headers(&self.root, &self.release)
    }

    /// Installs what building a module takes on the machine itself, and of `others` what that is not part of.
    pub(crate) fn ensure_build_tools(&self, others: &[&str]) -> Result<()> {
        match self.built_with {
            BuiltWith::NextRelease => Ok(()),
            BuiltWith::Machine => {
                let compiler = self.compiler_package()?;
                apt::ensure_installed(&[&["make", "libc6-dev", compiler.as_str()], others].concat())
            }
            BuiltWith::DebugKernel => {
                let compiler = debug_kernel::COMPILER;
                apt::ensure_installed(&[&["make", "libc6-dev", compiler], others].concat())
            }
        }
    }

    /// kbuild in `directory`, with its arguments to come.
    pub(crate) fn make(&self, directory: &Path) -> Result<Command> {
        let mut command = match self.built_with {
            BuiltWith::NextRelease => next_release::make(&self.root, &self.release, directory)?,
            BuiltWith::Machine | BuiltWith::DebugKernel => {
                let mut command = Command::new("make");
                command.arg("-C").arg(self.headers());
                command.arg(format!("M={}", directory.display()));
                command
            }
        };
        if self.is_debug() {
            command.arg(format!("CC={}", debug_kernel::COMPILER));
        }
        command
            .env("LC_ALL", "C")
            .env_remove("MAKEFLAGS")
            .stdin(Stdio::null());
        // What is said of a file stays together.
        let jobs = thread::available_parallelism().map_or(1, usize::from);
        command.args([&format!("-j{jobs}"), "--output-sync=target"]);
        Ok(command)
    }

    /// The package of the compiler this kernel was built with, which its headers ask for.
    fn compiler_package(&self) -> Result<String> {
        let path = self.headers().join(".kernelvariables");
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        text.lines()
            .filter(|line| line.starts_with("CC "))
            .find_map(|line| Some(format!("gcc-{}", line.rsplit_once("gcc-")?.1.trim())))
            .with_context(|| format!("{} names no compiler", path.display()))
    }

    fn newest_unpacked(kernels: &Path, series: &str) -> Result<Option<Self>> {
        let prefix = format!("{series}.");
        let mut releases = fs::read_dir(kernels)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .filter(|name| name.as_ref().map_or(true, |name| name.starts_with(&prefix)))
            .collect::<std::io::Result<Vec<_>>>()?;
        releases.sort_by(|left, right| compare_versions(left, right));
        Ok(releases.pop().map(|release| {
            let root = kernels.join(&release);
            let built_with = match next_release::is_in(&root) {
                true => BuiltWith::NextRelease,
                false => BuiltWith::Machine,
            };
            Self {
                root,
                release,
                built_with,
            }
        }))
    }
}

/// Where a kernel's headers are below its root.
pub(crate) fn headers(root: &Path, release: &str) -> PathBuf {
    root.join("usr/src")
        .join(format!("linux-headers-{release}"))
}

/// Unpacks the newest kernel of `series` into `kernels`: the machine's own release's, or else the next one's.
fn fetch(cache: &Path, kernels: &Path, series: &str) -> Result<()> {
    let architecture = Command::new("dpkg")
        .arg("--print-architecture")
        .output()
        .context("run dpkg")?;
    ensure!(
        architecture.stdout.trim_ascii() == b"amd64",
        "kernels are fetched for amd64 machines only, this one is {}",
        String::from_utf8_lossy(&architecture.stdout).trim()
    );
    // What a killed invocation left behind is of no use: a rename is what completes a kernel.
    let scratch = cache.join("kernels.partial");
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?;
    }
    fs::create_dir_all(&scratch)?;
    let release = match kernel_packages::fetch(cache, &scratch, series)? {
        Some(release) => release,
        None => next_release::fetch(cache, &scratch, series)?,
    };
    let complete = kernels.join(&release);
    fs::rename(scratch.join("root"), &complete)
        .with_context(|| format!("complete {}", complete.display()))?;
    fs::remove_dir_all(&scratch)?;
    Ok(())
}

/// Lists what is below `root` for modprobe.
pub(crate) fn depmod(root: &Path, release: &str) -> Result<()> {
    apt::ensure_installed(&["kmod"])?;
    succeed(
        Command::new("/sbin/depmod")
            .arg("-b")
            .arg(root)
            .arg(release),
    )
}

/// The newest of `versions` that belongs to `series`.
pub(crate) fn newest_of_series(versions: Vec<Package>, series: &str) -> Option<Package> {
    let prefix = format!("{series}.");
    versions
        .into_iter()
        .filter(|package| package.version.starts_with(&prefix))
        .max_by(|left, right| compare_versions(&left.version, &right.version))
}

/// Orders versions as numbers where they have numbers ("6.1.192" after "6.1.99").
fn compare_versions(left: &str, right: &str) -> Ordering {
    let numbers = |text: &str| {
        text.split(|character: char| !character.is_ascii_digit())
            .filter_map(|part| part.parse::<u64>().ok())
            .collect::<Vec<_>>()
    };
    numbers(left).cmp(&numbers(right))
}

/// Runs `command` and turns a failure into an error with what it said.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("run {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_of_a_series_is_chosen_by_number() {
        let package = |version: &str| Package {
            name: "linux-image-amd64".to_owned(),
            version: version.to_owned(),
            depends: String::new(),
        };
        let versions = ["6.1.99-1", "6.1.192-2", "6.12.95-1~bpo12+1"]
            .map(package)
            .to_vec();
        let newest = |series| newest_of_series(versions.clone(), series);
        assert_eq!(newest("6.1").unwrap().version, "6.1.192-2");
        assert_eq!(newest("6.12").unwrap().version, "6.12.95-1~bpo12+1");
        assert_eq!(newest("7.0"), None);
    }
}
