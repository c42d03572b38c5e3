//! What a verification may do.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a verification may do, and for how long.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long a device may take for one request or transfer. The default is the 5 s that USB 2.0 9.2.6.1 gives
    /// to any request.
    pub deadline: Duration,
    /// How long one check may go on asking before it fails, a twelfth more for each of its rounds. The default is
    /// 60 s. What a check altered is put back however long it took.
    pub budget: Duration,
    /// Whether to check the device's mass-storage interface too.
    pub mass_storage: bool,
    /// Whether write commands may be sent to the disk. What they overwrite is put back.
    pub allow_writes: bool,
    /// How often the device is configured anew, and how often it is unplugged.
    pub rounds: u32,
    /// Ends the verification before its end.
    pub stop: Stop,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(5),
            budget: Duration::from_secs(60),
            mass_storage: false,
            allow_writes: false,
            rounds: 200,
            stop: Stop::never(),
        }
    }
}

/// Whether somebody wants the end, asked before every check and every request. The check under way ends as not
/// possible, what it altered is put back, and no other begins.
#[derive(Clone)]
pub struct Stop(Arc<dyn Fn() -> bool + Send + Sync>);

impl Stop {
    /// Nobody does.
    #[must_use]
    pub fn never() -> Self {
        Self::when(|| false)
    }

    /// Once `is_requested` says so.
    #[must_use]
    pub fn when(is_requested: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_requested))
    }

    pub(crate) fn is_requested(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stop").finish_non_exhaustive()
    }
}
