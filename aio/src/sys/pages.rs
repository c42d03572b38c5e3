//! Page-aligned memory.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::slice;
use std::sync::OnceLock;

/// Bytes in a page of this machine.
pub(crate) fn page_size() -> usize {
    static SIZE: OnceLock<usize> = OnceLock::new();
    *SIZE.get_or_init(|| {
        // SAFETY: sysconf takes no pointer.
        let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        usize::try_from(size).unwrap_or(4096)
    })
}

/// Owned, initialised memory in whole pages of its own, of which `len` bytes are visible.
#[derive(Debug)]
pub(crate) struct Pages {
    start: NonNull<u8>,
    len: usize,
    layout: Layout,
}

// SAFETY: Pages is the only owner of its allocation, as Box<[u8]> is.
unsafe impl Send for Pages {}
// SAFETY: as for Box<[u8]>: shared references only read.
unsafe impl Sync for Pages {}

impl Pages {
    /// Allocates `len` zeroed bytes.
    ///
    /// # Panics
    /// When `len` exceeds `isize::MAX`.
    pub(crate) fn zeroed(len: usize) -> Self {
        let layout = len
            .max(1)
            .checked_next_multiple_of(page_size())
            .and_then(|size| Layout::from_size_align(size, page_size()).ok())
            .expect("capacity overflow");
        // SAFETY: the layout's size is at least one page.
        let start = unsafe { alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else {
            handle_alloc_error(layout)
        };
        Self { start, len, layout }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        // SAFETY: self owns `len` initialised bytes at `start` until Drop, and the borrow of self rules writers out.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as in as_slice; the exclusive borrow of self makes this the only reference.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: `zeroed` allocated `start` with this very layout, and self is its only owner.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}
