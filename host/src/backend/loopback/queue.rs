//! Transfers on one pipe of an in-process bus.

use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Duration;

use aio_rs::Buffer;
use usbfs2_loopback::{BusDevice, Completed, CompletionQueue, Target, Transfer, TransferId};
use usbfs2_protocol::{Direction, EndpointAddress, SetupPacket};

use super::{ANSWER_TIMEOUT, transfer_error};
use crate::backend::{InFlight, Queue};
use crate::{Completion, TransferError};

/// Transfers of one direction that complete to one place. Dropping it cancels them.
#[derive(Debug)]
pub(super) struct BusTransfers {
    device: BusDevice,
    target: Target,
    direction: Direction,
    completions: CompletionQueue,
    /// Those submitted and not returned, oldest first.
    pending: VecDeque<TransferId>,
}

impl BusTransfers {
    fn new(device: &BusDevice, target: Target, direction: Direction) -> Self {
        Self {
            device: device.clone(),
            target,
            direction,
            completions: CompletionQueue::new(device.bus()),
            pending: VecDeque::new(),
        }
    }

    /// Starts a control transfer.
    pub(super) fn control(device: &BusDevice, setup: SetupPacket, data: Buffer) -> Self {
        let mut transfers = Self::new(device, Target::Control(setup), setup.direction());
        transfers.start(data, false);
        transfers
    }

    fn start(&mut self, buffer: Buffer, zero_packet: bool) {
        let transfer = match self.direction {
            Direction::Out => Transfer::send(buffer.into_vec()).zero_length_packet(zero_packet),
            Direction::In => {
                let length = buffer.requested_length();
                let transfer = Transfer::receive_into(buffer.into_vec(), length);
                // The completion must ask for as much again when it is submitted again.
                transfer.user_data(length as u64)
            }
        };
        let id = self.device.submit(&self.completions, self.target, transfer);
        self.pending.push_back(id);
    }

    fn completion(&mut self, completed: Completed) -> Completion {
        self.pending.retain(|&id| id != completed.id);
        let mut bytes = completed.buffer;
        let buffer = match (self.direction, usize::try_from(completed.user_data)) {
            (Direction::In, Ok(requested)) => {
                bytes.reserve(requested.saturating_sub(bytes.len()));
                let mut buffer = Buffer::from(bytes);
                buffer.set_requested_length(requested);
                buffer
            }
            _ => Buffer::from(bytes),
        };
        Completion {
            buffer,
            actual_length: completed.actual_length,
            status: completed.status.map_err(transfer_error),
        }
    }
}

impl InFlight for BusTransfers {
    fn pending(&self) -> usize {
        self.completions.pending()
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Completion> {
        let completed = self.completions.poll_next(cx);
        completed.map(|completed| self.completion(completed))
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Option<Completion> {
        if self.pending() == 0 {
            return None;
        }
        let completed = self.completions.wait(timeout)?;
        Some(self.completion(completed))
    }

    fn cancel_all(&mut self) {
        self.completions.cancel_all();
    }
}

/// An endpoint.
#[derive(Debug)]
pub(super) struct BusEndpoint {
    address: EndpointAddress,
    zero_packet: bool,
    transfers: BusTransfers,
}

impl BusEndpoint {
    pub(super) fn new(device: &BusDevice, address: EndpointAddress) -> Self {
        let target = Target::Endpoint(address);
        Self {
            address,
            zero_packet: false,
            transfers: BusTransfers::new(device, target, address.direction()),
        }
    }
}

impl InFlight for BusEndpoint {
    fn pending(&self) -> usize {
        self.transfers.pending()
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Completion> {
        self.transfers.poll_next(cx)
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Option<Completion> {
        self.transfers.wait(timeout)
    }

    fn cancel_all(&mut self) {
        self.transfers.cancel_all();
    }
}

impl Queue for BusEndpoint {
    fn submit(&mut self, buffers: &mut dyn Iterator<Item = Buffer>) {
        for buffer in buffers {
            self.transfers.start(buffer, self.zero_packet);
        }
    }

    fn cancel_oldest(&mut self) {
        if let Some(&id) = self.transfers.pending.front() {
            self.transfers.device.cancel(id);
        }
    }

    fn set_zero_packet(&mut self, wanted: bool) {
        self.zero_packet = wanted;
    }

    fn clear_halt(&mut self) -> Result<(), TransferError> {
        let device = &self.transfers.device;
        device
            .clear_halt(self.address, ANSWER_TIMEOUT)
            .map_err(transfer_error)
    }
}
