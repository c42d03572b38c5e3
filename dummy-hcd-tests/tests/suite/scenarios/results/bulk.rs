//! Bulk and interrupt transfers: lengths, and every way to end.

use anyhow::{Context as _, Result};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_host::{Buffer, Bulk, Endpoint, EndpointDirection, In, Out, SetupPacket};

use super::{Rig, WAITED_OUT, message, outcome};
use crate::vendor::{LONGEST, NOTIFICATION, request};

/// The bulk endpoints' at high speed.
const PACKET: usize = 512;

pub(super) fn run(rig: &mut Rig) -> Result<()> {
    lengths(rig)?;
    zero_packets(rig)?;
    pieces(rig)?;
    notifications(rig)?;
    babble(rig)?;
    halts(rig)?;
    cancels(rig)?;
    deadlines(rig)?;
    partial_data(rig)
}

/// Sends a message, with the zero-length packet that ends one of whole packets.
fn send(output: &mut Endpoint<Bulk, Out>, message: &[u8]) -> Result<String> {
    let whole = message.len().is_multiple_of(PACKET) && !message.is_empty();
    let sent = output.transfer_blocking(Buffer::from(message.to_vec()), DEADLINE);
    let sent = outcome(sent);
    if whole {
        let ended = output.transfer_blocking(Buffer::new(), DEADLINE);
        return Ok(format!("{sent}; {}", outcome(ended)));
    }
    Ok(sent)
}

fn read(input: &mut Endpoint<Bulk, In>, room: usize) -> String {
    outcome(input.transfer_blocking(Buffer::with_capacity(room), DEADLINE))
}

/// Takes what is pending, and says each outcome.
fn settle<D: EndpointDirection>(endpoint: &mut Endpoint<Bulk, D>) -> Result<Vec<String>> {
    let mut outcomes = Vec::new();
    while endpoint.pending() > 0 {
        outcomes.push(outcome(endpoint.wait(Some(DEADLINE)).context("silence")?));
    }
    Ok(outcomes)
}

fn lengths(rig: &mut Rig) -> Result<()> {
    let (mut output, mut input) = (rig.output()?, rig.input()?);
    for length in [0, 1, 511, 512, 513, 1023, 1024, 4096, 10_000, LONGEST] {
        let message = message(length);
        rig.note(&format!("send {length}"), send(&mut output, &message)?);
        let received = input.transfer_blocking(Buffer::with_capacity(LONGEST + 1), DEADLINE);
        let same = received.buffer[..] == message;
        rig.note("it comes back", (same, outcome(received)));
    }
    Ok(())
}

fn zero_packets(rig: &mut Rig) -> Result<()> {
    let (mut output, mut input) = (rig.output()?, rig.input()?);
    output.set_zero_packet(true);
    for length in [0, 1, 512, 700, 4096] {
        let message = message(length);
        // No packet of ours ends it.
        let sent = output.transfer_blocking(Buffer::from(message.clone()), DEADLINE);
        rig.note(&format!("send {length} with its end"), outcome(sent));
        let received = input.transfer_blocking(Buffer::with_capacity(LONGEST + 1), DEADLINE);
        let same = received.buffer[..] == message;
        rig.note("it comes back", (same, outcome(received)));
    }
    // The echo takes one, and the next when that was read.
    output.submit_all([512, 1024, 10].map(|length| Buffer::from(message(length))));
    rig.note("pending", output.pending());
    for _ in 0..3 {
        rig.note("read", read(&mut input, LONGEST + 1));
    }
    rig.note("three with their ends", settle(&mut output)?);
    // Cancelled transfers may complete in any order, so these are alike.
    output.submit_all([512, 1024, 1024].map(|length| Buffer::from(message(length))));
    output
        .wait(Some(DEADLINE))
        .context("silence")?
        .into_result()?;
    output.cancel_all();
    rig.note("two cancelled", settle(&mut output)?);
    drop((output, input));
    rig.start_over()
}

fn pieces(rig: &mut Rig) -> Result<()> {
    let (mut output, mut input) = (rig.output()?, rig.input()?);
    send(&mut output, &message(1300))?;
    for _ in 0..3 {
        rig.note("a packet of 1300 bytes", read(&mut input, PACKET));
    }
    send(&mut output, &message(1024))?;
    rig.note("all of 1024 bytes", read(&mut input, 1024));
    rig.note("and its end", read(&mut input, 1024));
    // Room that is no multiple of the packet, and enough all the same.
    send(&mut output, &message(600))?;
    rig.note("600 bytes into room for 600", read(&mut input, 600));
    // Many in flight, ended one by one by short packets.
    input.submit_all((0..4).map(|_| Buffer::with_capacity(1024)));
    for length in [1, 600, 0, 511] {
        send(&mut output, &message(length))?;
    }
    rig.note("four short ones", settle(&mut input)?);
    Ok(())
}

fn notifications(rig: &mut Rig) -> Result<()> {
    let mut interrupt = rig.interrupt()?;
    let silent = interrupt.transfer_blocking(Buffer::with_capacity(64), WAITED_OUT);
    rig.note("no notification", outcome(silent));
    rig.tell(request::NOTIFY, 7)?;
    let came = interrupt.transfer_blocking(Buffer::with_capacity(64), DEADLINE);
    let same = came.buffer[..] == [7; NOTIFICATION];
    rig.note("a notification", (same, outcome(came)));
    Ok(())
}

fn babble(rig: &mut Rig) -> Result<()> {
    for (length, room) in [(512, 100), (700, 600), (1300, 512 + 8)] {
        rig.start_over()?;
        let (mut output, mut input) = (rig.output()?, rig.input()?);
        let what = format!("{length} bytes into room for {room}");
        input.submit_all([Buffer::with_capacity(room), Buffer::with_capacity(PACKET)]);
        send(&mut output, &message(length))?;
        rig.note(&what, settle(&mut input)?);
        for _ in 0..2 {
            rig.note("then", read(&mut input, PACKET));
        }
        rig.note("recovered", input.clear_halt());
    }
    rig.start_over()
}

fn halts(rig: &mut Rig) -> Result<()> {
    let interface = rig.interface.clone();
    let (mut output, mut input) = (rig.output()?, rig.input()?);
    let halt = |address| {
        interface.control_out_blocking(SetupPacket::set_endpoint_halt(address), &[], DEADLINE)
    };
    input.submit_all((0..4).map(|_| Buffer::with_capacity(1024)));
    rig.note("halt IN", halt(input.address()));
    rig.note("four reads queued", settle(&mut input)?);
    input.submit_all((0..2).map(|_| Buffer::with_capacity(1024)));
    rig.note("two reads after", settle(&mut input)?);
    rig.note("recovered", input.clear_halt());
    rig.note("send 10", send(&mut output, &message(10))?);
    rig.note("read", read(&mut input, 1024));

    // The echo takes nothing more until this is read; less is taken ahead of the host.
    send(&mut output, &message(500))?;
    output.submit_all((0..3).map(|_| Buffer::from(message(10))));
    rig.note("halt OUT", halt(output.address()));
    rig.note("three writes queued", settle(&mut output)?);
    rig.note("one after", send(&mut output, &message(10))?);
    rig.note("recovered", output.clear_halt());
    rig.note("read", read(&mut input, 1024));
    rig.note("send 20", send(&mut output, &message(20))?);
    rig.note("read", read(&mut input, 1024));
    rig.note("recovered without an error", input.clear_halt());
    rig.note("send 30", send(&mut output, &message(30))?);
    rig.note("read", read(&mut input, 1024));
    Ok(())
}

fn cancels(rig: &mut Rig) -> Result<()> {
    let (mut output, mut input) = (rig.output()?, rig.input()?);
    input.submit_all((0..4).map(|_| Buffer::with_capacity(1024)));
    let beside = input.transfer_blocking(Buffer::with_capacity(1), DEADLINE);
    rig.note("a transfer beside the queue", outcome(beside));
    input.cancel_all();
    rig.note("four cancelled", settle(&mut input)?);
    rig.note("nothing pending", input.wait(Some(DEADLINE)).is_none());
    input.submit(Buffer::with_capacity(1024));
    rig.note("recovered with one pending", input.clear_halt());
    rig.note("it", settle(&mut input)?);
    send(&mut output, &message(40))?;
    rig.note("read", read(&mut input, 1024));
    Ok(())
}

fn deadlines(rig: &mut Rig) -> Result<()> {
    let (mut output, mut input) = (rig.output()?, rig.input()?);
    let silent = input.transfer_blocking(Buffer::with_capacity(1024), WAITED_OUT);
    rig.note("a read of nothing", outcome(silent));
    // The echo waits for the first to be read, and takes no second.
    send(&mut output, &message(1000))?;
    let stuck = output.transfer_blocking(Buffer::from(message(100)), WAITED_OUT);
    rig.note("a write nobody takes", outcome(stuck));
    rig.note("read", read(&mut input, 1024));
    // The first of many ends alone: none of the others is lost, or late.
    input.submit_within(Buffer::with_capacity(1024), WAITED_OUT);
    input.submit_all((0..15).map(|_| Buffer::with_capacity(1024)));
    let first = input.wait(Some(DEADLINE)).context("silence")?;
    rig.note("the first of sixteen reads", outcome(first));
    let mut in_order = true;
    for length in 10..25 {
        send(&mut output, &message(length))?;
        let next = input.wait(Some(DEADLINE)).context("silence")?;
        in_order &= next.into_result()?[..] == message(length);
    }
    rig.note("the others have a message each", in_order);
    drop((output, input));
    rig.start_over()
}

/// The device sends one packet and leaves it open whether more comes. Bytes come first, whatever ends the
/// transfer then.
fn partial_data(rig: &mut Rig) -> Result<()> {
    rig.tell(request::LEAVE_OPEN, 1)?;
    let interface = rig.interface.clone();
    let (mut output, mut input) = (rig.output()?, rig.input()?);
    send(&mut output, &message(PACKET))?;
    let late = input.transfer_blocking(Buffer::with_capacity(4096), WAITED_OUT);
    rig.note("a packet before the deadline", outcome(late));

    input.submit(Buffer::with_capacity(4096));
    send(&mut output, &message(PACKET))?;
    send(&mut output, &[])?;
    rig.note("a packet ended by an empty one", settle(&mut input)?);

    input.submit(Buffer::with_capacity(4096));
    send(&mut output, &message(PACKET))?;
    begin_next(&mut output)?;
    input.cancel_all();
    rig.note("a packet before the cancel", settle(&mut input)?);

    input.submit_all((0..3).map(|_| Buffer::with_capacity(4096)));
    send(&mut output, &[])?;
    begin_next(&mut output)?;
    let halt = SetupPacket::set_endpoint_halt(input.address());
    interface.control_out_blocking(halt, &[], DEADLINE)?;
    rig.note("a packet before the stall", settle(&mut input)?);
    rig.note("then", read(&mut input, 4096));
    rig.note("then", read(&mut input, 4096));
    rig.note("recovered", input.clear_halt());
    drop((output, input));
    rig.start_over()?;
    rig.tell(request::LEAVE_OPEN, 0)
}

/// Sends the first packet of the next message. The echo takes it when the host has taken the last one's.
fn begin_next(output: &mut Endpoint<Bulk, Out>) -> Result<()> {
    let begun = output.transfer_blocking(Buffer::from(message(PACKET)), DEADLINE);
    begun.into_result()?;
    Ok(())
}
