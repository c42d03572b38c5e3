//! `cargo xtask kernel --debug`: a small kernel that looks for what a module does wrong, from Debian's sources.
//!
//! Built once and kept in the cache, for as long as the source package, its patches, the configuration and the
//! compiler stay what they are.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, ensure};

use crate::args::KernelOptions;
use crate::cache::{self, CacheLock};
use crate::kernel::{self, Kernel, succeed};
use crate::kernel_source::{self, SourcePackage};
use crate::progress::{self, Step};
use crate::sources::Suites;
use crate::{apt, module};

/// The series it is built from.
const SERIES: &str = "6.12";

/// The package of the compiler it and its modules are built with, and that compiler's name.
pub(crate) const COMPILER: &str = "gcc-12";

const BUILD_PACKAGES: [&str; 9] = [
    COMPILER,
    "bc",
    "bison",
    "flex",
    "libc6-dev",
    "libelf-dev",
    "m4",
    "make",
    "perl",
];

/// How many times longer than on Debian's kernel something may take on this one.
pub(crate) const PATIENCE: u32 = 6;

/// What make says of a build, one line a file.
const FILES: usize = 2700;

/// How much of what make said an error shows.
const LINES_OF_AN_ERROR: usize = 40;

/// Builds the kernel if it has not been built yet, and returns the exit status.
pub(crate) fn run(options: &KernelOptions) -> Result<u8> {
    let series = if options.debug {
        kernel::DEBUG
    } else {
        &options.kernel
    };
    let kernel = Kernel::obtain(&cache::directory()?, series)?;
    progress::say(&format!(
        "{} is in {}",
        kernel.release(),
        kernel.modules().display()
    ));
    Ok(0)
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("debug-kernel")
}

/// Where the patches stand in this checkout.
pub(crate) fn patches() -> PathBuf {
    sources().join("patches")
}

/// Where the module stands that makes mistakes.
pub(crate) fn mistakes() -> PathBuf {
    sources().join("mistakes")
}

fn configuration() -> PathBuf {
    sources().join("config")
}

/// Its root in the cache and its release; built first, which takes about ten minutes on two processors.
pub(crate) fn obtain(cache: &Path) -> Result<(PathBuf, String)> {
    apt::ensure_installed(&BUILD_PACKAGES)?;
    let _lock = CacheLock::take_part(cache, "debug-kernel")?;
    // The rest of the cache is free while it is built.
    let lock = CacheLock::take(cache)?;
    let source = SourcePackage::newest(cache, Suites::Machine, SERIES)?;
    let compiler = Command::new(COMPILER).arg("--version").output();
    let compiler = compiler.with_context(|| format!("run {COMPILER}"))?.stdout;
    let mut inputs = module::source_files(&patches())?;
    inputs.push((PathBuf::from("config"), fs::read(configuration())?));
    inputs.push((PathBuf::from("compiler"), compiler));
    inputs.push((PathBuf::from("version"), source.version().into()));
    let key = module::digest(&inputs);
    let finished = cache.join("debug-kernels").join(&key);
    if !finished.exists() {
        let scratch = cache.join("debug-kernel.partial");
        if scratch.exists() {
            fs::remove_dir_all(&scratch)?;
        }
        let tree = scratch.join("linux");
        source.extract(cache, &[], &tree)?;
        drop(lock);
        build(&tree, &scratch.join("root"), &key)?;
        fs::write(scratch.join("root/version"), source.version())?;
        module::parent_of(&finished)?;
        fs::rename(scratch.join("root"), &finished)
            .with_context(|| format!("complete {}", finished.display()))?;
        fs::remove_dir_all(&scratch)?;
    }
    let release = fs::read_to_string(finished.join("release"))
        .with_context(|| format!("read the release in {}", finished.display()))?;
    Ok((finished, release))
}

/// The version of the source package that the kernel in `root` was built from.
pub(crate) fn version(root: &Path) -> Result<String> {
    let path = root.join("version");
    fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}

/// Builds the kernel in `tree` and puts what is needed of it into `root`, laid out as Debian's packages are.
fn build(tree: &Path, root: &Path, key: &str) -> Result<()> {
    // Modules built for one are for no other.
    let local_version = format!("LOCALVERSION=-debug-{key}");
    let make = || {
        let mut command = make(tree);
        command.arg(&local_version);
        command
    };
    let patches = module::source_files(&patches())?;
    for (name, _) in &patches {
        kernel_source::patch(tree, &self::patches().join(name))?;
    }
    let allconfig = format!("KCONFIG_ALLCONFIG={}", configuration().display());
    succeed(make().args([&allconfig, "allnoconfig"]))?;
    check_configuration(&fs::read_to_string(tree.join(".config"))?)?;

    let step = Step::begin(&format!("building the debug kernel (once, {FILES} files)"));
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    compile(
        make().args([&format!("-j{jobs}"), "bzImage", "modules"]),
        &step,
    )?;
    let release = fs::read_to_string(tree.join("include/config/kernel.release"))?;
    let release = release.trim();
    fs::create_dir_all(root.join("boot"))?;
    let image = root.join("boot").join(format!("vmlinuz-{release}"));
    fs::copy(tree.join("arch/x86/boot/bzImage"), &image)
        .with_context(|| format!("write {}", image.display()))?;
    // KASAN names functions by their symbols; what is stripped is debug information alone.
    let target = format!("INSTALL_MOD_PATH={}", root.display());
    succeed(make().args([
        &target,
        "INSTALL_MOD_STRIP=1",
        "DEPMOD=true",
        "modules_install",
    ]))?;
    // A link to the tree, which does not stay.
    let link = root.join("lib/modules").join(release).join("build");
    if link.is_symlink() {
        fs::remove_file(link)?;
    }
    kernel::depmod(root, release)?;
    let headers = kernel::headers(root, release);
    let install = format!(
        "KBUILD_RUN_COMMAND=sh scripts/package/install-extmod-build {}",
        headers.display()
    );
    succeed(make().args(["run-command", &install]))?;
    fs::write(root.join("release"), release)?;
    step.done();
    Ok(())
}

fn make(tree: &Path) -> Command {
    let mut command = Command::new("make");
    command
        .arg("-C")
        .arg(tree)
        .args([format!("CC={COMPILER}"), format!("HOSTCC={COMPILER}")]);
    // The same build gives the same kernel.
    command
        .env("LC_ALL", "C")
        .env("KBUILD_BUILD_USER", "usbfs2")
        .env("KBUILD_BUILD_HOST", "usbfs2")
        .env_remove("MAKEFLAGS");
    command
}

/// Runs make, which says a line for each file.
fn compile(command: &mut Command, step: &Step) -> Result<()> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("run make")?;
    let complaints = child.stderr.take().context("make has no stderr")?;
    let complaints = thread::spawn(move || last_lines(complaints, |_| {}));
    let output = child.stdout.take().context("make has no stdout")?;
    last_lines(output, |count| {
        if count % 50 == 0 {
            step.note(
                &format!("building the debug kernel ({count} of about {FILES} files)"),
                count % 500 == 0,
            );
        }
    })?;
    let status = child.wait().context("wait for make")?;
    let complaints = match complaints.join() {
        Ok(lines) => lines?,
        Err(_) => "what make said is lost".to_owned(),
    };
    ensure!(
        status.success(),
        "the debug kernel does not build:\n{complaints}"
    );
    Ok(())
}

/// Reads to the end, tells the count of each line, and returns the last ones.
fn last_lines(output: impl std::io::Read, mut each: impl FnMut(usize)) -> Result<String> {
    let mut last = VecDeque::new();
    for (index, line) in BufReader::new(output).split(b'\n').enumerate() {
        let line = line.context("read what make says")?;
        each(index + 1);
        if last.len() == LINES_OF_AN_ERROR {
            last.pop_front();
        }
        last.push_back(String::from_utf8_lossy(&line).into_owned());
    }
    Ok(Vec::from(last).join("\n"))
}

/// Fails if a line of our configuration did not come into effect: make leaves out, silently, what lacks
/// something it depends on.
fn check_configuration(effective: &str) -> Result<()> {
    let path = configuration();
    let wanted = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let ignored = ignored_lines(&wanted, effective);
    ensure!(
        ignored.is_empty(),
        "the kernel does not take these lines of {}:\n{}",
        path.display(),
        ignored.join("\n")
    );
    Ok(())
}

fn ignored_lines<'text>(wanted: &'text str, effective: &str) -> Vec<&'text str> {
    let is_in_effect = |line: &str| match line.strip_prefix("# CONFIG_") {
        // What is off may not even be mentioned.
        Some(rest) => {
            let name = rest.trim_end_matches(" is not set");
            let on = format!("CONFIG_{name}=");
            !effective.lines().any(|line| line.starts_with(&on))
        }
        None => effective.lines().any(|effective| effective == line),
    };
    let settings = wanted
        .lines()
        .filter(|line| line.starts_with("CONFIG_") || line.starts_with("# CONFIG_"));
    settings.filter(|line| !is_in_effect(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_without_effect_are_found() {
        let effective = "CONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_D=y\n";
        let wanted = "# why\nCONFIG_A=y\nCONFIG_B=y\n# CONFIG_C is not set\n# CONFIG_D is not set\nCONFIG_E=y\n\
                      # CONFIG_F is not set\n";
        let ignored = ["CONFIG_B=y", "# CONFIG_D is not set", "CONFIG_E=y"];
        assert_eq!(ignored_lines(wanted, effective), ignored);
    }
}
