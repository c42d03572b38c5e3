//! usbmon's two ioctls that reading has no other way to: how large its ring is, and what it lost
//! (Documentation/usb/usbmon.rst, include/linux of drivers/usb/mon).

use std::fs::File;
use std::io;

use rustix::ioctl::{self, Getter, IntegerSetter, Opcode, opcode};

const MAGIC: u8 = 0x92;
const GET_STATISTICS: Opcode = opcode::read::<Statistics>(MAGIC, 3);
const SET_RING_SIZE: Opcode = opcode::none(MAGIC, 4);

/// `struct mon_bin_stats`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct Statistics {
    queued: u32,
    dropped: u32,
}

/// Gives this reader a ring of `bytes`.
pub(super) fn set_ring_size(file: &File, bytes: usize) -> io::Result<()> {
    // SAFETY: MON_IOCT_RING_SIZE takes its argument as a number and reads and writes no memory of ours, which is
    // what IntegerSetter passes; another file's driver refuses the number with ENOTTY.
    let request = unsafe { IntegerSetter::<SET_RING_SIZE>::new_usize(bytes) };
    // SAFETY: as above; `file` keeps the descriptor open for the call.
    unsafe { ioctl::ioctl(file, request) }?;
    Ok(())
}

/// Packets lost since this was last asked, which sets the kernel's count to 0.
pub(super) fn lost_since_last_asked(file: &File) -> io::Result<u32> {
    // SAFETY: MON_IOCG_STATS fills in one `struct mon_bin_stats`, which is `Statistics`: repr(C), the same two
    // words, owned by Getter until the call has returned.
    let request = unsafe { Getter::<GET_STATISTICS, Statistics>::new() };
    // SAFETY: as above; `file` keeps the descriptor open for the call.
    let statistics = unsafe { ioctl::ioctl(file, request) }?;
    Ok(statistics.dropped)
}
