//! Telling usbfs2's endpoints from other files.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// `USBFS2_MAGIC` of linux/usbfs2.h, what fstatfs calls its file system.
const MAGIC: u64 = 0x7573_6232;

/// Whether the file is an endpoint of usbfs2, which is a FIFO there. The file system's other files are none.
pub(crate) fn is_endpoint(file: BorrowedFd<'_>) -> bool {
    let mut system = MaybeUninit::<libc::statfs>::uninit();
    let mut file_status = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: each call writes the one structure it is given, which outlives the call, if it succeeds.
    unsafe {
        if libc::fstatfs(file.as_raw_fd(), system.as_mut_ptr()) != 0
            || libc::fstat(file.as_raw_fd(), file_status.as_mut_ptr()) != 0
        {
            return false;
        }
    }
    // SAFETY: both calls succeeded, and so wrote their structure.
    let (system, file_status) = unsafe { (system.assume_init(), file_status.assume_init()) };
    u64::try_from(system.f_type) == Ok(MAGIC) && file_status.st_mode & libc::S_IFMT == libc::S_IFIFO
}
