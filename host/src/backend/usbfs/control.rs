//! Control transfers through nusb.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use aio_rs::Buffer;
use nusb::transfer::{ControlIn, ControlOut, ControlType, TransferError as NusbError};
use usbfs2_protocol::{Direction, Recipient, RequestKind, SetupPacket};

use super::transfer_error;
use super::unreaped::Unreaped;
use crate::backend::InFlight;
use crate::backend::sysfs::SysfsDevice;
use crate::{Completion, TransferError, Waiting, block_on, waiting};

type Answer = Pin<Box<dyn Future<Output = Result<Vec<u8>, NusbError>> + Send>>;

/// One control transfer.
pub(super) struct ControlTransfer {
    answer: Option<Answer>,
    /// The data of an OUT request, for the completion.
    sent: Buffer,
    direction: Direction,
    ended: Option<Completion>,
    unreaped: Unreaped,
}

impl ControlTransfer {
    /// Deadlines are the caller's, who cancels; nusb wants one of its own.
    const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

    pub(super) fn new(
        device: &nusb::Device,
        sysfs: &SysfsDevice,
        setup: SetupPacket,
        data: Buffer,
    ) -> Self {
        let mut transfer = Self {
            answer: None,
            sent: data,
            direction: setup.direction(),
            ended: None,
            unreaped: Unreaped::new(sysfs.clone()),
        };
        match request(device, setup, transfer.sent.to_vec()) {
            Some(answer) => transfer.answer = Some(answer),
            None => transfer.end(Err(TransferError::InvalidRequest)),
        }
        transfer
    }

    fn end(&mut self, result: Result<Vec<u8>, TransferError>) {
        self.answer = None;
        let sent = std::mem::take(&mut self.sent);
        self.ended = Some(match (result, self.direction) {
            (Err(error), _) => Completion::failed(sent, error),
            (Ok(received), Direction::In) => Completion {
                actual_length: received.len(),
                buffer: Buffer::from(received),
                status: Ok(()),
            },
            (Ok(_), Direction::Out) => Completion {
                actual_length: sent.len(),
                buffer: sent,
                status: Ok(()),
            },
        });
    }
}

/// The request as nusb has it; `None` for kinds and recipients that nusb cannot express.
fn request(device: &nusb::Device, setup: SetupPacket, data: Vec<u8>) -> Option<Answer> {
    let control_type = match setup.request_type.kind {
        RequestKind::Standard => ControlType::Standard,
        RequestKind::Class => ControlType::Class,
        RequestKind::Vendor => ControlType::Vendor,
        RequestKind::Reserved => return None,
    };
    let recipient = match setup.request_type.recipient {
        Recipient::Device => nusb::transfer::Recipient::Device,
        Recipient::Interface => nusb::transfer::Recipient::Interface,
        Recipient::Endpoint => nusb::transfer::Recipient::Endpoint,
        Recipient::Other => nusb::transfer::Recipient::Other,
        Recipient::Reserved(_) => return None,
    };
    let SetupPacket {
        request,
        value,
        index,
        length,
        ..
    } = setup;
    let device = device.clone();
    Some(match setup.direction() {
        Direction::In => Box::pin(async move {
            let setup = ControlIn {
                control_type,
                recipient,
                request,
                value,
                index,
                length,
            };
            device.control_in(setup, ControlTransfer::NEVER).await
        }),
        Direction::Out => Box::pin(async move {
            let setup = ControlOut {
                control_type,
                recipient,
                request,
                value,
                index,
                data: &data,
            };
            device.control_out(setup, ControlTransfer::NEVER).await?;
            Ok(Vec::new())
        }),
    })
}

impl InFlight for ControlTransfer {
    fn pending(&self) -> usize {
        usize::from(self.answer.is_some() || self.ended.is_some())
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Completion> {
        if let Some(answer) = &mut self.answer {
            if let Poll::Ready(result) = answer.as_mut().poll(cx) {
                self.end(result.map_err(transfer_error));
            } else if self.unreaped.poll(cx).is_ready() {
                self.end(Err(TransferError::Disconnected));
            }
        }
        match self.ended.take() {
            Some(completion) => Poll::Ready(completion),
            None => Poll::Pending,
        }
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Option<Completion> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        block_on(waiting::next(self, Waiting::Async, deadline))
    }

    fn cancel_all(&mut self) {
        if self.answer.is_some() {
            // Dropping nusb's future cancels the transfer; nusb frees its memory once it is reaped.
            self.end(Err(TransferError::Cancelled));
        }
    }
}

impl fmt::Debug for ControlTransfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlTransfer")
            .field("direction", &self.direction)
            .field("pending", &self.pending())
            .finish_non_exhaustive()
    }
}
