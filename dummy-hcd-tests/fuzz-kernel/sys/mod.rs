//! System calls with arbitrary arguments, in a process that has nothing to lose.
//!
//! | file | what it knows |
//! |---|---|
//! | `calls.rs` | the calls there are, and what their arguments mean |
//! | `ring.rs` | io_uring |

pub(crate) mod calls;
mod ring;

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::time::Duration;

use calls::Call;
pub(crate) use ring::{Entry as RingEntry, Ring};

/// Memory that calls may read and write.
const ARENA: usize = 1 << 20;
const PAGE: usize = 4096;
/// Behind it: no call gets further.
const GUARD: usize = 1 << 20;

/// What a call is given.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value {
    /// A number.
    Number(u64),
    /// This far into the arena.
    Inside(usize),
    /// An address that nothing is at.
    Nowhere(u64),
    /// A mapping of a file, as `Arena::mapped` has them.
    Mapping(usize),
    /// At most as long as that mapping is.
    MappingLength(usize, usize),
}

/// The memory that is at every call's disposal, mappings of files, and AIO contexts.
#[derive(Debug)]
pub(crate) struct Arena {
    start: *mut u8,
    /// What mmap gave and munmap has not taken.
    mappings: Vec<Mapping>,
}

/// A file's.
#[derive(Debug, Clone, Copy)]
struct Mapping {
    start: usize,
    length: usize,
    /// PROT_READ and PROT_WRITE.
    protection: u64,
}

impl Arena {
    pub(crate) fn new() -> io::Result<Self> {
        let all = libc::PROT_NONE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a mapping at a place of the kernel's choice takes the place of nothing.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), ARENA + GUARD, all, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the first part of the mapping just made.
        let usable = unsafe { libc::mprotect(start, ARENA, libc::PROT_READ | libc::PROT_WRITE) };
        if usable != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            start: start.cast(),
            mappings: Vec::new(),
        })
    }

    pub(crate) fn length() -> usize {
        ARENA
    }

    pub(crate) fn mapped(&self) -> usize {
        self.mappings.len()
    }

    fn mapping(&self, index: usize) -> Option<Mapping> {
        let count = self.mappings.len();
        self.mappings.get(index.checked_rem(count)?).copied()
    }

    /// The address that a value is.
    pub(crate) fn address(&self, value: Value) -> u64 {
        match value {
            Value::Number(number) => number,
            Value::Inside(offset) => (self.start as usize + offset % ARENA) as u64,
            Value::Nowhere(address) => address,
            Value::Mapping(index) => self
                .mapping(index)
                .map_or(0, |mapping| mapping.start as u64),
            Value::MappingLength(index, wanted) => self.mapping(index).map_or(0, |mapping| {
                let pages = mapping.length / PAGE;
                (PAGE * (1 + wanted % pages.max(1))).min(mapping.length) as u64
            }),
        }
    }

    /// Writes `bytes`, as far as there is room for them.
    pub(crate) fn put(&mut self, offset: usize, bytes: &[u8]) {
        let offset = offset % ARENA;
        let length = bytes.len().min(ARENA - offset);
        // SAFETY: inside of the arena, which nothing holds a reference to; the kernel may write there at the same
        // time, and no meaning is put into what then is there.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.add(offset), length);
        }
    }

    /// Writes values, eight bytes each.
    pub(crate) fn put_words(&mut self, offset: usize, words: &[Value]) {
        let bytes: Vec<u8> = words
            .iter()
            .flat_map(|word| self.address(*word).to_ne_bytes())
            .collect();
        self.put(offset, &bytes);
    }

    /// Makes the call: its result, or the errno.
    pub(crate) fn call(&mut self, call: &Call, values: &[Value; 6]) -> Result<i64, i32> {
        let [a, b, c, d, e, f] = values.map(|value| self.address(value));
        // SAFETY: the calls of `calls::CALLS` write through their pointers alone, and these lead into the arena, up to the
        // guard behind it, into a file's mapping, which holds nothing of this program, or nowhere. The two that unmap or
        // move memory get a mapping of `mappings`.
        let result = unsafe { libc::syscall(call.number, a, b, c, d, e, f) };
        if result == -1 {
            return Err(io::Error::last_os_error().raw_os_error().unwrap_or(0));
        }
        self.remember(call, [a, b, c], result);
        Ok(result)
    }

    /// Keeps account of mappings.
    fn remember(&mut self, call: &Call, arguments: [u64; 3], result: i64) {
        let [first, length, third] = arguments;
        let size = |length: u64| usize::try_from(length).unwrap_or(0).next_multiple_of(PAGE);
        let start = usize::try_from(result).unwrap_or(0);
        // A part that munmap or mremap leaves is never used again: it belongs to the process until that ends.
        let before = self
            .mappings
            .iter()
            .find(|mapping| mapping.start as u64 == first);
        let protection = before.map_or(0, |mapping| mapping.protection);
        if matches!(call.number, libc::SYS_munmap | libc::SYS_mremap) {
            self.mappings
                .retain(|mapping| mapping.start as u64 != first);
        }
        let (length, protection) = match call.number {
            // Its third argument is the protection.
            libc::SYS_mmap => (size(length), third),
            libc::SYS_mremap => (size(third), protection),
            _ => return,
        };
        self.mappings.push(Mapping {
            start,
            length,
            protection,
        });
    }

    /// Reads a word of a file's mapping and writes another in its place, where that is allowed.
    pub(crate) fn scribble(&self, index: usize, offset: usize, word: Value) {
        let Some(mapping) = self.mapping(index) else {
            return;
        };
        let words = mapping.length / 8;
        if words == 0 || mapping.protection & 1 == 0 {
            return;
        }
        let place = (mapping.start + offset % words * 8) as *mut u64;
        // SAFETY: an aligned place in a file's mapping, which no reference leads to. Where the file has nothing for it, the
        // signal ends this process, as it is meant to.
        unsafe {
            place.read_volatile();
            if mapping.protection & 2 != 0 {
                place.write_volatile(self.address(word));
            }
        }
    }

    /// A word of the arena, as the kernel has left it.
    pub(crate) fn word(&self, offset: usize) -> u64 {
        let place = self.start.wrapping_add(offset % (ARENA - 8));
        // SAFETY: inside of the arena; any bytes are a number.
        unsafe { place.cast::<u64>().read_unaligned() }
    }
}

/// A further descriptor of what `file` is one of, if it is one.
pub(crate) fn copy_of(file: i32) -> io::Result<OwnedFd> {
    // SAFETY: fcntl takes numbers; the descriptor it gives is new, and nobody else's.
    unsafe {
        match libc::fcntl(file, libc::F_DUPFD_CLOEXEC, 3) {
            -1 => Err(io::Error::last_os_error()),
            copy => Ok(OwnedFd::from_raw_fd(copy)),
        }
    }
}

/// Has whatever waits in the kernel interrupted, again and again.
pub(crate) fn interrupt_every(period: Duration) -> io::Result<()> {
    extern "C" fn nothing(_: libc::c_int) {}

    // SAFETY: all zeros is a sigaction without flags: calls that are interrupted do not start again.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as *const () as usize;
    let time = libc::timeval {
        tv_sec: 0,
        tv_usec: period.subsec_micros().into(),
    };
    let timer = libc::itimerval {
        it_interval: time,
        it_value: time,
    };
    // SAFETY: both are read during the calls; the handler does nothing.
    let failed = unsafe {
        libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut()) == -1
            || libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) == -1
    };
    match failed {
        true => Err(io::Error::last_os_error()),
        false => Ok(()),
    }
}
