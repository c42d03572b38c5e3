//! An io_uring of reads and writes that owns what the kernel may still touch.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use dummy_hcd_tests::sys::{Status, statuses_for, vectors};
use io_uring::{IoUring, opcode, squeue, types};

/// Marks the completions of cancels, which are nobody's operation.
const CANCEL: u64 = u64::MAX;

/// An operation's name, never given twice by one ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Token(u64);

/// One completion.
#[derive(Debug)]
pub(crate) struct Completed {
    pub(crate) token: Token,
    /// Bytes moved, or the error.
    pub(crate) result: io::Result<usize>,
    /// What was read or written.
    pub(crate) buffer: Vec<u8>,
    /// Of isochronous packets, where asked for.
    pub(crate) statuses: Vec<Status>,
}

#[derive(Debug, Default)]
struct Pending {
    buffer: Vec<u8>,
    statuses: Vec<Status>,
    vectors: Vec<libc::iovec>,
    _file: Option<Arc<File>>,
}

/// A ring. Dropping it cancels what is under way and waits for it.
pub(crate) struct Ring {
    ring: IoUring,
    next: u64,
    pending: BTreeMap<Token, Pending>,
}

impl Ring {
    pub(crate) fn new(entries: u32) -> io::Result<Self> {
        Ok(Self {
            ring: IoUring::new(entries)?,
            next: 0,
            pending: BTreeMap::new(),
        })
    }

    /// Starts a read of up to `length` bytes.
    pub(crate) fn read(&mut self, file: &Arc<File>, length: usize) -> io::Result<Token> {
        self.start(file, vec![0; length], |fd, buffer, length| {
            opcode::Read::new(fd, buffer, length).build()
        })
    }

    /// Opens a file by io_uring, which tries `O_NONBLOCK` of its own first.
    pub(crate) fn open(&mut self, path: &Path, flags: i32) -> io::Result<File> {
        let name = CString::new(path.as_os_str().as_bytes())?;
        let token = Token(self.next);
        self.next += 1;
        self.pending.insert(token, Pending::default());
        let entry = opcode::OpenAt::new(types::Fd(libc::AT_FDCWD), name.as_ptr())
            .flags(flags | libc::O_CLOEXEC)
            .build();
        // `name` outlives the open, which is waited for; nothing else is under way.
        self.submit(&entry.user_data(token.0))?;
        let fd = i32::try_from(self.wait()?.result?).map_err(io::Error::other)?;
        // SAFETY: the kernel made this file descriptor for this process just now, and nobody else has it.
        Ok(unsafe { File::from_raw_fd(fd) })
    }

    /// Starts a write.
    pub(crate) fn write(&mut self, file: &Arc<File>, bytes: &[u8]) -> io::Result<Token> {
        self.start(file, bytes.to_vec(), |fd, buffer, length| {
            opcode::Write::new(fd, buffer, length).build()
        })
    }

    /// Starts a read of isochronous packets of these lengths; `flags` are those of the offset.
    pub(crate) fn read_packets(
        &mut self,
        file: &Arc<File>,
        flags: u64,
        lengths: &[usize],
    ) -> io::Result<Token> {
        let token = Token(self.next);
        self.next += 1;
        let mut pending = Pending {
            buffer: vec![0; lengths.iter().sum()],
            statuses: statuses_for(flags, lengths),
            vectors: Vec::new(),
            _file: Some(Arc::clone(file)),
        };
        pending.vectors = vectors(&mut pending.buffer, lengths, &mut pending.statuses);
        let fd = types::Fd(file.as_raw_fd());
        let count = u32::try_from(pending.vectors.len()).map_err(io::Error::other)?;
        let entry = opcode::Readv::new(fd, pending.vectors.as_ptr(), count).offset(flags);
        // Owned by `pending` before the kernel knows of it.
        self.pending.insert(token, pending);
        self.submit(&entry.build().user_data(token.0))?;
        Ok(token)
    }

    /// Reads up to `length` bytes into a registered buffer, and waits for it.
    pub(crate) fn read_registered(&mut self, file: &Arc<File>, length: usize) -> io::Result<usize> {
        let mut buffer = vec![0_u8; length];
        let registered = libc::iovec {
            iov_base: buffer.as_mut_ptr().cast(),
            iov_len: length,
        };
        // SAFETY: `buffer` outlives the read, which `wait` waits for, and the registration, which ends below.
        unsafe { self.ring.submitter().register_buffers(&[registered])? };
        let length = u32::try_from(length).map_err(io::Error::other)?;
        let token = Token(self.next);
        self.next += 1;
        self.pending.insert(token, Pending::default());
        let fd = types::Fd(file.as_raw_fd());
        let entry = opcode::ReadFixed::new(fd, buffer.as_mut_ptr(), length, 0);
        self.submit(&entry.build().user_data(token.0))?;
        let completed = self.wait();
        self.ring.submitter().unregister_buffers()?;
        completed?.result
    }

    fn start(
        &mut self,
        file: &Arc<File>,
        mut buffer: Vec<u8>,
        build: impl FnOnce(types::Fd, *mut u8, u32) -> squeue::Entry,
    ) -> io::Result<Token> {
        let token = Token(self.next);
        self.next += 1;
        let length = u32::try_from(buffer.len()).map_err(io::Error::other)?;
        let entry = build(types::Fd(file.as_raw_fd()), buffer.as_mut_ptr(), length);
        // Owned by `pending` before the kernel knows of it.
        self.pending.insert(
            token,
            Pending {
                buffer,
                _file: Some(Arc::clone(file)),
                ..Pending::default()
            },
        );
        self.submit(&entry.user_data(token.0))?;
        Ok(token)
    }

    /// Asks to cancel an operation, which completes in its own time all the same.
    pub(crate) fn cancel(&mut self, token: Token) -> io::Result<()> {
        self.submit(&opcode::AsyncCancel::new(token.0).build().user_data(CANCEL))
    }

    fn submit(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        // SAFETY: `pending` owns the buffers and iovecs (of Vecs, so they do not move) and the file of a read
        // or write, or `read_registered` its buffer,
        // until `wait` takes its completion or Drop has waited for it; a cancel points nowhere.
        unsafe { self.ring.submission().push(entry) }.map_err(io::Error::other)?;
        self.ring.submit()?;
        Ok(())
    }

    /// Waits for the next completion.
    pub(crate) fn wait(&mut self) -> io::Result<Completed> {
        loop {
            let Some(entry) = self.ring.completion().next() else {
                self.ring.submit_and_wait(1)?;
                continue;
            };
            if entry.user_data() == CANCEL {
                continue;
            }
            let token = Token(entry.user_data());
            let pending = self.pending.remove(&token).ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("operation {} completed twice", token.0),
                )
            })?;
            return Ok(Completed {
                token,
                result: usize::try_from(entry.result())
                    .map_err(|_| io::Error::from_raw_os_error(-entry.result())),
                buffer: pending.buffer,
                statuses: pending.statuses,
            });
        }
    }

    fn cancel_all(&mut self) -> io::Result<()> {
        for token in self.pending.keys().copied().collect::<Vec<_>>() {
            self.cancel(token)?;
        }
        while !self.pending.is_empty() {
            self.wait()?;
        }
        Ok(())
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if self.cancel_all().is_err() {
            // The kernel may still hold the buffers; a leak is the safe end.
            std::mem::forget(std::mem::take(&mut self.pending));
        }
    }
}
