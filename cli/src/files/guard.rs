//! Libraries that panic on what a damaged disk holds.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use anyhow::{Result, bail};

thread_local! {
    /// Whether this thread is in [`guarded`], where a panic is an answer and no fault of ours.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` on what a disk holds. The FAT and GPT libraries panic on some numbers that no healthy disk
/// has, such as a cluster that would lie before the first; that becomes an error like every other.
///
/// # Errors
/// Those of `work`, and that of a panic.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                report(info);
            }
        }));
    });
    GUARDED.set(true);
    // What `work` leaves half done is dropped with it.
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(false);
    let Ok(outcome) = outcome else {
        bail!(
            "the disk's tables are damaged, they hold numbers that cannot be: have fsck.vfat look at it"
        );
    };
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_an_outcome_stays_one() {
        let clusters = [1_u32];
        let error = guarded(|| Ok(clusters[0] - 2)).unwrap_err();
        assert!(error.to_string().contains("damaged"), "{error}");
        assert_eq!(guarded(|| Ok(7)).unwrap(), 7);
        assert!(guarded::<()>(|| bail!("no")).is_err());
    }
}
