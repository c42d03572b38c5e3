//! Packets of isochronous endpoints between our host and our gadget: what arrives is in order and whole, and both
//! ends agree on what did.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::wait::{self, DEADLINE};
use usbfs2_gadget::{
    Endpoint, EndpointRequest, Endpoints, Function, FunctionBuilder, FunctionError, InterfaceClass,
};
use usbfs2_host::{
    Buffer, Direction, In, Interface, IsochronousCompletion, IsochronousEndpoint,
    IsochronousTransfer, Out, PacketError, TransferError, TransferType,
};

use super::Scenario;
use crate::world::{Connected, World};

pub(crate) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        (
            "isochronous::packets_in_are_those_sent_in_order",
            packets_in,
        ),
        (
            "isochronous::packets_out_are_those_taken_in_order",
            packets_out,
        ),
        ("isochronous::both_ways_at_once", both_ways),
        ("isochronous::settings_open_and_close_the_streams", settings),
        ("isochronous::a_cancel_delivers_what_was_done", cancel),
        ("isochronous::the_cable_ends_what_is_pending", unplug),
    ]
}

/// Bytes of the longest packet, one a millisecond.
const LONGEST: u16 = 200;
const EVERY: Duration = Duration::from_millis(1);
/// Packets a request, and requests at a time.
const PACKETS: usize = 8;
const DEPTH: usize = 4;
/// Packets that have to arrive.
const ENOUGH: u32 = 200;

/// Packet `number` of a stream, which tells its place; every fifth is empty.
fn packet(number: u32) -> Vec<u8> {
    if number % 5 == 4 {
        return Vec::new();
    }
    let length = 4 + number as usize * 7 % (usize::from(LONGEST) - 3);
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.resize(length, number as u8);
    bytes
}

/// Sends the stream in setting 1, and keeps what it is sent.
#[derive(Debug, Default)]
struct Streams {
    /// Packets the present run has sent.
    sent: AtomicU32,
    taken: Mutex<Vec<Vec<u8>>>,
}

impl Function for Streams {
    fn name(&self) -> &str {
        "streams"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        let mut interface = builder.interface(InterfaceClass::VENDOR);
        interface.alternate_setting(InterfaceClass::VENDOR);
        for direction in [Direction::Out, Direction::In] {
            interface.endpoint(EndpointRequest::isochronous(direction, LONGEST, EVERY));
        }
    }

    fn run(&self, mut endpoints: Endpoints) -> Result<(), FunctionError> {
        let Ok(output) = endpoints.take(0) else {
            return Ok(());
        };
        let input = endpoints.take(1)?;
        self.sent.store(0, Ordering::SeqCst);
        thread::scope(|scope| {
            let taking = scope.spawn(|| self.take(output));
            let sent = self.send(input);
            let taken = taking.join().unwrap_or(Ok(()));
            sent.and(taken)
        })
    }
}

impl Streams {
    /// Packets an endpoint has queued, so that this thread may be late.
    const AHEAD: u32 = 64;

    fn send(&self, mut input: Endpoint) -> Result<(), FunctionError> {
        for number in 0..Self::AHEAD {
            input.submit(packet(number).into());
        }
        while let Some(completion) = input.wait(None) {
            completion.status?;
            let sent = self.sent.fetch_add(1, Ordering::SeqCst);
            input.submit(packet(sent + Self::AHEAD).into());
        }
        Ok(())
    }

    fn take(&self, mut output: Endpoint) -> Result<(), FunctionError> {
        for _ in 0..Self::AHEAD {
            output.submit(Buffer::with_capacity(LONGEST.into()));
        }
        while let Some(completion) = output.wait(None) {
            completion.status?;
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            taken.push(completion.buffer.into_vec());
            drop(taken);
            output.submit(Buffer::with_capacity(LONGEST.into()));
        }
        Ok(())
    }

    fn taken(&self) -> Vec<Vec<u8>> {
        let taken = self.taken.lock();
        taken.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The gadget, seen from the host with its streams open.
struct Rig {
    // The host lets go before the gadget goes.
    interface: Interface,
    connected: Connected,
    streams: Arc<Streams>,
}

impl Rig {
    fn new(world: &World) -> Result<Self> {
        let streams = Arc::new(Streams::default());
        let gadget = World::gadget().function(streams.clone()).build()?;
        let connected = world.connect(&gadget)?;
        let interface = connected.device.claim(0)?;
        interface.set_alternate_setting(1)?;
        Ok(Self {
            interface,
            connected,
            streams,
        })
    }

    fn input(&self) -> Result<IsochronousEndpoint<In>> {
        Ok(self
            .interface
            .isochronous_endpoint(self.address(Direction::In)?)?)
    }

    fn output(&self) -> Result<IsochronousEndpoint<Out>> {
        Ok(self
            .interface
            .isochronous_endpoint(self.address(Direction::Out)?)?)
    }

    fn address(&self, direction: Direction) -> Result<u8> {
        let setting = self.interface.alternate_setting()?;
        let endpoint = setting.find_endpoint(TransferType::Isochronous, direction);
        Ok(endpoint
            .context("the setting lacks an endpoint")?
            .address
            .into())
    }
}

fn receive(packets: usize) -> IsochronousTransfer {
    IsochronousTransfer::receive(Buffer::new(), vec![LONGEST.into(); packets])
}

/// Checks what a request received against the stream, which goes on with packet `next`.
fn check(completion: &IsochronousCompletion, next: &mut u32) -> Result<()> {
    for (place, payload) in completion.payloads().enumerate() {
        match payload {
            Ok(bytes) => {
                ensure!(
                    bytes == packet(*next),
                    "in place of packet {next} came {bytes:?} (packet {place} of {completion:?})"
                );
                *next += 1;
            }
            // The device was late, or had not begun.
            Err(PacketError::Missed) => {}
            Err(error) => anyhow::bail!("packet {place}: {error}"),
        }
    }
    Ok(())
}

/// Receives until `enough` packets have come, the first being `next`.
fn listen(input: &mut IsochronousEndpoint<In>, next: &mut u32, enough: u32) -> Result<()> {
    input.submit_all((0..DEPTH).map(|_| receive(PACKETS)));
    while *next < enough {
        let completion = input.wait(Some(DEADLINE)).context("silence")?;
        completion.status?;
        check(&completion, next)?;
        input.submit(completion.into_transfer());
    }
    Ok(())
}

/// Sends the stream until `ENOUGH` packets have been taken. Returns those.
fn speak(output: &mut IsochronousEndpoint<Out>) -> Result<Vec<Vec<u8>>> {
    let mut numbers = 0..;
    let mut in_flight = VecDeque::new();
    let mut taken = Vec::new();
    while taken.len() < ENOUGH as usize || !in_flight.is_empty() {
        while in_flight.len() < DEPTH && taken.len() < ENOUGH as usize {
            let packets: Vec<_> = numbers.by_ref().take(PACKETS).map(packet).collect();
            let lengths = packets.iter().map(|packet| packet.len() as u32).collect();
            let transfer = IsochronousTransfer::send(packets.concat().into(), lengths);
            output.submit(transfer);
            in_flight.push_back(packets);
        }
        let completion = output.wait(Some(DEADLINE)).context("silence")?;
        completion.status?;
        let packets = in_flight.pop_front().context("a completion too many")?;
        for (packet, outcome) in packets.into_iter().zip(&completion.packets) {
            match outcome.status {
                Ok(()) => {
                    ensure!(outcome.actual_length == packet.len(), "{outcome:?}");
                    taken.push(packet);
                }
                // The device was late, or had not begun.
                Err(PacketError::Missed) => {}
                Err(error) => anyhow::bail!("{error} ({outcome:?})"),
            }
        }
    }
    Ok(taken)
}

fn packets_in(world: &World) -> Result<()> {
    let rig = Rig::new(world)?;
    let mut input = rig.input()?;
    ensure!(input.max_packet_size() == usize::from(LONGEST));
    ensure!(input.service_interval() == EVERY);
    listen(&mut input, &mut 0, ENOUGH)
}

fn packets_out(world: &World) -> Result<()> {
    let rig = Rig::new(world)?;
    let gone = speak(&mut rig.output()?)?;
    compare(&rig, &gone)
}

/// What the host believes to have sent is what the device took.
fn compare(rig: &Rig, gone: &[Vec<u8>]) -> Result<()> {
    wait::until("the device has taken every packet", || {
        (rig.streams.taken().len() >= gone.len()).then_some(())
    })?;
    let taken = rig.streams.taken();
    let differs = taken.iter().zip(gone).position(|(one, other)| one != other);
    ensure!(
        differs.is_none() && taken.len() == gone.len(),
        "{} packets went and {} were taken; they differ at {differs:?}",
        gone.len(),
        taken.len()
    );
    Ok(())
}

fn both_ways(world: &World) -> Result<()> {
    let rig = Rig::new(world)?;
    let (mut input, mut output) = (rig.input()?, rig.output()?);
    let (listened, gone) = thread::scope(|scope| {
        let speaking = scope.spawn(|| speak(&mut output));
        let listened = listen(&mut input, &mut 0, ENOUGH);
        (listened, speaking.join())
    });
    listened?;
    compare(&rig, &gone.ok().context("the speaker panicked")??)
}

fn settings(world: &World) -> Result<()> {
    let rig = Rig::new(world)?;
    for _ in 0..5 {
        let mut input = rig.input()?;
        listen(&mut input, &mut 0, 10)?;
        // Dropped with requests pending, which that cancels.
        drop(input);
        rig.interface.set_alternate_setting(0)?;
        ensure!(
            rig.address(Direction::In).is_err(),
            "setting 0 has no stream"
        );
        rig.interface.set_alternate_setting(1)?;
    }
    Ok(())
}

fn cancel(world: &World) -> Result<()> {
    let rig = Rig::new(world)?;
    let mut input = rig.input()?;
    let mut next = 0;
    input.submit(receive(900));
    input.submit(receive(900));
    wait::until("some packets were sent", || {
        (rig.streams.sent.load(Ordering::SeqCst) >= 20).then_some(())
    })?;
    input.cancel_all();
    let first = input.wait(Some(DEADLINE)).context("silence")?;
    first.status?;
    let cancelled =
        |packet: &usbfs2_host::IsochronousPacket| packet.status == Err(PacketError::Cancelled);
    let done = first
        .packets
        .iter()
        .position(cancelled)
        .context("it had its 900 ms")?;
    ensure!(done >= 20, "{done} packets were done");
    ensure!(first.packets[done..].iter().all(cancelled));
    for payload in first.payloads().take(done) {
        match payload {
            Ok(bytes) => {
                ensure!(bytes == packet(next), "packet {next} is {bytes:?}");
                next += 1;
            }
            Err(error) => ensure!(error == PacketError::Missed, "{error}"),
        }
    }
    let second = input.wait(Some(DEADLINE)).context("silence")?;
    ensure!(
        second.status == Err(TransferError::Cancelled),
        "{:?}",
        second.status
    );
    ensure!(second.packets.iter().all(cancelled));
    ensure!(
        input.wait(Some(DEADLINE)).is_none(),
        "one completion too many"
    );
    Ok(())
}

fn unplug(world: &World) -> Result<()> {
    let rig = Rig::new(world)?;
    let mut input = rig.input()?;
    input.submit_all((0..DEPTH).map(|_| receive(500)));
    wait::until("some packets were sent", || {
        (rig.streams.sent.load(Ordering::SeqCst) >= 20).then_some(())
    })?;
    rig.connected.cable().pull()?;
    let mut next = 0;
    for request in 0..DEPTH {
        let completion = input.wait(Some(DEADLINE)).context("silence")?;
        let begun = request == 0 || completion.status.is_ok();
        ensure!(
            begun || completion.status == Err(TransferError::Disconnected),
            "{:?}",
            completion.status
        );
        for payload in completion.payloads() {
            match payload {
                Ok(bytes) => {
                    ensure!(bytes == packet(next), "packet {next} is {bytes:?}");
                    next += 1;
                }
                Err(PacketError::Missed | PacketError::Disconnected) => {}
                Err(error) => anyhow::bail!("{error} after {next} packets"),
            }
        }
    }
    ensure!(next >= 20, "{next} packets were delivered");
    input.submit(receive(1));
    let late = input.wait(Some(DEADLINE)).context("silence")?;
    ensure!(
        late.status == Err(TransferError::Disconnected),
        "{:?}",
        late.status
    );
    Ok(())
}
