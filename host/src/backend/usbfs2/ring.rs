//! An endpoint file as a queue, by the ring it shares with the module.

use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aio_rs::{Buffer, SharedFile, TransferCompletion, TransferRing};
use rustix::fs::Advice;
use usbfs2_protocol::{Direction, TransferType};

use crate::backend::{InFlight, Queue};
use crate::{Completion, TransferError};

/// An open bulk or interrupt endpoint file with its ring.
///
/// Buffers are exchanged for such as the module uses in place: one to receive into for an empty one, the bytes to send
/// are copied once, and the completion has the new buffer. So a program that puts buffers back in the queue pays for
/// that once.
#[derive(Debug)]
pub(super) struct EndpointRing {
    ring: TransferRing,
    file: SharedFile,
    direction: Direction,
    /// Transfers in the ring at a time.
    depth: usize,
    batch: usize,
    /// Flags of the transfers submitted from now on.
    flags: u32,
    /// What is over the depth, in order.
    later: VecDeque<Later>,
    broken: Option<Broken>,
}

/// A transfer that comes after those in the ring.
#[derive(Debug)]
enum Later {
    Start(Buffer, u32),
    Ended(Completion),
}

impl Later {
    /// What has not started never will.
    fn cancel(&mut self) {
        if let Self::Start(buffer, _) = self {
            let buffer = std::mem::take(buffer);
            *self = Self::Ended(Completion::failed(buffer, TransferError::Cancelled));
        }
    }
}

/// The engine cannot go on: the process is a fork of the one that opened the endpoint, or there is no reactor. Every
/// transfer still completes once; the buffers stay with the ring.
#[derive(Debug)]
struct Broken {
    error: TransferError,
    left: usize,
}

impl EndpointRing {
    /// The backlog moves on when this many fit, or a quarter of a small queue, which is one system call
    /// instead of one for each.
    const BATCH: usize = 32;

    /// USBFS2_ZERO_PACKET of linux/usbfs2.h.
    const ZERO_PACKET: u32 = 1;

    /// Above this a buffer is used where it is: the pages of a large one are pinned for less than a copy costs, and
    /// memory of its size is not kept for a program that has its own.
    const LARGEST_EXCHANGE: usize = 1 << 20;
    /// The same for whole pages to be sent, which need no copy to be pinned.
    const LARGEST_COPY: usize = 64 << 10;

    /// `ENODEV` is the error of a module without rings.
    pub(super) fn new(
        file: &SharedFile,
        direction: Direction,
        transfer_type: TransferType,
        depth: u32,
    ) -> io::Result<Self> {
        let mut ring = TransferRing::new(file, direction == Direction::In, depth)?;
        // Reports are messages that somebody waits for.
        ring.set_coalescing(transfer_type == TransferType::Bulk);
        let depth = ring.depth().min(depth as usize).max(1);
        Ok(Self {
            ring,
            file: file.clone(),
            direction,
            depth,
            batch: Self::BATCH.min(depth.div_ceil(4)),
            flags: 0,
            later: VecDeque::new(),
            broken: None,
        })
    }

    /// The buffer to use for one given that is not the ring's own.
    #[cold]
    fn exchange(&self, buffer: Buffer) -> Buffer {
        let capacity = buffer.capacity();
        let largest = match self.direction {
            Direction::Out if buffer.is_page_aligned() => Self::LARGEST_COPY,
            _ => Self::LARGEST_EXCHANGE,
        };
        if capacity == 0 || capacity > largest {
            return buffer;
        }
        // Where there is no memory for it, the module does with the buffer what can be done.
        let Ok(mut own) = self.ring.allocate(capacity) else {
            return buffer;
        };
        if self.direction == Direction::Out {
            own.extend_from_slice(&buffer);
        }
        if buffer.requested_length() < capacity {
            own.set_requested_length(buffer.requested_length());
        }
        own
    }

    fn has_room(&self) -> bool {
        self.ring.in_flight() < self.depth
    }

    /// Starts as much of the backlog as there is room for, once that is worth a system call.
    #[inline]
    fn start(&mut self) {
        if !self.later.is_empty() && self.fill() {
            self.submit_prepared();
        }
    }

    /// Puts as much of the backlog into the ring as `start` would start; whether that is any.
    fn fill(&mut self) -> bool {
        let room = self.depth.saturating_sub(self.ring.in_flight());
        if self.broken.is_some() || room < self.batch.min(self.later.len()).max(1) {
            return false;
        }
        let mut started = false;
        while self.has_room()
            && let Some(Later::Start(..)) = self.later.front()
            && let Some(Later::Start(buffer, flags)) = self.later.pop_front()
        {
            started |= self.put(buffer, flags);
        }
        started
    }

    /// Puts a transfer into the ring past an empty backlog, or into the backlog. Whether that is the ring.
    #[inline]
    fn put_last(&mut self, buffer: Buffer) -> bool {
        if self.later.is_empty() && self.broken.is_none() && self.has_room() {
            return self.put(buffer, self.flags);
        }
        self.later.push_back(Later::Start(buffer, self.flags));
        self.fill()
    }

    /// Whether the transfer is in the ring now.
    #[inline]
    fn put(&mut self, mut buffer: Buffer, flags: u32) -> bool {
        if !self.ring.is_own(&buffer) {
            buffer = self.exchange(buffer);
        }
        match self.ring.prepare(buffer, flags) {
            Ok(()) => true,
            Err(buffer) => {
                let refused = Completion::failed(buffer, TransferError::InvalidRequest);
                self.later.push_front(Later::Ended(refused));
                false
            }
        }
    }

    fn submit_prepared(&mut self) {
        if let Err(error) = self.ring.submit() {
            self.give_up(&error);
        }
    }

    fn give_up(&mut self, error: &io::Error) {
        log::error!("transfers cannot go on: {error}");
        self.broken = Some(Broken {
            error: TransferError::from_io(error),
            left: self.ring.in_flight(),
        });
    }

    /// The next completion that does not come from the ring.
    fn next_later(&mut self) -> Option<Completion> {
        if let Some(broken) = &mut self.broken {
            if let Some(left) = broken.left.checked_sub(1) {
                broken.left = left;
                return Some(Completion::failed(Buffer::new(), broken.error));
            }
            let error = broken.error;
            return Some(match self.later.pop_front()? {
                Later::Start(buffer, _) => Completion::failed(buffer, error),
                Later::Ended(completion) => completion,
            });
        }
        if self.ring.in_flight() > 0 {
            return None;
        }
        let Some(Later::Ended(_)) = self.later.front() else {
            return None;
        };
        match self.later.pop_front() {
            Some(Later::Ended(completion)) => Some(completion),
            _ => None,
        }
    }

    #[inline]
    fn finish(&mut self, ended: TransferCompletion) -> Completion {
        self.start();
        match ended.result {
            Ok(actual_length) => Completion {
                buffer: ended.buffer,
                actual_length,
                status: Ok(()),
            },
            Err(error) => Completion::failed(ended.buffer, TransferError::from_io(&error)),
        }
    }
}

impl InFlight for EndpointRing {
    fn pending(&self) -> usize {
        let in_ring = match &self.broken {
            Some(broken) => broken.left,
            None => self.ring.in_flight(),
        };
        in_ring + self.later.len()
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Completion> {
        loop {
            if let Some(completion) = self.next_later() {
                return Poll::Ready(completion);
            }
            if self.pending() == 0 {
                return Poll::Pending;
            }
            self.start();
            if self.broken.is_none() {
                match ready!(self.ring.poll_next(cx)) {
                    Ok(Some(ended)) => return Poll::Ready(self.finish(ended)),
                    Ok(None) => {}
                    Err(error) => self.give_up(&error),
                }
            }
        }
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Option<Completion> {
        // What is in the ring comes before what is not.
        if self.broken.is_none()
            && let Some(ended) = self.ring.try_next()
        {
            return Some(self.finish(ended));
        }
        loop {
            if let Some(completion) = self.next_later() {
                return Some(completion);
            }
            if self.pending() == 0 {
                return None;
            }
            self.start();
            if self.broken.is_none() {
                match self.ring.wait(timeout) {
                    Ok(Some(ended)) => return Some(self.finish(ended)),
                    // None in the ring: what comes later is next. Else the time is over.
                    Ok(None) if self.ring.in_flight() > 0 => return None,
                    Ok(None) => {}
                    Err(error) => self.give_up(&error),
                }
            }
        }
    }

    fn cancel_all(&mut self) {
        self.later.iter_mut().for_each(Later::cancel);
        self.ring.cancel_all();
    }
}

impl Queue for EndpointRing {
    fn submit(&mut self, buffers: &mut dyn Iterator<Item = Buffer>) {
        let flags = self.flags;
        self.later
            .extend(buffers.map(|buffer| Later::Start(buffer, flags)));
        self.start();
    }

    fn submit_one(&mut self, buffer: Buffer) {
        if self.put_last(buffer) {
            self.submit_prepared();
        }
    }

    /// The wait in the ring starts what is there.
    fn prepare(&mut self, buffer: Buffer) {
        self.put_last(buffer);
    }

    fn allocate(&self, capacity: usize) -> Buffer {
        self.ring
            .allocate(capacity)
            .unwrap_or_else(|_| Buffer::with_capacity(capacity))
    }

    fn cancel_oldest(&mut self) {
        if self.ring.in_flight() > 0 {
            self.ring.cancel_oldest();
        } else if let Some(oldest) = self.later.front_mut() {
            oldest.cancel();
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
