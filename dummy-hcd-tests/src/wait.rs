//! Waiting for what another process or the kernel does.

use std::thread;
use std::time::{Duration, Instant};

/// Long enough for a busy machine that emulates its guest; reached only when something hangs.
pub const DEADLINE: Duration = Duration::from_secs(30);

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
/// [`TimedOut`] after [`DEADLINE`]; `what` completes "waited in vain until".
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> Result<T, TimedOut> {
    let since = Instant::now();
    loop {
        if let Some(value) = condition() {
            return Ok(value);
        }
        if since.elapsed() > DEADLINE {
            return Err(TimedOut {
                what: what.to_owned(),
                waited: since.elapsed(),
            });
        }
        thread::sleep(Duration::from_millis(2));
    }
}
