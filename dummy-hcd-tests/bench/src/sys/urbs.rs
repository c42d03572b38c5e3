//! usbfs URBs whose data is in memory mapped from the device file, so that no byte is copied.

use std::ffi::{c_int, c_uint, c_ulong, c_void};
use std::io;
use std::ptr::{self, NonNull};

use super::usbfs::{Usbfs, check};

/// `_IOR('U', 10, struct usbdevfs_urb)`.
const SUBMIT: c_ulong = 2 << 30 | (size_of::<Urb>() as c_ulong) << 16 | (b'U' as c_ulong) << 8 | 10;
/// `_IO('U', 11)`.
const DISCARD: c_ulong = (b'U' as c_ulong) << 8 | 11;
/// `_IOW('U', 12, void *)`.
const REAP: c_ulong =
    1 << 30 | (size_of::<*mut c_void>() as c_ulong) << 16 | (b'U' as c_ulong) << 8 | 12;

/// `struct usbdevfs_urb` without isochronous packets.
#[repr(C)]
#[derive(Debug)]
struct Urb {
    transfer_type: u8,
    endpoint: u8,
    status: c_int,
    flags: c_uint,
    buffer: *mut c_void,
    buffer_length: c_int,
    actual_length: c_int,
    start_frame: c_int,
    packets: c_int,
    error_count: c_int,
    signal: c_uint,
    user_context: usize,
}

/// `USBDEVFS_URB_TYPE_*`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum UrbType {
    Interrupt = 1,
    Bulk = 3,
}

/// A fixed number of URBs of one endpoint, all of one length.
#[derive(Debug)]
pub(crate) struct UrbQueue {
    device: Usbfs,
    memory: NonNull<c_void>,
    mapped: usize,
    /// Boxed, so that what the kernel has the address of does not move.
    urbs: Box<[Urb]>,
    bytes: c_int,
    in_flight: usize,
}

impl UrbQueue {
    pub(crate) fn new(
        device: Usbfs,
        kind: UrbType,
        endpoint: u8,
        bytes: usize,
        depth: usize,
    ) -> io::Result<Self> {
        let mapped = bytes * depth;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of this program.
        let memory = unsafe {
            libc::mmap(
                ptr::null_mut(),
                mapped,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                device.raw(),
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let urb = |index: usize| Urb {
            transfer_type: kind as u8,
            endpoint,
            status: 0,
            flags: 0,
            buffer: memory.wrapping_byte_add(index * bytes),
            buffer_length: c_int::try_from(bytes).unwrap_or(c_int::MAX),
            actual_length: 0,
            start_frame: 0,
            packets: 0,
            error_count: 0,
            signal: 0,
            user_context: index,
        };
        Ok(Self {
            device,
            memory: NonNull::new(memory).ok_or(io::ErrorKind::OutOfMemory)?,
            mapped,
            urbs: (0..depth).map(urb).collect(),
            bytes: c_int::try_from(bytes).map_err(io::Error::other)?,
            in_flight: 0,
        })
    }

    pub(crate) fn depth(&self) -> usize {
        self.urbs.len()
    }

    /// Starts the transfer of URB `index`, which must not be in flight.
    pub(crate) fn submit(&mut self, index: usize) -> io::Result<()> {
        // SAFETY: the URB and the mapping it points to are owned by self, stay where they are, and are freed by
        // drop alone, after every URB in flight has been reaped.
        let result = unsafe { libc::ioctl(self.device.raw(), SUBMIT, &raw mut self.urbs[index]) };
        check(result)?;
        self.in_flight += 1;
        Ok(())
    }

    /// Waits for a transfer and gives its index; fails unless it moved all its bytes.
    pub(crate) fn reap(&mut self) -> io::Result<usize> {
        let index = self.reap_any()?;
        let urb = &self.urbs[index];
        if urb.status != 0 {
            return Err(io::Error::from_raw_os_error(-urb.status));
        }
        if urb.actual_length != self.bytes {
            return Err(io::Error::other(format!(
                "{} of {} bytes",
                urb.actual_length, self.bytes
            )));
        }
        Ok(index)
    }

    fn reap_any(&mut self) -> io::Result<usize> {
        let mut reaped = ptr::null_mut::<Urb>();
        // SAFETY: USBDEVFS_REAPURB writes one pointer to `reaped`, and the results into the URB it was given.
        check(unsafe { libc::ioctl(self.device.raw(), REAP, &raw mut reaped) })?;
        self.in_flight -= 1;
        let offset = reaped.addr().wrapping_sub(self.urbs.as_ptr().addr());
        let index = offset / size_of::<Urb>();
        if index < self.urbs.len() {
            Ok(index)
        } else {
            Err(io::Error::other("usbfs gave back an URB that is not ours"))
        }
    }
}

impl Drop for UrbQueue {
    fn drop(&mut self) {
        if self.in_flight > 0 {
            for urb in &mut self.urbs {
                // SAFETY: the kernel looks the URB up by its address and touches it only if it is in flight.
                unsafe { libc::ioctl(self.device.raw(), DISCARD, &raw mut *urb) };
            }
        }
        while self.in_flight > 0 {
            if self.reap_any().is_err() {
                // The kernel may still write to the URBs and their data: both stay.
                std::mem::forget(std::mem::take(&mut self.urbs));
                return;
            }
        }
        // SAFETY: the mapping was made in new with this length; nothing is in flight, nothing else points to it.
        unsafe { libc::munmap(self.memory.as_ptr(), self.mapped) };
    }
}
