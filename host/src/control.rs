//! Control transfers, for devices and interfaces alike (USB 2.0 8.5.3).

use std::time::{Duration, Instant};

use aio_rs::Buffer;
use usbfs2_protocol::{Direction, SetupPacket};

use crate::backend::InFlight;
use crate::{TransferError, Waiting, waiting};

/// Runs one control transfer on the pipe that `start` puts it on.
pub(crate) async fn transfer(
    start: impl FnOnce(SetupPacket, Buffer) -> Box<dyn InFlight>,
    waiting: Waiting,
    setup: SetupPacket,
    data: &[u8],
    timeout: Duration,
) -> Result<Vec<u8>, TransferError> {
    let buffer = match setup.direction() {
        Direction::In if data.is_empty() => Buffer::with_capacity(usize::from(setup.length)),
        Direction::Out if data.len() == usize::from(setup.length) => Buffer::from(data.to_vec()),
        _ => return Err(TransferError::InvalidRequest),
    };
    let deadline = Instant::now().checked_add(timeout);
    let mut queue = start(setup, buffer);
    let completion = waiting::only(&mut *queue, waiting, deadline).await;
    completion.status?;
    match setup.direction() {
        Direction::In => Ok(completion.buffer.into_vec()),
        // Some data went, but no status stage followed, so the device has not accepted the request.
        Direction::Out if completion.actual_length < data.len() => match deadline {
            Some(deadline) if Instant::now() >= deadline => Err(TransferError::TimedOut),
            _ => Err(TransferError::Stall),
        },
        Direction::Out => Ok(Vec::new()),
    }
}
