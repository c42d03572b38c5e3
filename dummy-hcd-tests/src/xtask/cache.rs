//! The user's cache directory, which outlives `cargo clean`: kernels, package lists, built modules.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::progress;

/// `$XDG_CACHE_HOME/usbfs2`, or `~/.cache/usbfs2`; created when missing.
pub(crate) fn directory() -> Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| env::home_dir().map(|home| home.join(".cache")))
        .context("no cache directory: set HOME or XDG_CACHE_HOME")?;
    let directory = base.join("usbfs2");
    fs::create_dir_all(&directory).with_context(|| {
        format!(
            "create {} (set XDG_CACHE_HOME to a writable place)",
            directory.display()
        )
    })?;
    Ok(directory)
}

/// Holds the cache for one writer; other invocations wait. Released when dropped.
#[derive(Debug)]
pub(crate) struct CacheLock {
    _file: File,
}

impl CacheLock {
    /// Waits for the lock and says so if another invocation has it.
    pub(crate) fn take(cache: &Path) -> Result<Self> {
        Self::take_file(&cache.join("lock"))
    }

    /// The same for one part of the cache, whose writer keeps nobody else waiting.
    pub(crate) fn take_part(cache: &Path, part: &str) -> Result<Self> {
        Self::take_file(&cache.join(format!("{part}.lock")))
    }

    fn take_file(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
        if file.try_lock().is_err() {
            progress::say("waiting for another cargo xtask to finish its download or build");
            file.lock()
                .with_context(|| format!("lock {}", path.display()))?;
        }
        Ok(Self { _file: file })
    }
}
