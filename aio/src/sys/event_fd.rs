//! The descriptor that becomes readable on completions: eventfd(2).

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

/// A non-blocking eventfd, closed on exec.
#[derive(Debug)]
pub(crate) struct EventFd(File);

impl EventFd {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: eventfd takes no pointer.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: eventfd just returned this descriptor, so nobody else owns it; the File closes it on drop.
        Ok(Self(File::from(unsafe { OwnedFd::from_raw_fd(fd) })))
    }

    /// Makes the descriptor unreadable until the next signal.
    pub(crate) fn drain(&self) -> io::Result<()> {
        match (&self.0).read(&mut [0; 8]) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes the descriptor readable, as a completion does.
    pub(crate) fn signal(&self) -> io::Result<()> {
        match (&self.0).write(&1_u64.to_ne_bytes()) {
            // A counter at its limit is readable already.
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for EventFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Makes the eventfd known to the tokio runtime this is called in.
#[cfg(feature = "tokio")]
pub(crate) fn register_with_tokio(
    event_fd: std::sync::Arc<EventFd>,
) -> io::Result<tokio::io::unix::AsyncFd<std::sync::Arc<EventFd>>> {
    use tokio::io::{Interest, unix::AsyncFd};

    // AsyncFd panics where there is no runtime; that is for the caller to handle.
    tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
    // SAFETY: the AsyncFd shares ownership of the EventFd, whose File never changes and closes on its drop alone.
    Ok(unsafe { AsyncFd::register_with_interest(event_fd, Interest::READABLE) }?)
}
