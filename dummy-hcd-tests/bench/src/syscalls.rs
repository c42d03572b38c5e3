//! Counts this process's system calls by the kernel's tracepoint.

use anyhow::{Context as _, Result};
use perf_event::events::Tracepoint;
use perf_event::{Builder, Counter};

/// Counts from its creation on what [`count`](Self::count) encloses, in this thread and those it starts later.
///
/// While one exists every system call of the machine takes a longer way into the kernel, so that nothing is timed
/// in the same process.
#[derive(Debug)]
pub(crate) struct SyscallCounter {
    counter: Counter,
}

/// The call that switches the counter off is the last one counted.
const OWN_CALLS: u64 = 1;

impl SyscallCounter {
    pub(crate) fn new() -> Result<Self> {
        let event = Tracepoint::with_name("raw_syscalls/sys_enter")
            .context("the kernel has no tracepoint for system calls, or debugfs is not mounted")?;
        let counter = Builder::new(event)
            .include_kernel()
            .inherit(true)
            .build()
            .context("perf_event_open")?;
        Ok(Self { counter })
    }

    pub(crate) fn count(&mut self, work: impl FnOnce() -> Result<()>) -> Result<u64> {
        let before = self.counter.read()?;
        self.counter.enable()?;
        let result = work();
        self.counter.disable()?;
        result?;
        let counted = self.counter.read()?.saturating_sub(before);
        Ok(counted.saturating_sub(OWN_CALLS))
    }
}
