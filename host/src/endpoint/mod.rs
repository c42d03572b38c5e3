//! Bulk and interrupt endpoints as queues of transfers.

mod kind;
mod reader;
mod timed;
mod writer;

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use aio_rs::Buffer;
use usbfs2_protocol::{EndpointAddress, descriptor};

use crate::backend::{InFlight as _, Queue};
use crate::interface::Lease;
use crate::{Completion, TransferError, Waiting, block_on, waiting};

pub use kind::{Bulk, EndpointDirection, EndpointType, In, Interrupt, IntoEndpointAddress, Out};
pub use reader::EndpointReader;
use timed::TimedQueue;
pub use writer::EndpointWriter;

/// Transfers in the kernel at a time unless told otherwise: enough that the bus is never idle for want of
/// one.
pub(crate) const DEFAULT_DEPTH: u32 = 128;

/// A bulk or interrupt endpoint: a queue of transfers.
///
/// [`submit`](Self::submit) puts buffers in the queue, [`wait`](Self::wait) and
/// [`next_complete`](Self::next_complete) take them out again, each with what became of it. As many
/// transfers as memory allows can be in flight; they run in the order submitted.
///
/// An IN transfer ends when the buffer's requested length has arrived or the device sends a short
/// packet, which may be empty. An OUT transfer sends the buffer's bytes; an empty buffer sends one
/// zero-length packet.
///
/// # When something goes wrong
/// A stall, a bus error or an overflow stops the endpoint, so that a stream never continues with a
/// hole: transfers queued behind complete with [`TransferError::Cancelled`], new ones with
/// [`TransferError::Stall`], until [`clear_halt`](Self::clear_halt). Every transfer submitted
/// completes exactly once, also when the device is unplugged.
///
/// # Drop
/// Dropping an endpoint cancels what is pending, waits for the kernel to let go of the buffers and
/// frees them.
pub struct Endpoint<T, D> {
    // Before `lease`: transfers end before the endpoint can be opened again or its interface goes.
    queue: TimedQueue,
    descriptor: descriptor::Endpoint,
    lease: Lease,
    kind: PhantomData<fn() -> (T, D)>,
}

impl<T: EndpointType, D: EndpointDirection> Endpoint<T, D> {
    pub(crate) fn new(
        queue: Box<dyn Queue>,
        descriptor: descriptor::Endpoint,
        lease: Lease,
    ) -> Self {
        Self {
            queue: TimedQueue::new(queue),
            descriptor,
            lease,
            kind: PhantomData,
        }
    }

    /// The endpoint's address.
    #[must_use]
    pub fn address(&self) -> EndpointAddress {
        self.descriptor.address
    }

    /// The endpoint's descriptor (USB 2.0 9.6.6).
    #[must_use]
    pub fn descriptor(&self) -> &descriptor::Endpoint {
        &self.descriptor
    }

    /// The number of the interface this endpoint belongs to.
    #[must_use]
    pub fn interface_number(&self) -> u8 {
        self.lease.interface_number()
    }

    /// The largest packet in bytes, at least 1; a shorter one ends an IN transfer.
    #[doc(alias = "wMaxPacketSize")]
    #[must_use]
    pub fn max_packet_size(&self) -> usize {
        usize::from(self.descriptor.max_packet_size()).max(1)
    }

    /// Transfers submitted and not yet returned.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.queue.pending()
    }

    /// An empty buffer with room for `capacity` bytes that this endpoint's transfers use in place where that can be: on
    /// usbfs2, memory that the controller reads and writes itself.
    ///
    /// No buffer need be from here. On usbfs2 one of up to 1 MiB that is not is exchanged when it is submitted, its bytes
    /// copied if they are to be sent, so that the completion's is; put that back in the queue. A buffer may outlive its
    /// endpoint.
    #[must_use]
    pub fn allocate(&self, capacity: usize) -> Buffer {
        self.queue.allocate(capacity)
    }

    /// Starts a transfer. It never fails: an error becomes the transfer's completion.
    pub fn submit(&mut self, buffer: Buffer) {
        self.queue.submit_one(buffer);
    }

    /// Puts a transfer into the queue that need not start before the next submission to this endpoint, or the next time
    /// somebody waits for it. On usbfs2 the call that waits starts it, which saves one; elsewhere it starts at once.
    ///
    /// For the last transfer before a wait. Without either it does not start.
    pub fn prepare(&mut self, buffer: Buffer) {
        self.queue.prepare(buffer);
    }

    /// Starts several transfers at once, which costs fewer system calls than one by one.
    pub fn submit_all(&mut self, buffers: impl IntoIterator<Item = Buffer>) {
        self.queue.submit(&mut buffers.into_iter());
    }

    /// Starts a transfer that is to end within `timeout`, while others may be pending.
    ///
    /// When the time is over it is cancelled, it and no other, as soon as those before it are done. The deadline loses
    /// nothing: the bytes that moved before it come as a short transfer, and only a transfer that moved none fails,
    /// with [`TransferError::TimedOut`]. Deadlines are kept by whoever waits for completions, so a program that takes
    /// none ends nothing.
    ///
    /// On usbfs, which cancels a whole queue or nothing, those behind it are taken back and submitted again.
    pub fn submit_within(&mut self, buffer: Buffer, timeout: Duration) {
        self.queue.submit_within(buffer, timeout);
    }

    /// The next completion, blocking until there is one.
    ///
    /// `None` once `timeout` has passed, which cancels nothing, or at once when nothing is pending.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Option<Completion> {
        self.queue.wait(timeout)
    }

    /// The next completion; `None` when nothing is pending.
    ///
    /// Cancellation: dropping the future loses nothing.
    pub async fn next_complete(&mut self) -> Option<Completion> {
        poll_fn(|cx| self.poll_next_complete(cx)).await
    }

    /// The next completion, or the task's waker registered for it; `None` when nothing is pending.
    pub fn poll_next_complete(&mut self, cx: &mut Context<'_>) -> Poll<Option<Completion>> {
        if self.queue.pending() == 0 {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(ready!(self.queue.poll_next(cx))))
    }

    /// The next completion, waiting as told; `None` once `deadline` has passed, which cancels
    /// nothing, or when nothing is pending.
    ///
    /// Cancellation: dropping the future loses nothing.
    pub async fn complete(
        &mut self,
        waiting: Waiting,
        deadline: Option<Instant>,
    ) -> Option<Completion> {
        waiting::next(&mut self.queue, waiting, deadline).await
    }

    /// Asks for every pending transfer to end soon. Each still completes: with
    /// [`TransferError::Cancelled`], or with success when bytes came first.
    pub fn cancel_all(&mut self) {
        self.queue.cancel_all();
    }

    /// Runs one transfer to its end, waiting without limit.
    ///
    /// See [`transfer_within`](Self::transfer_within).
    pub async fn transfer(&mut self, buffer: Buffer) -> Completion {
        self.transfer_within(Waiting::Async, buffer, None).await
    }

    /// Runs one transfer, blocking until it ends or `timeout` has passed.
    ///
    /// See [`transfer_within`](Self::transfer_within).
    pub fn transfer_blocking(&mut self, buffer: Buffer, timeout: Duration) -> Completion {
        block_on(self.transfer_within(Waiting::Blocking, buffer, Some(timeout)))
    }

    /// Runs one transfer, cancelling it when `timeout` has passed.
    ///
    /// The deadline loses nothing: the bytes that moved before it come as a short transfer, and only
    /// a transfer that moved none fails, with [`TransferError::TimedOut`].
    ///
    /// The queue must be empty, since completions come in order; the transfer fails with
    /// [`TransferError::InvalidRequest`] otherwise.
    ///
    /// Cancellation: dropping the future leaves the transfer in the queue, where
    /// [`cancel_all`](Self::cancel_all) and [`next_complete`](Self::next_complete) reach it; one that was never polled
    /// did nothing.
    pub async fn transfer_within(
        &mut self,
        waiting: Waiting,
        buffer: Buffer,
        timeout: Option<Duration>,
    ) -> Completion {
        if self.queue.pending() > 0 {
            return Completion::failed(buffer, TransferError::InvalidRequest);
        }
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.prepare(buffer);
        waiting::only(&mut self.queue, waiting, deadline).await
    }

    /// Recovers a stopped endpoint: cancels what is pending, clears the halt and resets the data
    /// toggle on both sides (USB 2.0 9.4.5).
    ///
    /// Pending transfers still complete, with [`TransferError::Cancelled`]. Blocks for the length of
    /// one control request.
    ///
    /// # Errors
    /// What became of the CLEAR_FEATURE(ENDPOINT_HALT) request.
    #[doc(alias = "CLEAR_FEATURE")]
    #[doc(alias = "ENDPOINT_HALT")]
    pub fn clear_halt(&mut self) -> Result<(), TransferError> {
        self.queue.clear_halt()
    }
}

impl<T: EndpointType> Endpoint<T, In> {
    /// A byte stream over this endpoint that keeps transfers of `transfer_size` bytes queued.
    ///
    /// The size is rounded up to whole packets.
    #[must_use]
    pub fn reader(self, transfer_size: usize) -> EndpointReader<T> {
        EndpointReader::new(self, transfer_size)
    }
}

impl<T: EndpointType> Endpoint<T, Out> {
    /// Ends transfers submitted from now on with a zero-length packet when their length is a multiple of
    /// the max packet size, so that the device sees the end of each (USB 2.0 5.8.3). Off unless told.
    ///
    /// The packet is part of the transfer, which completes when the device has taken it. It counts no byte.
    #[doc(alias = "ZLP")]
    pub fn set_zero_packet(&mut self, wanted: bool) {
        self.queue.set_zero_packet(wanted);
    }

    /// A byte stream over this endpoint that sends transfers of `transfer_size` bytes.
    ///
    /// The size is rounded up to whole packets.
    #[must_use]
    pub fn writer(self, transfer_size: usize) -> EndpointWriter<T> {
        EndpointWriter::new(self, transfer_size)
    }
}

impl<T, D> fmt::Debug for Endpoint<T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("address", &self.descriptor.address)
            .field("transfer_type", &self.descriptor.transfer_type())
            .field("pending", &self.queue.pending())
            .finish_non_exhaustive()
    }
}
