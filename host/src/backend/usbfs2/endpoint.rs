//! An endpoint file as a queue, with an operation for each transfer: for a module that has no rings.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aio_rs::{Buffer, Operation, OperationId, SetupError, SharedFile};
use rustix::fs::Advice;
use usbfs2_protocol::Direction;

use super::transfers::{Ended, Transfers, translate};
use crate::backend::{InFlight, Queue};
use crate::endpoint::DEFAULT_DEPTH;
use crate::{Completion, TransferError};

/// An open bulk or interrupt endpoint file.
#[derive(Debug)]
pub(super) struct EndpointFile {
    transfers: Transfers,
    /// Those of the context, oldest first.
    order: VecDeque<OperationId>,
    file: SharedFile,
    direction: Direction,
    batch: usize,
    /// The offset of operations submitted from now on.
    flags: u64,
    /// What is over the context's depth, to be started as transfers complete.
    backlog: VecDeque<(Buffer, u64)>,
    /// Completions of transfers that never reached the kernel; they come after those that did.
    ended: VecDeque<Completion>,
}

impl EndpointFile {
    /// The backlog moves on when this many fit, or a quarter of a small queue, which is one system call
    /// instead of one for each.
    const BATCH: usize = 32;

    /// USBFS2_ZERO_PACKET of linux/usbfs2.h.
    const ZERO_PACKET: u64 = 1;

    /// `depth` transfers are in the kernel at a time; fewer where fs.aio-max-nr, the system's limit of 65536
    /// for all files together unless raised, is nearly used up.
    pub(super) fn new(
        file: SharedFile,
        direction: Direction,
        depth: u32,
    ) -> Result<Self, SetupError> {
        let transfers = Transfers::of_depth(depth, DEFAULT_DEPTH)?;
        Ok(Self {
            batch: Self::BATCH.min(transfers.depth().div_ceil(4)),
            transfers,
            order: VecDeque::new(),
            file,
            direction,
            flags: 0,
            backlog: VecDeque::new(),
            ended: VecDeque::new(),
        })
    }

    /// Starts as much of the backlog as there is room for, once that is worth a system call.
    fn start(&mut self) {
        if self.backlog.is_empty() || !self.transfers.has_room_for(self.batch) {
            return;
        }
        while self.transfers.has_room_for(1)
            && let Some((buffer, flags)) = self.backlog.pop_front()
        {
            let operation = match self.direction {
                Direction::In => Operation::read(&self.file, flags, buffer),
                Direction::Out => Operation::write(&self.file, flags, buffer),
            };
            match self.transfers.prepare(operation) {
                Ok(id) => self.order.push_back(id),
                Err(operation) => self.ended.push_back(self.transfers.refused(operation)),
            }
        }
        self.transfers.submit();
    }

    fn finish(&mut self, ended: Ended) -> Completion {
        if let Ok(completion) = &ended {
            self.order.retain(|&id| id != completion.id);
        }
        self.start();
        translate(ended)
    }
}

impl InFlight for EndpointFile {
    fn pending(&self) -> usize {
        self.transfers.pending() + self.backlog.len() + self.ended.len()
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Completion> {
        loop {
            if let Some(ended) = ready!(self.transfers.poll_next(cx)) {
                return Poll::Ready(self.finish(ended));
            }
            if let Some(completion) = self.ended.pop_front() {
                return Poll::Ready(completion);
            }
            if self.pending() == 0 {
                return Poll::Pending;
            }
            self.start();
        }
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Option<Completion> {
        if let Some(ended) = self.transfers.wait(timeout) {
            return Some(self.finish(ended));
        }
        // None in the kernel, or the time is over: only the former lets the later ones overtake.
        if self.transfers.pending() == 0 {
            return self.ended.pop_front();
        }
        None
    }

    fn cancel_all(&mut self) {
        let cancelled = |(buffer, _)| Completion::failed(buffer, TransferError::Cancelled);
        self.ended.extend(self.backlog.drain(..).map(cancelled));
        self.transfers.cancel_all();
    }
}

impl Queue for EndpointFile {
    fn submit(&mut self, buffers: &mut dyn Iterator<Item = Buffer>) {
        let flags = self.flags;
        self.backlog.extend(buffers.map(|buffer| (buffer, flags)));
        self.start();
    }

    fn cancel_oldest(&mut self) {
        if let Some(&id) = self.order.front() {
            self.transfers.cancel(id);
        }
    }

    fn set_zero_packet(&mut self, wanted: bool) {
        self.flags = if wanted { Self::ZERO_PACKET } else { 0 };
    }

    fn clear_halt(&mut self) -> Result<(), TransferError> {
        self.cancel_all();
        rustix::fs::fadvise(&self.file, 0, None, Advice::DontNeed)
            .map_err(|errno| TransferError::from_errno(errno.raw_os_error()))
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use rustix::io::Errno;

    use super::*;

    const SOON: Option<Duration> = Some(Duration::from_secs(10));

    #[test]
    fn transfers_of_a_broken_engine_complete_with_its_error() {
        let file = SharedFile::new(tempfile::tempfile().unwrap());
        let mut queue = EndpointFile::new(file, Direction::Out, 4).unwrap();
        let mut buffers = (0..3).map(|_| Buffer::from(vec![1; 8]));
        queue.submit(&mut buffers);
        let refusal = io::Error::from_raw_os_error(Errno::NODEV.raw_os_error());
        queue.transfers.give_up(&refusal);
        // As many as there is room for, and more.
        let mut later = (0..6).map(|_| Buffer::from(vec![2; 8]));
        queue.submit(&mut later);
        assert_eq!(queue.pending(), 9);
        for number in 0..9 {
            let completion = queue.wait(SOON).unwrap();
            let error = Err(TransferError::Disconnected);
            assert_eq!(completion.status, error, "{number}");
            // The engine keeps the memory of what it had, and of nothing else.
            assert_eq!(completion.buffer.is_empty(), number < 3, "{number}");
        }
        assert_eq!(queue.pending(), 0);
        assert!(queue.wait(SOON).is_none());
    }
}
