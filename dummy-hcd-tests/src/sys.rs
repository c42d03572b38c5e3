//! Linux native AIO by its five system calls, so that the module's tests do not rest on `aio-rs`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use packets::{
    ISO_FRAME_SHIFT, ISO_START, ISO_STATUS, Status, read_packets, statuses_for, vectors,
    write_packets,
};

pub mod mapped;
mod packets;

/// `struct iocb` of linux/aio_abi.h on little-endian machines.
#[derive(Debug, Default)]
#[repr(C)]
struct Iocb {
    data: u64,
    key: u32,
    rw_flags: i32,
    opcode: u16,
    priority: i16,
    fildes: u32,
    buffer: u64,
    length: u64,
    offset: i64,
    reserved: u64,
    flags: u32,
    event_fd: u32,
}

/// IOCB_FLAG_RESFD: `event_fd` holds an eventfd.
const RESFD: u32 = 1;

/// `struct io_event` of linux/aio_abi.h.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
struct IoEvent {
    data: u64,
    iocb: u64,
    result: i64,
    result2: i64,
}

/// IOCB_CMD_PREAD, IOCB_CMD_PWRITE, IOCB_CMD_FSYNC, IOCB_CMD_PREADV and IOCB_CMD_PWRITEV.
#[derive(Debug, Clone, Copy)]
#[repr(u16)]
enum Command {
    Read = 0,
    Write = 1,
    Sync = 2,
    ReadPackets = 7,
    WritePackets = 8,
}

/// An operation's name, never given twice by one context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(u64);

/// One completion.
#[derive(Debug)]
pub struct Completed {
    /// The operation.
    pub token: Token,
    /// Bytes moved, or the error.
    pub result: io::Result<usize>,
    /// What was read or written.
    pub buffer: Vec<u8>,
    /// Where asked for: one for each packet, and one for all.
    pub statuses: Vec<Status>,
}

/// What the kernel may still touch for one operation.
#[derive(Debug)]
struct Pending {
    iocb: Box<Iocb>,
    buffer: Vec<u8>,
    statuses: Vec<Status>,
    _file: Arc<File>,
}

/// An AIO context. Dropping it cancels what is in flight and waits for it.
#[derive(Debug)]
pub struct Context {
    id: libc::c_ulong,
    next: u64,
    signal: Option<OwnedFd>,
    pending: BTreeMap<Token, Pending>,
}

impl Context {
    /// A context for `depth` operations at once.
    ///
    /// # Errors
    /// EAGAIN past the system's limit, /proc/sys/fs/aio-max-nr.
    pub fn new(depth: u32) -> io::Result<Self> {
        let mut id: libc::c_ulong = 0;
        // SAFETY: io_setup writes one aio_context_t to `id`, which lives through the call.
        check(unsafe {
            libc::syscall(libc::SYS_io_setup, libc::c_long::from(depth), &raw mut id)
        })?;
        Ok(Self {
            id,
            next: 0,
            signal: None,
            pending: BTreeMap::new(),
        })
    }

    /// Operations whose completion has not been taken.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// Has operations started from now on add one to `event`, an eventfd, when they complete.
    pub fn signal(&mut self, event: OwnedFd) {
        self.signal = Some(event);
    }

    /// Starts a read of up to `length` bytes.
    ///
    /// # Errors
    /// What io_submit says; the operation then never completes.
    pub fn read(&mut self, file: &Arc<File>, offset: u64, length: usize) -> io::Result<Token> {
        self.submit(Command::Read, file, offset, vec![0; length])
    }

    /// Starts a write.
    ///
    /// # Errors
    /// What io_submit says; the operation then never completes.
    pub fn write(&mut self, file: &Arc<File>, offset: u64, bytes: Vec<u8>) -> io::Result<Token> {
        self.submit(Command::Write, file, offset, bytes)
    }

    /// Starts a read into `length` bytes of `memory`, from `at` on; it may be unmapped at any time.
    ///
    /// # Errors
    /// What io_submit says; the operation then never completes.
    pub fn read_mapped(
        &mut self,
        file: &Arc<File>,
        memory: &mapped::Mapping,
        at: usize,
        length: usize,
    ) -> io::Result<Token> {
        let range = Some((memory.address(at), length));
        self.start_at(Command::Read, file, 0, Vec::new(), None, range)
    }

    /// Starts a write of `length` bytes of `memory`, from `at` on; it may be unmapped at any time.
    ///
    /// # Errors
    /// What io_submit says; the operation then never completes.
    pub fn write_mapped(
        &mut self,
        file: &Arc<File>,
        memory: &mapped::Mapping,
        at: usize,
        length: usize,
    ) -> io::Result<Token> {
        let range = Some((memory.address(at), length));
        self.start_at(Command::Write, file, 0, Vec::new(), None, range)
    }

    /// Starts an fsync.
    ///
    /// # Errors
    /// What io_submit says; the operation then never completes.
    pub fn sync(&mut self, file: &Arc<File>) -> io::Result<Token> {
        self.submit(Command::Sync, file, 0, Vec::new())
    }

    /// Starts a read of isochronous packets, each of up to as many bytes as `lengths` says; `flags` are those
    /// of the offset.
    ///
    /// # Errors
    /// What io_submit says; the operation then never completes.
    pub fn read_packets(
        &mut self,
        file: &Arc<File>,
        flags: u64,
        lengths: &[usize],
    ) -> io::Result<Token> {
        let buffer = vec![0; lengths.iter().sum()];
        self.start(Command::ReadPackets, file, flags, buffer, Some(lengths))
    }

    /// Starts a write of isochronous packets of these lengths, which `bytes` is cut into.
    ///
    /// # Errors
    /// What io_submit says; the operation then never completes.
    pub fn write_packets(
        &mut self,
        file: &Arc<File>,
        flags: u64,
        bytes: Vec<u8>,
        lengths: &[usize],
    ) -> io::Result<Token> {
        self.start(Command::WritePackets, file, flags, bytes, Some(lengths))
    }

    fn submit(
        &mut self,
        command: Command,
        file: &Arc<File>,
        offset: u64,
        buffer: Vec<u8>,
    ) -> io::Result<Token> {
        self.start(command, file, offset, buffer, None)
    }

    fn start(
        &mut self,
        command: Command,
        file: &Arc<File>,
        offset: u64,
        buffer: Vec<u8>,
        packets: Option<&[usize]>,
    ) -> io::Result<Token> {
        self.start_at(command, file, offset, buffer, packets, None)
    }

    /// With a range of a mapping of the module's, `buffer` is not used.
    fn start_at(
        &mut self,
        command: Command,
        file: &Arc<File>,
        offset: u64,
        mut buffer: Vec<u8>,
        packets: Option<&[usize]>,
        range: Option<(u64, usize)>,
    ) -> io::Result<Token> {
        let mut statuses = statuses_for(offset, packets.unwrap_or_default());
        let vectors = packets.map(|lengths| vectors(&mut buffer, lengths, &mut statuses));
        let token = Token(self.next);
        self.next += 1;
        let mut iocb = Box::new(Iocb {
            data: token.0,
            opcode: command as u16,
            fildes: file.as_raw_fd().cast_unsigned(),
            buffer: match (&vectors, range) {
                (_, Some((address, _))) => address,
                (Some(vectors), None) => vectors.as_ptr() as u64,
                // An fsync has none, and a pointer is EINVAL there.
                (None, None) if buffer.is_empty() => 0,
                (None, None) => buffer.as_mut_ptr() as u64,
            },
            length: match range {
                Some((_, length)) => length as u64,
                None => vectors.as_ref().map_or(buffer.len(), Vec::len) as u64,
            },
            offset: offset.cast_signed(),
            // The kernel takes its own reference to the eventfd when it accepts the operation.
            flags: self.signal.as_ref().map_or(0, |_| RESFD),
            event_fd: self
                .signal
                .as_ref()
                .map_or(0, |event| event.as_raw_fd().cast_unsigned()),
            ..Iocb::default()
        });
        let mut list = [&raw mut *iocb];
        // Owned by `pending` before the kernel knows it; an early return takes it back.
        self.pending.insert(
            token,
            Pending {
                iocb,
                buffer,
                statuses,
                _file: Arc::clone(file),
            },
        );
        // SAFETY: `pending` owns the iocb (boxed, so it does not move), the buffer and the file until `take`
        // sees the completion or Drop has waited in io_destroy; `list` and `vectors` live through the call,
        // which is as long as the kernel reads them. A range is mapped during the call, and the module holds
        // its pages from then on.
        let accepted = check(unsafe {
            libc::syscall(
                libc::SYS_io_submit,
                self.id,
                1 as libc::c_long,
                list.as_mut_ptr(),
            )
        });
        match accepted {
            Ok(1) => Ok(token),
            Ok(_) => {
                self.pending.remove(&token);
                Err(io::Error::from_raw_os_error(libc::EAGAIN))
            }
            Err(error) => {
                self.pending.remove(&token);
                Err(error)
            }
        }
    }

    /// Asks to cancel an operation, which completes in its own time all the same. False if it is too late.
    ///
    /// # Errors
    /// What io_cancel says, other than that it is too late.
    pub fn cancel(&mut self, token: Token) -> io::Result<bool> {
        let Some(pending) = self.pending.get_mut(&token) else {
            return Ok(false);
        };
        let mut event = IoEvent::default();
        let iocb: *mut Iocb = &raw mut *pending.iocb;
        // SAFETY: `pending` keeps the iocb until its completion is taken; `event` lives through the call.
        match check(unsafe { libc::syscall(libc::SYS_io_cancel, self.id, iocb, &raw mut event) }) {
            Ok(_) => Ok(true),
            Err(error) => match error.raw_os_error() {
                // The kernel's answer since 2.6: cancelled, and the completion comes by the ring.
                Some(libc::EINPROGRESS) => Ok(true),
                Some(libc::EINVAL | libc::EAGAIN) => Ok(false),
                _ => Err(error),
            },
        }
    }

    /// Takes completions until there are `minimum` of them or `timeout` is over.
    ///
    /// # Errors
    /// What io_getevents says; InvalidData for a completion of an operation that is not in flight, which
    /// is how a second completion shows.
    pub fn wait(&mut self, minimum: usize, timeout: Duration) -> io::Result<Vec<Completed>> {
        let until = Instant::now() + timeout;
        let mut completed = Vec::new();
        loop {
            let missing = minimum.saturating_sub(completed.len());
            let left = until.saturating_duration_since(Instant::now());
            for event in self.events(missing.min(1), left)? {
                completed.push(self.take(&event)?);
            }
            if completed.len() >= minimum || Instant::now() >= until {
                return Ok(completed);
            }
        }
    }

    fn events(&self, minimum: usize, timeout: Duration) -> io::Result<Vec<IoEvent>> {
        let mut events = [IoEvent::default(); 64];
        let seconds = libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX);
        let mut timeout = libc::timespec {
            tv_sec: seconds,
            tv_nsec: timeout.subsec_nanos().into(),
        };
        let minimum = i64::try_from(minimum).unwrap_or(i64::MAX);
        // SAFETY: `events` has room for the 64 events asked for and, as `timeout`, lives through the call.
        let count = check(unsafe {
            libc::syscall(
                libc::SYS_io_getevents,
                self.id,
                minimum,
                64_i64,
                events.as_mut_ptr(),
                &raw mut timeout,
            )
        })?;
        Ok(events[..usize::try_from(count).unwrap_or(0)].to_vec())
    }

    fn take(&mut self, event: &IoEvent) -> io::Result<Completed> {
        let token = Token(event.data);
        let pending = self.pending.remove(&token).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("operation {} completed twice", token.0),
            )
        })?;
        let result = usize::try_from(event.result).map_err(|_| {
            let errno = i32::try_from(event.result.unsigned_abs()).unwrap_or(i32::MAX);
            io::Error::from_raw_os_error(errno)
        });
        Ok(Completed {
            token,
            result,
            buffer: pending.buffer,
            statuses: pending.statuses,
        })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: io_destroy cancels and waits for everything in flight, so that `pending`, dropped after
        // this, frees nothing the kernel may still write.
        let destroyed = check(unsafe { libc::syscall(libc::SYS_io_destroy, self.id) });
        if destroyed.is_err() {
            // The kernel may still hold the buffers; a leak is the safe end.
            std::mem::forget(std::mem::take(&mut self.pending));
        }
    }
}

/// Tells usbcore's recovery rule of the module to act: cancels what is queued, clears the halt.
///
/// # Errors
/// What the module says.
pub fn recover(file: &File) -> io::Result<()> {
    // SAFETY: posix_fadvise takes a descriptor, which `file` owns through the call, and numbers.
    match unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) } {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// Runs `body` in a forked child and returns what it gave, which is the child's exit status (0 to 255).
///
/// # Errors
/// InvalidInput in a process of several threads, whose locks would stay locked in the child for ever; what
/// fork or waitpid says; InvalidData when the child ended by a signal.
pub fn in_forked_child(body: impl FnOnce() -> i32) -> io::Result<i32> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: the child runs `body` on a copy of this, the only thread's memory, and ends in `_exit`, so that
    // nothing the parent owns is dropped twice.
    let child = unsafe { libc::fork() };
    match child {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let status = body();
            // SAFETY: _exit takes a number and ends this process.
            unsafe { libc::_exit(status) }
        }
        child => {
            let mut status = 0;
            // SAFETY: `child` is a child of this process that nobody has waited for; `status` lives through the call.
            check(unsafe { libc::waitpid(child, &raw mut status, 0) }.into())?;
            match libc::WIFEXITED(status) {
                true => Ok(libc::WEXITSTATUS(status)),
                false => Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("the child ended by signal {}", libc::WTERMSIG(status)),
                )),
            }
        }
    }
}

/// Closes every descriptor of this process but the first three, as a daemon does. For a forked child that
/// uses none of them any more.
pub fn close_all_files() {
    // SAFETY: close_range takes numbers; what Rust still has for these descriptors is never dropped, since the
    // child this is for ends in `_exit`.
    unsafe { libc::close_range(3, libc::c_uint::MAX, 0) };
}

/// Unloads a kernel module.
///
/// # Errors
/// EWOULDBLOCK while it is in use.
pub fn delete_module(name: &std::ffi::CStr) -> io::Result<()> {
    // SAFETY: `name` is a C string that lives through the call.
    check(unsafe { libc::syscall(libc::SYS_delete_module, name.as_ptr(), libc::O_NONBLOCK) })
        .map(|_| ())
}

/// Mounts the module's file system.
///
/// # Errors
/// What mount says.
pub fn mount(target: &std::ffi::CStr) -> io::Result<()> {
    let kind = c"usbfs2".as_ptr();
    // SAFETY: all four are C strings that live through the call, or null where mount allows it.
    check(unsafe { libc::mount(kind, target.as_ptr(), kind, 0, std::ptr::null()) }.into())
        .map(|_| ())
}

/// Unmounts the file system at `target`.
///
/// # Errors
/// EBUSY while a file in it is open.
pub fn unmount(target: &std::ffi::CStr) -> io::Result<()> {
    // SAFETY: `target` is a C string that lives through the call.
    check(unsafe { libc::umount(target.as_ptr()) }.into()).map(|_| ())
}

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_read_of_a_file_completes_once_with_its_bytes() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"endpoint").unwrap();
        let file = Arc::new(file);
        let mut context = Context::new(4).unwrap();
        let token = context.read(&file, 3, 64).unwrap();
        let completed = context.wait(1, Duration::from_secs(30)).unwrap().remove(0);
        assert_eq!((completed.token, completed.result.unwrap()), (token, 5));
        assert_eq!(&completed.buffer[..5], b"point");
        assert_eq!(context.in_flight(), 0);
        assert!(!context.cancel(token).unwrap());
    }
}
