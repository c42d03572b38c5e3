//! How long the processor was busy.

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result};

/// Time spent between two moments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    /// By the guest's clock.
    pub(crate) elapsed_ns: u64,
    /// Of that, what the processor was not idle.
    pub(crate) busy_ns: u64,
}

/// Runs `work` and measures it.
///
/// The idle times are read outside of the two clock readings, with no sleep between, so that reading them,
/// which takes longer than a transfer, is not measured.
pub(crate) fn measure(work: impl FnOnce() -> Result<()>) -> Result<Spent> {
    let idle_before = idle_ns()?;
    let since = Instant::now();
    work()?;
    let elapsed = since.elapsed();
    let idle = idle_ns()?.saturating_sub(idle_before);
    let elapsed_ns = u64::try_from(elapsed.as_nanos()).context("the clock ran away")?;
    Ok(Spent {
        elapsed_ns,
        busy_ns: elapsed_ns.saturating_sub(idle),
    })
}

/// How long the processors have been idle since they started.
fn idle_ns() -> Result<u64> {
    let text = fs::read_to_string("/proc/timer_list").context("read /proc/timer_list")?;
    parse(&text).context("/proc/timer_list has no idle times")
}

fn parse(text: &str) -> Option<u64> {
    let times = text.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_idle = matches!(name.trim(), ".idle_sleeptime" | ".iowait_sleeptime");
        is_idle.then(|| value.split_whitespace().next()?.parse::<u64>().ok())
    });
    let times = times.collect::<Option<Vec<_>>>()?;
    (!times.is_empty()).then(|| times.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn idle_times_of_all_processors_are_summed() {
        let text = "cpu: 0\n  .idle_waketime : 9 nsecs\n  .idle_sleeptime : 40 nsecs\n  .iowait_sleeptime: 2 nsecs\n\
                    cpu: 1\n  .idle_sleeptime : 100 nsecs\n";
        assert_eq!(parse(text), Some(142));
        assert_eq!(parse("cpu: 0\n"), None);
    }
}
