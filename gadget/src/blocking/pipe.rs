//! An endpoint file, read or written by a thread of its own. It carries one transfer at a time; what is
//! submitted beyond waits here.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use aio_rs::Buffer;
use rustix::io::Errno;
use usbfs2_protocol::{Direction, EndpointAddress, TransferType};

use super::sys::{INTERRUPT_INTERVAL, IoThread, come_first, longer};
use super::transfers::{Change, Halt, Shared, transfer_error, wake};
use crate::endpoint::{Completion, EndpointError};
use crate::keeper::OpenFile;
use crate::pipe::Pipe;

/// An open endpoint file, and what is to be known of the endpoint behind it.
#[derive(Debug, Clone)]
pub(crate) struct EndpointFile {
    pub(crate) file: Arc<OpenFile>,
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

/// How long an endpoint's thread may take to start: less than a host waits for the answer to a request.
const START_TIME: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct FilePipe {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Active {
    endpoint: EndpointFile,
    pub(super) thread: IoThread,
}

impl FilePipe {
    /// For an endpoint that has just been enabled.
    pub(crate) fn new(endpoint: EndpointFile) -> io::Result<Self> {
        let file = Arc::clone(&endpoint.file);
        let shared = Arc::new(Shared::new(&endpoint));
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

    /// The file is closed.
    fn freed(&self) {
        self.shared.lock().is_free = true;
        self.shared.changed.notify_all();
    }

    /// Has the thread halt the endpoint or end its halt.
    fn change_halt(&self, change: Change) -> Result<(), EndpointError> {
        let deadline = Instant::now() + COLLECTION_TIME;
        let mut state = self.shared.lock();
        state.halt = Halt::Asked(change);
        self.shared.changed.notify_all();
        let mut interval = INTERRUPT_INTERVAL;
        while !state.is_ending {
            state = match state.halt {
                Halt::Done(Err(Errno::AGAIN)) => {
                    // The controller holds a packet that it has taken ahead of the host.
                    if Instant::now() >= deadline {
                        log::debug!("the host collects nothing, and so nothing is halted");
                        return Ok(());
                    }
                    let mut state = self.shared.wait_changed(state, Some(INTERRUPT_INTERVAL));
                    state.halt = Halt::Asked(change);
                    self.shared.changed.notify_all();
                    state
                }
                Halt::Done(outcome) => return outcome.map_err(transfer_error),
                Halt::NotAsked | Halt::Asked(_) => {
                    let state = self.shared.interrupt(state, interval);
                    interval = longer(interval);
                    state
                }
            };
        }
        Err(EndpointError::Disabled)
    }
}

impl Pipe for FilePipe {
    fn submit(&self, mut buffer: Buffer) {
        if self.shared.direction == Direction::Out {
            // What it holds was not sent by the host, even if nothing ever is.
            buffer.clear();
        }
        let mut state = self.shared.lock();
        let task = if state.is_ending {
            state.complete(buffer, Err(EndpointError::Disabled))
        } else {
            state.waiting.push_back(buffer);
            None
        };
        self.shared.changed.notify_all();
        drop(state);
        wake(task);
    }

    /// A thread that has just been started comes when the scheduler lets it, which may be after the host's first packets.
    /// Once it is about to make its system call it comes before ordinary ones, as the caller does, and the host has not
    /// been answered yet.
    fn wait_begun(&self) {
        let deadline = Instant::now() + START_TIME;
        let mut state = self.shared.lock();
        while !state.is_ending && !state.in_flight && !state.waiting.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                log::warn!(
                    "an endpoint's thread does not come to run: the host's first packets may be lost"
                );
                return;
            }
            state.is_watched = true;
            state = self.shared.wait_changed(state, Some(left));
        }
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

    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Completion> {
        let mut state = self.shared.lock();
        match state.done.pop_front() {
            Some(completion) => Poll::Ready(completion),
            None => {
                state.task = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn set_halt(&self) -> Result<(), EndpointError> {
        self.change_halt(Change::Set)
    }

    fn clear_halt(&self) -> Result<(), EndpointError> {
        self.change_halt(Change::Clear)
    }

    fn disable(&self) {
        if let Some(endpoint) = self.release() {
            drop(endpoint);
            self.freed();
        }
    }

    fn wait_disabled(&self) {
        let mut state = self.shared.lock();
        while !state.is_free {
            state = self.shared.wait_changed(state, None);
        }
    }

    fn take_over(&self) -> Option<Arc<dyn Pipe>> {
        let endpoint = self.release()?;
        let address = endpoint.address;
        match Self::new(endpoint) {
            Ok(pipe) => Some(Arc::new(pipe)),
            Err(error) => {
                log::error!("taking over {address}: {error}");
                self.freed();
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

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{PipeWriter, Write as _};
    use std::os::fd::OwnedFd;
    use std::sync::mpsc;
    use std::task::{Wake, Waker};

    use super::*;

    /// An OUT endpoint whose host is whoever writes to the pipe.
    fn out(transfer_type: TransferType) -> (FilePipe, PipeWriter) {
        let (reader, writer) = io::pipe().unwrap();
        let endpoint = EndpointFile {
            file: Arc::new(File::from(OwnedFd::from(reader)).into()),
            address: EndpointAddress::new(1, Direction::Out).unwrap(),
            transfer_type,
            max_packet_size: 64,
            is_disabled: Arc::default(),
        };
        (FilePipe::new(endpoint).unwrap(), writer)
    }

    fn used_buffer() -> Buffer {
        Buffer::from(&[0x55; 64][..])
    }

    #[test]
    fn what_was_submitted_first_has_begun_before_the_host_is_answered() {
        let (pipe, mut host) = out(TransferType::Isochronous);
        // Nothing to wait for.
        pipe.wait_begun();
        for _ in 0..3 {
            pipe.submit(used_buffer());
        }
        pipe.wait_begun();
        {
            let state = pipe.shared.lock();
            assert!(state.in_flight);
            assert_eq!(state.waiting.len(), 2);
        }
        host.write_all(b"one").unwrap();
        let first = pipe.wait(None).unwrap();
        assert_eq!((&first.buffer[..], first.actual_length), (&b"one"[..], 3));
    }

    #[test]
    fn a_buffer_that_is_taken_back_holds_nothing_the_host_has_sent() {
        let (pipe, _host) = out(TransferType::Bulk);
        for _ in 0..3 {
            pipe.submit(used_buffer());
        }
        pipe.wait_begun();
        pipe.cancel_all();
        for _ in 0..3 {
            let back = pipe.wait(None).unwrap();
            assert!(matches!(back.status, Err(EndpointError::Cancelled)));
            assert!(back.buffer.is_empty());
        }
        assert!(pipe.wait(None).is_none());
    }

    /// A task on an executor that polls where it is woken.
    struct Inline {
        pipe: FilePipe,
        woken: mpsc::Sender<usize>,
    }

    impl Wake for Inline {
        fn wake(self: Arc<Self>) {
            self.woken.send(self.pipe.pending()).unwrap();
        }
    }

    #[test]
    fn a_task_may_use_the_pipe_where_it_is_woken() {
        let (pipe, mut host) = out(TransferType::Bulk);
        let (woken, receiver) = mpsc::channel();
        let task = Arc::new(Inline { pipe, woken });
        let waker = Waker::from(Arc::clone(&task));
        let mut cx = Context::from_waker(&waker);
        for _ in 0..3 {
            task.pipe.submit(used_buffer());
        }
        assert!(task.pipe.poll_next(&mut cx).is_pending());
        host.write_all(b"one").unwrap();
        let patience = Duration::from_secs(20);
        assert_eq!(receiver.recv_timeout(patience), Ok(3));
        assert!(task.pipe.poll_next(&mut cx).is_ready());
        assert!(task.pipe.poll_next(&mut cx).is_pending());
        task.pipe.cancel_all();
        assert_eq!(receiver.recv_timeout(patience), Ok(2));
        // Each holds the other.
        task.pipe.disable();
        task.pipe.shared.lock().task = None;
    }

    #[test]
    fn nobody_waits_for_the_beginning_of_a_pipe_that_has_ended() {
        let (pipe, _host) = out(TransferType::Isochronous);
        pipe.disable();
        pipe.submit(used_buffer());
        pipe.wait_begun();
        let back = pipe.wait(None).unwrap();
        assert!(matches!(back.status, Err(EndpointError::Disabled)));
    }
}
