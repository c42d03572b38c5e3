//! An isochronous endpoint.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use usbfs2_protocol::{EndpointAddress, Speed, descriptor};

use super::checked::Checked;
use super::{IsochronousCompletion, IsochronousTransfer};
use crate::backend::{InFlight, IsochronousQueue};
use crate::interface::Lease;
use crate::{EndpointDirection, Waiting, waiting};

/// An isochronous endpoint: a queue of requests, of many packets each (USB 2.0 5.6).
///
/// Every [`service_interval`](Self::service_interval) carries one packet of up to
/// [`max_packet_size`](Self::max_packet_size) bytes, in the order submitted. A request starts right behind the
/// one before it; where the queue ran dry, in the next interval there can be. To keep a stream whole, have at
/// least two requests queued at any time.
///
/// ```no_run
/// # fn record(interface: usbfs2_host::Interface) -> Result<(), Box<dyn std::error::Error>> {
/// use usbfs2_host::{Buffer, In, IsochronousTransfer};
///
/// let mut input = interface.isochronous_endpoint::<In>(0x81)?;
/// let size = u32::try_from(input.max_packet_size())?;
/// for _ in 0..4 {
///     input.submit(IsochronousTransfer::receive(Buffer::new(), vec![size; 8]));
/// }
/// while let Some(completion) = input.wait(None) {
///     completion.status?;
///     for payload in completion.payloads() {
///         println!("{payload:?}");
///     }
///     input.submit(completion.into_transfer());
/// }
/// # Ok(()) }
/// ```
///
/// # When something goes wrong
/// A packet that is lost or bad has a status that says so, and the stream goes on: an isochronous endpoint has
/// no halt to clear and repeats nothing (USB 2.0 5.6.5). A request as a whole fails when it was refused,
/// cancelled before its first packet, or the device is gone. One that is malformed (packets that are too
/// long, too many or none, or do not make up the buffer) completes at once, ahead of those in flight, with
/// [`TransferError::InvalidRequest`](crate::TransferError::InvalidRequest). Every request submitted completes
/// exactly once, also when the device is unplugged.
///
/// # Drop
/// Dropping an endpoint cancels what is pending, waits for the kernel to let go of the buffers and
/// frees them.
pub struct IsochronousEndpoint<D> {
    // Before `lease`: transfers end before the endpoint can be opened again or its interface goes.
    queue: Checked,
    descriptor: descriptor::Endpoint,
    speed: Speed,
    lease: Lease,
    kind: PhantomData<fn() -> D>,
}

impl<D: EndpointDirection> IsochronousEndpoint<D> {
    pub(crate) fn new(
        queue: Box<dyn IsochronousQueue>,
        descriptor: descriptor::Endpoint,
        speed: Speed,
        lease: Lease,
    ) -> Self {
        let max_packet_size = max_packet_size(&descriptor, speed);
        Self {
            queue: Checked::new(queue, D::DIRECTION, max_packet_size),
            descriptor,
            speed,
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

    /// The bytes a service interval carries at most, which is the longest packet of a request: all transactions
    /// of a microframe at high speed, all bursts above.
    #[doc(alias = "wMaxPacketSize")]
    #[doc(alias = "wBytesPerInterval")]
    #[must_use]
    pub fn max_packet_size(&self) -> usize {
        max_packet_size(&self.descriptor, self.speed)
    }

    /// The time from one packet to the next.
    ///
    /// 8 ms for a device whose descriptor has an interval the specification does not know, as Linux has it.
    #[doc(alias = "bInterval")]
    #[must_use]
    pub fn service_interval(&self) -> Duration {
        const MICROFRAME: Duration = Duration::from_micros(125);
        const DEFAULT_MICROFRAMES: u32 = 64;
        let microframes = self.descriptor.interval_microframes(self.speed);
        MICROFRAME * microframes.unwrap_or(DEFAULT_MICROFRAMES)
    }

    /// Requests submitted and not yet returned.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.queue.pending()
    }

    /// Queues a request. It never fails: an error becomes the request's completion.
    pub fn submit(&mut self, transfer: IsochronousTransfer) {
        self.queue.submit(std::iter::once(transfer));
    }

    /// Queues several requests at once, which costs fewer system calls than one by one.
    pub fn submit_all(&mut self, transfers: impl IntoIterator<Item = IsochronousTransfer>) {
        self.queue.submit(transfers.into_iter());
    }

    /// The next completion, blocking until there is one.
    ///
    /// `None` once `timeout` has passed, which cancels nothing, or at once when nothing is pending.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Option<IsochronousCompletion> {
        self.queue.wait(timeout)
    }

    /// The next completion; `None` when nothing is pending.
    ///
    /// Cancellation: dropping the future loses nothing.
    pub async fn next_complete(&mut self) -> Option<IsochronousCompletion> {
        poll_fn(|cx| self.poll_next_complete(cx)).await
    }

    /// The next completion, or the task's waker registered for it; `None` when nothing is pending.
    pub fn poll_next_complete(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<IsochronousCompletion>> {
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
    ) -> Option<IsochronousCompletion> {
        waiting::next(&mut self.queue, waiting, deadline).await
    }

    /// Asks for every pending request to end soon. Each still completes: with
    /// [`TransferError::Cancelled`](crate::TransferError::Cancelled), or with success when packets came first. An
    /// EHCI controller serves what is on its schedule, up to a second of it, so that those requests may end behind
    /// others that were queued later.
    pub fn cancel_all(&mut self) {
        self.queue.cancel_all();
    }
}

fn max_packet_size(descriptor: &descriptor::Endpoint, speed: Speed) -> usize {
    usize::try_from(descriptor.bytes_per_interval(speed)).unwrap_or(usize::MAX)
}

impl<D: EndpointDirection> fmt::Debug for IsochronousEndpoint<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IsochronousEndpoint")
            .field("address", &self.descriptor.address)
            .field("service_interval", &self.service_interval())
            .field("max_packet_size", &self.max_packet_size())
            .field("pending", &self.queue.pending())
            .finish_non_exhaustive()
    }
}
