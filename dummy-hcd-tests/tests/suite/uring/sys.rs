//! An io_uring of commands (uapi/linux/usbfs2.h) that owns what the kernel may still touch.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;

use dummy_hcd_tests::sys::{Status, statuses_for, vectors};
use io_uring::{IoUring, cqueue, opcode, squeue, types};

/// `USBFS2_URING_TRANSFER`, `_VECTORED` and `_CANCEL`.
pub(crate) const TRANSFER: u32 = 1;
pub(crate) const VECTORED: u32 = 2;
pub(crate) const CANCEL: u32 = 3;

/// How a ring works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Commands are issued by the caller, and done whenever it enters the kernel.
    Plain,
    /// They are done only where the caller waits for completions.
    Deferred,
    /// A thread of the kernel issues them.
    Polled,
    /// A worker of the kernel does.
    Workers,
}

/// A command's name, never given twice by one ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Token(pub(crate) u64);

/// One completion.
#[derive(Debug)]
pub(crate) struct Completed {
    pub(crate) token: Token,
    /// Bytes moved, or the error.
    pub(crate) result: io::Result<usize>,
    /// What more the completion says.
    pub(crate) status: Status,
    /// What was read or written; nothing of a registered buffer.
    pub(crate) buffer: Vec<u8>,
    /// Of isochronous packets, where asked for.
    pub(crate) statuses: Vec<Status>,
}

#[derive(Debug, Default)]
struct Pending {
    buffer: Vec<u8>,
    statuses: Vec<Status>,
    vectors: Vec<libc::iovec>,
    file: Option<Arc<File>>,
}

// SAFETY: the iovecs point into the buffer and the statuses next to them, which whoever has them has too.
unsafe impl Send for Pending {}

/// A ring. Dropping it cancels what is under way and waits for it.
pub(crate) struct Ring {
    ring: IoUring<squeue::Entry, cqueue::Entry32>,
    kind: Kind,
    next: u64,
    pending: BTreeMap<Token, Pending>,
    /// Completions that came while another was waited for.
    early: Vec<Completed>,
    registered: Vec<u8>,
}

impl Ring {
    pub(crate) fn new(kind: Kind) -> io::Result<Self> {
        let mut builder = IoUring::builder();
        match kind {
            Kind::Plain | Kind::Workers => {}
            Kind::Deferred => {
                builder.setup_single_issuer().setup_defer_taskrun();
            }
            Kind::Polled => {
                builder.setup_sqpoll(1000);
            }
        }
        Ok(Self {
            ring: builder.build(64)?,
            kind,
            next: 1,
            pending: BTreeMap::new(),
            early: Vec::new(),
            registered: Vec::new(),
        })
    }

    /// Starts a transfer of all of `buffer`; the kernel knows the direction.
    pub(crate) fn start(
        &mut self,
        file: &Arc<File>,
        offset: u64,
        buffer: Vec<u8>,
    ) -> io::Result<Token> {
        let length = buffer.len();
        let pending = Pending {
            buffer,
            ..Pending::default()
        };
        self.command(TRANSFER, file, offset, length, pending)
    }

    /// Starts isochronous packets of these lengths; `flags` are those of the offset.
    pub(crate) fn start_packets(
        &mut self,
        file: &Arc<File>,
        flags: u64,
        lengths: &[usize],
    ) -> io::Result<Token> {
        let mut pending = Pending {
            buffer: vec![0; lengths.iter().sum()],
            statuses: statuses_for(flags, lengths),
            ..Pending::default()
        };
        pending.vectors = vectors(&mut pending.buffer, lengths, &mut pending.statuses);
        let count = pending.vectors.len();
        self.command(VECTORED, file, flags, count, pending)
    }

    /// Any command. Of a vectored one, `pending` has vectors.
    pub(crate) fn misuse(
        &mut self,
        operation: u32,
        file: &Arc<File>,
        offset: u64,
        length: usize,
    ) -> io::Result<Token> {
        self.command(operation, file, offset, length, Pending::default())
    }

    fn command(
        &mut self,
        operation: u32,
        file: &Arc<File>,
        offset: u64,
        length: usize,
        mut pending: Pending,
    ) -> io::Result<Token> {
        let token = self.name();
        let address = match operation {
            VECTORED => pending.vectors.as_ptr().addr(),
            _ => pending.buffer.as_mut_ptr().expose_provenance(),
        };
        let entry = entry(file, operation, offset, length, address)?.build();
        pending.file = Some(Arc::clone(file));
        // Owned by `pending` before the kernel knows of it.
        self.pending.insert(token, pending);
        self.submit(entry.user_data(token.0))?;
        Ok(token)
    }

    /// Registers memory. Once.
    pub(crate) fn register(&mut self, memory: Vec<u8>) -> io::Result<()> {
        self.registered = memory;
        let vector = libc::iovec {
            iov_base: self.registered.as_mut_ptr().cast(),
            iov_len: self.registered.len(),
        };
        // SAFETY: `self` keeps the memory until Drop has waited for all that is under way, or leaks it.
        unsafe { self.ring.submitter().register_buffers(&[vector]) }
    }

    /// What was registered.
    pub(crate) fn registered(&mut self) -> &mut [u8] {
        &mut self.registered
    }

    /// Starts a transfer of registered memory.
    pub(crate) fn start_registered(
        &mut self,
        file: &Arc<File>,
        at: usize,
        length: usize,
    ) -> io::Result<Token> {
        let token = self.name();
        let address = self.registered.as_mut_ptr().expose_provenance() + at;
        let entry = entry(file, TRANSFER, 0, length, address)?.buf_index(Some(0));
        let pending = Pending {
            file: Some(Arc::clone(file)),
            ..Pending::default()
        };
        self.pending.insert(token, pending);
        self.submit(entry.build().user_data(token.0))?;
        Ok(token)
    }

    /// Cancels a command of this name. How many there were.
    pub(crate) fn cancel(&mut self, file: &Arc<File>, token: Token) -> io::Result<usize> {
        let name = self.name();
        let address = usize::try_from(token.0).map_err(io::Error::other)?;
        let entry = entry(file, CANCEL, 0, 0, address)?.build();
        self.pending.insert(name, Pending::default());
        self.submit(entry.user_data(name.0))?;
        loop {
            let completed = self.next_completion()?;
            if completed.token == name {
                return completed.result;
            }
            self.early.push(completed);
        }
    }

    fn name(&mut self) -> Token {
        self.next += 1;
        Token(self.next)
    }

    fn submit(&mut self, entry: squeue::Entry) -> io::Result<()> {
        let entry = match self.kind {
            Kind::Workers => entry.flags(squeue::Flags::ASYNC),
            _ => entry,
        };
        // SAFETY: `pending` owns the buffer, statuses and iovecs (of Vecs, so they do not move), or `self` the
        // registered memory, until `next_completion` takes the completion or Drop has waited for it. What
        // `misuse` names is the start of an empty vector.
        unsafe { self.ring.submission().push(&entry) }.map_err(io::Error::other)?;
        self.ring.submit()?;
        Ok(())
    }

    /// Waits for the next completion.
    pub(crate) fn wait(&mut self) -> io::Result<Completed> {
        if self.early.is_empty() {
            self.next_completion()
        } else {
            Ok(self.early.remove(0))
        }
    }

    fn next_completion(&mut self) -> io::Result<Completed> {
        loop {
            let Some(entry) = self.ring.completion().next() else {
                match self.ring.submit_and_wait(1) {
                    Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                    _ => continue,
                }
            };
            let token = Token(entry.user_data());
            let pending = self.pending.remove(&token).ok_or_else(|| {
                let text = format!("command {} completed twice", token.0);
                io::Error::new(io::ErrorKind::InvalidData, text)
            })?;
            let [l0, l1, l2, l3, s0, s1, s2, s3] = entry.big_cqe()[0].to_ne_bytes();
            return Ok(Completed {
                token,
                result: usize::try_from(entry.result())
                    .map_err(|_| io::Error::from_raw_os_error(-entry.result())),
                status: Status {
                    length: i32::from_ne_bytes([l0, l1, l2, l3]),
                    status: i32::from_ne_bytes([s0, s1, s2, s3]),
                },
                buffer: pending.buffer,
                statuses: pending.statuses,
            });
        }
    }

    fn cancel_all(&mut self) -> io::Result<()> {
        let files: Vec<_> = self
            .pending
            .iter()
            .filter_map(|(&token, pending)| Some((token, pending.file.clone()?)))
            .collect();
        for (token, file) in files {
            match self.cancel(&file, token) {
                Err(error) if error.raw_os_error() != Some(libc::ENOENT) => return Err(error),
                _ => {}
            }
        }
        while !self.pending.is_empty() {
            self.next_completion()?;
        }
        Ok(())
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if self.cancel_all().is_err() {
            // The kernel may still hold the buffers; a leak is the safe end.
            std::mem::forget((
                std::mem::take(&mut self.pending),
                std::mem::take(&mut self.registered),
            ));
        }
    }
}

/// The entry of a command: its struct usbfs2_command, and `address` in `sqe->addr`.
fn entry(
    file: &File,
    operation: u32,
    offset: u64,
    length: usize,
    address: usize,
) -> io::Result<opcode::UringCmd16> {
    let length = u32::try_from(length).map_err(io::Error::other)?;
    let mut command = [0; 16];
    command[..8].copy_from_slice(&offset.to_ne_bytes());
    command[8..12].copy_from_slice(&length.to_ne_bytes());
    let fd = types::Fd(file.as_raw_fd());
    Ok(opcode::UringCmd16::new(fd, operation)
        .cmd(command)
        .addr(Some(address as u64)))
}
