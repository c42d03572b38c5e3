//! Kernels newer than the machine's own release: from the release that Debian prepares, unpacked together with
//! its compiler, since the machine's is too old for their headers.
//!
//! The root that comes of it is as much of that release as building a module takes. Nothing in it is configured
//! or runs but make, in a root and a mount namespace of its own, which needs no privileges.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::kernel::{self, succeed};
use crate::progress::Step;
use crate::sources::{Package, PrivateApt, Suites};

/// What kbuild runs besides the compiler that the headers ask for.
const BUILD_TOOLS: [&str; 13] = [
    "base-files",
    "bash",
    "coreutils",
    "dash",
    "diffutils",
    "findutils",
    "grep",
    "libc6-dev",
    "make",
    "mawk",
    "perl-base",
    "sed",
    "sparse",
];

/// Holds the links /bin, /lib and /sbin, which are to be there before what goes below them.
const FIRST: &str = "base-files";

const MAKE: &str = "usr/bin/make";

/// Whether a kernel's root holds what its modules are built with.
pub(crate) fn is_in(root: &Path) -> bool {
    root.join(MAKE).exists()
}

/// Unpacks the newest kernel of `series` with its compiler into `scratch/root` and tells its release.
pub(crate) fn fetch(cache: &Path, scratch: &Path, series: &str) -> Result<String> {
    let apt = PrivateApt::prepare(cache, Suites::Next)?;
    let complaints = apt.update()?;
    let prefix = format!("linux-image-{series}.");
    let is_plain = |name: &str| {
        name.strip_suffix("-amd64")
            .is_some_and(|rest| !rest.ends_with("-rt") && !rest.ends_with("-cloud"))
    };
    let image = kernel::newest_of_series(apt.beginning_with(&prefix, is_plain)?, series);
    let image = image.with_context(|| {
        format!(
            "apt knows no kernel {series}, neither of this release, its backports nor of the next release\n{complaints}"
        )
    })?;
    let release = image.name.trim_start_matches("linux-image-").to_owned();

    let archives = scratch.join("archives");
    let root = scratch.join("root");
    fs::create_dir_all(&archives)?;
    fs::create_dir_all(&root)?;
    let step = Step::begin(&format!(
        "downloading kernel {release} and its compiler (about 280 MB)"
    ));
    apt.download(&image_packages(&image), &archives)?;
    let mut wanted = BUILD_TOOLS.map(str::to_owned).to_vec();
    wanted.push(format!("linux-headers-{release}={}", image.version));
    let tools = apt.download_with_dependencies(&wanted)?;
    step.done();

    let step = Step::begin(&format!("unpacking kernel {release} and its compiler"));
    let is_first = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&format!("{FIRST}_"))
    };
    let mut packages = Vec::new();
    for directory in [tools, &archives] {
        for entry in fs::read_dir(directory)? {
            packages.push(entry?.path());
        }
    }
    packages.retain(|path| path.extension().is_some_and(|extension| extension == "deb"));
    packages.sort_by_key(|path| !is_first(path));
    for package in &packages {
        let mut unpack = Command::new("dpkg-deb");
        succeed(unpack.arg("-x").arg(package).arg(&root))?;
        fs::remove_file(package)?;
    }
    complete(&root, &release)?;
    step.done();
    Ok(release)
}

/// The image, and what newer packages have split off it.
fn image_packages(image: &Package) -> Vec<String> {
    let depends = image.depends.split([' ', ',', '|']);
    let parts = depends
        .filter(|name| name.starts_with("linux-binary-") || name.starts_with("linux-modules-"));
    [image.name.as_str()]
        .into_iter()
        .chain(parts)
        .map(|name| format!("{name}={}", image.version))
        .collect()
}

/// Does what the packages' scripts would, as far as building a module needs it.
fn complete(root: &Path, release: &str) -> Result<()> {
    kernel::depmod(root, release)?;
    let awk = root.join("usr/bin/awk");
    if !awk.exists() {
        symlink("mawk", &awk).with_context(|| format!("create {}", awk.display()))?;
    }
    // Only the BTF step reads it, which does nothing for an out-of-tree module.
    let vmlinux = kernel::headers(root, release).join("vmlinux");
    if vmlinux.exists() {
        fs::remove_file(vmlinux)?;
    }
    if !is_in(root) {
        bail!("the packages in {} have no {MAKE}", root.display());
    }
    Ok(())
}

/// Shows the directory inside where it is outside, so that messages name the same files.
const ENTER: &str = r#"
set -e
root=$1 directory=$2
shift 2
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
mount --bind "$directory" "$root/$directory"
exec chroot "$root" /usr/bin/env --chdir="$directory" PATH=/usr/bin:/usr/sbin "$@"
"#;

/// make in `directory` for the kernel in `root`, with more arguments to come.
pub(crate) fn make(root: &Path, release: &str, directory: &Path) -> Result<Command> {
    let inside = root.join(directory.strip_prefix("/")?);
    fs::create_dir_all(&inside).with_context(|| format!("create {}", inside.display()))?;
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", ENTER, "sh"]);
    command.arg(root).arg(directory);
    command.arg("make").arg("-C");
    command.arg(kernel::headers(Path::new("/"), release));
    command.arg(format!("M={}", directory.display()));
    Ok(command)
}
