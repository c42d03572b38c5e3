//! Debian kernel packages, unpacked into the cache: the image with its modules, and the headers that
//! match it exactly.

use std::cmp::Ordering;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::apt;
use crate::cache::CacheLock;
use crate::progress::Step;
use crate::sources::PrivateApt;

/// One kernel, unpacked.
#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    root: PathBuf,
    release: String,
}

impl Kernel {
    /// The newest unpacked kernel of `series` ("6.12"), fetched first if there is none.
    pub(crate) fn obtain(cache: &Path, series: &str) -> Result<Self> {
        ensure!(
            series.split('.').count() == 2
                && series.split('.').all(|part| part.parse::<u16>().is_ok()),
            "{series} is no kernel series: write two numbers, as 6.12"
        );
        let kernels = cache.join("kernels");
        fs::create_dir_all(&kernels).with_context(|| format!("create {}", kernels.display()))?;
        let _lock = CacheLock::take(cache)?;
        if let Some(kernel) = Self::newest_unpacked(&kernels, series)? {
            return Ok(kernel);
        }
        Self::fetch(cache, &kernels, series)
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

    /// The version of the packages built from Debian's source package `linux`, as "6.12.95-1~bpo12+1".
    pub(crate) fn version(&self) -> Result<String> {
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

    pub(crate) fn image(&self) -> PathBuf {
        self.root
            .join("boot")
            .join(format!("vmlinuz-{}", self.release))
    }

    /// What belongs at `/lib/modules/RELEASE`.
    pub(crate) fn modules(&self) -> PathBuf {
        self.root.join("lib/modules").join(&self.release)
    }

    /// The directory to build a module against.
    pub(crate) fn headers(&self) -> PathBuf {
        self.root
            .join("usr/src")
            .join(format!("linux-headers-{}", self.release))
    }

    /// The package of the compiler this kernel was built with, which its headers ask for.
    pub(crate) fn compiler_package(&self) -> Result<String> {
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
        Ok(releases.pop().map(|release| Self {
            root: kernels.join(&release),
            release,
        }))
    }

    fn fetch(cache: &Path, kernels: &Path, series: &str) -> Result<Self> {
        let architecture = Command::new("dpkg")
            .arg("--print-architecture")
            .output()
            .context("run dpkg")?;
        ensure!(
            architecture.stdout.trim_ascii() == b"amd64",
            "kernels are fetched for amd64 machines only, this one is {}",
            String::from_utf8_lossy(&architecture.stdout).trim()
        );
        let apt = PrivateApt::prepare(cache)?;
        let complaints = apt.update()?;
        let (version, depends) = newest_of_series(apt.versions("linux-image-amd64")?, series)
            .with_context(|| {
                format!(
                    "apt knows no linux-image-amd64 {series} here or in the backports\n{complaints}"
                )
            })?;
        let release = depends
            .split([' ', ',', '|'])
            .find_map(|word| word.strip_prefix("linux-image-"))
            .with_context(|| format!("linux-image-amd64 {version} depends on no image: {depends}"))?
            .to_owned();
        let packages = kernel_packages(&apt, &release, &version)?;

        // What a killed invocation left behind is of no use: the rename below is what completes a kernel.
        let scratch = cache.join("kernels.partial");
        if scratch.exists() {
            fs::remove_dir_all(&scratch)?;
        }
        let archives = scratch.join("archives");
        let root = scratch.join("root");
        fs::create_dir_all(&archives)?;
        let step = Step::begin(&format!("downloading kernel {release} (about 120 MB)"));
        apt.download(&packages, &archives)?;
        step.done();
        let step = Step::begin(&format!("unpacking kernel {release}"));
        for archive in fs::read_dir(&archives)? {
            succeed(
                Command::new("dpkg-deb")
                    .arg("-x")
                    .arg(archive?.path())
                    .arg(&root),
            )?;
        }
        let unpacked = Self { root, release };
        unpacked.complete()?;
        let kernel = Self {
            root: kernels.join(&unpacked.release),
            release: unpacked.release,
        };
        fs::rename(&unpacked.root, &kernel.root)
            .with_context(|| format!("complete {}", kernel.root.display()))?;
        fs::remove_dir_all(&scratch)?;
        step.done();
        Ok(kernel)
    }

    /// Makes the unpacked packages usable where they are instead of below `/`.
    fn complete(&self) -> Result<()> {
        apt::ensure_installed(&["kmod"])?;
        succeed(
            Command::new("/sbin/depmod")
                .arg("-b")
                .arg(&self.root)
                .arg(&self.release),
        )?;
        let makefile = self.headers().join("Makefile");
        let text = fs::read_to_string(&makefile)
            .with_context(|| format!("read {}", makefile.display()))?;
        let relative = text.replace("/usr/src/", "$(dir $(lastword $(MAKEFILE_LIST)))../");
        ensure!(
            relative != text,
            "{} includes nothing below /usr/src: its form is new",
            makefile.display()
        );
        fs::write(&makefile, relative)?;
        // Only the BTF step reads it, which needs pahole and does nothing for an out-of-tree module.
        let vmlinux = self.headers().join("vmlinux");
        if vmlinux.exists() {
            fs::remove_file(vmlinux)?;
        }
        Ok(())
    }
}

/// The image, the headers of the flavour, the common headers and the build tools, all of one version.
fn kernel_packages(apt: &PrivateApt, release: &str, version: &str) -> Result<Vec<String>> {
    let headers = format!("linux-headers-{release}");
    let depends = apt
        .versions(&headers)?
        .into_iter()
        .find_map(|(candidate, depends)| (candidate == version).then_some(depends))
        .with_context(|| format!("apt knows no {headers} {version}"))?;
    let mut names = vec![format!("linux-image-{release}"), headers];
    names.extend(
        depends
            .split([' ', ','])
            .filter(|word| word.ends_with("-common") || word.starts_with("linux-kbuild-"))
            .map(str::to_owned),
    );
    if names.len() != 4 {
        bail!(
            "{} {version} depends on unexpected packages: {depends}",
            names[1]
        );
    }
    Ok(names
        .into_iter()
        .map(|name| format!("{name}={version}"))
        .collect())
}

/// The newest of `versions` that belongs to `series`.
pub(crate) fn newest_of_series(
    versions: Vec<(String, String)>,
    series: &str,
) -> Option<(String, String)> {
    let prefix = format!("{series}.");
    versions
        .into_iter()
        .filter(|(version, _)| version.starts_with(&prefix))
        .max_by(|(left, _), (right, _)| compare_versions(left, right))
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
        let versions = ["6.1.99-1", "6.1.192-2", "6.12.95-1~bpo12+1"]
            .map(|v| (v.to_owned(), String::new()))
            .to_vec();
        assert_eq!(
            newest_of_series(versions.clone(), "6.1").unwrap().0,
            "6.1.192-2"
        );
        assert_eq!(
            newest_of_series(versions.clone(), "6.12").unwrap().0,
            "6.12.95-1~bpo12+1"
        );
        assert_eq!(newest_of_series(versions, "7.0"), None);
    }
}
