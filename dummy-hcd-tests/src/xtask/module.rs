//! Builds the kernel module out of a copy of its sources, so that the checkout stays clean.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use sha2::{Digest as _, Sha256};

use crate::cache::CacheLock;
use crate::kernel::Kernel;
use crate::progress::Step;

/// The module's sources in this checkout.
pub(crate) fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("usbfs2-module")
}

/// `usbfs2.ko` for `kernel`, built if these sources have not been built before.
///
/// # Errors
/// When the sources do not compile; the message is what make said.
pub(crate) fn build(cache: &Path, kernel: &Kernel) -> Result<PathBuf> {
    let files = source_files(&sources())?;
    let builds = cache.join("modules").join(kernel.release());
    let _lock = CacheLock::take(cache)?;
    let finished = builds.join(digest(&files));
    let module = finished.join("usbfs2.ko");
    if module.exists() {
        return Ok(module);
    }
    kernel.ensure_build_tools(&[])?;
    let step = Step::begin(&format!("building usbfs2.ko for {}", kernel.release()));
    let scratch = builds.join("partial");
    copy(&files, &scratch)?;
    let said = make(kernel, &scratch, &["W=1", "modules"])?;
    ensure!(
        scratch.join("usbfs2.ko").exists(),
        "make built no usbfs2.ko in {}\n{said}",
        scratch.display()
    );
    if said.contains("warning:") {
        eprint!("{said}");
    }
    fs::rename(&scratch, &finished).with_context(|| format!("complete {}", finished.display()))?;
    step.done();
    Ok(module)
}

/// What gcc with W=1 and sparse say about the module for `kernel`, empty if nothing.
///
/// # Errors
/// When the sources do not compile.
pub(crate) fn complaints(cache: &Path, kernel: &Kernel) -> Result<String> {
    let files = source_files(&sources())?;
    let _lock = CacheLock::take(cache)?;
    kernel.ensure_build_tools(&["sparse"])?;
    let step = Step::begin(&format!("checking usbfs2.ko for {}", kernel.release()));
    let scratch = cache.join("modules").join(kernel.release()).join("checked");
    copy(&files, &scratch)?;
    // What C=2 stands for. Newer kernels first try sparse with a script that Debian's headers lack.
    let checked = ["W=1", "KBUILD_CHECKSRC=2", "CHECK=sparse", "modules"];
    let said = make(kernel, &scratch, &checked)?;
    ensure!(
        said.contains("  CHECK   "),
        "make ran no sparse for {}:\n{said}",
        kernel.release()
    );
    step.done();
    let directory = scratch.display().to_string();
    // Some kernels' own headers give sparse something to say.
    let is_ours = |line: &&str| line.starts_with(&directory) || line.contains("[usbfs2");
    let is_complaint = |line: &&str| {
        line.contains("warning:") || line.contains("error:") || line.contains("WARNING")
    };
    let ours = said.lines().filter(is_ours).filter(is_complaint);
    Ok(ours
        .map(|line| line.replace(&directory, "usbfs2-module") + "\n")
        .collect())
}

/// The module's C sources and headers in this checkout.
pub(crate) fn c_files() -> Result<Vec<PathBuf>> {
    let directory = sources();
    let files = source_files(&directory)?
        .into_iter()
        .map(|(path, _)| directory.join(path));
    Ok(files
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "c" || extension == "h")
        })
        .collect())
}

/// Runs kbuild in `directory`; everything it said comes back, and is the error when it fails.
pub(crate) fn make(kernel: &Kernel, directory: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = kernel.make(directory)?;
    command.args(arguments);
    let output = command.output().context("run make")?;
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    ensure!(
        output.status.success(),
        "{} does not build for {}:\n{said}",
        directory.display(),
        kernel.release()
    );
    Ok(said)
}

/// The sources as paths relative to `directory` and their contents, in one order on every machine.
pub(crate) fn source_files(directory: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = Vec::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(relative) = pending.pop() {
        let current = directory.join(&relative);
        for entry in
            fs::read_dir(&current).with_context(|| format!("read {}", current.display()))?
        {
            let entry = entry?;
            let path = relative.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                pending.push(path);
            } else if !is_build_product(&path) {
                let content = fs::read(entry.path())
                    .with_context(|| format!("read {}", entry.path().display()))?;
                files.push((path, content));
            }
        }
    }
    files.sort();
    ensure!(
        !files.is_empty(),
        "{} holds no sources",
        directory.display()
    );
    Ok(files)
}

fn is_build_product(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    name.starts_with('.')
        || name.ends_with(".mod.c")
        || matches!(&*name, "Module.symvers" | "modules.order")
        || matches!(&*extension, "o" | "ko" | "mod")
}

/// A name for the contents of `files`.
pub(crate) fn digest(files: &[(PathBuf, Vec<u8>)]) -> String {
    let mut hasher = Sha256::new();
    for (path, content) in files {
        hasher.update(format!("{} {}\n", path.display(), content.len()));
        hasher.update(content);
    }
    hasher
        .finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Makes `target` a directory of `files` and nothing else.
pub(crate) fn copy(files: &[(PathBuf, Vec<u8>)], target: &Path) -> Result<()> {
    if target.exists() {
        fs::remove_dir_all(target)?;
    }
    for (path, content) in files {
        let path = target.join(path);
        parent_of(&path)?;
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

/// Creates the directory that `path` will stand in.
pub(crate) fn parent_of(path: &Path) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
    }
    Ok(())
}
