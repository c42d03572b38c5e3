//! Memory that a driver gives to be mapped: shared with the kernel, and with nobody else.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;

use super::fork::ForkMark;
use crate::SharedFile;

/// A shared mapping of a file, unmapped when this is dropped.
///
/// The driver keeps it out of forked children (`VM_DONTCOPY`), so that in one the addresses are nobody's, or those
/// of a later mapping of its own: the mark tells, and then nothing is read, written or unmapped.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
    mark: Arc<ForkMark>,
}

// SAFETY: a Mapping is an address range; what may be read and written in it, and when, is for those who hand out
// references to say (Piece, RingPage).
unsafe impl Send for Mapping {}
// SAFETY: as above; `&Mapping` gives out the address alone.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes of `file` at `offset`, readable and writable.
    pub(crate) fn new(
        file: &SharedFile,
        offset: u64,
        len: usize,
        mark: &Arc<ForkMark>,
    ) -> io::Result<Self> {
        let offset = libc::off64_t::try_from(offset)
            .map_err(|_| io::Error::from_raw_os_error(libc::EOVERFLOW))?;
        // SAFETY: a new mapping at an address of the kernel's choice touches no existing memory. The descriptor is
        // open, borrowed from `file`.
        let start = unsafe {
            libc::mmap64(
                ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_fd().as_raw_fd(),
                offset,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast::<u8>())
            .ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
        Ok(Self {
            start,
            len,
            mark: Arc::clone(mark),
        })
    }

    /// Anonymous memory in the place of a driver's.
    #[cfg(test)]
    pub(crate) fn anonymous(len: usize, mark: &Arc<ForkMark>) -> io::Result<Self> {
        // SAFETY: a new mapping at an address of the kernel's choice touches no existing memory.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            start: NonNull::new(start.cast::<u8>()).expect("no mapping at 0"),
            len,
            mark: Arc::clone(mark),
        })
    }

    #[inline]
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether this process is a fork of the one that mapped it, and has nothing at these addresses.
    #[inline]
    pub(crate) fn is_inherited(&self) -> bool {
        self.mark.is_child()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if self.is_inherited() {
            return;
        }
        // SAFETY: `new` mapped this very range and self is its only owner; every reference into it is given out
        // by one who keeps self in an Arc (Piece) or owns it (RingPage).
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// A part of a mapping, which no other piece overlaps as long as this one lives.
#[derive(Debug)]
pub(crate) struct Piece {
    mapping: Arc<Mapping>,
    // Small: a buffer is a part of every operation, which is to stay small in an error.
    offset: u32,
    len: u32,
}

impl Piece {
    /// # Safety
    /// No other living piece of this mapping may share a byte with `offset..offset + len`, and nobody may read or
    /// write there in another way but the kernel, within operations whose memory this is.
    ///
    /// # Panics
    /// If the range is not in the mapping, or ends beyond 4 GiB.
    pub(crate) unsafe fn new(mapping: &Arc<Mapping>, offset: usize, len: usize) -> Self {
        let is_within = offset <= mapping.len() && len <= mapping.len() - offset;
        match (u32::try_from(offset), u32::try_from(len)) {
            (Ok(offset), Ok(len)) if is_within => Self {
                mapping: Arc::clone(mapping),
                offset,
                len,
            },
            _ => panic!("{len} bytes at {offset} are no piece of a mapping"),
        }
    }

    /// The mapping, which stays where it is as long as the piece.
    pub(crate) fn mapping(&self) -> &Arc<Mapping> {
        &self.mapping
    }

    #[inline]
    pub(crate) fn offset(&self) -> usize {
        self.offset as usize
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    #[inline]
    fn start(&self) -> *mut u8 {
        self.mapping.start.as_ptr().wrapping_add(self.offset())
    }

    /// Nothing in a forked child, which does not have the memory.
    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        if self.mapping.is_inherited() {
            return &[];
        }
        // SAFETY: `new` found the range in the mapping, which the Arc keeps mapped, and was promised that it is this
        // piece's alone; the borrow of self rules writers out. The kernel writes within operations only, which
        // own the piece meanwhile. Mapped memory is initialised: the driver gives it zeroed.
        unsafe { slice::from_raw_parts(self.start(), self.len()) }
    }

    /// Nothing in a forked child, which does not have the memory.
    #[inline]
    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        if self.mapping.is_inherited() {
            return &mut [];
        }
        // SAFETY: as in as_slice; the exclusive borrow of self makes this the only reference.
        unsafe { slice::from_raw_parts_mut(self.start(), self.len()) }
    }
}
