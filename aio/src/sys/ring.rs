//! One kernel context and its completion ring.

use std::cell::UnsafeCell;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use libc::{c_long, c_ulong, c_void};

use super::abi::{Event, Iocb, RING_MAGIC, RingHeader, Timespec};
use super::fork::ForkMark;
use super::page_size;
use crate::SetupError;

/// What the kernel says of one operation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    /// The label given in [`Iocb::data`].
    pub(crate) data: u64,
    /// Bytes, or a negative errno.
    pub(crate) result: i64,
}

/// A kernel context, named by the address of its completion ring.
///
/// Destroying it is the owner's part: only the owner knows what the kernel may still be using.
#[derive(Debug)]
pub(crate) struct Ring {
    /// `aio_context_t`: a handle for system calls, and where the kernel mapped the ring.
    id: c_ulong,
    /// Events the ring can hold; 0 when its layout is not the one we know, and io_getevents does all reaping.
    capacity: u32,
    mark: ForkMark,
    /// Scratch for io_getevents.
    events: Box<[Event]>,
}

impl Ring {
    /// Answers that one [`get_events`](Self::get_events) returns at most.
    pub(crate) const LARGEST_BATCH: usize = 64;

    pub(crate) fn new(depth: u32) -> Result<Self, SetupError> {
        let mark = ForkMark::new()?;
        let mut id: c_ulong = 0;
        // SAFETY: the kernel writes one aio_context_t to `id`, which outlives the call.
        let status = unsafe { libc::syscall(libc::SYS_io_setup, depth, &raw mut id) };
        if status != 0 {
            let error = io::Error::last_os_error();
            return Err(match error.raw_os_error() {
                Some(libc::EAGAIN | libc::EINVAL) => SetupError::LimitReached { depth },
                Some(libc::ENOSYS | libc::EPERM) => SetupError::Unsupported,
                _ => SetupError::Os(error),
            });
        }
        Ok(Self {
            id,
            capacity: ring_capacity(id),
            mark,
            events: vec![Event::default(); Self::LARGEST_BATCH].into(),
        })
    }

    /// Whether this process is a fork of the one that made the context, and must keep its hands off it.
    pub(crate) fn is_inherited(&self) -> bool {
        self.mark.is_child()
    }

    /// Whether events can be taken without a system call.
    pub(crate) fn is_readable(&self) -> bool {
        self.capacity != 0
    }

    /// Makes the ring one of an unknown layout.
    #[cfg(test)]
    pub(crate) fn obscure(&mut self) {
        self.capacity = 0;
    }

    /// Submits a batch; returns how many of its first operations the kernel took.
    ///
    /// # Safety
    /// Every address must be that of an [`Iocb`] in an `UnsafeCell` that stays where it is, and what each iocb
    /// describes (file, memory, vectors) must stay as it is, untouched by others, until the operation
    /// is refused here, its answer has been returned by this ring, or `destroy` has succeeded.
    pub(crate) unsafe fn submit(&self, batch: &[usize]) -> io::Result<usize> {
        let count = c_long::try_from(batch.len()).unwrap_or(c_long::MAX);
        // SAFETY: `batch` holds `count` addresses; the caller vouches for what is behind them.
        let taken = unsafe { libc::syscall(libc::SYS_io_submit, self.id, count, batch.as_ptr()) };
        usize::try_from(taken).map_err(|_| io::Error::last_os_error())
    }

    /// Takes the oldest event from a [readable](Self::is_readable) ring without a system call.
    pub(crate) fn pop(&mut self) -> Option<Answer> {
        if self.capacity == 0 {
            return None;
        }
        let header = ring_header(self.id);
        // SAFETY: the kernel mapped the header at `id` and keeps it there until `destroy`, which sets the capacity
        // to 0; `ring_capacity` checked the layout. The kernel accesses head and tail as aligned words.
        let (head, tail) = unsafe {
            (
                AtomicU32::from_ptr(&raw mut (*header).head),
                AtomicU32::from_ptr(&raw mut (*header).tail),
            )
        };
        // Only we move the head: the kernel does so within io_getevents alone, and `&mut self` excludes one.
        let at = head.load(Ordering::Relaxed) % self.capacity;
        // Acquire: the events up to the tail were written before the tail was.
        if at == tail.load(Ordering::Acquire) % self.capacity {
            return None;
        }
        // SAFETY: `at` is below the ring's capacity, and the kernel mapped that many events behind the header.
        // It does not write this one again until the head has passed it.
        let event = unsafe {
            header
                .add(1)
                .cast::<Event>()
                .add(at as usize)
                .read_volatile()
        };
        // Release: the event was read before the kernel may store another in its place.
        head.store((at + 1) % self.capacity, Ordering::Release);
        Some(Answer {
            data: event.data,
            result: event.result,
        })
    }

    /// Sleeps until `minimum` events are there, at most for `timeout`, and takes them with others that are there.
    ///
    /// # Errors
    /// `EINTR` when a signal came before any event did.
    pub(crate) fn get_events(
        &mut self,
        minimum: usize,
        timeout: Option<Duration>,
    ) -> io::Result<impl Iterator<Item = Answer>> {
        let most = c_long::try_from(self.events.len()).unwrap_or(1);
        let timeout = timeout.map(|timeout| Timespec {
            seconds: c_long::try_from(timeout.as_secs()).unwrap_or(c_long::MAX),
            nanoseconds: c_long::from(timeout.subsec_nanos().cast_signed()),
        });
        let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the kernel writes at most `most` events to the scratch array that self owns, and reads a
        // Timespec that lives until the end of this function.
        let count = unsafe {
            libc::syscall(
                libc::SYS_io_getevents,
                self.id,
                c_long::try_from(minimum).unwrap_or(most).min(most),
                most,
                self.events.as_mut_ptr(),
                timeout,
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        Ok(self.events.iter().take(count).map(|event| Answer {
            data: event.data,
            result: event.result,
        }))
    }

    /// Asks the driver of a submitted operation to give up; says whether it was told.
    pub(crate) fn cancel(&self, iocb: &UnsafeCell<Iocb>) -> bool {
        let mut unused = Event::default();
        // SAFETY: the kernel reads the iocb's key while `iocb` is borrowed, finds the operation by the address
        // alone, and since Linux 3.10 leaves `unused` alone: the completion always comes through the ring.
        let status =
            unsafe { libc::syscall(libc::SYS_io_cancel, self.id, iocb.get(), &raw mut unused) };
        status == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::EINPROGRESS)
    }

    /// Ends the context: cancels every operation, and returns when the kernel is done with all of them.
    ///
    /// The ring is unmapped then; every other method finds nothing from here on.
    ///
    /// # Errors
    /// When the kernel knows no such context; operations may then still be running.
    pub(crate) fn destroy(&mut self) -> io::Result<()> {
        // No method reads the ring, or names the context to the kernel, any more.
        self.capacity = 0;
        let id = std::mem::take(&mut self.id);
        // SAFETY: no pointer is passed; what the call unmaps is not read again, see above.
        match unsafe { libc::syscall(libc::SYS_io_destroy, id) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Where the kernel mapped the ring of the context `id`.
fn ring_header(id: c_ulong) -> *mut RingHeader {
    // The id is an address by the kernel's doing (libaio relies on the same).
    ptr::with_exposed_provenance_mut::<RingHeader>(usize::try_from(id).unwrap_or(0))
}

/// The number of events in the ring of the context `id`, or 0 when it must not be read by us.
fn ring_capacity(id: c_ulong) -> u32 {
    let header = ring_header(id);
    if header.is_null() || !header.addr().is_multiple_of(page_size()) || !is_mapped(header.cast()) {
        return 0;
    }
    // SAFETY: is_mapped found a page at this address, which io_setup returned; these fields do not change.
    let (magic, incompatible, length, capacity) = unsafe {
        (
            (&raw const (*header).magic).read_volatile(),
            (&raw const (*header).incompatible_features).read_volatile(),
            (&raw const (*header).header_length).read_volatile(),
            (&raw const (*header).capacity).read_volatile(),
        )
    };
    let known =
        magic == RING_MAGIC && incompatible == 0 && length as usize == size_of::<RingHeader>();
    if known { capacity } else { 0 }
}

/// Whether a page is mapped at `address`: an emulated kernel may give ids that are no addresses.
fn is_mapped(address: *mut c_void) -> bool {
    let mut resident = 0_u8;
    // SAFETY: mincore writes one byte for the one page asked about, and only looks the address up.
    unsafe { libc::mincore(address, 1, &raw mut resident) == 0 }
}
