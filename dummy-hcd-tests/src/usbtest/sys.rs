use std::ffi::{c_int, c_ulong, c_void};
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use super::UsbTest;

/// `struct usbdevfs_ioctl`: an ioctl for the driver of an interface.
#[repr(C)]
struct DriverIoctl {
    interface: c_int,
    code: c_int,
    data: *mut c_void,
}

/// `_IOWR('U', number, size)` of `asm-generic/ioctl.h`; usbfs's and usbtest's type is 'U'.
const fn request(number: c_ulong, size: usize) -> c_ulong {
    3 << 30 | (size as c_ulong) << 16 | (b'U' as c_ulong) << 8 | number
}

/// Has `usbtest`, which must be bound to `interface` of the device whose usbfs node is `node`, run `test`.
///
/// # Errors
/// What the test failed with.
pub fn run(node: BorrowedFd<'_>, interface: u8, test: &mut UsbTest) -> io::Result<()> {
    let code = request(100, size_of::<UsbTest>());
    let mut call = DriverIoctl {
        interface: c_int::from(interface),
        // The driver compares the same 32 bits.
        code: (u32::try_from(code).map_err(io::Error::other)?).cast_signed(),
        data: (&raw mut *test).cast(),
    };
    // SAFETY: USBDEVFS_IOCTL copies the struct `data` points to, whose size is in `code`, in and out before it
    // returns; `call` and `test` are borrowed until then.
    let result = unsafe {
        libc::ioctl(
            node.as_raw_fd(),
            request(18, size_of::<DriverIoctl>()),
            &raw mut call,
        )
    };
    match result {
        0.. => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
