//! An open device of usbfs, and its synchronous ioctls.

use std::ffi::{c_int, c_uint, c_ulong, c_void};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::Path;

use dummy_hcd_tests::usbtest::{self, UsbTest};

/// No limit, as every stack has it here: a timer would be one stack's cost only.
const NO_TIMEOUT: c_uint = 0;

const READ: c_ulong = 2;
const WRITE: c_ulong = 1;

/// `_IOC` of `asm-generic/ioctl.h`; usbfs's and usbtest's type is 'U'.
const fn request(access: c_ulong, number: c_ulong, size: usize) -> c_ulong {
    access << 30 | (size as c_ulong) << 16 | (b'U' as c_ulong) << 8 | number
}

/// `struct usbdevfs_ctrltransfer`.
#[repr(C)]
struct ControlTransfer {
    request_type: u8,
    request: u8,
    value: u16,
    index: u16,
    length: u16,
    timeout_ms: c_uint,
    data: *mut c_void,
}

/// `struct usbdevfs_bulktransfer`.
#[repr(C)]
struct BulkTransfer {
    endpoint: c_uint,
    length: c_uint,
    timeout_ms: c_uint,
    data: *mut c_void,
}

/// An open device.
#[derive(Debug)]
pub(crate) struct Usbfs {
    fd: OwnedFd,
}

impl Usbfs {
    pub(crate) fn open(node: &Path) -> io::Result<Self> {
        let file: File = OpenOptions::new().read(true).write(true).open(node)?;
        Ok(Self { fd: file.into() })
    }

    pub(super) fn raw(&self) -> c_int {
        self.fd.as_raw_fd()
    }

    /// Claims an interface that no driver has, until the device is closed.
    pub(crate) fn claim(&self, interface: u8) -> io::Result<()> {
        let mut number = c_uint::from(interface);
        // SAFETY: USBDEVFS_CLAIMINTERFACE reads one unsigned int, which outlives the call.
        let result = unsafe {
            libc::ioctl(
                self.raw(),
                request(READ, 15, size_of::<c_uint>()),
                &raw mut number,
            )
        };
        check(result).map(drop)
    }

    /// One bulk or interrupt transfer to its end; the bytes moved.
    pub(crate) fn bulk(&self, endpoint: u8, data: &mut [u8]) -> io::Result<usize> {
        let mut transfer = BulkTransfer {
            endpoint: c_uint::from(endpoint),
            length: length(data)?,
            timeout_ms: NO_TIMEOUT,
            data: data.as_mut_ptr().cast(),
        };
        // SAFETY: USBDEVFS_BULK reads the struct, and reads or writes `length` bytes of the borrowed slice before
        // it returns.
        let result = unsafe {
            libc::ioctl(
                self.raw(),
                request(READ | WRITE, 2, size_of::<BulkTransfer>()),
                &raw mut transfer,
            )
        };
        check(result)
    }

    /// One vendor request to the device; the bytes moved in its data stage.
    pub(crate) fn vendor_request(
        &self,
        request_type: u8,
        code: u8,
        data: &mut [u8],
    ) -> io::Result<usize> {
        let mut transfer = ControlTransfer {
            request_type,
            request: code,
            value: 0,
            index: 0,
            length: u16::try_from(data.len()).map_err(io::Error::other)?,
            timeout_ms: NO_TIMEOUT,
            data: data.as_mut_ptr().cast(),
        };
        // SAFETY: USBDEVFS_CONTROL reads the struct, and reads or writes `length` bytes of the borrowed slice
        // before it returns.
        let result = unsafe {
            libc::ioctl(
                self.raw(),
                request(READ | WRITE, 0, size_of::<ControlTransfer>()),
                &raw mut transfer,
            )
        };
        check(result)
    }

    /// Has `usbtest`, which must be bound to the interface, run one of its tests.
    pub(crate) fn usbtest(&self, interface: u8, test: &mut UsbTest) -> io::Result<()> {
        usbtest::run(self.fd.as_fd(), interface, test)
    }
}

fn length(data: &[u8]) -> io::Result<c_uint> {
    c_uint::try_from(data.len()).map_err(io::Error::other)
}

pub(super) fn check(result: c_int) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}
