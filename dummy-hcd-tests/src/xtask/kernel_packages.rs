//! Kernels of the machine's own release and its backports, unpacked beside the machine's compiler.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::kernel::{self, succeed};
use crate::progress::Step;
use crate::sources::{PrivateApt, Suites};

/// Unpacks the newest kernel of `series` into `scratch/root` and tells its release; none where there is none.
pub(crate) fn fetch(cache: &Path, scratch: &Path, series: &str) -> Result<Option<String>> {
    let apt = PrivateApt::prepare(cache, Suites::Machine)?;
    let complaints = apt.update()?;
    let metapackages = apt.versions("linux-image-amd64")?;
    ensure!(
        !metapackages.is_empty(),
        "apt knows no linux-image-amd64\n{complaints}"
    );
    let Some(newest) = kernel::newest_of_series(metapackages, series) else {
        return Ok(None);
    };
    let release = newest
        .depends
        .split([' ', ',', '|'])
        .find_map(|word| word.strip_prefix("linux-image-"))
        .with_context(|| {
            format!(
                "linux-image-amd64 {} depends on no image: {}",
                newest.version, newest.depends
            )
        })?
        .to_owned();
    let packages = packages(&apt, &release, &newest.version)?;

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
    complete(&root, &release)?;
    step.done();
    Ok(Some(release))
}

/// Makes the unpacked packages usable where they are instead of below `/`.
fn complete(root: &Path, release: &str) -> Result<()> {
    kernel::depmod(root, release)?;
    let headers = kernel::headers(root, release);
    let makefile = headers.join("Makefile");
    let text =
        fs::read_to_string(&makefile).with_context(|| format!("read {}", makefile.display()))?;
    let relative = text.replace("/usr/src/", "$(dir $(lastword $(MAKEFILE_LIST)))../");
    ensure!(
        relative != text,
        "{} includes nothing below /usr/src: its form is new",
        makefile.display()
    );
    fs::write(&makefile, relative)?;
    // Only the BTF step reads it, which needs pahole and does nothing for an out-of-tree module.
    let vmlinux = headers.join("vmlinux");
    if vmlinux.exists() {
        fs::remove_file(vmlinux)?;
    }
    Ok(())
}

/// The image, the headers of the flavour, the common headers and the build tools, all of one version.
fn packages(apt: &PrivateApt, release: &str, version: &str) -> Result<Vec<String>> {
    let headers = format!("linux-headers-{release}");
    let known = apt.versions(&headers)?;
    let depends = known
        .into_iter()
        .find_map(|known| (known.version == version).then_some(known.depends))
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
