//! The control pipe: setup, data and status stage (USB 2.0 8.5.3).

use std::collections::VecDeque;
use std::sync::Arc;

use usbfs2_protocol::standard::{feature, request};
use usbfs2_protocol::{Direction, EndpointAddress, Recipient, RequestKind, SetupPacket};

use crate::mailbox::Mailbox;
use crate::pipe::{Flow, Wire};
use crate::schedule::Schedule;
use crate::transfer::Pending;
use crate::{BusError, Completed, ControlResponse, Fault, FaultError, TransferId};

/// Control transfers of one device. One is with the device at a time.
#[derive(Debug, Default)]
pub(crate) struct ControlPipe {
    pub(crate) queue: VecDeque<Request>,
    pub(crate) schedule: Schedule,
}

/// A control transfer that has not ended.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) setup: SetupPacket,
    pub(crate) pending: Pending,
    /// Whether the device has been told.
    pub(crate) at_device: bool,
}

/// What to do about the request that is first.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Nothing until somebody acts.
    Wait,
    /// An injected fault pulls the cable.
    Unplug,
    /// It ended; the next one is first.
    Ended,
    /// Answer it, or give it to the device with this data.
    Begin(SetupPacket, Vec<u8>),
}

/// Requests with a part for the bus to play, at the host's end or as a UDC at the device's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    SetAddress,
    EndpointStatus(EndpointAddress),
    SetHalt(EndpointAddress),
    ClearHalt(EndpointAddress),
    SetConfiguration(u8),
    SetInterface { interface: u8, alternate: u8 },
}

impl Known {
    pub(crate) fn of(setup: &SetupPacket) -> Option<Self> {
        if setup.request_type.kind != RequestKind::Standard {
            return None;
        }
        let to_host = setup.request_type.direction == Direction::In;
        let [value, _] = setup.value.to_le_bytes();
        match (to_host, setup.request_type.recipient, setup.request) {
            (false, Recipient::Device, request::SET_ADDRESS) => Some(Self::SetAddress),
            (false, Recipient::Device, request::SET_CONFIGURATION) => {
                Some(Self::SetConfiguration(value))
            }
            (false, Recipient::Interface, request::SET_INTERFACE) => Some(Self::SetInterface {
                interface: setup.interface()?,
                alternate: value,
            }),
            (true, Recipient::Endpoint, request::GET_STATUS) => {
                setup.endpoint().map(Self::EndpointStatus)
            }
            (false, Recipient::Endpoint, code) if setup.value == feature::ENDPOINT_HALT => {
                match code {
                    request::SET_FEATURE => setup.endpoint().map(Self::SetHalt),
                    request::CLEAR_FEATURE => setup.endpoint().map(Self::ClearHalt),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

impl ControlPipe {
    pub(crate) fn submit(&mut self, setup: SetupPacket, mut pending: Pending) {
        self.schedule.number(&mut pending);
        self.queue.push_back(Request {
            setup,
            pending,
            at_device: false,
        });
    }

    pub(crate) fn inject(&mut self, transfer: u64, fault: Fault) -> Result<(), FaultError> {
        // What the device has been told cannot be taken back.
        let waiting = self.queue.iter().filter(|request| !request.at_device);
        let waiting = waiting.map(|request| &request.pending);
        self.schedule.inject(waiting, transfer, fault)
    }

    /// Takes the first request one step on.
    pub(crate) fn turn(&mut self, wire: &mut Wire<'_>) -> Turn {
        let Some(first) = self.queue.front_mut() else {
            return Turn::Wait;
        };
        if first.at_device {
            return Turn::Wait;
        }
        let pending = &mut first.pending;
        if self.schedule.holds(pending, wire) {
            return Turn::Wait;
        }
        let mut data = Vec::new();
        if pending.transfer.sends {
            data.clone_from(&pending.transfer.buffer);
        }
        match pending.fault {
            Some(Fault::Stall) => {
                self.end(Err(BusError::Stall), wire);
                return Turn::Ended;
            }
            Some(Fault::Babble) => {
                self.end(Err(BusError::Overflow), wire);
                return Turn::Ended;
            }
            Some(Fault::Unplug { after_bytes: 0 }) => return Turn::Unplug,
            Some(Fault::Short { length }) => data.truncate(length),
            Some(Fault::Corrupt { offset, mask }) => corrupt(&mut data, offset, mask),
            _ => {}
        }
        Turn::Begin(first.setup, data)
    }

    /// Ends the first request as the device says. Returns the request where it succeeded, for what it
    /// means to the host.
    pub(crate) fn answer(
        &mut self,
        response: ControlResponse,
        wire: &mut Wire<'_>,
    ) -> Result<Option<SetupPacket>, Flow> {
        let Some(first) = self.queue.front_mut() else {
            return Ok(None);
        };
        let setup = first.setup;
        let pending = &mut first.pending;
        if matches!(pending.fault, Some(Fault::Unplug { .. })) {
            return Err(Flow::Unplugged);
        }
        let mut data = match response {
            ControlResponse::Stall => {
                self.end(Err(BusError::Stall), wire);
                return Ok(None);
            }
            ControlResponse::Data(data) => data,
            ControlResponse::Acknowledge => Vec::new(),
        };
        if pending.transfer.sends {
            pending.moved = pending.transfer.length;
        } else {
            data.truncate(pending.transfer.length);
            match pending.fault {
                Some(Fault::Short { length }) => data.truncate(length),
                Some(Fault::Corrupt { offset, mask }) => corrupt(&mut data, offset, mask),
                _ => {}
            }
            pending.moved = data.len();
            pending.transfer.buffer.extend_from_slice(&data);
        }
        self.schedule.count_bytes(pending.moved);
        self.end(Ok(()), wire);
        Ok(Some(setup))
    }

    fn end(&mut self, status: Result<(), BusError>, wire: &mut Wire<'_>) {
        if let Some(Request { mut pending, .. }) = self.queue.pop_front() {
            wire.release(&mut pending);
            self.schedule.complete(pending, status, wire.rings);
        }
    }

    /// Cancels one request. Returns whether it was with the device; `None` where it has ended before.
    pub(crate) fn cancel(&mut self, id: TransferId, wire: &mut Wire<'_>) -> Option<bool> {
        let place = self
            .queue
            .binary_search_by_key(&id.number, |request| request.pending.id.number)
            .ok()?;
        let mut request = self.queue.remove(place)?;
        wire.release(&mut request.pending);
        self.schedule
            .interrupt(request.pending, BusError::Cancelled, wire.rings);
        Some(request.at_device)
    }

    pub(crate) fn queued_on(&self, queue: &Arc<Mailbox<Completed>>) -> Vec<TransferId> {
        self.queue
            .iter()
            .filter(|request| request.pending.is_queued_on(queue))
            .map(|request| request.pending.id)
            .collect()
    }

    /// The cable came out.
    pub(crate) fn unplug(&mut self, wire: &mut Wire<'_>) {
        self.end_all(BusError::Unplugged, wire);
        self.schedule.reset();
    }

    /// Ends every request with `error`.
    pub(crate) fn end_all(&mut self, error: BusError, wire: &mut Wire<'_>) {
        for Request { mut pending, .. } in std::mem::take(&mut self.queue) {
            wire.release(&mut pending);
            self.schedule.complete(pending, Err(error), wire.rings);
        }
    }
}

fn corrupt(data: &mut [u8], offset: usize, mask: u8) {
    if let Some(byte) = data.get_mut(offset) {
        *byte ^= mask;
    }
}
