//! A data endpoint between the firmware's packets and the pipe's transfers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use aio_rs::Buffer;
use usb_device::UsbError;
use usbfs2_protocol::{Direction, EndpointAddress, TransferType};

use super::counters::FirmwareCounters;
use crate::endpoint::{Completion, EndpointError};
use crate::pipe::Pipe;
use crate::running::Status;

/// How many IN transfers a pipe has at a time: one under way, and the next to follow without the firmware's doing.
const IN_TRANSFERS: usize = 2;

/// The most bytes of an OUT transfer: the kernel takes no longer ones.
const LONGEST_TRANSFER: usize = 4 << 20;

/// OUT transfers that fail one after the other before the endpoint is given up: more than a bulk
/// endpoint has queued, since one cause may fail all of those.
const FAILURES_IN_A_ROW: usize = 32;

/// An endpoint that a class has allocated.
#[derive(Debug)]
pub(super) struct DataEndpoint {
    pub(super) address: EndpointAddress,
    transfer_type: TransferType,
    /// As the class allocated it, in bytes.
    packet_size: usize,
    /// As the host's speed has it, in bytes, while the endpoint is enabled: it may be less.
    bus_packet_size: usize,
    /// While the endpoint is enabled.
    pipe: Option<Arc<dyn Pipe>>,
    /// Packets in one OUT transfer.
    packets_per_transfer: usize,
    /// OUT: received and not yet shown to the firmware; then those shown, in order.
    arrived: VecDeque<Vec<u8>>,
    readable: VecDeque<Vec<u8>>,
    /// IN: written and not yet with the pipe.
    written: VecDeque<Vec<u8>>,
    /// IN: written for the setting that is being selected, which this endpoint begins afresh with.
    held: Option<VecDeque<Vec<u8>>>,
    /// IN: how many packets each transfer with the pipe has.
    sending: VecDeque<usize>,
    /// IN: a transfer has gone out since the firmware was told last.
    is_sent: bool,
    halt: Halt,
    /// OUT: transfers that the controller has failed since it last carried one.
    failures: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Halt {
    No,
    /// As soon as what was written before has gone out.
    Wanted,
    Yes,
}

impl DataEndpoint {
    pub(super) fn new(
        address: EndpointAddress,
        transfer_type: TransferType,
        packet_size: u16,
    ) -> Self {
        Self {
            address,
            transfer_type,
            packet_size: usize::from(packet_size).max(1),
            bus_packet_size: usize::from(packet_size).max(1),
            pipe: None,
            packets_per_transfer: 1,
            arrived: VecDeque::new(),
            readable: VecDeque::new(),
            written: VecDeque::new(),
            held: None,
            sending: VecDeque::new(),
            is_sent: false,
            halt: Halt::No,
            failures: 0,
        }
    }

    /// How many packets wait between firmware and host at most. A microcontroller has one or two; a class whose
    /// reports must be fresh relies on that, and one that moves data gains from more.
    fn depth(&self) -> usize {
        match (self.transfer_type, self.address.direction()) {
            (TransferType::Bulk, Direction::In) => 64,
            (TransferType::Bulk, Direction::Out) => 16 * self.packets_per_transfer,
            (TransferType::Isochronous, Direction::In) => 8,
            // Nobody sends again what there was no room for, and what waits here is late by no more than the firmware is.
            (TransferType::Isochronous, Direction::Out) => 128,
            (TransferType::Interrupt | TransferType::Control, _) => 2,
        }
    }

    /// The endpoint is enabled, with this pipe and packets of this many bytes.
    pub(super) fn open(
        &mut self,
        pipe: Arc<dyn Pipe>,
        packet_size: u16,
        counters: &mut FirmwareCounters,
    ) {
        drop(self.close(counters));
        self.pipe = Some(pipe);
        self.bus_packet_size = usize::from(packet_size).clamp(1, self.packet_size);
        self.failures = 0;
        self.receive();
        self.release();
    }

    /// The host selects a setting that has this endpoint too, if the firmware accepts. What the firmware writes from now
    /// on is for that one.
    pub(super) fn hold(&mut self) {
        if self.address.direction() == Direction::In {
            self.held = Some(VecDeque::new());
        }
    }

    /// The setting is selected, or stays: what was written meanwhile goes out.
    pub(super) fn release(&mut self) {
        self.written.extend(self.held.take().into_iter().flatten());
        self.send();
    }

    /// The endpoint is disabled: what was on its way is dropped. Returns the pipe.
    pub(super) fn close(&mut self, counters: &mut FirmwareCounters) -> Option<Arc<dyn Pipe>> {
        // What the host has taken before counts.
        self.drop_completed(Waker::noop(), counters);
        let pipe = self.pipe.take();
        let packets = self.arrived.len()
            + self.readable.len()
            + self.written.len()
            + self.sending.iter().sum::<usize>();
        counters.packets_dropped += packets as u64;
        self.arrived.clear();
        self.readable.clear();
        self.written.clear();
        self.sending.clear();
        self.is_sent = false;
        self.halt = Halt::No;
        pipe
    }

    /// Takes what the pipe has completed, of which the firmware is to see nothing. `task` is woken for what follows.
    fn drop_completed(&mut self, task: &Waker, counters: &mut FirmwareCounters) {
        let pipe = self.pipe.clone();
        let mut cx = Context::from_waker(task);
        while let Some(Poll::Ready(completion)) = pipe.as_ref().map(|pipe| pipe.poll_next(&mut cx))
        {
            match self.address.direction() {
                Direction::In => self.count_sent(&completion, counters),
                Direction::Out => {
                    let packets = completion.buffer.len().div_ceil(self.bus_packet_size);
                    counters.packets_dropped += packets as u64;
                }
            }
        }
    }

    /// Drops what is on its way, also what has come and not been looked at: the host has given up what it belongs to.
    /// `task` is woken for what follows.
    pub(super) fn flush(&mut self, task: &Waker, counters: &mut FirmwareCounters) {
        self.drop_completed(task, counters);
        let packets = self.arrived.len() + self.readable.len() + self.written.len();
        counters.packets_dropped += packets as u64;
        self.arrived.clear();
        self.readable.clear();
        self.written.clear();
        match (&self.pipe, self.address.direction()) {
            (Some(pipe), Direction::In) => pipe.cancel_all(),
            _ => self.receive(),
        }
    }

    pub(super) fn has_pipe(&self, pipe: &Arc<dyn Pipe>) -> bool {
        self.pipe.as_ref().is_some_and(|own| Arc::ptr_eq(own, pipe))
    }

    /// Asks for OUT transfers of this many packets.
    pub(super) fn set_packets_per_transfer(&mut self, packets: usize) -> Result<(), UsbError> {
        let length = packets.checked_mul(self.packet_size);
        let most = match self.transfer_type {
            TransferType::Bulk => usize::MAX,
            // Several would wait for each other, of which only two are held at all.
            TransferType::Interrupt | TransferType::Control => 2,
            // A packet is a transfer.
            TransferType::Isochronous => 1,
        };
        if packets > most || length.is_none_or(|length| length > LONGEST_TRANSFER) {
            return Err(UsbError::BufferOverflow);
        }
        self.packets_per_transfer = packets.max(1);
        self.receive();
        Ok(())
    }

    /// Keeps reads queued for as many packets as there is room for.
    fn receive(&mut self) {
        let (Some(pipe), Direction::Out) = (&self.pipe, self.address.direction()) else {
            return;
        };
        if self.has_failed() {
            return;
        }
        let held = self.arrived.len() + self.readable.len();
        let room = self.depth().saturating_sub(held) / self.packets_per_transfer;
        for _ in pipe.pending()..room {
            let length = self.bus_packet_size * self.packets_per_transfer;
            pipe.submit(Buffer::with_capacity(length));
        }
    }

    /// Whether the controller fails every OUT transfer, so that the endpoint has been given up.
    fn has_failed(&self) -> bool {
        self.failures >= FAILURES_IN_A_ROW
    }

    /// Takes what the pipe has completed. Returns whether there is something new for the firmware; `due` becomes when to
    /// look again at the latest.
    pub(super) fn collect(
        &mut self,
        cx: &mut Context<'_>,
        counters: &mut FirmwareCounters,
        due: &mut Option<Instant>,
        status: &Status,
    ) -> bool {
        let mut is_new = false;
        while let Some(pipe) = self.pipe.clone() {
            let Poll::Ready(completion) = pipe.poll_timed(cx, due) else {
                break;
            };
            if matches!(completion.status, Err(EndpointError::Disabled)) {
                // The host is gone or has chosen something else, of which endpoint 0 will tell.
                drop(self.close(counters));
                return is_new;
            }
            if let Err(error) = &completion.status {
                log::warn!("{}: {error}", self.address);
                counters.transfers_failed += 1;
            }
            if self.address.direction() == Direction::Out {
                self.count_failure(&completion, status);
            }
            is_new |= match self.address.direction() {
                Direction::Out => self.received(&completion, counters),
                Direction::In => self.sent(&completion, counters),
            };
        }
        is_new
    }

    /// Gives the endpoint up when nothing but failures comes: the transfers that replace them would fail as soon as they
    /// are queued, without end.
    fn count_failure(&mut self, completion: &Completion, status: &Status) {
        let error = match &completion.status {
            Ok(()) => {
                self.failures = 0;
                return;
            }
            // Of the host's or our own doing, and at its pace.
            Err(EndpointError::Cancelled | EndpointError::Overflow | EndpointError::Missed) => {
                return;
            }
            Err(error) => error,
        };
        let had_failed = self.has_failed();
        self.failures += 1;
        if self.has_failed() && !had_failed {
            let message = format!(
                "{}: {FAILURES_IN_A_ROW} transfers in a row have failed ({error}): nothing more is received until the host \
                 configures the device again",
                self.address
            );
            status.fail(None, message);
        }
    }

    /// Slices an OUT transfer into the packets it came in.
    fn received(&mut self, completion: &Completion, counters: &mut FirmwareCounters) -> bool {
        let bytes = completion.buffer.as_ref();
        if completion.status.is_err() && bytes.is_empty() {
            self.receive();
            return false;
        }
        if bytes.is_empty() {
            self.arrived.push_back(Vec::new());
            counters.packets_out += 1;
        }
        for packet in bytes.chunks(self.bus_packet_size) {
            self.arrived.push_back(packet.to_vec());
            counters.packets_out += 1;
        }
        counters.bytes_out += bytes.len() as u64;
        // Data moves, so the host has ended the halt.
        self.halt = Halt::No;
        self.receive();
        true
    }

    fn count_sent(&mut self, completion: &Completion, counters: &mut FirmwareCounters) {
        let packets = self.sending.pop_front().unwrap_or_default() as u64;
        if completion.status.is_ok() {
            counters.packets_in += packets;
            counters.bytes_in += completion.actual_length as u64;
            if self.halt == Halt::Yes {
                self.halt = Halt::No;
            }
        } else {
            counters.packets_dropped += packets;
        }
    }

    fn sent(&mut self, completion: &Completion, counters: &mut FirmwareCounters) -> bool {
        self.count_sent(completion, counters);
        self.is_sent = true;
        self.send();
        if self.halt == Halt::Wanted && self.is_drained() {
            self.set_halt();
        }
        true
    }

    /// Gives the pipe what was written: full packets of a bulk endpoint and the one that ends them as one transfer,
    /// which is the same on the wire.
    fn send(&mut self) {
        let Some(pipe) = &self.pipe else { return };
        while self.sending.len() < IN_TRANSFERS {
            let Some(mut bytes) = self.written.pop_front() else {
                return;
            };
            let mut packets = 1;
            while self.transfer_type == TransferType::Bulk
                && bytes.len() == packets * self.packet_size
            {
                // A packet of no bytes is one only as a transfer of its own.
                if self.written.front().is_none_or(Vec::is_empty) {
                    break;
                }
                bytes.extend(self.written.pop_front().into_iter().flatten());
                packets += 1;
            }
            self.sending.push_back(packets);
            pipe.submit(Buffer::from(bytes));
        }
    }

    fn is_drained(&self) -> bool {
        self.written.is_empty() && self.sending.is_empty()
    }

    /// Shows the firmware what has arrived. Returns whether there is something to read, and whether something was
    /// sent since the last time.
    pub(super) fn show(&mut self) -> (bool, bool) {
        self.readable.append(&mut self.arrived);
        (!self.readable.is_empty(), std::mem::take(&mut self.is_sent))
    }

    /// Whether the firmware has left something to read.
    pub(super) fn has_unread(&self) -> bool {
        !self.readable.is_empty() || !self.arrived.is_empty()
    }

    /// The firmware writes a packet.
    pub(super) fn write(&mut self, packet: &[u8]) -> Result<usize, UsbError> {
        if packet.len() > self.packet_size {
            return Err(UsbError::BufferOverflow);
        }
        let waiting = match &self.held {
            Some(held) => held.len(),
            None => self.written.len() + self.sending.iter().sum::<usize>(),
        };
        if self.pipe.is_none() || waiting >= self.depth() {
            return Err(UsbError::WouldBlock);
        }
        match &mut self.held {
            Some(held) => held.push_back(packet.to_vec()),
            None => {
                self.written.push_back(packet.to_vec());
                self.send();
            }
        }
        Ok(packet.len())
    }

    /// The firmware reads a packet. One that does not fit its buffer stays to be read.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, UsbError> {
        let packet = self.readable.front().ok_or(UsbError::WouldBlock)?;
        let start = buffer
            .get_mut(..packet.len())
            .ok_or(UsbError::BufferOverflow)?;
        start.copy_from_slice(packet);
        let length = packet.len();
        self.readable.pop_front();
        self.receive();
        Ok(length)
    }

    pub(super) fn is_halted(&self) -> bool {
        self.halt != Halt::No
    }

    /// The firmware halts the endpoint, or ends its halt.
    pub(super) fn change_halt(
        &mut self,
        halted: bool,
        task: &Waker,
        counters: &mut FirmwareCounters,
    ) {
        match (halted, self.halt) {
            // Again, if need be: that the host has ended a halt shows only when data moves.
            (true, _) => {
                if self.address.direction() == Direction::In && !self.is_drained() {
                    // Controllers refuse to halt an IN endpoint that has data.
                    self.halt = Halt::Wanted;
                    return;
                }
                self.set_halt();
                if self.address.direction() == Direction::Out {
                    // Taken from the host ahead of the firmware, which refuses it, up to the halt: a controller with
                    // less memory would have let the host keep it.
                    self.drop_completed(task, counters);
                    counters.packets_dropped += (self.arrived.len() + self.readable.len()) as u64;
                    self.arrived.clear();
                    self.readable.clear();
                    // For what the host sends once it has ended the halt.
                    self.receive();
                }
            }
            (false, Halt::Yes) => {
                self.halt = Halt::No;
                if let Some(Err(error)) = self.pipe.as_ref().map(|pipe| pipe.clear_halt()) {
                    log::warn!("ending the halt of {}: {error}", self.address);
                }
                self.receive();
            }
            (false, Halt::Wanted) => self.halt = Halt::No,
            (false, Halt::No) => {}
        }
    }

    fn set_halt(&mut self) {
        self.halt = Halt::Yes;
        if let Some(Err(error)) = self.pipe.as_ref().map(|pipe| pipe.set_halt()) {
            log::warn!("halting {}: {error}", self.address);
            self.halt = Halt::No;
        }
    }
}

#[cfg(test)]
mod tests;
