//! Ctrl-C asks long work to end; the work ends itself, so that nothing is left behind.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;

static REQUESTED: AtomicBool = AtomicBool::new(false);
static LOCK: Mutex<()> = Mutex::new(());
static CHANGED: Condvar = Condvar::new();

/// Makes Ctrl-C, SIGTERM and SIGHUP set [`requested`] instead of killing the process. Once is enough, and more does no
/// harm.
pub(crate) fn catch() -> Result<()> {
    static CAUGHT: Mutex<bool> = Mutex::new(false);
    let mut caught = CAUGHT.lock().unwrap_or_else(PoisonError::into_inner);
    if *caught {
        return Ok(());
    }
    ctrlc::set_handler(|| {
        REQUESTED.store(true, Ordering::Relaxed);
        let _guard = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
        CHANGED.notify_all();
    })?;
    *caught = true;
    Ok(())
}

/// Whether the user asked for the end.
pub(crate) fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// Waits until the user asks for the end, at most this long.
pub(crate) fn wait(at_most: Duration) {
    let guard = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    if !requested() {
        drop(CHANGED.wait_timeout(guard, at_most));
    }
}
