//! nusb's endpoints with the error rules of endpoint files.

use std::collections::VecDeque;
use std::fmt;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use aio_rs::Buffer;
use nusb::MaybeFuture;
use nusb::transfer::{BulkOrInterrupt, EndpointDirection};
use usbfs2_protocol::Direction;

use super::unreaped::Unreaped;
use super::{request_error, transfer_error};
use crate::backend::sysfs::SysfsDevice;
use crate::backend::{InFlight, Queue};
use crate::{Completion, TransferError};

/// An endpoint that an error stops until it is recovered.
pub(super) struct UsbfsEndpoint<T: BulkOrInterrupt, D: EndpointDirection> {
    endpoint: nusb::Endpoint<T, D>,
    sysfs: SysfsDevice,
    /// What each of nusb's transfers in flight is.
    in_flight: VecDeque<Part>,
    /// A transfer that has moved its bytes and waits for its zero-length packet.
    unended: Option<Completion>,
    zero_packet: bool,
    stopped: bool,
    /// The error that stopped the endpoint, when bytes came first and hid it.
    owed: Option<TransferError>,
    /// Completions that come before those of the transfers in flight.
    first: VecDeque<Completion>,
    /// Completions that come after those of the transfers in flight.
    ended: VecDeque<Completion>,
    unreaped: Unreaped,
    /// Whether nusb's transfers were given up.
    given_up: bool,
}

/// A transfer of nusb's, which may be a part of one of ours.
enum Part {
    /// A whole transfer, that asked for so many bytes; nusb is asked for whole packets.
    Whole { requested: usize },
    /// Its bytes, with the zero-length packet behind it.
    Bytes,
    /// That packet: nusb has no flag for it.
    ZeroPacket,
}

impl<T: BulkOrInterrupt, D: EndpointDirection> UsbfsEndpoint<T, D> {
    /// How long a cancelled transfer may take to come back from the host controller.
    const CANCEL_TIME: Duration = Duration::from_secs(5);

    pub(super) fn new(endpoint: nusb::Endpoint<T, D>, sysfs: SysfsDevice) -> Self {
        Self {
            endpoint,
            unreaped: Unreaped::new(sysfs.clone()),
            given_up: false,
            sysfs,
            in_flight: VecDeque::new(),
            unended: None,
            zero_packet: false,
            stopped: false,
            owed: None,
            first: VecDeque::new(),
            ended: VecDeque::new(),
        }
    }

    fn direction(&self) -> Direction {
        Direction::from_bit(self.endpoint.endpoint_address())
    }

    /// Whether there are transfers that nusb will complete.
    fn completes(&self) -> bool {
        !self.given_up && self.endpoint.pending() > 0
    }

    /// Completes what nusb never will. The memory stays with the kernel, which may not be done with it.
    fn give_up(&mut self) {
        let mut lost = VecDeque::new();
        for part in self.in_flight.drain(..) {
            match part {
                Part::Bytes => {}
                Part::Whole { .. } | Part::ZeroPacket => {
                    let gone =
                        || Completion::failed(Buffer::default(), TransferError::Disconnected);
                    lost.push_back(self.unended.take().unwrap_or_else(gone));
                }
            }
        }
        lost.append(&mut self.ended);
        self.ended = lost;
        self.given_up = true;
        self.stopped = true;
    }

    fn packet(&self) -> usize {
        self.endpoint.max_packet_size().max(1)
    }

    fn start(&mut self, buffer: Buffer) {
        match self.direction() {
            Direction::Out => self.send(buffer.into_vec()),
            Direction::In => self.receive(buffer),
        }
    }

    fn send(&mut self, bytes: Vec<u8>) {
        let whole_packets = !bytes.is_empty() && bytes.len().is_multiple_of(self.packet());
        self.endpoint.submit(bytes.into());
        if self.zero_packet && whole_packets {
            self.in_flight.push_back(Part::Bytes);
            self.in_flight.push_back(Part::ZeroPacket);
            self.endpoint.submit(Vec::<u8>::new().into());
        } else {
            self.in_flight.push_back(Part::Whole { requested: 0 });
        }
    }

    fn receive(&mut self, buffer: Buffer) {
        let requested = buffer.requested_length();
        let packets = requested.max(1).next_multiple_of(self.packet());
        let mut bytes = buffer.into_vec();
        bytes.clear();
        bytes.reserve_exact(packets);
        let mut buffer = nusb::transfer::Buffer::from(bytes);
        buffer.set_requested_len(packets);
        self.in_flight.push_back(Part::Whole { requested });
        self.endpoint.submit(buffer);
    }

    /// What a transfer on the stopped endpoint ends with.
    fn refusal(&mut self) -> TransferError {
        if !self.sysfs.is_present() {
            return TransferError::Disconnected;
        }
        self.owed.take().unwrap_or(TransferError::Stall)
    }

    /// The completion of one of our transfers, once all its parts are over.
    fn finish(&mut self, completion: nusb::transfer::Completion) -> Option<Completion> {
        match self.in_flight.pop_front()? {
            Part::Whole { requested } => Some(self.translate(completion, requested)),
            Part::Bytes => {
                self.unended = Some(self.translate(completion, 0));
                None
            }
            Part::ZeroPacket => {
                let stopped_before = self.stopped;
                let end = self.translate(completion, 0);
                if self.stopped && !stopped_before {
                    // Bytes came first, so the next transfer is told what the end met.
                    self.owed = end.status.err();
                }
                self.unended.take()
            }
        }
    }

    fn translate(
        &mut self,
        completion: nusb::transfer::Completion,
        requested: usize,
    ) -> Completion {
        let mut actual_length = completion.actual_len;
        let mut status = completion.status.map_err(transfer_error);
        let mut bytes = completion.buffer.into_vec();
        let mut buffer = match self.direction() {
            Direction::Out => Buffer::from(bytes),
            Direction::In => {
                if actual_length > requested {
                    // The packet that did not fit would have been babble to a smaller buffer.
                    actual_length = requested - requested % self.packet();
                    status = Err(TransferError::Overflow);
                }
                bytes.truncate(actual_length);
                bytes.reserve(requested - actual_length.min(requested));
                let mut buffer = Buffer::from(bytes);
                buffer.set_requested_length(requested);
                buffer
            }
        };
        if status == Err(TransferError::BusError) && !self.sysfs.is_present() {
            // Unplugging ends transfers with a bus error on some host controllers.
            status = Err(TransferError::Disconnected);
        }
        if self.stopped {
            // Behind the transfer that stopped the endpoint: the controller may have gone on to it, but
            // even its success would leave a hole before it.
            actual_length = 0;
            if self.direction() == Direction::In {
                buffer.clear();
            }
            if status != Err(TransferError::Disconnected) {
                status = Err(TransferError::Cancelled);
            }
        } else if let Err(
            error @ (TransferError::Stall | TransferError::Overflow | TransferError::BusError),
        ) = status
        {
            self.stopped = true;
            self.owed = (actual_length > 0).then_some(error);
            self.endpoint.cancel_all();
        }
        if actual_length > 0 {
            status = Ok(());
        }
        Completion {
            buffer,
            actual_length,
            status,
        }
    }
}

impl<T: BulkOrInterrupt, D: EndpointDirection> InFlight for UsbfsEndpoint<T, D> {
    fn pending(&self) -> usize {
        let ends = |part: &&Part| !matches!(part, Part::Bytes);
        self.in_flight.iter().filter(ends).count() + self.first.len() + self.ended.len()
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Completion> {
        if let Some(completion) = self.first.pop_front() {
            return Poll::Ready(completion);
        }
        while self.completes() {
            let Poll::Ready(completion) = self.endpoint.poll_next_complete(cx) else {
                ready!(self.unreaped.poll(cx));
                self.give_up();
                break;
            };
            self.unreaped.restart();
            if let Some(finished) = self.finish(completion) {
                return Poll::Ready(finished);
            }
        }
        match self.ended.pop_front() {
            Some(completion) => Poll::Ready(completion),
            None => Poll::Pending,
        }
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Option<Completion> {
        if let Some(completion) = self.first.pop_front() {
            return Some(completion);
        }
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        while self.completes() {
            let look = self.unreaped.next_look();
            let until = deadline.map_or(look, |deadline| deadline.min(look));
            let left = until.saturating_duration_since(Instant::now());
            let Some(completion) = self.endpoint.wait_next_complete(left) else {
                if self.unreaped.look() {
                    self.give_up();
                } else if deadline == Some(until) {
                    return None;
                }
                continue;
            };
            self.unreaped.restart();
            if let Some(finished) = self.finish(completion) {
                return Some(finished);
            }
        }
        self.ended.pop_front()
    }

    fn cancel_all(&mut self) {
        self.endpoint.cancel_all();
    }
}

impl<T: BulkOrInterrupt, D: EndpointDirection> Queue for UsbfsEndpoint<T, D> {
    fn submit(&mut self, buffers: &mut dyn Iterator<Item = Buffer>) {
        for buffer in buffers {
            if self.stopped {
                let error = self.refusal();
                self.ended.push_back(Completion::failed(buffer, error));
            } else {
                self.start(buffer);
            }
        }
    }

    /// nusb cancels all or none: those behind the oldest, which have moved nothing, are submitted again in their order.
    fn cancel_oldest(&mut self) {
        if !self.first.is_empty() || !self.completes() {
            return;
        }
        self.endpoint.cancel_all();
        let mut again = Vec::new();
        while self.completes() {
            let with_zero_packet = matches!(self.in_flight.front(), Some(Part::ZeroPacket));
            let Some(completion) = self.endpoint.wait_next_complete(Self::CANCEL_TIME) else {
                break;
            };
            let Some(finished) = self.finish(completion) else {
                continue;
            };
            let is_oldest = self.first.is_empty();
            if is_oldest || self.stopped || finished.status != Err(TransferError::Cancelled) {
                self.first.push_back(finished);
            } else {
                again.push((finished.buffer, with_zero_packet));
            }
        }
        let zero_packet = self.zero_packet;
        for (buffer, with_zero_packet) in again {
            self.zero_packet = with_zero_packet;
            self.start(buffer);
        }
        self.zero_packet = zero_packet;
    }

    fn set_zero_packet(&mut self, wanted: bool) {
        self.zero_packet = wanted;
    }

    fn clear_halt(&mut self) -> Result<(), TransferError> {
        self.endpoint.cancel_all();
        // The halt must not be cleared under a transfer that would then go on; what completes now is
        // kept in order, ahead of completions that were waiting behind it.
        let mut reaped = VecDeque::new();
        while self.completes() {
            let completion = self.endpoint.wait_next_complete(Self::CANCEL_TIME);
            let completion = completion.ok_or(TransferError::TimedOut)?;
            reaped.extend(self.finish(completion));
        }
        reaped.append(&mut self.ended);
        self.ended = reaped;
        let cleared = self.endpoint.clear_halt().wait();
        cleared.map_err(|error| request_error(&error))?;
        self.stopped = false;
        self.owed = None;
        Ok(())
    }
}

impl<T: BulkOrInterrupt, D: EndpointDirection> Drop for UsbfsEndpoint<T, D> {
    /// Transfers end before the interface is given back, which nusb leaves to its own thread.
    fn drop(&mut self) {
        self.endpoint.cancel_all();
        while self.completes()
            && self
                .endpoint
                .wait_next_complete(Self::CANCEL_TIME)
                .is_some()
        {}
    }
}

impl<T: BulkOrInterrupt, D: EndpointDirection> fmt::Debug for UsbfsEndpoint<T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UsbfsEndpoint")
            .field("endpoint", &self.endpoint)
            .field("stopped", &self.stopped)
            .finish_non_exhaustive()
    }
}
