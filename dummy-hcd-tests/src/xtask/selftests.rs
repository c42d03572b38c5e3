//! The module's selftests, built here: in an emulated guest the compiler takes its time.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::cache::{self, CacheLock};
use crate::{apt, kernel, module};

/// The directory of the programs, built if these sources have not been built before.
///
/// # Errors
/// When they do not compile without a warning; the message is what make said.
pub(crate) fn build() -> Result<PathBuf> {
    let cache = cache::directory()?;
    let sources = module::sources().join("selftests");
    let header = module::source_files(&module::sources().join("uapi"))?;
    let inputs = [module::source_files(&sources)?, header].concat();
    let builds = cache.join("selftests");
    let _lock = CacheLock::take(&cache)?;
    let finished = builds.join(module::digest(&inputs));
    if finished.exists() {
        return Ok(finished);
    }
    apt::ensure_installed(&["gcc", "libc6-dev", "make"])?;
    let scratch = builds.join("partial");
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?;
    }
    module::parent_of(&scratch)?;
    kernel::succeed(
        Command::new("make")
            .arg("-C")
            .arg(&sources)
            .arg(format!("OUTPUT={}", scratch.display()))
            .env("CFLAGS", "-O2 -Werror")
            .env_remove("MAKEFLAGS"),
    )?;
    fs::rename(&scratch, &finished).with_context(|| format!("complete {}", finished.display()))?;
    Ok(finished)
}
