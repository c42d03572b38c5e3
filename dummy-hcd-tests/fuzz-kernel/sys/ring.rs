//! io_uring with operations on arbitrary descriptors.

use std::io;

use io_uring::{IoUring, opcode, types};

use super::{Arena, Value};

const ENTRIES: u32 = 16;

/// A ring of this process.
pub(crate) struct Ring(IoUring);

/// Numbers that say which operation, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) which: usize,
    pub(crate) file: i32,
    pub(crate) other: i32,
    pub(crate) memory: Value,
    pub(crate) path: Value,
    pub(crate) length: u32,
    pub(crate) offset: u64,
    pub(crate) flags: usize,
}

impl Ring {
    /// None where the kernel has no io_uring, or not for this user.
    pub(crate) fn new() -> Option<Self> {
        IoUring::new(ENTRIES).ok().map(Self)
    }

    /// Queues one operation and submits what is queued; what has completed is thrown away.
    pub(crate) fn submit(&mut self, arena: &Arena, entry: Entry) -> io::Result<usize> {
        let fd = types::Fd(entry.file);
        let memory = arena.address(entry.memory) as *mut u8;
        let path = arena.address(entry.path) as *const libc::c_char;
        let length = entry.length;
        let offset = entry.offset;
        let built = match entry.which % 12 {
            0 | 1 => opcode::Read::new(fd, memory, length).offset(offset).build(),
            2 | 3 => opcode::Write::new(fd, memory, length)
                .offset(offset)
                .build(),
            4 => opcode::OpenAt::new(types::Fd(libc::AT_FDCWD), path)
                .flags([0, 1, 2, 0o4000, 0o4002][entry.flags % 5])
                .build(),
            5 => opcode::PollAdd::new(fd, 0x2007).build(),
            6 => opcode::Fsync::new(fd).build(),
            7 => opcode::Fadvise::new(fd, length.into(), 4)
                .offset(offset)
                .build(),
            8 => opcode::Splice::new(fd, -1, types::Fd(entry.other), -1, length).build(),
            9 => opcode::AsyncCancel::new(entry.flags as u64 % 8).build(),
            10 => opcode::Readv::new(fd, memory.cast(), length % 8)
                .offset(offset)
                .build(),
            _ => opcode::UringCmd16::new(fd, length)
                .cmd(offset_bytes(offset))
                .build(),
        };
        let modes = [
            io_uring::squeue::Flags::empty(),
            io_uring::squeue::Flags::ASYNC,
            io_uring::squeue::Flags::IO_LINK,
            io_uring::squeue::Flags::IO_HARDLINK,
        ];
        let built = built
            .flags(modes[entry.flags / 8 % modes.len()])
            .user_data(entry.flags as u64 % 8);
        // SAFETY: the operation writes into the arena, up to the guard behind it, or nowhere (`Arena::call`), for as long as
        // this process lives, which never unmaps the arena.
        let queued = unsafe { self.0.submission().push(&built) };
        let submitted = self.0.submit();
        for _ in self.0.completion() {}
        match queued {
            Ok(()) => submitted,
            Err(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

fn offset_bytes(offset: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&offset.to_ne_bytes());
    bytes
}
