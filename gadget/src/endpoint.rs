//! Endpoints as a function sees them: queues of buffers.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use aio_rs::Buffer;
use usbfs2_protocol::{Direction, EndpointAddress, Speed, TransferType};

use crate::describe::InterfaceHandle;
use crate::keeper::Mark;
use crate::pipe::Pipe;

/// Why an endpoint call or a transfer failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The host unplugged, reset, deconfigured or reconfigured the device, or the gadget was stopped.
    /// Return from `run`.
    #[error("the endpoint is disabled; return from run and wait for the next configuration")]
    Disabled,
    /// [`Endpoint::cancel_all`] took the transfer back. Bytes moved before that are counted.
    #[error("the transfer was cancelled")]
    Cancelled,
    /// The host sent more than the buffer holds, and the rest is lost.
    #[error("the host sent more than the buffer holds; read in multiples of the max packet size")]
    Overflow,
    /// The host did not come for the isochronous packet in its service interval, or sent none. Not every
    /// controller tells.
    #[error("the service interval passed without the packet")]
    Missed,
    /// Isochronous endpoints are never halted (USB 2.0 5.6.5).
    #[error("endpoint {address} is isochronous, which cannot be halted")]
    NoHalt {
        /// The endpoint.
        address: EndpointAddress,
    },
    /// `read` on an IN endpoint or `write` on an OUT endpoint.
    #[error(
        "endpoint {address} is {}: {}", .address.direction(),
        if .address.direction() == Direction::In { "write to it" } else { "read from it" }
    )]
    WrongDirection {
        /// The endpoint.
        address: EndpointAddress,
    },
    /// `read` or `write` while submitted transfers are pending: their completions would mix.
    #[error("{pending} submitted transfers are pending; collect them with wait first")]
    Pending {
        /// How many.
        pending: usize,
    },
    /// No such endpoint in this run: it was never declared, belongs to another alternate setting, or
    /// was taken before.
    #[error(
        "endpoint {index} is not there: declared in the current alternate setting, taken once?"
    )]
    Absent {
        /// The index asked for.
        index: usize,
    },
    /// Longer than the backend carries in one transfer; nothing moved.
    #[error("a transfer of {length} bytes is too long: split it into {limit} or less")]
    TooLong {
        /// Bytes submitted or asked for.
        length: usize,
        /// The most.
        limit: usize,
    },
    /// The kernel refused.
    #[error("the kernel refused the transfer: {0}")]
    Io(#[source] io::Error),
}

/// A finished transfer.
#[derive(Debug)]
pub struct Completion {
    /// The buffer that was submitted. For OUT endpoints it holds the bytes that arrived.
    pub buffer: Buffer,
    /// Bytes moved, also when `status` is an error.
    pub actual_length: usize,
    /// How it ended. A short packet from the host is success.
    pub status: Result<(), EndpointError>,
}

/// The endpoints of one run of a function.
#[derive(Debug)]
pub struct Endpoints {
    pub(crate) speed: Speed,
    /// By the order in which `describe` asked for them; `None` when not in this run or taken.
    pub(crate) endpoints: Vec<Option<Endpoint>>,
    /// Of the function's interfaces, in order.
    pub(crate) alternate_settings: Vec<u8>,
    /// The one this run is of.
    pub(crate) interface: Option<InterfaceHandle>,
    pub(crate) mark: Option<Mark>,
    pub(crate) session: Session,
}

impl Endpoints {
    /// The endpoint that `describe` asked for as the `index`th, counted from 0 over all the function's
    /// interfaces.
    ///
    /// # Errors
    /// [`EndpointError::Absent`] when this run does not have it or it was taken before.
    pub fn take(&mut self, index: usize) -> Result<Endpoint, EndpointError> {
        self.endpoints
            .get_mut(index)
            .and_then(Option::take)
            .ok_or(EndpointError::Absent { index })
    }

    /// The endpoint of this index, to use it before it is taken.
    ///
    /// # Errors
    /// As for [`take`](Self::take).
    pub fn get_mut(&mut self, index: usize) -> Result<&mut Endpoint, EndpointError> {
        let endpoint = self.endpoints.get_mut(index).and_then(Option::as_mut);
        endpoint.ok_or(EndpointError::Absent { index })
    }

    /// The alternate setting the host selected for one of the function's interfaces.
    #[must_use]
    pub fn alternate_setting(&self, interface: InterfaceHandle) -> u8 {
        let setting = self.alternate_settings.get(interface.index());
        setting.copied().unwrap_or_default()
    }

    /// The interface that this run is of, where the function has [independent
    /// interfaces](crate::FunctionBuilder::independent_interfaces); `None` for a run of the whole function.
    #[must_use]
    pub fn interface(&self) -> Option<InterfaceHandle> {
        self.interface
    }

    /// Where to note that something is in hand, if somebody keeps the gadget for a process to come.
    #[must_use]
    pub fn mark(&self) -> Option<Mark> {
        self.mark.clone()
    }

    /// The speed the host runs the device at.
    #[must_use]
    pub fn speed(&self) -> Speed {
        self.speed
    }

    /// A token that tells whether this run is over, for functions that wait on something else than an
    /// endpoint.
    #[must_use]
    pub fn session(&self) -> Session {
        self.session.clone()
    }
}

/// An endpoint of a running function: a queue of transfers, each on a buffer of its own.
///
/// Keep several transfers submitted to stream without gaps; [`read`](Endpoint::read) and
/// [`write`](Endpoint::write) are the simple way, one transfer at a time. Dropping an endpoint cancels
/// what is pending and disables it.
#[derive(Debug)]
pub struct Endpoint {
    pub(crate) address: EndpointAddress,
    pub(crate) transfer_type: TransferType,
    pub(crate) max_packet_size: u16,
    pub(crate) pipe: Arc<dyn Pipe>,
}

impl Endpoint {
    /// The address the endpoint was given at bind.
    #[must_use]
    pub fn address(&self) -> EndpointAddress {
        self.address
    }

    /// Bulk, interrupt or isochronous.
    #[must_use]
    pub fn transfer_type(&self) -> TransferType {
        self.transfer_type
    }

    /// The largest packet at the current speed, in bytes; of an isochronous endpoint, all that a service interval
    /// carries.
    #[must_use]
    #[doc(alias = "wMaxPacketSize")]
    pub fn max_packet_size(&self) -> usize {
        usize::from(self.max_packet_size)
    }

    /// Queues a transfer: on an IN endpoint the buffer's bytes, on an OUT endpoint a read of up to
    /// [`Buffer::requested_length`] bytes.
    ///
    /// An empty buffer on an IN endpoint sends a zero-length packet, which ends a transfer whose length is a
    /// multiple of the max packet size. A read ends with a short packet; ask for a multiple of the max
    /// packet size, since what the host sends beyond the buffer is lost ([`EndpointError::Overflow`]).
    ///
    /// On an isochronous endpoint a transfer is the one packet of a service interval, at most
    /// [`max_packet_size`](Endpoint::max_packet_size) bytes, in intervals that follow one another for as long as
    /// transfers are queued. One queued while the host asks for nothing waits until it does; an interval without one
    /// carries nothing. So keep as many submitted as the function's thread may at worst be late.
    ///
    /// Never fails: whatever is wrong becomes the transfer's completion. Each submission completes
    /// exactly once, in order.
    pub fn submit(&mut self, buffer: Buffer) {
        self.pipe.submit(buffer);
    }

    /// How many submissions [`wait`](Endpoint::wait) has not returned yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pipe.pending()
    }

    /// Waits for the next completion, in order of submission. `None` after `timeout`, or at once when
    /// nothing is pending. Without a timeout it waits for the host, or for the run to end.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Option<Completion> {
        // A timeout too long for the clock is no deadline.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.pipe.wait(deadline)
    }

    /// Reads one transfer from an OUT endpoint; the returned buffer holds what arrived, which is nothing
    /// for a zero-length packet.
    ///
    /// # Errors
    /// [`EndpointError::Disabled`] when the run ends, [`EndpointError::WrongDirection`],
    /// [`EndpointError::Pending`] beside submitted transfers, or what went wrong with the transfer.
    pub fn read(&mut self, buffer: Buffer) -> Result<Buffer, EndpointError> {
        self.transfer(Direction::Out, buffer)
    }

    /// Writes one transfer to an IN endpoint and waits until the host has collected it (or, for at most
    /// 64 bytes on some controllers, until the controller has). An empty buffer is a zero-length packet.
    ///
    /// # Errors
    /// As for [`read`](Endpoint::read).
    pub fn write(&mut self, buffer: Buffer) -> Result<Buffer, EndpointError> {
        self.transfer(Direction::In, buffer)
    }

    fn transfer(&mut self, direction: Direction, buffer: Buffer) -> Result<Buffer, EndpointError> {
        if self.address.direction() != direction {
            return Err(EndpointError::WrongDirection {
                address: self.address,
            });
        }
        let pending = self.pending();
        if pending > 0 {
            return Err(EndpointError::Pending { pending });
        }
        self.submit(buffer);
        let completion = self.wait(None).ok_or(EndpointError::Disabled)?;
        completion.status.map(|()| completion.buffer)
    }

    /// Takes back every pending transfer. Each completes, as [`EndpointError::Cancelled`] or as success
    /// where the host was faster.
    pub fn cancel_all(&mut self) {
        self.pipe.cancel_all();
    }

    /// A handle by which another thread takes back this endpoint's transfers, and so wakes a
    /// [`wait`](Endpoint::wait).
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        Canceller(Arc::downgrade(&self.pipe))
    }

    /// Halts the endpoint: the host's transfers stall until it clears the halt (USB 2.0 9.4.5).
    ///
    /// Collect pending writes first. A controller that still holds a written packet (dummy_hcd and others
    /// take up to 64 bytes ahead of the host) may refuse the halt. gadgetfs does not tell; on FunctionFS the halt
    /// follows when the host collects the packet within 100 ms, and else is left out.
    ///
    /// # Errors
    /// [`EndpointError::Pending`] with writes pending on an IN endpoint, [`EndpointError::NoHalt`],
    /// [`EndpointError::Disabled`], or what the kernel said.
    pub fn set_halt(&mut self) -> Result<(), EndpointError> {
        if self.transfer_type == TransferType::Isochronous {
            return Err(EndpointError::NoHalt {
                address: self.address,
            });
        }
        let pending = self.pending();
        if pending > 0 && self.address.direction() == Direction::In {
            return Err(EndpointError::Pending { pending });
        }
        self.pipe.set_halt()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.pipe.disable();
    }
}

/// Takes back an endpoint's transfers from another thread: the handle behind [`Endpoint::canceller`].
#[derive(Debug, Clone)]
pub struct Canceller(Weak<dyn Pipe>);

impl Canceller {
    /// Does what [`Endpoint::cancel_all`] does; nothing once the endpoint is gone.
    pub fn cancel_all(&self) {
        if let Some(pipe) = self.0.upgrade() {
            pipe.cancel_all();
        }
    }
}

/// Tells whether a run is over: the token behind [`Endpoints::session`].
#[derive(Debug, Clone, Default)]
pub struct Session(Arc<(Mutex<bool>, Condvar)>);

impl Session {
    /// Whether the endpoints have been disabled. Never turns back.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the endpoints are disabled; what a function without endpoints does in `run`.
    pub fn wait_disabled(&self) {
        let (disabled, changed) = &*self.0;
        let guard = disabled.lock().unwrap_or_else(PoisonError::into_inner);
        // Poisoning cannot leave a bool half-written.
        drop(
            changed
                .wait_while(guard, |disabled| !*disabled)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    pub(crate) fn disable(&self) {
        let (disabled, changed) = &*self.0;
        *disabled.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }
}
