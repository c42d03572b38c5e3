//! An isochronous endpoint file as a queue.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aio_rs::{Buffer, Operation, Parts, SetupError, SharedFile};
use usbfs2_protocol::Direction;

use super::transfers::{Ended, Transfers};
use crate::backend::{InFlight, IsochronousQueue};
use crate::isochronous::DEFAULT_DEPTH;
use crate::{
    IsochronousCompletion, IsochronousPacket, IsochronousTransfer, PacketError, TransferError,
};

/// An open isochronous endpoint file: a request is one vectored read or write, a vector each packet.
#[derive(Debug)]
pub(super) struct IsochronousFile {
    transfers: Transfers,
    file: SharedFile,
    direction: Direction,
    /// What is over the context's depth, to be started as requests complete.
    backlog: VecDeque<IsochronousTransfer>,
    /// Completions of requests that never reached the kernel; they come after those that did.
    ended: VecDeque<IsochronousCompletion>,
    /// The packets of each request in the kernel, where its label says. Empty where it says nothing.
    in_flight: Vec<Vec<IsochronousPacket>>,
    /// Labels not in use.
    free: Vec<usize>,
    /// Memory of completed operations.
    #[expect(
        clippy::vec_box,
        reason = "an operation takes its parts boxed, and gives them back so"
    )]
    spare: Vec<Box<Parts>>,
}

impl IsochronousFile {
    /// USBFS2_ISO_STATUS and USBFS2_ISO_START of linux/usbfs2.h.
    const STATUS: u64 = 1 << 1;
    const START: u64 = 1 << 2;
    /// The frame stands above these.
    const START_SHIFT: u32 = 32;
    /// Bytes of a struct usbfs2_status.
    const STATUS_LENGTH: usize = 8;

    pub(super) fn new(
        file: SharedFile,
        direction: Direction,
        depth: u32,
    ) -> Result<Self, SetupError> {
        Ok(Self {
            transfers: Transfers::of_depth(depth, DEFAULT_DEPTH)?,
            file,
            direction,
            backlog: VecDeque::new(),
            ended: VecDeque::new(),
            in_flight: Vec::new(),
            free: Vec::new(),
            spare: Vec::new(),
        })
    }

    /// Starts as much of the backlog as there is room for.
    fn start(&mut self) {
        if self.backlog.is_empty() || !self.transfers.has_room_for(1) {
            return;
        }
        while self.transfers.has_room_for(1)
            && let Some(transfer) = self.backlog.pop_front()
        {
            self.prepare(transfer);
        }
        self.transfers.submit();
    }

    fn prepare(&mut self, transfer: IsochronousTransfer) {
        let parts = self.parts(&transfer.packets);
        let start = transfer.start_frame.map_or(0, |frame| {
            Self::START | u64::from(frame) << Self::START_SHIFT
        });
        let flags = Self::STATUS | start;
        let operation = match self.direction {
            Direction::In => Operation::read_parts(&self.file, flags, transfer.buffer, parts),
            Direction::Out => Operation::write_parts(&self.file, flags, transfer.buffer, parts),
        };
        let label = match self.free.pop() {
            Some(label) => label,
            None => {
                self.in_flight.push(Vec::new());
                self.in_flight.len() - 1
            }
        };
        match self.transfers.prepare(operation.user_data(label as u64)) {
            Ok(_) => self.in_flight[label] = transfer.packets,
            Err(operation) => {
                self.free.push(label);
                let (buffer, parts) = operation.into_parts();
                self.spare.extend(parts);
                let error = self.transfers.refusal();
                let completion = self.failed(buffer, transfer.packets, error);
                self.ended.push_back(completion);
            }
        }
    }

    /// What the kernel needs besides the buffer: the lengths, and room for the statuses.
    fn parts(&mut self, packets: &[IsochronousPacket]) -> Box<Parts> {
        let mut parts = self.spare.pop().unwrap_or_default();
        parts.lengths.clear();
        let lengths = packets.iter().map(|packet| packet.length);
        parts.lengths.extend(lengths);
        // One more than packets: for the whole request.
        let report = (packets.len() + 1) * Self::STATUS_LENGTH;
        if parts.report.capacity() < report {
            parts.report = Buffer::with_capacity(report);
        }
        parts.report.set_requested_length(report);
        parts
    }

    fn completion(&mut self, ended: Ended) -> IsochronousCompletion {
        let ended = match ended {
            Ok(ended) => ended,
            Err(error) => {
                // Any: their memory stays with the engine.
                let mut requests = self.in_flight.iter_mut();
                let packets = requests.find(|packets| !packets.is_empty());
                let packets = packets.map(std::mem::take).unwrap_or_default();
                return self.failed(Buffer::new(), packets, error);
            }
        };
        let mut packets = self.take_packets(ended.user_data);
        let start_frame = ended.parts.and_then(|parts| {
            let start_frame = read_report(&parts.report, &mut packets);
            self.spare.push(parts);
            start_frame
        });
        if let Err(error) = ended.result {
            return self.failed(ended.buffer, packets, TransferError::from_io(&error));
        }
        IsochronousCompletion {
            buffer: ended.buffer,
            packets,
            start_frame,
            status: Ok(()),
            direction: self.direction,
        }
    }

    fn take_packets(&mut self, label: u64) -> Vec<IsochronousPacket> {
        let label = usize::try_from(label).ok();
        let Some((label, packets)) = label.and_then(|label| {
            let packets = self.in_flight.get_mut(label)?;
            Some((label, packets))
        }) else {
            return Vec::new();
        };
        self.free.push(label);
        std::mem::take(packets)
    }

    fn failed(
        &self,
        buffer: Buffer,
        packets: Vec<IsochronousPacket>,
        error: TransferError,
    ) -> IsochronousCompletion {
        let transfer = IsochronousTransfer {
            buffer,
            packets,
            direction: self.direction,
            start_frame: None,
        };
        IsochronousCompletion::failed(transfer, error)
    }
}

/// Reads `struct usbfs2_status` of each packet, and of the request, which has the frame it started in. What the
/// kernel did not store is as the packets were.
fn read_report(report: &[u8], packets: &mut [IsochronousPacket]) -> Option<u32> {
    let (entries, _) = report.as_chunks::<{ IsochronousFile::STATUS_LENGTH }>();
    let mut entries = entries.iter().map(|&[l0, l1, l2, l3, s0, s1, s2, s3]| {
        let length = i32::from_ne_bytes([l0, l1, l2, l3]);
        let status = i32::from_ne_bytes([s0, s1, s2, s3]);
        (length, status)
    });
    for (packet, (length, status)) in packets.iter_mut().zip(&mut entries) {
        let length = usize::try_from(length).unwrap_or(0);
        // A driver that miscounts must not make us believe in bytes beyond the packet.
        packet.actual_length = length.min(packet.length);
        packet.status = match status {
            0 => Ok(()),
            status => Err(PacketError::from_errno(status.saturating_neg())),
        };
    }
    let (start_frame, _) = entries.next()?;
    // -1: the first packet was never sent.
    u32::try_from(start_frame).ok()
}

impl InFlight<IsochronousCompletion> for IsochronousFile {
    fn pending(&self) -> usize {
        self.transfers.pending() + self.backlog.len() + self.ended.len()
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<IsochronousCompletion> {
        loop {
            if let Some(ended) = ready!(self.transfers.poll_next(cx)) {
                let completion = self.completion(ended);
                self.start();
                return Poll::Ready(completion);
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

    fn wait(&mut self, timeout: Option<Duration>) -> Option<IsochronousCompletion> {
        if let Some(ended) = self.transfers.wait(timeout) {
            let completion = self.completion(ended);
            self.start();
            return Some(completion);
        }
        // None in the kernel, or the time is over: only the former lets the later ones overtake.
        if self.transfers.pending() == 0 {
            return self.ended.pop_front();
        }
        None
    }

    fn cancel_all(&mut self) {
        let backlog = std::mem::take(&mut self.backlog).into_iter();
        self.ended.extend(
            backlog
                .map(|transfer| IsochronousCompletion::failed(transfer, TransferError::Cancelled)),
        );
        self.transfers.cancel_all();
    }
}

impl IsochronousQueue for IsochronousFile {
    fn submit(&mut self, transfers: &mut dyn Iterator<Item = IsochronousTransfer>) {
        self.backlog.extend(transfers);
        self.start();
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use rustix::io::Errno;

    use super::*;

    #[test]
    fn requests_of_a_broken_engine_complete_with_its_error() {
        let file = SharedFile::new(tempfile::tempfile().unwrap());
        let mut queue = IsochronousFile::new(file, Direction::Out, 4).unwrap();
        let request = || IsochronousTransfer::send(Buffer::from(vec![1; 8]), vec![4, 4]);
        queue.submit(&mut (0..3).map(|_| request()));
        let refusal = io::Error::from_raw_os_error(Errno::NODEV.raw_os_error());
        queue.transfers.give_up(&refusal);
        // As many as there is room for, and more.
        queue.submit(&mut (0..6).map(|_| request()));
        assert_eq!(queue.pending(), 9);
        for number in 0..9 {
            let done = queue.wait(Some(Duration::from_secs(10))).unwrap();
            let error = Err(TransferError::Disconnected);
            assert_eq!((done.status, done.packets.len()), (error, 2), "{number}");
        }
        assert_eq!(queue.pending(), 0);
    }
}
