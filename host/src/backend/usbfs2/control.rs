//! Control transfers as reads and writes of ep00 whose offset is the setup packet.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aio_rs::{Buffer, Operation, SharedFile};
use usbfs2_protocol::{Direction, SetupPacket};

use super::transfers::{Transfers, translate};
use crate::backend::{InFlight, Refused};
use crate::{Completion, TransferError};

/// An open ep00. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct ControlPipe {
    file: SharedFile,
    idle: Idle,
}

/// Contexts without a transfer, kept because making and destroying one takes far longer than a
/// control transfer.
#[derive(Debug, Clone, Default)]
struct Idle(Arc<Mutex<Vec<Transfers>>>);

impl Idle {
    /// A program seldom has more control transfers in flight.
    const KEPT: usize = 4;

    fn lock(&self) -> MutexGuard<'_, Vec<Transfers>> {
        // Every change is one push or pop, so a panic elsewhere leaves the list whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Result<Transfers, aio_rs::SetupError> {
        let kept = self.lock().pop();
        kept.map_or_else(|| Transfers::new(1), Ok)
    }

    fn give(&self, transfers: Transfers) {
        let mut kept = self.lock();
        if transfers.is_idle() && kept.len() < Self::KEPT {
            kept.push(transfers);
        }
    }
}

impl ControlPipe {
    pub(super) fn new(file: SharedFile) -> Self {
        Self {
            file,
            idle: Idle::default(),
        }
    }

    pub(super) fn start(&self, setup: SetupPacket, data: Buffer) -> Box<dyn InFlight> {
        let mut transfers = match self.idle.take() {
            Ok(transfers) => transfers,
            Err(error) => {
                log::error!("no control transfer: {error}");
                return Box::new(Refused::new(data, TransferError::NoMemory));
            }
        };
        let operation = match setup.direction() {
            Direction::In => Operation::read(&self.file, offset(setup), data),
            Direction::Out => Operation::write(&self.file, offset(setup), data),
        };
        let refused = transfers.prepare(operation).err();
        let refused = refused.map(|operation| transfers.refused(operation));
        transfers.submit();
        Box::new(ControlTransfer {
            transfers: Some(transfers),
            refused,
            idle: self.idle.clone(),
        })
    }
}

/// bmRequestType<<40 | bRequest<<32 | wValue<<16 | wIndex; wLength is the length of the operation.
fn offset(setup: SetupPacket) -> u64 {
    u64::from(setup.request_type.to_byte()) << 40
        | u64::from(setup.request) << 32
        | u64::from(setup.value) << 16
        | u64::from(setup.index)
}

/// A control transfer, and the context it gives back when it is over.
#[derive(Debug)]
struct ControlTransfer {
    /// `Some` until dropped.
    transfers: Option<Transfers>,
    refused: Option<Completion>,
    idle: Idle,
}

impl InFlight for ControlTransfer {
    fn pending(&self) -> usize {
        let in_flight = self.transfers.as_ref().map_or(0, Transfers::pending);
        in_flight + usize::from(self.refused.is_some())
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Completion> {
        if let Some(completion) = self.refused.take() {
            return Poll::Ready(completion);
        }
        let Some(transfers) = &mut self.transfers else {
            return Poll::Pending;
        };
        match ready!(transfers.poll_next(cx)) {
            Some(ended) => Poll::Ready(translate(ended)),
            None => Poll::Pending,
        }
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Option<Completion> {
        let refused = self.refused.take();
        refused.or_else(|| self.transfers.as_mut()?.wait(timeout).map(translate))
    }

    fn cancel_all(&mut self) {
        if let Some(transfers) = &mut self.transfers {
            transfers.cancel_all();
        }
    }
}

impl Drop for ControlTransfer {
    fn drop(&mut self) {
        // One that is still in flight is cancelled and reaped by the context's own drop.
        if let Some(transfers) = self.transfers.take() {
            self.idle.give(transfers);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use usbfs2_protocol::standard::descriptor_type;

    #[test]
    fn the_offset_is_the_setup_packet_without_its_length() {
        let setup = SetupPacket::get_descriptor(descriptor_type::STRING, 2, 0x0409, 255);
        assert_eq!(offset(setup), 0x8006_0302_0409);
    }
}
