//! Packets in, packets out, a cancel and a cable in the middle of them.

use std::collections::VecDeque;
use std::hint;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::wait::{self, DEADLINE};
use usbfs2_host::{
    Buffer, Direction, In, IsochronousCompletion, IsochronousEndpoint, IsochronousTransfer, Out,
    PacketError, TransferError,
};

use super::{EVERY, LONGEST, Rig, packet};
use crate::world::World;

/// Packets a request, and requests at a time.
const PACKETS: usize = 8;
const DEPTH: usize = 4;
/// Threads that want the processor all the time.
const RIVALS: usize = 4;
/// Packets that have to arrive.
const ENOUGH: u32 = 200;

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

pub(super) fn packets_in(world: &World) -> Result<()> {
    let rig = Rig::new(world)?;
    let mut input = rig.input()?;
    ensure!(input.max_packet_size() == usize::from(LONGEST));
    ensure!(input.service_interval() == EVERY);
    listen(&mut input, &mut 0, ENOUGH)
}

pub(super) fn packets_out(world: &World) -> Result<()> {
    let rig = Rig::new(world)?;
    let gone = speak(&mut rig.output()?)?;
    compare(&rig, &gone)
}

/// The device answers the request for the setting when it has somewhere to put packets, however many others want the
/// processor that its threads have to come to.
pub(super) fn first(world: &World) -> Result<()> {
    let rig = Rig::new(world)?;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..RIVALS {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    hint::spin_loop();
                }
            });
        }
        let result = (0..5).try_for_each(|round| {
            let heard = opened_anew(&rig);
            heard.with_context(|| format!("round {round}"))
        });
        is_over.store(true, Ordering::Relaxed);
        result
    })
}

/// Opens the stream and sends to it at once.
fn opened_anew(rig: &Rig) -> Result<()> {
    rig.interface.set_alternate_setting(0)?;
    rig.streams.forget();
    rig.interface.set_alternate_setting(1)?;
    let mut output = rig.output()?;
    output.submit(IsochronousTransfer::send(
        packet(0).into(),
        vec![packet(0).len() as u32],
    ));
    let completion = output.wait(Some(DEADLINE)).context("silence")?;
    completion.status?;
    ensure!(completion.packets[0].status.is_ok(), "{completion:?}");
    compare(rig, &[packet(0)])
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

pub(super) fn both_ways(world: &World) -> Result<()> {
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

pub(super) fn settings(world: &World) -> Result<()> {
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

pub(super) fn cancel(world: &World) -> Result<()> {
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

pub(super) fn unplug(world: &World) -> Result<()> {
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
