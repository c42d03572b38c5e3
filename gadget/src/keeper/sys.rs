//! File descriptors that a process was started with.

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::{FdFlags, fcntl_setfd};

/// The first file passed (SD_LISTEN_FDS_START).
const FIRST: RawFd = 3;

/// Whether the files have been given out: nobody else may.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes the files at these places, counted from the first that is passed, and keeps programs that this one starts from
/// inheriting them. Nothing the second time.
pub(super) fn take_passed(places: impl Iterator<Item = u16>) -> io::Result<Vec<OwnedFd>> {
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Ok(Vec::new());
    }
    places
        .map(|place| {
            let raw = FIRST + RawFd::from(place);
            // SAFETY: the descriptor is only borrowed for the call, which fails with EBADF if it is none.
            let file = unsafe { BorrowedFd::borrow_raw(raw) };
            fcntl_setfd(file, FdFlags::CLOEXEC)?;
            // SAFETY: the descriptor is open, as the call above has shown. The protocol of LISTEN_FDS gives those that
            // are passed to whoever asks in the process it names, which `inherited::take` has compared; TAKEN sees
            // to it that this crate asks once, and each place comes once, since names are the keys of a map.
            Ok(unsafe { OwnedFd::from_raw_fd(raw) })
        })
        .collect()
}
