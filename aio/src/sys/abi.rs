//! The layouts of `linux/aio_abi.h` and of the completion ring in `fs/aio.c`.

use libc::c_uint;

/// The kernel's operation codes (`IOCB_CMD_*`).
#[derive(Debug, Clone, Copy)]
#[repr(u16)]
pub(crate) enum Opcode {
    Pread = 0,
    Pwrite = 1,
    Fsync = 2,
    Fdsync = 3,
    Poll = 5,
    Preadv = 7,
    Pwritev = 8,
}

/// In [`Iocb::opcode`], of a read or write by io_uring: the file takes it as a command. io_submit never sees it.
pub(crate) const COMMAND: u16 = 1 << 15;

/// `struct iocb`: one operation as the kernel reads it. Addresses are 64 bits wide on every architecture.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Iocb {
    /// Comes back in the completion.
    pub(crate) data: u64,
    /// Written by the kernel on submission, read by io_cancel.
    #[cfg(target_endian = "little")]
    key: u32,
    rw_flags: i32,
    #[cfg(target_endian = "big")]
    key: u32,
    pub(crate) opcode: u16,
    priority: i16,
    pub(crate) fd: u32,
    /// Address of the data or of the vectors; for a poll the events.
    pub(crate) buffer: u64,
    /// Length of the data, or number of vectors.
    pub(crate) length: u64,
    pub(crate) offset: i64,
    reserved: u64,
    pub(crate) flags: u32,
    pub(crate) event_fd: u32,
}

/// Signal [`Iocb::event_fd`] on completion (`IOCB_FLAG_RESFD`).
pub(crate) const FLAG_EVENT_FD: u32 = 1;

/// `struct io_event`: one completion.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct Event {
    pub(crate) data: u64,
    iocb: u64,
    pub(crate) result: i64,
    result2: i64,
}

/// `struct aio_ring`: what the kernel maps at the address it calls the context's id. Events follow.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct RingHeader {
    id: c_uint,
    pub(crate) capacity: c_uint,
    /// Where the next event is taken. Ours and, during io_getevents, the kernel's.
    pub(crate) head: c_uint,
    /// Where the kernel stores the next event.
    pub(crate) tail: c_uint,
    pub(crate) magic: c_uint,
    compatible_features: c_uint,
    pub(crate) incompatible_features: c_uint,
    pub(crate) header_length: c_uint,
}

/// `AIO_RING_MAGIC`.
pub(crate) const RING_MAGIC: c_uint = 0xa10a_10a1;

/// `struct iovec`, holding an exposed address so that it may move between threads with the buffer it describes.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Vector {
    pub(crate) address: usize,
    pub(crate) length: usize,
}

/// `struct __kernel_old_timespec`, what the io_getevents system call takes whatever the C library's time_t is.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Timespec {
    pub(crate) seconds: libc::c_long,
    pub(crate) nanoseconds: libc::c_long,
}

const _: () = {
    use std::mem::{offset_of, size_of};

    assert!(size_of::<Iocb>() == 64);
    assert!(
        offset_of!(Iocb, key)
            == if cfg!(target_endian = "little") {
                8
            } else {
                12
            }
    );
    assert!(offset_of!(Iocb, opcode) == 16);
    assert!(offset_of!(Iocb, fd) == 20);
    assert!(offset_of!(Iocb, buffer) == 24);
    assert!(offset_of!(Iocb, offset) == 40);
    assert!(offset_of!(Iocb, flags) == 56);
    assert!(offset_of!(Iocb, event_fd) == 60);
    assert!(size_of::<Event>() == 32);
    assert!(offset_of!(Event, result) == 16);
    assert!(size_of::<RingHeader>() == 32);
    assert!(size_of::<Vector>() == size_of::<libc::iovec>());
    assert!(offset_of!(Vector, length) == offset_of!(libc::iovec, iov_len));
};
