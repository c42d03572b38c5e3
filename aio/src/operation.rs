//! What can be asked of a file, and what comes back.

use std::io;
use std::num::NonZeroU32;
use std::os::fd::AsRawFd as _;
use std::os::fd::{AsFd as _, RawFd};
use std::time::Duration;

use crate::{Buffer, Parts, SharedFile};

bitflags::bitflags! {
    /// Conditions of a file that [`Operation::poll`] waits for, as in poll(2).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct PollEvents: u16 {
        /// A read would not block (`POLLIN`).
        const READABLE = libc::POLLIN.cast_unsigned();
        /// A write would not block (`POLLOUT`).
        const WRITABLE = libc::POLLOUT.cast_unsigned();
        /// Urgent data or an exceptional condition (`POLLPRI`).
        const PRIORITY = libc::POLLPRI.cast_unsigned();
        /// An error; reported whether asked for or not (`POLLERR`).
        const ERROR = libc::POLLERR.cast_unsigned();
        /// The other end closed; reported whether asked for or not (`POLLHUP`).
        const HANG_UP = libc::POLLHUP.cast_unsigned();
    }
}

/// One request to the kernel, with everything it needs: the file and the memory.
///
/// An operation given to a [`Context`](crate::Context) stays there, out of reach, until its [`Completion`] hands the
/// buffer back. Offsets are passed to the kernel as they are; those above `i64::MAX` complete with `EINVAL`
/// on files that know no such offset.
#[derive(Debug)]
#[must_use = "an operation does nothing until a context has it"]
pub struct Operation {
    pub(crate) command: Command,
    pub(crate) file: SharedFile,
    pub(crate) offset: u64,
    pub(crate) buffer: Buffer,
    pub(crate) buffers: Vec<Buffer>,
    pub(crate) parts: Option<Box<Parts>>,
    pub(crate) events: PollEvents,
    pub(crate) user_data: u64,
    /// In milliseconds: an operation that is refused comes back in an error, which is to stay small.
    timeout_ms: Option<NonZeroU32>,
}

/// The kinds of operation the kernel knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    Read,
    Write,
    ReadVectored,
    WriteVectored,
    ReadParts,
    WriteParts,
    Sync,
    DataSync,
    Poll,
    /// Starts and awaits the transfers of a ring.
    #[cfg_attr(not(any(feature = "async-io", feature = "tokio")), expect(dead_code))]
    ReadBatch,
    #[cfg_attr(not(any(feature = "async-io", feature = "tokio")), expect(dead_code))]
    WriteBatch,
}

impl Operation {
    fn new(command: Command, file: SharedFile) -> Self {
        Self {
            command,
            file,
            offset: 0,
            buffer: Buffer::new(),
            buffers: Vec::new(),
            parts: None,
            events: PollEvents::empty(),
            user_data: 0,
            timeout_ms: None,
        }
    }

    /// Reads up to [`buffer.requested_length()`](Buffer::requested_length) bytes at `offset` into the start of `buffer`.
    ///
    /// The completion's filled part is what arrived, shorter at the end of a file or when a device sent less.
    #[doc(alias = "IOCB_CMD_PREAD")]
    pub fn read(file: impl Into<SharedFile>, offset: u64, buffer: Buffer) -> Self {
        Self {
            offset,
            buffer,
            ..Self::new(Command::Read, file.into())
        }
    }

    /// Writes the filled part of `buffer` at `offset`; an empty one is a write of no bytes, which devices may heed.
    #[doc(alias = "IOCB_CMD_PWRITE")]
    pub fn write(file: impl Into<SharedFile>, offset: u64, buffer: Buffer) -> Self {
        Self {
            offset,
            buffer,
            ..Self::new(Command::Write, file.into())
        }
    }

    /// Reads into several buffers, each asking for its [`requested_length`](Buffer::requested_length) bytes, in order.
    ///
    /// The completion's filled parts divide the bytes counted by its result in the same order. A file that uses its
    /// vectors in another way leaves the bytes where it put them: see [`Buffer::whole`].
    #[doc(alias = "IOCB_CMD_PREADV")]
    pub fn read_vectored(file: impl Into<SharedFile>, offset: u64, buffers: Vec<Buffer>) -> Self {
        Self {
            offset,
            buffers,
            ..Self::new(Command::ReadVectored, file.into())
        }
    }

    /// Writes the filled parts of several buffers, in order.
    #[doc(alias = "IOCB_CMD_PWRITEV")]
    pub fn write_vectored(file: impl Into<SharedFile>, offset: u64, buffers: Vec<Buffer>) -> Self {
        Self {
            offset,
            buffers,
            ..Self::new(Command::WriteVectored, file.into())
        }
    }

    /// Reads into consecutive parts of one buffer, one vector each, as a driver wants them that makes a packet of each.
    ///
    /// The completion's [`buffer`](Completion::buffer) is as long as all parts together and the report of its
    /// [`parts`](Completion::parts) as long as asked; which bytes of either the file has filled, only its driver says.
    ///
    /// # Panics
    /// When the parts are longer than the buffer's capacity.
    #[doc(alias = "IOCB_CMD_PREADV")]
    pub fn read_parts(
        file: impl Into<SharedFile>,
        offset: u64,
        buffer: Buffer,
        parts: Box<Parts>,
    ) -> Self {
        parts.assert_fit(buffer.capacity());
        Self {
            offset,
            buffer,
            parts: Some(parts),
            ..Self::new(Command::ReadParts, file.into())
        }
    }

    /// Writes consecutive parts of one buffer's filled part, as [`read_parts`](Self::read_parts) reads them.
    ///
    /// # Panics
    /// When the parts are longer than the buffer's filled part.
    #[doc(alias = "IOCB_CMD_PWRITEV")]
    pub fn write_parts(
        file: impl Into<SharedFile>,
        offset: u64,
        buffer: Buffer,
        parts: Box<Parts>,
    ) -> Self {
        parts.assert_fit(buffer.len());
        Self {
            offset,
            buffer,
            parts: Some(parts),
            ..Self::new(Command::WriteParts, file.into())
        }
    }

    /// Waits until the file's data and metadata are stored, as fsync(2); it does not wait for operations still in flight.
    #[doc(alias = "IOCB_CMD_FSYNC")]
    pub fn sync(file: impl Into<SharedFile>) -> Self {
        Self::new(Command::Sync, file.into())
    }

    /// Waits until the file's data is stored, as fdatasync(2); it does not wait for operations still in flight.
    #[doc(alias = "IOCB_CMD_FDSYNC")]
    pub fn sync_data(file: impl Into<SharedFile>) -> Self {
        Self::new(Command::DataSync, file.into())
    }

    /// Waits once until one of `events`, an error or a hang-up is there; needs Linux 4.19.
    ///
    /// The completion says which: [`Completion::poll_events`].
    #[doc(alias = "IOCB_CMD_POLL")]
    pub fn poll(file: impl Into<SharedFile>, events: PollEvents) -> Self {
        Self {
            events,
            ..Self::new(Command::Poll, file.into())
        }
    }

    /// An operation of no bytes on a file's ring; the completion says how many transfers it started.
    #[cfg(any(feature = "async-io", feature = "tokio"))]
    pub(crate) fn batch(file: &SharedFile, is_in: bool, offset: u64) -> Self {
        let command = if is_in {
            Command::ReadBatch
        } else {
            Command::WriteBatch
        };
        Self {
            offset,
            ..Self::new(command, file.clone())
        }
    }

    /// Labels the operation; the completion carries the same value. 0 unless set.
    pub fn user_data(self, user_data: u64) -> Self {
        Self { user_data, ..self }
    }

    /// Gives the operation a time, which begins when a context takes it: whole milliseconds, rounded up. It has none
    /// unless told.
    ///
    /// When it is over the operation is cancelled, it and no other. What it has moved by then is its result, a success;
    /// one that moved nothing fails with `ETIMEDOUT`. An operation that cannot be cancelled, as on ordinary files, ends by
    /// itself. The context looks at the time when it sleeps or is polled, not behind its owner's back.
    ///
    /// On [`Reactor::Tokio`](crate::Reactor::Tokio) a task's sleep needs the runtime's time driver.
    pub fn timeout(self, timeout: Duration) -> Self {
        let milliseconds = u32::try_from(timeout.as_nanos().div_ceil(1_000_000));
        let milliseconds = NonZeroU32::new(milliseconds.unwrap_or(u32::MAX));
        Self {
            timeout_ms: Some(milliseconds.unwrap_or(NonZeroU32::MIN)),
            ..self
        }
    }

    pub(crate) fn time(&self) -> Option<Duration> {
        let milliseconds = self.timeout_ms?;
        Some(Duration::from_millis(milliseconds.get().into()))
    }

    /// The buffer of an operation that is not to be submitted after all; empty for operations without one.
    #[must_use]
    pub fn into_buffer(self) -> Buffer {
        self.buffer
    }

    /// The buffers of a vectored operation that is not to be submitted after all; empty for others.
    #[must_use]
    pub fn into_buffers(self) -> Vec<Buffer> {
        self.buffers
    }

    /// The memory of an operation on parts that is not to be submitted after all; no parts for others.
    #[must_use]
    pub fn into_parts(self) -> (Buffer, Option<Box<Parts>>) {
        (self.buffer, self.parts)
    }

    /// Whether it is a read or a write.
    pub(crate) fn moves_bytes(&self) -> bool {
        !matches!(
            self.command,
            Command::Poll | Command::Sync | Command::DataSync
        )
    }

    pub(crate) fn raw_fd(&self) -> RawFd {
        self.file.as_fd().as_raw_fd()
    }

    /// Turns the kernel's answer, bytes or a negative errno, into the completion. The file is let go.
    pub(crate) fn complete(mut self, id: OperationId, answer: i64) -> Completion {
        let result = self.judge(answer);
        match self.command {
            Command::Read => self.buffer.set_len(*result.as_ref().unwrap_or(&0)),
            Command::ReadVectored => {
                let mut left = *result.as_ref().unwrap_or(&0);
                for buffer in &mut self.buffers {
                    let filled = left.min(buffer.requested_length());
                    buffer.set_len(filled);
                    left -= filled;
                }
            }
            Command::ReadParts | Command::WriteParts => {
                let answered = result.is_ok();
                let total = self.parts.as_mut().map_or(0, |parts| {
                    let reported = parts.report.requested_length();
                    parts.report.set_len(if answered { reported } else { 0 });
                    parts.total()
                });
                if self.command == Command::ReadParts {
                    self.buffer.set_len(if answered { total } else { 0 });
                }
            }
            _ => {}
        }
        Completion {
            id,
            user_data: self.user_data,
            buffer: self.buffer,
            buffers: self.buffers,
            parts: self.parts,
            result,
        }
    }

    fn judge(&self, answer: i64) -> io::Result<usize> {
        let Ok(count) = usize::try_from(answer) else {
            let errno = answer
                .checked_neg()
                .and_then(|errno| i32::try_from(errno).ok());
            return Err(io::Error::from_raw_os_error(errno.unwrap_or(libc::EIO)));
        };
        match self.command {
            // The kernel completes a poll with no event in one case only: it was cancelled.
            Command::Poll if count == 0 => Err(io::Error::from_raw_os_error(libc::ECANCELED)),
            // Woken by the file, the kernel reports what the file said, asked for or not.
            Command::Poll => {
                let reported = self.events | PollEvents::ERROR | PollEvents::HANG_UP;
                Ok(count & usize::from(reported.bits()))
            }
            Command::Sync | Command::DataSync | Command::ReadBatch | Command::WriteBatch => {
                Ok(count)
            }
            // A driver that miscounts must not make us believe in bytes beyond the buffer.
            _ if count > self.length() => Err(io::Error::from_raw_os_error(libc::EIO)),
            _ => Ok(count),
        }
    }

    /// Bytes the operation may move at most.
    fn length(&self) -> usize {
        match self.command {
            Command::Read => self.buffer.requested_length(),
            Command::Write => self.buffer.len(),
            Command::ReadVectored => self.buffers.iter().map(Buffer::requested_length).sum(),
            Command::WriteVectored => self.buffers.iter().map(|buffer| buffer.len()).sum(),
            Command::ReadParts | Command::WriteParts => self
                .parts
                .as_ref()
                .map_or(0, |parts| parts.total() + parts.report.requested_length()),
            Command::Sync
            | Command::DataSync
            | Command::Poll
            | Command::ReadBatch
            | Command::WriteBatch => 0,
        }
    }
}

/// Names one operation within the context that accepted it; never used again for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperationId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl OperationId {
    /// For an operation that ended before a context took it. No context has this many slots.
    #[cfg(any(feature = "async-io", feature = "tokio"))]
    pub(crate) const NONE: Self = Self {
        slot: u32::MAX,
        generation: 0,
    };
}

/// The end of one operation: its outcome and its memory.
#[derive(Debug)]
#[non_exhaustive]
pub struct Completion {
    /// The operation that ended.
    pub id: OperationId,
    /// The operation's label.
    pub user_data: u64,
    /// The buffer given to a read or write; of a read, the filled part is what arrived. Empty for other operations.
    pub buffer: Buffer,
    /// The buffers given to a vectored operation. Empty for other operations.
    pub buffers: Vec<Buffer>,
    /// The parts given to an operation on parts; its report is filled if the operation succeeded. `None` for others.
    pub parts: Option<Box<Parts>>,
    /// Bytes moved (for a poll: the events), or the error with the kernel's errno as its
    /// [`raw_os_error`](io::Error::raw_os_error); `ECANCELED` when it was cancelled before it moved a byte.
    pub result: io::Result<usize>,
}

impl Completion {
    /// Whether the operation ended because it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(&self.result, Err(error) if error.raw_os_error() == Some(libc::ECANCELED))
    }

    /// The conditions that ended a [poll](Operation::poll); empty when it failed.
    #[must_use]
    pub fn poll_events(&self) -> PollEvents {
        let bits = self
            .result
            .as_ref()
            .ok()
            .and_then(|&bits| u16::try_from(bits).ok());
        PollEvents::from_bits_retain(bits.unwrap_or(0))
    }
}

/// What a request to cancel achieved. In every case but [`Unknown`](Self::Unknown) one completion is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancelOutcome {
    /// The driver was told to stop; the completion says whether that or the data was first.
    Requested,
    /// The kernel had not seen the operation; its completion, with `ECANCELED`, waits.
    Withdrawn,
    /// The operation is over already, or of a kind that cannot be stopped, as on ordinary files; it ends by itself.
    NotCancellable,
    /// The context has no such operation: its completion has been taken.
    Unknown,
}
