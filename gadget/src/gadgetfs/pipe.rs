//! An endpoint file: transfers as asynchronous operations.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aio_rs::{Buffer, Context, Operation, SharedFile};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use usbfs2_protocol::{Direction, EndpointAddress};

use crate::endpoint::{Completion, EndpointError};
use crate::pipe::{Ordered, Pipe};

/// Operations in the kernel at a time for one endpoint; what is submitted beyond waits here.
const DEPTH: u32 = 64;

/// How long the controller may take to give back what was cancelled.
const CANCEL_TIME: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct GadgetfsPipe {
    address: EndpointAddress,
    /// The context's eventfd, to sleep on while the state is not locked.
    wake: OwnedFd,
    state: Mutex<PipeState>,
}

#[derive(Debug)]
struct PipeState {
    /// `None` once disabled or taken over.
    file: Option<SharedFile>,
    context: Context,
    ordered: Ordered,
    /// Submissions the context has no room for yet.
    backlog: VecDeque<(u64, Buffer)>,
}

impl GadgetfsPipe {
    /// For an endpoint file that has just been configured.
    pub(super) fn new(file: SharedFile, address: EndpointAddress) -> io::Result<Self> {
        let context = Context::new(DEPTH)?;
        Ok(Self {
            address,
            wake: context.event_fd().try_clone_to_owned()?,
            state: Mutex::new(PipeState {
                file: Some(file),
                context,
                ordered: Ordered::default(),
                backlog: VecDeque::new(),
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, PipeState> {
        // No callback runs while the lock is held, and the context keeps itself consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the file away and waits until the kernel has given back every operation on it.
    fn release(&self) -> Option<SharedFile> {
        let mut state = self.lock();
        let file = state.file.take()?;
        state.cancel_backlog();
        state.cancel_in_flight();
        drop(state);
        self.wake();
        Some(file)
    }

    /// Has whoever sleeps in wait() look for its completions.
    fn wake(&self) {
        // The counter cannot be full: every wait empties it.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    /// Empties the eventfd, so that only what comes from now on wakes the sleeper.
    fn drain(&self) {
        let mut counter = [0; 8];
        let _ = rustix::io::read(&self.wake, &mut counter);
    }

    /// Sleeps until a completion may be there; false at the deadline.
    fn sleep(&self, deadline: Option<Instant>) -> bool {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        let mut fds = [PollFd::new(&self.wake, PollFlags::IN)];
        !matches!(poll(&mut fds, timeout.as_ref()), Ok(0))
    }
}

impl PipeState {
    /// Moves submissions from the backlog to the kernel.
    fn pump(&mut self, direction: Direction) {
        let Some(file) = self.file.clone() else {
            return;
        };
        while self.context.in_flight() < self.context.depth() {
            let Some((number, buffer)) = self.backlog.pop_front() else {
                break;
            };
            let operation = match direction {
                Direction::In => Operation::write(&file, 0, buffer),
                Direction::Out => Operation::read(&file, 0, buffer),
            };
            if let Err(error) = self.context.prepare(operation.user_data(number)) {
                // Not for lack of room, so it will not get better: the process was forked.
                let status = Err(EndpointError::Io(io::Error::other(error.to_string())));
                let buffer = error.into_operation().into_buffer();
                self.complete(number, buffer, 0, status);
            }
        }
        if let Err(error) = self.context.submit() {
            log::error!("submitting transfers: {error}");
        }
    }

    /// Takes the kernel's completions.
    fn reap(&mut self) {
        while let Some(done) = self.context.try_next() {
            self.accept(done);
        }
    }

    fn accept(&mut self, done: aio_rs::Completion) {
        let (actual_length, status) = match done.result {
            Ok(length) => (length, Ok(())),
            Err(error) => (0, Err(self.judge(error))),
        };
        self.complete(done.user_data, done.buffer, actual_length, status);
    }

    /// What an errno of an endpoint file means (drivers/usb/gadget/legacy/inode.c and the controllers).
    fn judge(&self, error: io::Error) -> EndpointError {
        match Errno::from_io_error(&error) {
            Some(Errno::SHUTDOWN | Errno::NODEV | Errno::NOENT) => EndpointError::Disabled,
            // The kernel's request was dequeued, or never queued.
            Some(Errno::CONNRESET | Errno::CANCELED) if self.file.is_none() => {
                EndpointError::Disabled
            }
            Some(Errno::CONNRESET | Errno::CANCELED) => EndpointError::Cancelled,
            Some(Errno::OVERFLOW) => EndpointError::Overflow,
            _ => EndpointError::Io(error),
        }
    }

    fn complete(
        &mut self,
        number: u64,
        buffer: Buffer,
        actual_length: usize,
        status: Result<(), EndpointError>,
    ) {
        let completion = Completion {
            buffer,
            actual_length,
            status,
        };
        self.ordered.completed(number, completion);
    }

    fn cancel_backlog(&mut self) {
        for (number, buffer) in std::mem::take(&mut self.backlog) {
            let status = Err(if self.file.is_none() {
                EndpointError::Disabled
            } else {
                EndpointError::Cancelled
            });
            self.complete(number, buffer, 0, status);
        }
    }

    fn cancel_in_flight(&mut self) {
        self.context.cancel_all();
        let deadline = Instant::now() + CANCEL_TIME;
        while self.context.in_flight() > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.context.wait(Some(left)) {
                Ok(Some(done)) => self.accept(done),
                Ok(None) => {
                    log::warn!("the controller keeps cancelled transfers");
                    return;
                }
                Err(error) => {
                    log::error!("waiting for cancelled transfers: {error}");
                    return;
                }
            }
        }
    }
}

impl Pipe for GadgetfsPipe {
    fn submit(&self, buffer: Buffer) {
        let mut state = self.lock();
        let number = state.ordered.submitted();
        if state.file.is_none() {
            state.complete(number, buffer, 0, Err(EndpointError::Disabled));
            return;
        }
        state.backlog.push_back((number, buffer));
        state.pump(self.address.direction());
    }

    fn pending(&self) -> usize {
        self.lock().ordered.len()
    }

    fn wait(&self, deadline: Option<Instant>) -> Option<Completion> {
        let mut is_last = false;
        loop {
            self.drain();
            {
                let mut state = self.lock();
                state.reap();
                state.pump(self.address.direction());
                if let Some(completion) = state.ordered.pop() {
                    return Some(completion);
                }
                if is_last || state.ordered.is_empty() {
                    return None;
                }
            }
            is_last = !self.sleep(deadline);
        }
    }

    fn cancel_all(&self) {
        let mut state = self.lock();
        state.cancel_backlog();
        state.context.cancel_all();
        drop(state);
        self.wake();
    }

    fn set_halt(&self) -> Result<(), EndpointError> {
        let Some(file) = self.lock().file.clone() else {
            return Err(EndpointError::Disabled);
        };
        // Input or output in the wrong direction halts the endpoint, and succeeds with EBADMSG.
        let result = match self.address.direction() {
            Direction::In => rustix::io::read(&file, &mut [0; 0]).map(drop),
            Direction::Out => rustix::io::write(&file, &[]).map(drop),
        };
        match result {
            Ok(()) | Err(Errno::BADMSG) => Ok(()),
            Err(Errno::NODEV | Errno::SHUTDOWN) => Err(EndpointError::Disabled),
            Err(errno) => Err(EndpointError::Io(errno.into())),
        }
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
