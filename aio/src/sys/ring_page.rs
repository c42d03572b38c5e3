//! The page of transfers that usbfs2 shares with a program: `struct usbfs2_ring` of `linux/usbfs2.h`.

use std::io;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering, fence};

use super::fork::ForkMark;
use super::mapping::Mapping;
use crate::SharedFile;

/// Where a file's ring is mapped from (`USBFS2_RING_OFFSET`).
const RING_OFFSET: u64 = 1 << 32;
/// Transfers a ring has at most (`USBFS2_RING_MOST`).
const MOST_TRANSFERS: u32 = 4096;

/// `struct usbfs2_ring`; the transfers follow.
#[repr(C)]
struct Header {
    size: AtomicU32,
    started: AtomicU32,
    done: AtomicU32,
    seen: AtomicU32,
    patience: AtomicU32,
    timeout: AtomicU32,
    prepared: AtomicU32,
    reserved: [AtomicU32; 9],
}

/// A `__u64`, of which only the kernel reads the whole: not every processor has atomic words of 64 bits.
#[repr(C)]
struct Address([AtomicU32; 2]);

impl Address {
    fn words(address: u64) -> [u32; 2] {
        let (low, high) = (address as u32, (address >> 32) as u32);
        if cfg!(target_endian = "big") {
            [high, low]
        } else {
            [low, high]
        }
    }

    fn store(&self, address: u64) {
        let [first, second] = Self::words(address);
        self.0[0].store(first, Ordering::Relaxed);
        self.0[1].store(second, Ordering::Relaxed);
    }

    #[cfg(test)]
    fn load(&self) -> u64 {
        let [first, second] = [0, 1].map(|word: usize| self.0[word].load(Ordering::Relaxed));
        let [low, high] = Self::words(u64::from(second) << 32 | u64::from(first));
        u64::from(high) << 32 | u64::from(low)
    }
}

/// `struct usbfs2_transfer`.
#[repr(C)]
struct Slot {
    address: Address,
    length: AtomicU32,
    flags: AtomicU32,
    moved: AtomicI32,
    status: AtomicI32,
    reserved: [AtomicU32; 2],
}

const _: () = {
    use std::mem::{offset_of, size_of};

    assert!(size_of::<Header>() == 64);
    assert!(offset_of!(Header, patience) == 16);
    assert!(size_of::<Slot>() == 32);
    assert!(offset_of!(Slot, length) == 8);
    assert!(offset_of!(Slot, moved) == 16);
};

/// What the kernel is asked for in one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) address: u64,
    pub(crate) length: u32,
    pub(crate) flags: u32,
}

/// What became of it: bytes moved, and 0 or a negative errno.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) moved: i32,
    pub(crate) status: i32,
}

/// The ring of one open endpoint file.
///
/// Everything in it is an atomic word, so that whatever the kernel stores there and whenever, reading it is defined;
/// what to believe of it, the caller says.
#[derive(Debug)]
pub(crate) struct RingPage {
    mapping: Mapping,
    /// Transfers it has room for: a power of two that fits the mapping.
    size: u32,
}

impl RingPage {
    /// Maps the ring of `file`, with room for `depth` transfers at least.
    ///
    /// # Errors
    /// `ENODEV` on files that have none.
    pub(crate) fn map(file: &SharedFile, depth: u32, mark: &Arc<ForkMark>) -> io::Result<Self> {
        // A mapping of an ordinary file may end in the middle: touching what is beyond kills the process.
        if !file.is_endpoint() {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        let depth = depth.clamp(1, MOST_TRANSFERS);
        Self::new(Mapping::new(file, RING_OFFSET, Self::bytes(depth), mark)?)
    }

    /// Bytes to map for `depth` transfers, in whole pages.
    fn bytes(depth: u32) -> usize {
        let transfers = depth.next_power_of_two() as usize;
        (size_of::<Header>() + transfers * size_of::<Slot>()).next_multiple_of(super::page_size())
    }

    fn new(mapping: Mapping) -> io::Result<Self> {
        let mut page = Self { mapping, size: 0 };
        let size = page.header().size.load(Ordering::Relaxed);
        let room = (page.mapping.len() - size_of::<Header>()) / size_of::<Slot>();
        if !size.is_power_of_two() || size as usize > room {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the ring says it has room for {size} transfers, its memory for {room}"),
            ));
        }
        page.size = size;
        Ok(page)
    }

    /// A ring of anonymous memory, to be served by a test in the kernel's place.
    #[cfg(test)]
    pub(crate) fn anonymous(size: u32, mark: &Arc<ForkMark>) -> Self {
        let mapping = Mapping::anonymous(Self::bytes(size), mark).expect("memory");
        let page = Self { mapping, size };
        page.header().size.store(size, Ordering::Relaxed);
        page
    }

    #[inline]
    fn header(&self) -> &Header {
        // SAFETY: the mapping begins on a page, is longer than a header, initialised, and mapped as long as self
        // owns it. All fields are atomics: the kernel's stores are no data race with our loads.
        unsafe { self.mapping.start().cast::<Header>().as_ref() }
    }

    #[inline]
    fn slot(&self, number: u32) -> &Slot {
        let index = (number & (self.size - 1)) as usize;
        // SAFETY: the index is below the size, which `new` found to fit the mapping behind the header; the rest
        // as in `header`.
        unsafe {
            &*ptr::from_ref(self.header())
                .add(1)
                .cast::<Slot>()
                .add(index)
        }
    }

    /// Whether this process is a fork of the one that mapped it, and does not have the page.
    #[inline]
    pub(crate) fn is_inherited(&self) -> bool {
        self.mapping.is_inherited()
    }

    /// Transfers the ring has room for.
    #[inline]
    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    /// Writes what is asked for by the transfer of this number; nobody reads it before it is told to.
    #[inline]
    pub(crate) fn ask(&self, number: u32, asked: Asked) {
        let slot = self.slot(number);
        slot.address.store(asked.address);
        slot.length.store(asked.length, Ordering::Relaxed);
        slot.flags.store(asked.flags, Ordering::Relaxed);
    }

    /// What became of the transfer of this number, once [`done`](Self::done) has passed it.
    #[inline]
    pub(crate) fn answer(&self, number: u32) -> Answered {
        let slot = self.slot(number);
        Answered {
            moved: slot.moved.load(Ordering::Relaxed),
            status: slot.status.load(Ordering::Relaxed),
        }
    }

    /// How many transfers were started, modulo 2^32.
    #[inline]
    pub(crate) fn started(&self) -> u32 {
        self.header().started.load(Ordering::Acquire)
    }

    /// How many of those, without a gap, have their answer. Answers, and the bytes they tell of, are there then.
    #[inline]
    pub(crate) fn done(&self) -> u32 {
        self.header().done.load(Ordering::Acquire)
    }

    /// Says how many transfers are written down in all; returns whether the kernel has none under way just now, so that
    /// nobody starts the new ones but an operation.
    #[inline]
    pub(crate) fn publish(&self, prepared: u32) -> bool {
        self.header().prepared.store(prepared, Ordering::Release);
        // Pairs with the kernel's between storing `done` and reading `prepared`: one of the two sees the other's.
        fence(Ordering::SeqCst);
        self.done() == self.started()
    }

    /// Says for the next wait how many answers the program has looked at, how long the wait may go on after the first
    /// other one, and how long in all (0: without limit).
    pub(crate) fn set_waiting(&self, seen: u32, patience_us: u32, timeout_us: u32) {
        let header = self.header();
        header.seen.store(seen, Ordering::Relaxed);
        header.patience.store(patience_us, Ordering::Relaxed);
        header.timeout.store(timeout_us, Ordering::Relaxed);
    }
}

/// The kernel's part, for tests.
#[cfg(test)]
impl RingPage {
    /// What the slot of this number asks for.
    pub(crate) fn asked(&self, number: u32) -> Asked {
        let slot = self.slot(number);
        Asked {
            address: slot.address.load(),
            length: slot.length.load(Ordering::Relaxed),
            flags: slot.flags.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn prepared(&self) -> u32 {
        self.header().prepared.load(Ordering::Acquire)
    }

    pub(crate) fn set_answer(&self, number: u32, answered: Answered) {
        let slot = self.slot(number);
        slot.moved.store(answered.moved, Ordering::Relaxed);
        slot.status.store(answered.status, Ordering::Relaxed);
    }

    pub(crate) fn set_started(&self, started: u32) {
        self.header().started.store(started, Ordering::Release);
    }

    pub(crate) fn set_done(&self, done: u32) {
        self.header().done.store(done, Ordering::Release);
    }
}
