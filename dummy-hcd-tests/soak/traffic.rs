//! Transfers in both directions at once, and what disturbs them.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::random::Random;
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_host::{
    Buffer, Bulk, Completion, Device, Direction, Endpoint, EndpointAddress, EndpointDirection, In,
    Interface, Out, SetupPacket, TransferError,
};

/// Transfers in flight on each endpoint.
pub(crate) const DEPTH: usize = 32;
/// Completions taken at a time, as far as they are there.
const BATCH: usize = 16;
/// Of the bulk endpoints at high speed.
const PACKET: usize = 512;
/// The largest transfer, in packets.
const PACKETS: usize = 32;
/// A disturbance comes after at most this many transfers.
const CALM: usize = 1500;

/// What has happened so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) completed: u64,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) control: u64,
    pub(crate) bytes: u64,
    pub(crate) cancelled: u64,
    pub(crate) stalled: u64,
    pub(crate) babbled: u64,
    pub(crate) recovered: u64,
    pub(crate) closed: u64,
    pub(crate) claims: u64,
}

impl Counts {
    fn count(&mut self, direction: Direction, completion: &Completion) -> Result<()> {
        self.completed += 1;
        match direction {
            Direction::In => self.received += 1,
            Direction::Out => self.sent += 1,
        }
        self.bytes += completion.actual_length as u64;
        match completion.status {
            Ok(()) => {}
            Err(TransferError::Cancelled) => self.cancelled += 1,
            Err(TransferError::Stall) => self.stalled += 1,
            Err(TransferError::Overflow) => self.babbled += 1,
            Err(error) => bail!("a transfer {direction} failed: {error}"),
        }
        Ok(())
    }
}

/// A claimed SourceSink with transfers in flight. Dropping it closes both endpoints in the middle of them.
pub(crate) struct Traffic<'soak> {
    input: Endpoint<Bulk, In>,
    output: Endpoint<Bulk, Out>,
    interface: Interface,
    pattern: Vec<u8>,
    random: &'soak mut Random,
    counts: &'soak mut Counts,
}

impl<'soak> Traffic<'soak> {
    pub(crate) fn start(
        device: Device,
        random: &'soak mut Random,
        counts: &'soak mut Counts,
    ) -> Result<Self> {
        let interface = device.claim(0)?;
        // Halts of the last session are the device's to remember.
        let mut input = interface.endpoint(address(&interface, Direction::In)?)?;
        let mut output = interface.endpoint(address(&interface, Direction::Out)?)?;
        counts.claims += 1;
        input.submit_all((0..DEPTH).map(|_| read_buffer(random, None)));
        let pattern = pattern();
        output.submit_all((0..DEPTH).map(|_| write_buffer(random, &pattern, Buffer::new())));
        Ok(Self {
            input,
            output,
            interface,
            pattern,
            random,
            counts,
        })
    }

    pub(crate) fn run_until(&mut self, completed: u64) -> Result<()> {
        while self.counts.completed < completed {
            let calm = self.random.below(CALM) as u64;
            let end = completed.min(self.counts.completed + calm);
            while self.counts.completed < end {
                self.receive()?;
                self.send()?;
            }
            self.disturb()?;
        }
        self.counts.closed += 2;
        Ok(())
    }

    /// Takes what has come, checks it, and asks for as much again.
    fn receive(&mut self) -> Result<()> {
        let mut again = Vec::with_capacity(BATCH);
        for completion in batch(&mut self.input)? {
            self.counts.count(Direction::In, &completion)?;
            let buffer = completion.into_result()?;
            self.check(&buffer)?;
            ensure!(
                buffer.len() == buffer.requested_length(),
                "a read of {} bytes gave {}",
                buffer.requested_length(),
                buffer.len()
            );
            again.push(read_buffer(self.random, Some(buffer)));
        }
        self.input.submit_all(again);
        Ok(())
    }

    fn send(&mut self) -> Result<()> {
        let mut again = Vec::with_capacity(BATCH);
        for completion in batch(&mut self.output)? {
            self.counts.count(Direction::Out, &completion)?;
            let length = completion.actual_length;
            let buffer = completion.into_result()?;
            ensure!(
                length == buffer.len(),
                "{length} of {} bytes were sent",
                buffer.len()
            );
            again.push(write_buffer(self.random, &self.pattern, buffer));
        }
        self.output.submit_all(again);
        Ok(())
    }

    /// The bytes are those of whole packets of the stream.
    fn check(&self, bytes: &[u8]) -> Result<()> {
        ensure!(
            bytes == &self.pattern[..bytes.len()],
            "the stream has a hole: {bytes:?}"
        );
        Ok(())
    }

    fn disturb(&mut self) -> Result<()> {
        match self.random.below(6) {
            0 => {
                // Long ones, or the device has served them before they can be cancelled.
                let long = (0..DEPTH).map(|_| Buffer::with_capacity(PACKETS * PACKET));
                self.input.submit_all(long);
                self.input.cancel_all();
                settle(&mut self.input, self.counts)?;
            }
            1 => {
                let long = (0..DEPTH).map(|_| Buffer::from(self.pattern.clone()));
                self.output.submit_all(long);
                self.output.cancel_all();
                settle(&mut self.output, self.counts)?;
            }
            2 => {
                self.halt(self.input.address())?;
                settle(&mut self.input, self.counts)?;
                let next = self
                    .input
                    .transfer_blocking(Buffer::with_capacity(PACKET), DEADLINE);
                self.counts.count(Direction::In, &next)?;
                expect_stall(&next)?;
                self.input.clear_halt()?;
                self.counts.recovered += 1;
            }
            3 => {
                self.halt(self.output.address())?;
                settle(&mut self.output, self.counts)?;
                let next = self
                    .output
                    .transfer_blocking(Buffer::from(vec![0; 1]), DEADLINE);
                self.counts.count(Direction::Out, &next)?;
                expect_stall(&next)?;
                self.output.clear_halt()?;
                self.counts.recovered += 1;
            }
            4 => self.babble()?,
            _ => {
                let status = SetupPacket::get_interface_status(self.interface.number());
                let status = self.interface.control_in_blocking(status, DEADLINE)?;
                ensure!(status == [0, 0], "the interface's status is {status:?}");
                self.counts.completed += 1;
                self.counts.control += 1;
            }
        }
        self.refill();
        Ok(())
    }

    fn halt(&mut self, endpoint: EndpointAddress) -> Result<()> {
        let halt = SetupPacket::set_endpoint_halt(endpoint);
        self.interface.control_out_blocking(halt, &[], DEADLINE)?;
        self.counts.completed += 1;
        self.counts.control += 1;
        Ok(())
    }

    /// Asks for less than a packet at the end of the queue.
    fn babble(&mut self) -> Result<()> {
        self.input.submit(Buffer::with_capacity(PACKET / 2));
        let before = self.counts.babbled;
        settle(&mut self.input, self.counts)?;
        if self.counts.babbled == before {
            // Bytes came first, and the error is owed to the next transfer.
            let next = self
                .input
                .transfer_blocking(Buffer::with_capacity(PACKET), DEADLINE);
            self.counts.count(Direction::In, &next)?;
        }
        ensure!(
            self.counts.babbled == before + 1,
            "no babble, or more than one"
        );
        self.input.clear_halt()?;
        self.counts.recovered += 1;
        Ok(())
    }

    fn refill(&mut self) {
        let missing = DEPTH - self.input.pending();
        self.input
            .submit_all((0..missing).map(|_| read_buffer(self.random, None)));
        let missing = DEPTH - self.output.pending();
        let random = &mut *self.random;
        let buffers = (0..missing).map(|_| write_buffer(random, &self.pattern, Buffer::new()));
        self.output.submit_all(buffers);
    }
}

/// What SourceSink sends and expects with pattern 1: each byte its offset in its packet modulo 63.
fn pattern() -> Vec<u8> {
    let packet = (0..512_u16).map(|offset| (offset % 63).to_le_bytes()[0]);
    packet.cycle().take(PACKETS * PACKET).collect()
}

fn address(interface: &Interface, direction: Direction) -> Result<EndpointAddress> {
    let endpoints = &interface.alternate_setting()?.endpoints;
    let mut addresses = endpoints.iter().map(|endpoint| endpoint.address);
    addresses
        .find(|address| address.direction() == direction)
        .with_context(|| format!("no {direction} endpoint"))
}

/// A read of whole packets: mostly one, seldom many.
fn read_buffer(random: &mut Random, used: Option<Buffer>) -> Buffer {
    let packets = match random.below(16) {
        0 => 1 + random.below(PACKETS),
        1..4 => 1 + random.below(8),
        _ => 1,
    };
    let length = packets * PACKET;
    let mut buffer = match used {
        Some(buffer) if buffer.capacity() >= length => buffer,
        _ => Buffer::with_capacity(length),
    };
    buffer.set_requested_length(length);
    buffer
}

/// A write of any length, zero and partial packets among them.
fn write_buffer(random: &mut Random, pattern: &[u8], mut buffer: Buffer) -> Buffer {
    let length = match random.below(16) {
        0 => random.below(PACKETS * PACKET + 1),
        1..4 => PACKET * random.below(9),
        4..8 => PACKET,
        _ => random.below(PACKET + 1),
    };
    buffer.clear();
    buffer.extend_from_slice(&pattern[..length]);
    buffer
}

/// One completion, waited for, and those behind it that are there.
fn batch<D: EndpointDirection>(endpoint: &mut Endpoint<Bulk, D>) -> Result<Vec<Completion>> {
    let first = endpoint.wait(Some(DEADLINE));
    let mut taken = vec![first.with_context(|| format!("{} is silent", endpoint.address()))?];
    while taken.len() < BATCH
        && let Some(completion) = endpoint.wait(Some(Duration::ZERO))
    {
        taken.push(completion);
    }
    Ok(taken)
}

/// Takes every completion there is to come, whatever became of it.
fn settle<D: EndpointDirection>(
    endpoint: &mut Endpoint<Bulk, D>,
    counts: &mut Counts,
) -> Result<()> {
    let pending = endpoint.pending();
    for _ in 0..pending {
        let completion = endpoint.wait(Some(DEADLINE));
        let completion = completion.with_context(|| format!("{} is silent", endpoint.address()))?;
        counts.count(D::DIRECTION, &completion)?;
    }
    ensure!(
        endpoint.pending() == 0,
        "a transfer is left in {}",
        endpoint.address()
    );
    Ok(())
}

fn expect_stall(completion: &Completion) -> Result<()> {
    ensure!(
        completion.status == Err(TransferError::Stall),
        "{:?} from a halted endpoint",
        completion.status
    );
    Ok(())
}
