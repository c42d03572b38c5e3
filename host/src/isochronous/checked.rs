//! What is refused before it reaches the system.

use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Duration;

use aio_rs::Buffer;
use usbfs2_protocol::Direction;

use super::{IsochronousCompletion, IsochronousTransfer};
use crate::TransferError;
use crate::backend::{InFlight, IsochronousQueue};

/// A queue that takes only requests of the right form. Others complete at once, ahead of what is in flight.
#[derive(Debug)]
pub(super) struct Checked {
    queue: Box<dyn IsochronousQueue>,
    direction: Direction,
    max_packet_size: usize,
    refused: VecDeque<IsochronousCompletion>,
}

impl Checked {
    pub(super) fn new(
        queue: Box<dyn IsochronousQueue>,
        direction: Direction,
        max_packet_size: usize,
    ) -> Self {
        Self {
            queue,
            direction,
            max_packet_size,
            refused: VecDeque::new(),
        }
    }

    pub(super) fn submit(&mut self, transfers: impl Iterator<Item = IsochronousTransfer>) {
        let Self {
            queue,
            direction,
            max_packet_size,
            refused,
        } = self;
        let mut good = transfers.filter_map(|mut transfer| {
            if is_refused(&transfer, *direction, *max_packet_size) {
                let completion =
                    IsochronousCompletion::failed(transfer, TransferError::InvalidRequest);
                refused.push_back(completion);
                return None;
            }
            let length = transfer.total_length();
            if transfer.direction == Direction::In && transfer.buffer.capacity() < length {
                transfer.buffer = Buffer::with_capacity(length);
            }
            Some(transfer)
        });
        queue.submit(&mut good);
    }
}

fn is_refused(
    transfer: &IsochronousTransfer,
    direction: Direction,
    max_packet_size: usize,
) -> bool {
    const LAST_FRAME: u32 = 0x7fff_ffff;
    let packets = &transfer.packets;
    transfer.direction != direction
        || !(1..=IsochronousTransfer::MAX_PACKETS).contains(&packets.len())
        || packets.iter().any(|packet| packet.length > max_packet_size)
        || transfer.start_frame.is_some_and(|frame| frame > LAST_FRAME)
        || direction == Direction::Out && transfer.buffer.len() != transfer.total_length()
}

impl InFlight<IsochronousCompletion> for Checked {
    fn pending(&self) -> usize {
        self.queue.pending() + self.refused.len()
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<IsochronousCompletion> {
        match self.refused.pop_front() {
            Some(completion) => Poll::Ready(completion),
            None => self.queue.poll_next(cx),
        }
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Option<IsochronousCompletion> {
        let refused = self.refused.pop_front();
        refused.or_else(|| self.queue.wait(timeout))
    }

    fn cancel_all(&mut self) {
        self.queue.cancel_all();
    }
}
