//! Memory that is short on purpose: the kernel's fault injection, one place of a system call after the other
//! (Documentation/fault-injection in the kernel's sources).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Where a thread of this name says which place is to fail.
const FAIL_NTH: &str = "/proc/thread-self/fail-nth";

/// More places than a system call has; reached only if a failure is not told.
const MOST: u32 = 4000;

/// Whether the kernel can do this, which Debian's cannot.
#[must_use]
pub fn is_here() -> bool {
    Path::new(FAIL_NTH).exists()
}

/// What came of a call once for each place in it where the kernel may lack memory or find an address bad.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// It failed.
    pub failed: u32,
    /// It did what it is for all the same.
    pub survived: u32,
}

/// A place could not be tried, or not be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FailNthError {
    /// A file of the kernel's fault injection says no.
    #[error("the kernel's fault injection: {0}")]
    Injection(#[from] io::Error),
    /// The call failed in another way than for lack of memory.
    #[error("failing place {place} gave: {error}")]
    Unclean {
        /// The place, counted from 1.
        place: u32,
        /// What the call said.
        error: io::Error,
    },
    /// The check after a call found something.
    #[error("after failing place {place}: {reason}")]
    Damage {
        /// The place, counted from 1.
        place: u32,
        /// What the check said.
        reason: String,
    },
    /// There seems to be no end to the places.
    #[error("a call with more than {MOST} places that fail")]
    Endless,
}

/// Calls `call` until it is through without a failure, with the first place failing, then the second, and so on;
/// and `check` after each with what it gave.
///
/// `call` is one system call of this thread: what else it did might fail as well.
///
/// # Errors
/// See [`FailNthError`]: a failure must say ENOMEM, or EFAULT where a copy from or to the caller fails.
pub fn each_place<T>(
    mut call: impl FnMut() -> io::Result<T>,
    mut check: impl FnMut(io::Result<T>) -> Result<(), String>,
) -> Result<Tried, FailNthError> {
    // Allocations that may wait are most of all, and count only when told to.
    for (kind, setting, value) in [
        ("failslab", "ignore-gfp-wait", "N"),
        ("fail_page_alloc", "ignore-gfp-wait", "N"),
        ("fail_page_alloc", "ignore-gfp-highmem", "N"),
        ("fail_page_alloc", "min-order", "0"),
    ] {
        fs::write(
            Path::new("/sys/kernel/debug").join(kind).join(setting),
            value,
        )?;
    }
    let nth = OpenOptions::new().read(true).write(true).open(FAIL_NTH)?;
    let mut tried = Tried::default();
    for place in 1..MOST {
        let order = place.to_string();
        nth.write_at(order.as_bytes(), 0)?;
        let result = call();
        let has_failed = has_failed(&nth)?;
        match &result {
            _ if !has_failed => {
                return match result {
                    Err(error) => Err(FailNthError::Unclean { place, error }),
                    done => match check(done) {
                        Ok(()) => Ok(tried),
                        Err(reason) => Err(FailNthError::Damage { place, reason }),
                    },
                };
            }
            Ok(_) => tried.survived += 1,
            Err(error) => match error.raw_os_error() {
                Some(libc::ENOMEM | libc::EFAULT) => tried.failed += 1,
                _ => {
                    let error = io::Error::from_raw_os_error(error.raw_os_error().unwrap_or(0));
                    return Err(FailNthError::Unclean { place, error });
                }
            },
        }
        check(result).map_err(|reason| FailNthError::Damage { place, reason })?;
    }
    Err(FailNthError::Endless)
}

/// Whether the place was reached; takes the order back if not.
fn has_failed(nth: &File) -> io::Result<bool> {
    let mut rest = [0; 16];
    let has_failed = match nth.read_at(&mut rest, 0) {
        Ok(length) => rest[..length].trim_ascii() == b"0",
        // The read was the place: its own copy to us is one, too.
        Err(error) if error.raw_os_error() == Some(libc::EFAULT) => false,
        Err(error) => return Err(error),
    };
    // So may be this one's; after it nothing is left to fail.
    while let Err(error) = nth.write_at(b"0", 0) {
        if error.raw_os_error() != Some(libc::EFAULT) {
            return Err(error);
        }
    }
    Ok(has_failed)
}
