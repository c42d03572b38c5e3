//! An endpoint file, read or written by a thread of its own. It carries one transfer at a time; what is
//! submitted beyond waits here.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aio_rs::Buffer;
use rustix::io::Errno;
use usbfs2_protocol::{Direction, EndpointAddress, TransferType};

use super::sys::{INTERRUPT_INTERVAL, IoThread, come_first};
use crate::endpoint::{Completion, EndpointError};
use crate::pipe::Pipe;

/// The kernel copies a transfer into memory that kmalloc gives it, which is no more than this.
const LONGEST_TRANSFER: usize = 4 << 20;

/// An open endpoint file, and what is to be known of the endpoint behind it.
#[derive(Debug, Clone)]
pub(crate) struct EndpointFile {
    pub(crate) file: Arc<File>,
    pub(crate) address: EndpointAddress,
    pub(crate) transfer_type: TransferType,
    /// Of an isochronous endpoint, all bytes of a service interval.
    pub(crate) max_packet_size: usize,
    /// Set when the kernel says that the endpoint is disabled, and shared by the endpoints of one
    /// configuration: a file that outlives the configuration must not serve an old run in the next one.
    pub(crate) is_disabled: Arc<AtomicBool>,
}

/// How long a halt waits for the host to collect what it is asking for.
const COLLECTION_TIME: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct FilePipe {
    shared: Arc<Shared>,
}

/// What the pipe and its thread share.
#[derive(Debug)]
struct Shared {
    direction: Direction,
    is_isochronous: bool,
    max_packet_size: usize,
    is_disabled: Arc<AtomicBool>,
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
    endpoint: EndpointFile,
    thread: IoThread,
}

/// A halt is asked of the thread: a file carries one system call at a time, and the thread has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Halt {
    NotAsked,
    Asked,
    Done(Result<(), Errno>),
}

impl FilePipe {
    /// For an endpoint that has just been enabled.
    pub(crate) fn new(endpoint: EndpointFile) -> io::Result<Self> {
        let file = Arc::clone(&endpoint.file);
        let shared = Arc::new(Shared {
            direction: endpoint.address.direction(),
            is_isochronous: endpoint.transfer_type == TransferType::Isochronous,
            max_packet_size: endpoint.max_packet_size,
            is_disabled: Arc::clone(&endpoint.is_disabled),
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
        let thread = IoThread::spawn(format!("usb {}", endpoint.address), {
            let shared = Arc::clone(&shared);
            move || {
                if shared.is_isochronous {
                    // The packet that follows has to be with the controller before its service interval begins.
                    come_first();
                }
                shared.serve(&file);
            }
        })?;
        shared.lock().active = Some(Active { endpoint, thread });
        Ok(Self { shared })
    }

    /// Ends the thread and takes the file away.
    fn release(&self) -> Option<EndpointFile> {
        let mut state = self.shared.lock();
        state.is_ending = true;
        let mut state = self.shared.cancel(state);
        let Active { endpoint, thread } = state.active.take()?;
        drop(state);
        thread.join();
        Some(endpoint)
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
    fn read(&self, file: &File, buffer: &mut Buffer, length: usize) -> Result<usize, Errno> {
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

/// What an errno of an endpoint file means (drivers/usb/gadget/legacy/inode.c, function/f_fs.c and the
/// controllers).
fn transfer_error(errno: Errno) -> EndpointError {
    match errno {
        Errno::SHUTDOWN | Errno::NODEV | Errno::NOENT => EndpointError::Disabled,
        Errno::INTR | Errno::CONNRESET => EndpointError::Cancelled,
        Errno::OVERFLOW => EndpointError::Overflow,
        // So controllers say for isochronous packets (dwc3, chipidea).
        Errno::XDEV | Errno::NODATA => EndpointError::Missed,
        errno => EndpointError::Io(errno.into()),
    }
}

impl Pipe for FilePipe {
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
        let deadline = Instant::now() + COLLECTION_TIME;
        let mut state = self.shared.lock();
        state.halt = Halt::Asked;
        self.shared.changed.notify_all();
        while !state.is_ending {
            state = match state.halt {
                Halt::Done(Err(Errno::AGAIN)) => {
                    // The controller holds a packet that it has taken ahead of the host.
                    if Instant::now() >= deadline {
                        log::debug!("the host collects nothing, and so nothing is halted");
                        return Ok(());
                    }
                    let mut state = self.shared.wait_changed(state, Some(INTERRUPT_INTERVAL));
                    state.halt = Halt::Asked;
                    self.shared.changed.notify_all();
                    state
                }
                Halt::Done(outcome) => return outcome.map_err(transfer_error),
                Halt::NotAsked | Halt::Asked => self.shared.interrupt(state),
            };
        }
        Err(EndpointError::Disabled)
    }

    fn disable(&self) {
        drop(self.release());
    }

    fn take_over(&self) -> Option<Arc<dyn Pipe>> {
        let endpoint = self.release()?;
        let address = endpoint.address;
        match Self::new(endpoint) {
            Ok(pipe) => Some(Arc::new(pipe)),
            Err(error) => {
                log::error!("taking over {address}: {error}");
                None
            }
        }
    }
}

impl Drop for FilePipe {
    fn drop(&mut self) {
        self.disable();
    }
}
