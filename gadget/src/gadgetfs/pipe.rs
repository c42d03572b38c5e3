//! An endpoint file, read or written by a thread of its own.
//!
//! gadgetfs has asynchronous I/O too, but cancelling it is not safe: the kernel cancels with the AIO
//! context locked, controllers give the request back at once, and completing it takes the same lock
//! (ep_aio_cancel, aio_complete_rw; dummy_hcd on 6.12 stops the machine for good). A process that exits or
//! is killed with operations in flight does the same. Blocking I/O is cancelled by a signal and by the end of the
//! process alike. It carries one transfer at a time; what is submitted beyond waits here.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aio_rs::Buffer;
use rustix::io::Errno;
use usbfs2_protocol::{Direction, EndpointAddress};

use super::sys::IoThread;
use crate::endpoint::{Completion, EndpointError};
use crate::pipe::Pipe;

/// The kernel copies a transfer into memory that kmalloc gives it, which is no more than this.
const LONGEST_TRANSFER: usize = 4 << 20;

/// How often to interrupt a system call until it ends: the signal may come just before the call.
const INTERRUPT_INTERVAL: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(super) struct GadgetfsPipe {
    shared: Arc<Shared>,
    address: EndpointAddress,
}

/// What the pipe and its thread share.
#[derive(Debug)]
struct Shared {
    direction: Direction,
    state: Mutex<PipeState>,
    /// For the thread: something to do. For everybody else: something done.
    changed: Condvar,
}

#[derive(Debug)]
struct PipeState {
    /// `None` once disabled or taken over.
    active: Option<Active>,
    /// The thread is to end.
    is_ending: bool,
    waiting: VecDeque<Buffer>,
    /// The thread has a transfer with the kernel.
    in_flight: bool,
    /// How many are cancelling: the transfer with the kernel is to come back, and no other to start.
    cancellers: usize,
    halt: Halt,
    done: VecDeque<Completion>,
}

#[derive(Debug)]
struct Active {
    file: Arc<File>,
    thread: IoThread,
}

/// A halt is asked of the thread: a file carries one system call at a time, and the thread has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Halt {
    NotAsked,
    Asked,
    Done(Result<(), Errno>),
}

impl GadgetfsPipe {
    /// For an endpoint file that has just been configured.
    pub(super) fn new(file: Arc<File>, address: EndpointAddress) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            direction: address.direction(),
            state: Mutex::new(PipeState {
                active: None,
                is_ending: false,
                waiting: VecDeque::new(),
                in_flight: false,
                cancellers: 0,
                halt: Halt::NotAsked,
                done: VecDeque::new(),
            }),
            changed: Condvar::new(),
        });
        let thread = IoThread::spawn(format!("usb {address}"), {
            let shared = Arc::clone(&shared);
            let file = Arc::clone(&file);
            move || shared.serve(&file)
        })?;
        shared.lock().active = Some(Active { file, thread });
        Ok(Self { shared, address })
    }

    /// Ends the thread and takes the file away.
    fn release(&self) -> Option<Arc<File>> {
        let mut state = self.shared.lock();
        state.is_ending = true;
        let mut state = self.shared.cancel(state);
        let Active { file, thread } = state.active.take()?;
        drop(state);
        thread.join();
        Some(file)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, PipeState> {
        // Nothing that can panic runs while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread: one system call after the other.
    fn serve(&self, file: &File) {
        let mut state = self.lock();
        while !state.is_ending {
            if state.halt == Halt::Asked {
                drop(state);
                self.halt(file);
                state = self.lock();
            } else if let Some(mut buffer) = state.next_to_start() {
                state.in_flight = true;
                drop(state);
                let outcome = self.transfer(file, &mut buffer);
                state = self.lock();
                state.in_flight = false;
                state.complete(buffer, outcome);
                self.changed.notify_all();
            } else {
                state = self.wait_changed(state, None);
            }
        }
    }

    /// One transfer with the kernel.
    fn transfer(&self, file: &File, buffer: &mut Buffer) -> Result<usize, EndpointError> {
        let length = match self.direction {
            Direction::In => buffer.len(),
            Direction::Out => buffer.requested_length(),
        };
        if length > LONGEST_TRANSFER {
            return Err(EndpointError::TooLong {
                length,
                limit: LONGEST_TRANSFER,
            });
        }
        loop {
            let outcome = match self.direction {
                Direction::In => rustix::io::write(file, buffer),
                Direction::Out => rustix::io::read(file, &mut buffer.whole_mut()[..length]),
            };
            let is_disturbed = outcome == Err(Errno::INTR) && self.lock().cancellers == 0;
            if is_disturbed {
                // For a halt, or the process was stopped and continued (SIGSTOP, a debugger). What had
                // moved is lost, which for a transfer that the host has not begun is nothing.
                self.halt(file);
                continue;
            }
            if self.direction == Direction::Out {
                buffer.set_len(outcome.unwrap_or(0));
            }
            return outcome.map_err(transfer_error);
        }
    }

    /// Halts the endpoint if that was asked for: I/O in the wrong direction does, and fails with EBADMSG.
    fn halt(&self, file: &File) {
        if self.lock().halt != Halt::Asked {
            return;
        }
        let outcome = match self.direction {
            Direction::In => rustix::io::read(file, &mut [0; 0]),
            Direction::Out => rustix::io::write(file, &[]),
        };
        let outcome = match outcome {
            Ok(_) | Err(Errno::BADMSG) => Ok(()),
            // Asked again by whoever waits.
            Err(Errno::INTR) => return,
            Err(errno) => Err(errno),
        };
        self.lock().halt = Halt::Done(outcome);
        self.changed.notify_all();
    }

    /// Takes back what the thread has with the kernel, and then what waits.
    fn cancel<'a>(&self, mut state: MutexGuard<'a, PipeState>) -> MutexGuard<'a, PipeState>
    where
        Self: 'a,
    {
        state.cancellers += 1;
        self.changed.notify_all();
        while state.in_flight {
            state = self.interrupt(state);
        }
        state.cancellers -= 1;
        for buffer in std::mem::take(&mut state.waiting) {
            state.complete(buffer, Err(EndpointError::Cancelled));
        }
        self.changed.notify_all();
        state
    }

    /// Ends the thread's system call, if it is in one, and gives it a moment to say so.
    fn interrupt<'a>(&self, state: MutexGuard<'a, PipeState>) -> MutexGuard<'a, PipeState> {
        if let Some(active) = &state.active {
            active.thread.interrupt();
        }
        self.wait_changed(state, Some(INTERRUPT_INTERVAL))
    }

    fn wait_changed<'a>(
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

    fn complete(&mut self, buffer: Buffer, outcome: Result<usize, EndpointError>) {
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
    }
}

/// What an errno of an endpoint file means (drivers/usb/gadget/legacy/inode.c and the controllers).
fn transfer_error(errno: Errno) -> EndpointError {
    match errno {
        Errno::SHUTDOWN | Errno::NODEV | Errno::NOENT => EndpointError::Disabled,
        Errno::INTR | Errno::CONNRESET => EndpointError::Cancelled,
        Errno::OVERFLOW => EndpointError::Overflow,
        errno => EndpointError::Io(errno.into()),
    }
}

impl Pipe for GadgetfsPipe {
    fn submit(&self, buffer: Buffer) {
        let mut state = self.shared.lock();
        if state.is_ending {
            state.complete(buffer, Err(EndpointError::Disabled));
        } else {
            state.waiting.push_back(buffer);
        }
        self.shared.changed.notify_all();
    }

    fn pending(&self) -> usize {
        let state = self.shared.lock();
        state.waiting.len() + usize::from(state.in_flight) + state.done.len()
    }

    fn wait(&self, deadline: Option<Instant>) -> Option<Completion> {
        let mut state = self.shared.lock();
        loop {
            let completion = state.done.pop_front();
            if completion.is_some() || (state.waiting.is_empty() && !state.in_flight) {
                return completion;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return None;
            }
            state = self.shared.wait_changed(state, left);
        }
    }

    fn cancel_all(&self) {
        drop(self.shared.cancel(self.shared.lock()));
    }

    fn set_halt(&self) -> Result<(), EndpointError> {
        let mut state = self.shared.lock();
        state.halt = Halt::Asked;
        self.shared.changed.notify_all();
        while !state.is_ending {
            if let Halt::Done(outcome) = state.halt {
                return outcome.map_err(transfer_error);
            }
            state = self.shared.interrupt(state);
        }
        Err(EndpointError::Disabled)
    }

    fn disable(&self) {
        drop(self.release());
    }

    fn take_over(&self) -> Option<Arc<dyn Pipe>> {
        let file = self.release()?;
        match Self::new(file, self.address) {
            Ok(pipe) => Some(Arc::new(pipe)),
            Err(error) => {
                log::error!("taking over {}: {error}", self.address);
                None
            }
        }
    }
}

impl Drop for GadgetfsPipe {
    fn drop(&mut self) {
        self.disable();
    }
}
