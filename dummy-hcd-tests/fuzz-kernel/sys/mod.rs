//! System calls with arbitrary arguments, in a process that has nothing to lose.
//!
//! | file | what it knows |
//! |---|---|
//! | `calls.rs` | the calls there are, and what their arguments mean |
//! | `ring.rs` | io_uring |
//! | `spoiler.rs` | a thread that writes into mappings |
//! | `fork.rs` | children |

pub(crate) mod calls;
mod fork;
mod ring;
mod spoiler;

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::time::Duration;

pub(crate) use ring::{Entry as RingEntry, Ring};
use spoiler::Spoiler;

/// Memory that calls may read and write.
const ARENA: usize = 1 << 20;
const PAGE: usize = 4096;
/// Behind it: no call gets further.
const GUARD: usize = 1 << 20;

/// What the other thread must not write to meanwhile.
const CHANGES_MAPPINGS: [libc::c_long; 3] =
    [libc::SYS_munmap, libc::SYS_mremap, libc::SYS_mprotect];

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
    spoiler: Spoiler,
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
            spoiler: Spoiler::start()?,
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
    pub(crate) fn call(&mut self, number: libc::c_long, values: &[Value; 6]) -> Result<i64, i32> {
        if CHANGES_MAPPINGS.contains(&number) {
            self.spoiler.aim(None);
        }
        let [a, b, c, d, e, f] = values.map(|value| self.address(value));
        // SAFETY: the calls of `calls::CALLS` write through their pointers alone, and these lead into the arena, up to the
        // guard behind it, into a file's mapping, which holds nothing of this program, or nowhere. Those that unmap or
        // move memory, or take rights to it, get a mapping of `mappings`.
        let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
        if result == -1 {
            return Err(io::Error::last_os_error().raw_os_error().unwrap_or(0));
        }
        self.remember(number, [a, b, c], result);
        Ok(result)
    }

    /// Keeps account of mappings.
    fn remember(&mut self, number: libc::c_long, arguments: [u64; 3], result: i64) {
        let [first, length, third] = arguments;
        let size = |length: u64| usize::try_from(length).unwrap_or(0).next_multiple_of(PAGE);
        let start = usize::try_from(result).unwrap_or(0);
        // A part that munmap or mremap leaves is never used again: it belongs to the process until that ends.
        let before = self
            .mappings
            .iter()
            .find(|mapping| mapping.start as u64 == first);
        let protection = before.map_or(0, |mapping| mapping.protection);
        if matches!(number, libc::SYS_munmap | libc::SYS_mremap) {
            self.mappings
                .retain(|mapping| mapping.start as u64 != first);
        }
        if number == libc::SYS_mprotect {
            for mapping in &mut self.mappings {
                if mapping.start as u64 == first {
                    mapping.protection = third;
                }
            }
        }
        let (length, protection) = match number {
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

    /// The mapping that begins at `start`, if there is one yet that can be read and written.
    fn mapping_at(&self, start: u64) -> Option<Mapping> {
        let mut mappings = self.mappings.iter();
        let found = mappings.find(|mapping| mapping.start as u64 == start);
        found.copied().filter(|mapping| mapping.protection == 3)
    }

    /// Writes words to a mapping, as far as it goes.
    pub(crate) fn put_mapped(&self, start: u64, offset: usize, words: &[Value]) {
        let Some(mapping) = self.mapping_at(start) else {
            return;
        };
        for (index, word) in words.iter().enumerate() {
            let place = offset + 8 * index;
            if place + 8 > mapping.length {
                return;
            }
            let place = (mapping.start + place) as *mut u64;
            // SAFETY: an aligned place in a file's mapping that can be written to, which no reference leads to.
            unsafe { place.write_volatile(self.address(*word)) };
        }
    }

    /// Four bytes of a mapping.
    pub(crate) fn mapped_word(&self, start: u64, offset: usize) -> Option<u32> {
        let mapping = self.mapping_at(start)?;
        let place = (mapping.start + offset) as *const u32;
        // SAFETY: an aligned place in the first page of a file's mapping that can be read.
        (offset < PAGE).then(|| unsafe { place.read_volatile() })
    }

    /// How many things of `size` bytes a mapping has room for behind `offset`: a power of two.
    pub(crate) fn places(&self, start: u64, offset: usize, size: usize) -> usize {
        let length = self.mapping_at(start).map_or(0, |mapping| mapping.length);
        let room = length.saturating_sub(offset) / size;
        room.checked_ilog2().map_or(0, |power| 1 << power)
    }

    /// Has garbage written to this mapping from now on, or to none.
    pub(crate) fn spoil(&self, start: Option<u64>) {
        let mapping = start.and_then(|start| self.mapping_at(start));
        self.spoiler
            .aim(mapping.map(|mapping| (mapping.start, mapping.length)));
    }

    /// A child that uses the file and a mapping of it, if it has inherited that; true when it is gone again.
    pub(crate) fn fork(&self, file: i32, is_in: bool, buffer: u64, length: usize) -> bool {
        fork::that_uses(file, is_in, buffer, length)
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

/// Lets a wait in the kernel be interrupted without further consequences.
pub(crate) fn interruptible() -> io::Result<()> {
    extern "C" fn nothing(_: libc::c_int) {}

    // SAFETY: all zeros is a sigaction without flags: calls that are interrupted do not start again.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as *const () as usize;
    // SAFETY: it is read during the call; the handler does nothing.
    match unsafe { libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut()) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Interrupts a thread of this process that nobody has joined.
pub(crate) fn interrupt(thread: libc::pthread_t) {
    // SAFETY: pthread_kill takes numbers; the id is good until the thread is joined.
    unsafe { libc::pthread_kill(thread, libc::SIGALRM) };
}

/// Has whatever waits in the kernel interrupted, again and again.
pub(crate) fn interrupt_every(period: Duration) -> io::Result<()> {
    interruptible()?;
    let time = libc::timeval {
        tv_sec: 0,
        tv_usec: period.subsec_micros().into(),
    };
    let timer = libc::itimerval {
        it_interval: time,
        it_value: time,
    };
    // SAFETY: the timer is read during the call.
    match unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
