//! Waiting for what another process or the kernel does.

use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{env, thread};

/// Long enough for a busy machine that emulates its guest; reached only when something hangs.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// An emulated guest's clock may jump when its machine is busy: time alone does not say that something hangs.
pub const LEAST_TRIES: u32 = 500;

/// How many times longer than usual things may take here, as the harness says: a kernel that checks what it
/// does is slower.
#[must_use]
pub fn patience() -> u32 {
    static PATIENCE: OnceLock<u32> = OnceLock::new();
    *PATIENCE.get_or_init(|| {
        let patience = env::var("USBFS2_PATIENCE").ok();
        patience
            .and_then(|patience| patience.parse().ok())
            .unwrap_or(1)
    })
}

/// The condition did not come true.
#[derive(Debug, thiserror::Error)]
#[error("waited {} s in vain until {what}", .waited.as_secs())]
#[non_exhaustive]
pub struct TimedOut {
    /// The condition.
    pub what: String,
    /// How long it was given.
    pub waited: Duration,
}

/// Returns once `condition` gives a value.
///
/// # Errors
/// [`TimedOut`] after [`DEADLINE`], times [`patience`]; `what` completes "waited in vain until".
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> Result<T, TimedOut> {
    let since = Instant::now();
    let mut tries = 0;
    loop {
        tries += 1;
        if let Some(value) = condition() {
            return Ok(value);
        }
        if since.elapsed() > DEADLINE * patience() && tries >= LEAST_TRIES {
            return Err(TimedOut {
                what: what.to_owned(),
                waited: since.elapsed(),
            });
        }
        thread::sleep(Duration::from_millis(2));
    }
}
