//! `dummy_hcd` with isochronous transfers: Debian's source of the kernel under test, our patch, a module.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::cache::CacheLock;
use crate::kernel::Kernel;
use crate::progress::Step;
use crate::{apt, kernel_source, module};

/// Where the patches stand in this checkout.
pub(crate) fn patches() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dummy-hcd")
}

const SOURCE: &str = "drivers/usb/gadget/udc/dummy_hcd.c";
const MODULE: &str = "dummy_hcd.ko";
const KBUILD: &str = "obj-m := dummy_hcd.o\n";

/// The patched `dummy_hcd.ko` for `kernel`, built if it has not been built from the same files before.
///
/// # Errors
/// When a patch does not apply or the result does not compile; the message is what `patch` or make said.
pub(crate) fn build(cache: &Path, kernel: &Kernel) -> Result<PathBuf> {
    let _lock = CacheLock::take(cache)?;
    let base = cache.join("dummy-hcd").join(kernel.release());
    let tree = base.join("source");
    if !tree.exists() {
        kernel_source::extract(cache, kernel, &[SOURCE], &tree)?;
    }
    let source = fs::read(tree.join(SOURCE))
        .with_context(|| format!("read {}", tree.join(SOURCE).display()))?;
    let patches = module::source_files(&patches())?;
    // The kernel's release stands for its headers and the compiler they ask for.
    let mut files = vec![
        (PathBuf::from(SOURCE), source),
        (PathBuf::from("Kbuild"), KBUILD.into()),
    ];
    let inputs = [files.clone(), patches.clone()].concat();
    let finished = base.join(module::digest(&inputs));
    let built = finished.join(MODULE);
    if built.exists() {
        return Ok(built);
    }

    apt::ensure_installed(&["patch"])?;
    kernel.ensure_build_tools(&[])?;
    let step = Step::begin(&format!(
        "building dummy_hcd.ko with isochronous transfers for {}",
        kernel.release()
    ));
    let scratch = base.join("partial");
    module::copy(&files, &scratch)?;
    for (name, _) in &patches {
        kernel_source::patch(&scratch, &self::patches().join(name))?;
    }
    files[0] = (
        PathBuf::from("dummy_hcd.c"),
        fs::read(scratch.join(SOURCE))?,
    );
    module::copy(&files, &scratch)?;
    let said = module::make(kernel, &scratch, &["W=1", "modules"])?;
    ensure!(
        scratch.join(MODULE).exists(),
        "make built no {MODULE} in {}\n{said}",
        scratch.display()
    );
    ensure!(
        !said.contains("warning:"),
        "the patched dummy_hcd.c for {} compiles with warnings:\n{said}",
        kernel.release()
    );
    fs::rename(&scratch, &finished).with_context(|| format!("complete {}", finished.display()))?;
    step.done();
    Ok(built)
}
