//! What goes on at an endpoint file: one system call after the other on the file's thread, and how others end or await
//! them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use aio_rs::Buffer;
use rustix::io::Errno;
use usbfs2_protocol::{Direction, TransferType};

use super::pipe::{Active, EndpointFile};
use super::sys::{INTERRUPT_INTERVAL, clear_halt, longer};
use crate::endpoint::{Completion, EndpointError};
use crate::keeper::OpenFile;

/// The kernel copies a transfer into memory that kmalloc gives it, which is no more than this.
const LONGEST_TRANSFER: usize = 4 << 20;

/// What the pipe and its thread share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) direction: Direction,
    pub(super) is_isochronous: bool,
    pub(super) max_packet_size: usize,
    pub(super) is_disabled: Arc<AtomicBool>,
    pub(super) state: Mutex<PipeState>,
    /// For the thread: something to do. For everybody else: something done.
    pub(super) changed: Condvar,
}

#[derive(Debug)]
pub(super) struct PipeState {
    /// `None` once disabled or taken over.
    pub(super) active: Option<Active>,
    /// The thread is to end.
    pub(super) is_ending: bool,
    /// The pipe was disabled and has closed the file.
    pub(super) is_free: bool,
    pub(super) waiting: VecDeque<Buffer>,
    /// The thread has a transfer with the kernel.
    pub(super) in_flight: bool,
    /// Somebody waits for the thread to be about to make its first system call.
    pub(super) is_watched: bool,
    /// How many are cancelling: the transfer with the kernel is to come back, and no other to start.
    pub(super) cancellers: usize,
    pub(super) halt: Halt,
    pub(super) done: VecDeque<Completion>,
    /// The task to wake when something is done.
    pub(super) task: Option<Waker>,
}

/// A halt is asked of the thread: a file carries one system call at a time, and the thread has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Halt {
    NotAsked,
    Asked(Change),
    Done(Result<(), Errno>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Set,
    Clear,
}

impl Shared {
    /// For an endpoint whose thread is about to start.
    pub(super) fn new(endpoint: &EndpointFile) -> Self {
        Self {
            direction: endpoint.address.direction(),
            is_isochronous: endpoint.transfer_type == TransferType::Isochronous,
            max_packet_size: endpoint.max_packet_size,
            is_disabled: Arc::clone(&endpoint.is_disabled),
            state: Mutex::new(PipeState {
                active: None,
                is_ending: false,
                is_free: false,
                waiting: VecDeque::new(),
                in_flight: false,
                is_watched: false,
                cancellers: 0,
                halt: Halt::NotAsked,
                done: VecDeque::new(),
                task: None,
            }),
            changed: Condvar::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, PipeState> {
        // Nothing that can panic runs while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread: one system call after the other.
    pub(super) fn serve(&self, file: &OpenFile) {
        let mut state = self.lock();
        while !state.is_ending {
            if matches!(state.halt, Halt::Asked(_)) {
                drop(state);
                self.halt(file);
                state = self.lock();
            } else if let Some(mut buffer) = state.next_to_start() {
                state.in_flight = true;
                if std::mem::take(&mut state.is_watched) {
                    self.changed.notify_all();
                }
                drop(state);
                let outcome = self.transfer(file, &mut buffer);
                state = self.lock();
                state.in_flight = false;
                let task = state.complete(buffer, outcome);
                self.changed.notify_all();
                drop(state);
                wake(task);
                state = self.lock();
            } else {
                state = self.wait_changed(state, None);
            }
        }
    }

    /// One transfer with the kernel.
    fn transfer(&self, file: &OpenFile, buffer: &mut Buffer) -> Result<usize, EndpointError> {
        let length = match self.direction {
            Direction::In => buffer.len(),
            Direction::Out => buffer.requested_length(),
        };
        let limit = match (self.is_isochronous, self.direction) {
            (true, Direction::In) => self.max_packet_size,
            _ => LONGEST_TRANSFER,
        };
        if length > limit {
            return Err(EndpointError::TooLong { length, limit });
        }
        loop {
            if self.is_disabled.load(Ordering::SeqCst) {
                return Err(EndpointError::Disabled);
            }
            let outcome = match self.direction {
                Direction::In => rustix::io::write(file, buffer),
                Direction::Out => self.read(file, buffer, length),
            };
            let is_disturbed = outcome == Err(Errno::INTR) && self.lock().cancellers == 0;
            if is_disturbed {
                // For a halt, or the process was stopped and continued (SIGSTOP, a debugger). What had
                // moved is lost, which for a transfer that the host has not begun is nothing.
                self.halt(file);
                continue;
            }
            if matches!(outcome, Err(Errno::SHUTDOWN | Errno::NODEV | Errno::NOENT)) {
                self.is_disabled.store(true, Ordering::SeqCst);
            }
            return outcome.map_err(transfer_error);
        }
    }

    /// Reads one transfer of up to `length` bytes, and fails when the host sends more.
    fn read(&self, file: &OpenFile, buffer: &mut Buffer, length: usize) -> Result<usize, Errno> {
        buffer.clear();
        let whole_packets = length.next_multiple_of(self.max_packet_size.max(1));
        if whole_packets == length {
            let count = rustix::io::read(file, &mut buffer.whole_mut()[..length])?;
            buffer.set_len(count);
            return Ok(count);
        }
        // Controllers fill requests with whole packets. Where they insist, FunctionFS keeps what comes beyond the
        // request for the next read, and would hand it out as a transfer of its own.
        let mut packets = vec![0; whole_packets];
        let count = rustix::io::read(file, &mut packets)?;
        buffer.extend_from_slice(&packets[..count.min(length)]);
        if count > length {
            return Err(Errno::OVERFLOW);
        }
        Ok(count)
    }

    /// Halts the endpoint if that was asked for, or ends its halt: I/O in the wrong direction does the one, and fails
    /// with EBADMSG.
    pub(super) fn halt(&self, file: &OpenFile) {
        let Halt::Asked(change) = self.lock().halt else {
            return;
        };
        let outcome = match (change, self.direction) {
            (Change::Set, Direction::In) => rustix::io::read(file, &mut [0; 0]).map(drop),
            (Change::Set, Direction::Out) => rustix::io::write(file, &[]).map(drop),
            (Change::Clear, _) => clear_halt(file),
        };
        let outcome = match outcome {
            Ok(()) | Err(Errno::BADMSG) => Ok(()),
            // Asked again by whoever waits.
            Err(Errno::INTR) => return,
            Err(errno) => Err(errno),
        };
        self.lock().halt = Halt::Done(outcome);
        self.changed.notify_all();
    }

    /// Takes back what the thread has with the kernel, and then what waits.
    pub(super) fn cancel<'a>(
        &'a self,
        mut state: MutexGuard<'a, PipeState>,
    ) -> MutexGuard<'a, PipeState> {
        state.cancellers += 1;
        self.changed.notify_all();
        let mut interval = INTERRUPT_INTERVAL;
        while state.in_flight {
            state = self.interrupt(state, interval);
            interval = longer(interval);
        }
        state.cancellers -= 1;
        let mut task = None;
        for buffer in std::mem::take(&mut state.waiting) {
            let taken = state.complete(buffer, Err(EndpointError::Cancelled));
            task = task.or(taken);
        }
        self.changed.notify_all();
        drop(state);
        wake(task);
        self.lock()
    }

    /// Ends the thread's system call, if it is in one, and gives it `interval` to say so.
    pub(super) fn interrupt<'a>(
        &self,
        state: MutexGuard<'a, PipeState>,
        interval: Duration,
    ) -> MutexGuard<'a, PipeState> {
        if let Some(active) = &state.active {
            active.thread.interrupt();
        }
        self.wait_changed(state, Some(interval))
    }

    pub(super) fn wait_changed<'a>(
        &self,
        state: MutexGuard<'a, PipeState>,
        timeout: Option<Duration>,
    ) -> MutexGuard<'a, PipeState> {
        match timeout {
            None => {
                let waited = self.changed.wait(state);
                waited.unwrap_or_else(PoisonError::into_inner)
            }
            Some(timeout) => {
                let waited = self.changed.wait_timeout(state, timeout);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }
}

impl PipeState {
    fn next_to_start(&mut self) -> Option<Buffer> {
        if self.cancellers > 0 {
            return None;
        }
        self.waiting.pop_front()
    }

    /// Returns the task to [`wake`].
    #[must_use]
    pub(super) fn complete(
        &mut self,
        buffer: Buffer,
        outcome: Result<usize, EndpointError>,
    ) -> Option<Waker> {
        let actual_length = *outcome.as_ref().unwrap_or(&0);
        let status = outcome.map(drop).map_err(|error| match error {
            EndpointError::Cancelled if self.is_ending => EndpointError::Disabled,
            error => error,
        });
        self.done.push_back(Completion {
            buffer,
            actual_length,
            status,
        });
        self.task.take()
    }
}

/// Wakes a task, which may poll the pipe before this returns: not to be called with the pipe's lock.
pub(super) fn wake(task: Option<Waker>) {
    if let Some(task) = task {
        task.wake();
    }
}

/// What an errno of an endpoint file means (drivers/usb/gadget/legacy/inode.c, function/f_fs.c and the
/// controllers).
pub(super) fn transfer_error(errno: Errno) -> EndpointError {
    match errno {
        Errno::SHUTDOWN | Errno::NODEV | Errno::NOENT => EndpointError::Disabled,
        Errno::INTR | Errno::CONNRESET => EndpointError::Cancelled,
        Errno::OVERFLOW => EndpointError::Overflow,
        // So controllers say for isochronous packets (dwc3, chipidea).
        Errno::XDEV | Errno::NODATA => EndpointError::Missed,
        errno => EndpointError::Io(errno.into()),
    }
}
