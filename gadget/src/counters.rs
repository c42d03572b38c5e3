//! What a started gadget has done, in numbers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use aio_rs::Buffer;
use usbfs2_protocol::Direction;

use crate::endpoint::{Completion, EndpointError};
use crate::pipe::Pipe;

/// What a started gadget has moved and answered since its start: the numbers behind
/// [`Running::counters`](crate::Running::counters).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Packets that the host has collected, on all IN endpoints but 0. Counted when the function learns of it.
    pub packets_in: u64,
    /// The bytes in them.
    pub bytes_in: u64,
    /// Packets that came from the host, on all OUT endpoints but 0.
    pub packets_out: u64,
    /// The bytes in them.
    pub bytes_out: u64,
    /// Control requests that reached the gadget. On gadgetfs the kernel answers some itself.
    pub requests: u64,
    /// How many of them were stalled.
    pub stalled_requests: u64,
    /// How often a function halted an endpoint.
    pub halts: u64,
    /// How often a host reset the device, or found it.
    pub resets: u64,
}

/// The counters, written by the gadget's threads. 64-bit atomics are not everywhere, and a lock once a transfer costs
/// nothing beside it.
#[derive(Debug, Default)]
pub(crate) struct Counting(Mutex<Counters>);

impl Counting {
    /// The counters now; also to write them.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Counters> {
        // Every update is of single numbers.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pipe whose completions are counted.
#[derive(Debug)]
pub(crate) struct CountedPipe {
    pub(crate) pipe: Arc<dyn Pipe>,
    pub(crate) counting: Arc<Counting>,
    pub(crate) direction: Direction,
    pub(crate) packet_size: u16,
}

impl CountedPipe {
    fn count(&self, completion: &Completion) {
        let bytes = completion.actual_length;
        let mut packets = bytes.div_ceil(usize::from(self.packet_size).max(1));
        if packets == 0 && completion.status.is_ok() {
            // One of length zero.
            packets = 1;
        }
        let mut counters = self.counting.lock();
        let (all_packets, all_bytes) = match self.direction {
            Direction::In => {
                let counters = &mut *counters;
                (&mut counters.packets_in, &mut counters.bytes_in)
            }
            Direction::Out => {
                let counters = &mut *counters;
                (&mut counters.packets_out, &mut counters.bytes_out)
            }
        };
        *all_packets += packets as u64;
        *all_bytes += bytes as u64;
    }
}

impl Pipe for CountedPipe {
    fn submit(&self, buffer: Buffer) {
        self.pipe.submit(buffer);
    }

    fn wait_begun(&self) {
        self.pipe.wait_begun();
    }

    fn pending(&self) -> usize {
        self.pipe.pending()
    }

    fn wait(&self, deadline: Option<Instant>) -> Option<Completion> {
        let completion = self.pipe.wait(deadline)?;
        self.count(&completion);
        Some(completion)
    }

    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Completion> {
        let polled = self.pipe.poll_next(cx);
        if let Poll::Ready(completion) = &polled {
            self.count(completion);
        }
        polled
    }

    fn cancel_all(&self) {
        self.pipe.cancel_all();
    }

    fn set_halt(&self) -> Result<(), EndpointError> {
        let done = self.pipe.set_halt();
        if done.is_ok() {
            self.counting.lock().halts += 1;
        }
        done
    }

    fn clear_halt(&self) -> Result<(), EndpointError> {
        self.pipe.clear_halt()
    }

    fn disable(&self) {
        self.pipe.disable();
    }

    fn wait_disabled(&self) {
        self.pipe.wait_disabled();
    }

    fn take_over(&self) -> Option<Arc<dyn Pipe>> {
        Some(Arc::new(Self {
            pipe: self.pipe.take_over()?,
            counting: Arc::clone(&self.counting),
            ..*self
        }))
    }
}
