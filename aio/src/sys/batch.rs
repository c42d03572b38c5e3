//! The operations of no bytes that start, await and cancel the transfers of a ring: `USBFS2_BATCH`.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::ptr;

use crate::SharedFile;

/// The count that stands for all transfers written down and not started (`USBFS2_BATCH_PREPARED`).
pub(crate) const PREPARED: u16 = 0xffff;

/// The offset of an operation that starts `count` transfers and waits until `target` are done.
pub(crate) fn batch_offset(count: u16, target: u32) -> u64 {
    1 << 62 | u64::from(count) << 32 | u64::from(target)
}

/// The offset of an operation that cancels `count` transfers from number `first` on.
pub(crate) fn cancel_offset(count: u16, first: u32) -> u64 {
    1 << 61 | batch_offset(count, first)
}

/// Reads no bytes at `offset`, or writes none to an endpoint that is OUT.
///
/// # Errors
/// The kernel's; `EINTR` when a signal ended a wait.
///
/// # Safety
/// The memory of every transfer that this starts must stay as it is, untouched by others, until its answer is in the
/// ring.
pub(crate) unsafe fn operate(file: &SharedFile, is_in: bool, offset: u64) -> io::Result<()> {
    let fd = file.as_fd().as_raw_fd();
    let offset = offset.cast_signed();
    // SAFETY: neither call moves a byte from or to the address given; the caller vouches for what the ring names.
    let moved = unsafe {
        if is_in {
            libc::pread64(fd, ptr::null_mut(), 0, offset)
        } else {
            libc::pwrite64(fd, ptr::null(), 0, offset)
        }
    };
    if moved < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_those_of_the_header() {
        assert_eq!(batch_offset(16, 0xffff_fff0), 0x4000_0010_ffff_fff0);
        assert_eq!(cancel_offset(4096, 7), 0x6000_1000_0000_0007);
    }
}
