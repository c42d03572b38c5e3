//! An enabled endpoint of the in-process bus.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use aio_rs::Buffer;
use usbfs2_loopback::{BusError, Completed, CompletionQueue, DevicePort, HaltError, Transfer};
use usbfs2_protocol::{Direction, EndpointAddress};

use crate::endpoint::{Completion, EndpointError};
use crate::pipe::{Ordered, Pipe};

#[derive(Debug)]
pub(super) struct LoopbackPipe {
    port: Arc<DevicePort>,
    address: EndpointAddress,
    queue: CompletionQueue,
    state: Mutex<PipeState>,
    /// The endpoint has been let go of.
    freed: Condvar,
}

#[derive(Debug)]
struct PipeState {
    /// Whether this pipe, and not a later one, has the endpoint.
    is_enabled: bool,
    /// Whether the endpoint may be enabled again, after this pipe was disabled.
    is_free: bool,
    ordered: Ordered,
    /// The buffers of the transfers on the bus, which works on copies: a buffer comes back with the
    /// memory it was submitted with.
    buffers: HashMap<u64, Buffer>,
}

impl LoopbackPipe {
    /// For an endpoint that has just been enabled.
    pub(super) fn new(port: Arc<DevicePort>, address: EndpointAddress) -> Self {
        Self {
            queue: CompletionQueue::new(port.bus()),
            port,
            address,
            state: Mutex::new(PipeState {
                is_enabled: true,
                is_free: false,
                ordered: Ordered::default(),
                buffers: HashMap::new(),
            }),
            freed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, PipeState> {
        // No waker is called and nothing indexes while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(&self, state: &mut PipeState, completed: Completed) {
        let number = completed.user_data;
        let mut buffer = state.buffers.remove(&number).unwrap_or_default();
        if self.address.direction() == Direction::Out {
            buffer.clear();
            buffer.extend_from_slice(&completed.buffer);
        }
        let status = completed.status.map_err(|error| match error {
            BusError::Unplugged | BusError::NotEnabled => EndpointError::Disabled,
            BusError::Cancelled if !state.is_enabled => EndpointError::Disabled,
            BusError::Cancelled => EndpointError::Cancelled,
            BusError::Overflow => EndpointError::Overflow,
            BusError::Missed => EndpointError::Missed,
            other => EndpointError::Io(io::Error::other(other)),
        });
        let completion = Completion {
            buffer,
            actual_length: completed.actual_length,
            status,
        };
        state.ordered.completed(number, completion);
    }

    fn change_halt(&self, halted: bool) -> Result<(), EndpointError> {
        let state = self.lock();
        if !state.is_enabled {
            return Err(EndpointError::Disabled);
        }
        let result = self
            .port
            .set_halt_then(self.address, halted, || drop(state));
        result.map_err(|error| match error {
            HaltError::NotEnabled(_) => EndpointError::Disabled,
            other => EndpointError::Io(io::Error::other(other)),
        })
    }

    /// Gives up the endpoint; true when this pipe had it.
    fn release(&self) -> bool {
        std::mem::replace(&mut self.lock().is_enabled, false)
    }
}

impl Pipe for LoopbackPipe {
    fn submit(&self, buffer: Buffer) {
        let mut state = self.lock();
        let number = state.ordered.submitted();
        if !state.is_enabled {
            state.ordered.completed(
                number,
                Completion {
                    buffer,
                    actual_length: 0,
                    status: Err(EndpointError::Disabled),
                },
            );
            return;
        }
        let transfer = match self.address.direction() {
            Direction::In => Transfer::send(buffer.to_vec()),
            Direction::Out => Transfer::receive(buffer.requested_length()),
        };
        state.buffers.insert(number, buffer);
        let transfer = transfer.user_data(number);
        self.port
            .submit_then(&self.queue, self.address, transfer, || drop(state));
    }

    /// The bus has what was submitted.
    fn wait_begun(&self) {}

    fn pending(&self) -> usize {
        self.lock().ordered.len()
    }

    fn wait(&self, deadline: Option<Instant>) -> Option<Completion> {
        loop {
            while let Some(completed) = self.queue.try_next() {
                self.accept(&mut self.lock(), completed);
            }
            {
                let mut state = self.lock();
                if let Some(completion) = state.ordered.pop() {
                    return Some(completion);
                }
                if state.ordered.is_empty() {
                    return None;
                }
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let completed = self.queue.wait(left)?;
            self.accept(&mut self.lock(), completed);
        }
    }

    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Completion> {
        let mut due = None;
        let poll = self.poll_timed(cx, &mut due);
        if due.is_some() {
            cx.waker().wake_by_ref();
        }
        poll
    }

    fn poll_timed(&self, cx: &mut Context<'_>, due: &mut Option<Instant>) -> Poll<Completion> {
        loop {
            if let Some(completion) = self.lock().ordered.pop() {
                return Poll::Ready(completion);
            }
            match self.queue.poll_timed(cx, due) {
                Poll::Ready(completed) => self.accept(&mut self.lock(), completed),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn cancel_all(&self) {
        self.queue.cancel_all();
    }

    fn set_halt(&self) -> Result<(), EndpointError> {
        self.change_halt(true)
    }

    fn clear_halt(&self) -> Result<(), EndpointError> {
        self.change_halt(false)
    }

    fn disable(&self) {
        if self.release() {
            // Not under the lock: tasks may be polled where they are woken.
            self.port.disable(self.address);
            self.lock().is_free = true;
            self.freed.notify_all();
        }
    }

    fn wait_disabled(&self) {
        drop(self.freed.wait_while(self.lock(), |state| !state.is_free));
    }

    fn take_over(&self) -> Option<Arc<dyn Pipe>> {
        if !self.release() {
            return None;
        }
        self.queue.cancel_all();
        Some(Arc::new(Self::new(Arc::clone(&self.port), self.address)))
    }
}

impl Drop for LoopbackPipe {
    fn drop(&mut self) {
        self.disable();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::task::{Wake, Waker};
    use std::thread;
    use std::time::Duration;

    use usbfs2_loopback::{Bus, EndpointSpec, PortOptions, Target};
    use usbfs2_protocol::{Speed, TransferType};

    use super::*;

    /// Stops whoever wakes it, in the middle of what they do.
    struct Stops {
        reached: Sender<()>,
        go: Mutex<Receiver<()>>,
    }

    impl Wake for Stops {
        fn wake(self: Arc<Self>) {
            self.reached.send(()).unwrap();
            let _ = self.go.lock().unwrap().recv();
        }
    }

    /// Uses the pipe as soon as it is woken.
    struct Uses(Mutex<Option<Arc<LoopbackPipe>>>);

    impl Wake for Uses {
        fn wake(self: Arc<Self>) {
            if let Some(pipe) = self.0.lock().unwrap().take() {
                assert_eq!(pipe.pending(), 1);
                pipe.submit(Buffer::with_capacity(512));
            }
        }
    }

    #[test]
    fn whoever_a_submission_wakes_may_use_the_pipe() {
        let bus = Bus::new();
        let port = Arc::new(bus.plug(PortOptions::new(Speed::High)).unwrap());
        let address = EndpointAddress::new(1, Direction::Out).unwrap();
        let spec = EndpointSpec {
            address,
            transfer_type: TransferType::Bulk,
            max_packet_size: 512,
            interval: 0,
        };
        port.enable(spec).unwrap();
        let pipe = Arc::new(LoopbackPipe::new(Arc::clone(&port), address));
        let host = CompletionQueue::new(&bus);
        let device = bus.devices().pop().unwrap();
        device.submit(&host, Target::Endpoint(address), Transfer::send(vec![1; 3]));
        let uses = Arc::new(Uses(Mutex::new(Some(Arc::clone(&pipe)))));
        let task = Waker::from(Arc::clone(&uses));
        assert!(host.poll_next(&mut Context::from_waker(&task)).is_pending());

        // In a thread of its own: what fails hangs there.
        let (done, is_done) = channel();
        let submitting = Arc::clone(&pipe);
        thread::spawn(move || {
            submitting.submit(Buffer::with_capacity(512));
            done.send(()).unwrap();
        });
        is_done.recv_timeout(Duration::from_secs(30)).unwrap();
        assert!(uses.0.lock().unwrap().is_none(), "nobody was woken");
        assert_eq!(pipe.pending(), 2);
    }

    #[test]
    fn the_endpoint_is_free_once_whoever_came_first_has_disabled_it() {
        let bus = Bus::new();
        let port = Arc::new(bus.plug(PortOptions::new(Speed::High)).unwrap());
        let address = EndpointAddress::new(1, Direction::Out).unwrap();
        let spec = EndpointSpec {
            address,
            transfer_type: TransferType::Bulk,
            max_packet_size: 512,
            interval: 0,
        };
        port.enable(spec).unwrap();
        let pipe = LoopbackPipe::new(Arc::clone(&port), address);
        pipe.submit(Buffer::with_capacity(512));
        let ((reached, is_reached), (go, may_go)) = (channel(), channel());
        let task = Waker::from(Arc::new(Stops {
            reached,
            go: Mutex::new(may_go),
        }));
        assert!(pipe.poll_next(&mut Context::from_waker(&task)).is_pending());

        let (freed, is_freed) = channel();
        thread::scope(|scope| {
            scope.spawn(|| pipe.disable());
            is_reached.recv().unwrap();
            scope.spawn(|| {
                pipe.disable();
                pipe.wait_disabled();
                freed.send(port.enable(spec)).unwrap();
            });
            assert!(is_freed.recv_timeout(Duration::from_millis(20)).is_err());
            go.send(()).unwrap();
            assert_eq!(is_freed.recv().unwrap(), Ok(()));
        });
    }
}
