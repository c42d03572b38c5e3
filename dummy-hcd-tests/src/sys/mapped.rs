//! Memory mapped from an endpoint file, and the ring in it (uapi/linux/usbfs2.h), by raw calls.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering, fence};

use super::check;

/// `USBFS2_RING_OFFSET`.
pub const RING_OFFSET: u64 = 1 << 32;
/// `USBFS2_RING_MOST`.
pub const RING_MOST: u32 = 4096;

const BATCH: u64 = 1 << 62;
const CANCEL: u64 = 1 << 61;

/// `USBFS2_BATCH()`.
#[must_use]
pub fn batch(count: u16, target: u32) -> u64 {
    BATCH | u64::from(count) << 32 | u64::from(target)
}

/// `USBFS2_BATCH_CANCEL()`.
#[must_use]
pub fn batch_cancel(count: u16, first: u32) -> u64 {
    CANCEL | batch(count, first)
}

/// A mapping of an endpoint file.
#[derive(Debug)]
pub struct Mapping {
    start: *mut u8,
    length: usize,
}

// SAFETY: the memory is the kernel's to give, not a thread's, and every access below is a copy or atomic.
unsafe impl Send for Mapping {}
// SAFETY: as above; who copies what another thread or the device writes gets bytes of either, and no more.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `length` bytes at `offset`, to be read and written.
    ///
    /// # Errors
    /// What mmap says.
    pub fn new(file: &File, offset: u64, length: usize) -> io::Result<Self> {
        Self::with(
            file,
            offset,
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
        )
    }

    /// Maps `length` bytes at `offset` with these PROT_ and MAP_ flags.
    ///
    /// # Errors
    /// What mmap says.
    pub fn with(
        file: &File,
        offset: u64,
        length: usize,
        protection: i32,
        flags: i32,
    ) -> io::Result<Self> {
        // SAFETY: without MAP_FIXED mmap takes no memory that is in use.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                length,
                protection,
                flags,
                file.as_raw_fd(),
                offset.cast_signed(),
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            start: start.cast(),
            length,
        })
    }

    /// Its length in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// The address of byte `at`.
    #[must_use]
    pub fn address(&self, at: usize) -> u64 {
        self.range(at, 0) as u64
    }

    fn range(&self, at: usize, length: usize) -> *mut u8 {
        assert!(
            at.checked_add(length).is_some_and(|end| end <= self.length),
            "{length} bytes at {at} of {}",
            self.length
        );
        self.start.wrapping_add(at)
    }

    /// Copies `bytes` to `at`.
    pub fn put(&self, at: usize, bytes: &[u8]) {
        let to = self.range(at, bytes.len());
        // SAFETY: `to` is inside the mapping, which lives as long as `self`, and `bytes` is no part of it.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) }
    }

    /// A copy of `length` bytes from `at` on.
    #[must_use]
    pub fn get(&self, at: usize, length: usize) -> Vec<u8> {
        let from = self.range(at, length);
        let mut bytes = vec![0; length];
        // SAFETY: `from` is inside the mapping, which lives as long as `self`, and `bytes` is no part of it.
        unsafe { ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), length) }
        bytes
    }

    /// One read into `length` bytes from `at` on.
    ///
    /// # Errors
    /// What the module says.
    pub fn read(&self, file: &File, at: usize, length: usize) -> io::Result<usize> {
        let to = self.range(at, length);
        // SAFETY: the kernel writes inside the mapping, which nothing refers to.
        check(unsafe { libc::pread(file.as_raw_fd(), to.cast(), length, 0) } as libc::c_long)
            .map(|moved| usize::try_from(moved).unwrap_or(0))
    }

    /// One write of `length` bytes from `at` on.
    ///
    /// # Errors
    /// What the module says.
    pub fn write(&self, file: &File, at: usize, length: usize) -> io::Result<usize> {
        let from = self.range(at, length);
        // SAFETY: the kernel reads inside the mapping.
        check(unsafe { libc::pwrite(file.as_raw_fd(), from.cast(), length, 0) } as libc::c_long)
            .map(|moved| usize::try_from(moved).unwrap_or(0))
    }

    /// Tries to unmap a part of it.
    ///
    /// # Errors
    /// What munmap says: the module lets it not be divided.
    ///
    /// # Panics
    /// If it succeeds, for then this is no mapping any more.
    pub fn unmap_part(&self, at: usize, length: usize) -> io::Result<()> {
        let start = self.range(at, length);
        // SAFETY: nothing refers to the memory, and a success ends the process.
        let unmapped = unsafe { libc::munmap(start.cast(), length) };
        assert!(unmapped != 0, "a part of a mapping was unmapped");
        Err(io::Error::last_os_error())
    }

    /// Tries to move it elsewhere.
    ///
    /// # Errors
    /// What mremap says: the module lets it not be moved.
    ///
    /// # Panics
    /// If it succeeds, for then this is no mapping any more.
    pub fn move_elsewhere(&self) -> io::Result<()> {
        // SAFETY: without MREMAP_FIXED no memory in use is taken, and a success ends the process.
        let moved = unsafe {
            let other = libc::mmap(
                ptr::null_mut(),
                self.length,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            libc::mremap(
                self.start.cast(),
                self.length,
                self.length,
                libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED,
                other,
            )
        };
        assert!(moved == libc::MAP_FAILED, "a mapping was moved");
        Err(io::Error::last_os_error())
    }

    /// Lets forked children inherit it.
    ///
    /// # Errors
    /// What madvise says.
    pub fn inherit(&self) -> io::Result<()> {
        // SAFETY: madvise with MADV_DOFORK changes nothing in this process.
        check(unsafe { libc::madvise(self.start.cast(), self.length, libc::MADV_DOFORK) }.into())
            .map(|_| ())
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `self` was the one owner, and the module keeps pages that transfers have yet.
        unsafe { libc::munmap(self.start.cast(), self.length) };
    }
}

/// The offsets in `struct usbfs2_ring`, and the length of its parts.
const SIZE: usize = 0;
const STARTED: usize = 4;
const DONE: usize = 8;
const SEEN: usize = 12;
const PATIENCE: usize = 16;
const TIMEOUT: usize = 20;
const PREPARED: usize = 24;
const HEADER: usize = 64;
const TRANSFER: usize = 32;

/// The ring of an endpoint file.
#[derive(Debug)]
pub struct Ring {
    memory: Mapping,
    size: u32,
}

impl Ring {
    /// Maps it with room for at least `transfers`.
    ///
    /// # Errors
    /// What mmap says.
    pub fn new(file: &File, transfers: u32) -> io::Result<Self> {
        let length = HEADER + transfers as usize * TRANSFER;
        let memory = Mapping::new(file, RING_OFFSET, length.next_multiple_of(4096))?;
        let size = word(&memory, SIZE).load(Ordering::Relaxed);
        Ok(Self { memory, size })
    }

    /// Transfers it has room for.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.size
    }

    /// How many were started, as it says.
    #[must_use]
    pub fn started(&self) -> u32 {
        word(&self.memory, STARTED).load(Ordering::Acquire)
    }

    /// How many have their result, from the first on.
    #[must_use]
    pub fn done(&self) -> u32 {
        word(&self.memory, DONE).load(Ordering::Acquire)
    }

    /// How many results the caller has looked at.
    pub fn set_seen(&self, seen: u32) {
        word(&self.memory, SEEN).store(seen, Ordering::Release);
    }

    /// The patience and the timeout of the next batches, in microseconds.
    pub fn set_times(&self, patience: u32, timeout: u32) {
        word(&self.memory, PATIENCE).store(patience, Ordering::Relaxed);
        word(&self.memory, TIMEOUT).store(timeout, Ordering::Relaxed);
    }

    /// How many transfers are prepared: those of number 0 up to this one.
    pub fn set_prepared(&self, prepared: u32) {
        word(&self.memory, PREPARED).store(prepared, Ordering::SeqCst);
    }

    /// Writes `word` over what the module keeps there for the caller: 0 is the size, 1 started, 2 done.
    pub fn spoil(&self, index: usize, value: u32) {
        word(&self.memory, index * 4).store(value, Ordering::Relaxed);
    }

    /// Starts `count` transfers and waits for `target`; `file` is of an IN endpoint if `input`.
    ///
    /// # Errors
    /// What the module says.
    pub fn batch(&self, file: &File, input: bool, count: u16, target: u32) -> io::Result<usize> {
        nothing(file, input, batch(count, target))
    }

    /// Cancels those of `count` transfers from `first` on that are under way; how many.
    ///
    /// # Errors
    /// What the module says.
    pub fn cancel(&self, file: &File, input: bool, count: u16, first: u32) -> io::Result<usize> {
        nothing(file, input, batch_cancel(count, first))
    }

    fn place(&self, number: u32) -> usize {
        HEADER + (number & (self.size - 1)) as usize * TRANSFER
    }

    /// Puts transfer `number` into its place.
    pub fn put(&self, number: u32, address: u64, length: u32, flags: u32) {
        let mut transfer = [0; TRANSFER];
        transfer[..8].copy_from_slice(&address.to_ne_bytes());
        transfer[8..12].copy_from_slice(&length.to_ne_bytes());
        transfer[12..16].copy_from_slice(&flags.to_ne_bytes());
        // No result looks like this one.
        transfer[16..24].fill(0xee);
        self.memory.put(self.place(number), &transfer);
    }

    /// The result of transfer `number`: bytes moved, and 0 or a negative errno.
    #[must_use]
    pub fn result(&self, number: u32) -> (i32, i32) {
        fence(Ordering::Acquire);
        let bytes = self.memory.get(self.place(number) + 16, 8);
        let value = |at: usize| {
            let mut value = [0; 4];
            value.copy_from_slice(&bytes[at..at + 4]);
            i32::from_ne_bytes(value)
        };
        (value(0), value(4))
    }
}

impl Ring {
    /// What a result is overwritten with when it was taken: no result looks like this.
    const TAKEN: (i32, i32) = (0x5555_5555, 0x5555_5555);

    /// The result of transfer `number`, which is overwritten.
    pub fn take(&self, number: u32) -> (i32, i32) {
        let result = self.result(number);
        let (moved, status) = Self::TAKEN;
        let taken = [moved.to_ne_bytes(), status.to_ne_bytes()].concat();
        self.memory.put(self.place(number) + 16, &taken);
        result
    }

    /// Whether nobody has written to the result of transfer `number` since it was taken.
    #[must_use]
    pub fn is_taken(&self, number: u32) -> bool {
        self.result(number) == Self::TAKEN
    }
}

/// A read or write of 0 bytes.
fn nothing(file: &File, input: bool, offset: u64) -> io::Result<usize> {
    if input {
        file.read_at(&mut [], offset)
    } else {
        file.write_at(&[], offset)
    }
}

fn word(memory: &Mapping, at: usize) -> &AtomicU32 {
    let word = memory.range(at, 4).cast::<u32>();
    // SAFETY: inside the mapping, which the returned reference keeps, and aligned; the kernel, too, writes these
    // words at once.
    unsafe { AtomicU32::from_ptr(word) }
}
