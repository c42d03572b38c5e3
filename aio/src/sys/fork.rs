//! Telling a forked child from the process that made a context, without a system call.

use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU8, Ordering};

use super::page_size;

/// A page that the kernel hands to a forked child filled with zeros (`MADV_WIPEONFORK`).
///
/// A child inherits the ring's shared memory and the eventfd, but not the kernel context: reading
/// either would take completions from the parent, and destroying by number could hit a context of its own.
#[derive(Debug)]
pub(crate) struct ForkMark(NonNull<AtomicU8>);

// SAFETY: the page is accessed through an atomic alone, and unmapped by the one owner's Drop.
unsafe impl Send for ForkMark {}
// SAFETY: as above; `&ForkMark` only loads.
unsafe impl Sync for ForkMark {}

impl ForkMark {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: a new private mapping at an address of the kernel's choice touches no existing memory.
        let page = unsafe {
            libc::mmap(
                ptr::null_mut(),
                page_size(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let Some(mark) = NonNull::new(page.cast::<AtomicU8>()) else {
            return Err(io::Error::from_raw_os_error(libc::ENOMEM));
        };
        let mark = Self(mark);
        // SAFETY: `mark` owns the whole page, mapped above, until its Drop.
        if unsafe { libc::madvise(page, page_size(), libc::MADV_WIPEONFORK) } != 0 {
            return Err(io::Error::last_os_error());
        }
        mark.byte().store(1, Ordering::Relaxed);
        Ok(mark)
    }

    /// Whether this process is a fork of the one that called `new`.
    #[inline]
    pub(crate) fn is_child(&self) -> bool {
        self.byte().load(Ordering::Relaxed) == 0
    }

    #[inline]
    fn byte(&self) -> &AtomicU8 {
        // SAFETY: self owns the page, which stays mapped readable and writable until Drop.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for ForkMark {
    fn drop(&mut self) {
        // SAFETY: self owns the mapping, and no reference from byte() outlives a borrow of self.
        unsafe { libc::munmap(self.0.as_ptr().cast(), page_size()) };
    }
}
