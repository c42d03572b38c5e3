//! Our source, sink and loopback: the bytes usbtest looks for, at the places where it does not look.

pub(crate) mod isochronous;

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::wait::{self, DEADLINE};
use usbfs2_gadget::functions::source_sink::{
    BulkOptions, Loopback, Pattern, SourceSink, SourceSinkOptions,
};
use usbfs2_host::{
    Buffer, Bulk, Direction, Endpoint, EndpointDirection, In, Interface, Out, SetupPacket,
    TransferError, TransferType,
};

use super::Scenario;
use crate::vendor;
use crate::world::{Connected, World};

pub(crate) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        ("source_sink::the_source_keeps_to_the_pattern", source),
        ("source_sink::the_sink_takes_any_lengths", sink),
        (
            "source_sink::what_is_submitted_goes_out_unwaited_for",
            unwaited_for,
        ),
        ("source_sink::a_buffer_kept_keeps_no_endpoint", buffer_kept),
        ("source_sink::a_wrong_byte_halts_the_sink", wrong_byte),
        ("source_sink::halts_of_the_host_s_lose_nothing", halts),
        ("source_sink::a_setting_chosen_again_begins_anew", setting),
        (
            "source_sink::the_control_buffer_keeps_what_it_is_told",
            control,
        ),
        ("source_sink::the_cable_ends_what_is_pending", cable),
        ("source_sink::loopback_gives_back_what_it_takes", loopback),
    ]
}

/// The bulk endpoints' packets at high speed.
const PACKET: usize = 512;

/// A source and sink of pattern 1, claimed.
struct Rig {
    // The host lets go before the gadget goes.
    interface: Interface,
    connected: Connected,
    function: Arc<SourceSink>,
}

impl Rig {
    fn new(world: &World) -> Result<Self> {
        let function = SourceSink::new(SourceSinkOptions {
            pattern: Pattern::Mod63,
            ..SourceSinkOptions::default()
        })?;
        let gadget = World::gadget().function(function.clone()).build()?;
        let connected = world.connect(&gadget)?;
        let interface = connected.device.claim(0)?;
        Ok(Self {
            interface,
            connected,
            function,
        })
    }

    fn open<D: EndpointDirection>(&self) -> Result<Endpoint<Bulk, D>> {
        open(&self.interface)
    }

    /// Waits until the sink has counted this many bytes, and fails where more came.
    fn taken(&self, bytes: u64) -> Result<()> {
        let counted = || self.function.counters().bytes_out;
        wait::until("the sink has counted every byte", || {
            (counted() >= bytes).then_some(())
        })?;
        ensure!(counted() == bytes, "{} of {bytes} bytes", counted());
        Ok(())
    }
}

fn open<D: EndpointDirection>(interface: &Interface) -> Result<Endpoint<Bulk, D>> {
    let address = vendor::address(interface, D::DIRECTION, TransferType::Bulk)?;
    Ok(interface.endpoint(address)?)
}

/// Pattern 1, as usbtest has it.
fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|offset| (offset % PACKET % 63) as u8)
        .collect()
}

fn read(input: &mut Endpoint<Bulk, In>, length: usize) -> Result<()> {
    let read = input.transfer_blocking(Buffer::with_capacity(length), DEADLINE);
    let bytes = read.into_result()?;
    ensure!(bytes[..] == pattern(length), "{length} bytes: {bytes:?}");
    Ok(())
}

/// Sends a transfer of this length, ended by a short or zero-length packet.
fn write(output: &mut Endpoint<Bulk, Out>, length: usize) -> Result<()> {
    output.set_zero_packet(true);
    let written = output.transfer_blocking(Buffer::from(pattern(length)), DEADLINE);
    written.into_result()?;
    Ok(())
}

fn source(world: &World) -> Result<()> {
    let rig = Rig::new(world)?;
    let mut input = rig.open::<In>()?;
    // Ends of transfers at either end fall together nowhere.
    for length in [PACKET, 4096, 1024, 20 * PACKET, 65_536] {
        read(&mut input, length)?;
    }
    input.submit_all((0..32).map(|_| Buffer::with_capacity(3 * PACKET)));
    for _ in 0..32 {
        let bytes = input.wait(Some(DEADLINE)).context("silence")?;
        ensure!(bytes.into_result()?[..] == pattern(3 * PACKET));
    }
    wait::until("the source has counted every byte", || {
        (rig.function.counters().bytes_in >= 65_536).then_some(())
    })?;
    Ok(())
}

fn sink(world: &World) -> Result<()> {
    let rig = Rig::new(world)?;
    let mut output = rig.open::<Out>()?;
    let lengths = [0, 1, 63, 64, 511, 512, 513, 4095, 4096, 4097, 10_000];
    for length in lengths {
        write(&mut output, length)?;
    }
    output.submit_all((0..32).map(|_| Buffer::from(pattern(1000))));
    for _ in 0..32 {
        let sent = output.wait(Some(DEADLINE)).context("silence")?;
        sent.into_result()?;
    }
    rig.taken(lengths.iter().sum::<usize>() as u64 + 32_000)?;
    ensure!(rig.function.counters().mismatches == 0);
    Ok(())
}

fn unwaited_for(world: &World) -> Result<()> {
    let rig = Rig::new(world)?;
    let mut output = rig.open::<Out>()?;
    // One by one, and no call after the last: they go all the same, in a stream's middle too.
    let mut sent = 0;
    for round in 1..=3 {
        for _ in 0..20 {
            output.submit(Buffer::from(pattern(1000)));
        }
        rig.taken(round * 20_000)?;
        for _ in 0..10 {
            output
                .wait(Some(DEADLINE))
                .context("silence")?
                .into_result()?;
            sent += 1;
        }
    }
    while let Some(done) = output.wait(Some(DEADLINE)) {
        done.into_result()?;
        sent += 1;
    }
    ensure!(sent == 60, "{sent} of 60");
    ensure!(rig.function.counters().mismatches == 0);
    Ok(())
}

fn buffer_kept(world: &World) -> Result<()> {
    let rig = Rig::new(world)?;
    let mut kept = Vec::new();
    for _ in 0..3 {
        let mut input = rig.open::<In>()?;
        input.submit_all((0..4).map(|_| Buffer::with_capacity(4096)));
        let read = input.wait(Some(DEADLINE)).context("silence")?;
        kept.push(read.into_result()?);
        kept.push(input.allocate(100));
        // What the source has ready is lost with a transfer that is cancelled; the pattern begins anew.
        drop(input);
        rig.interface.set_alternate_setting(0)?;
    }
    for buffer in kept.iter().step_by(2) {
        ensure!(buffer[..] == pattern(4096), "a kept buffer has changed");
    }
    Ok(())
}

fn wrong_byte(world: &World) -> Result<()> {
    let rig = Rig::new(world)?;
    let mut output = rig.open::<Out>()?;
    write(&mut output, 100)?;
    let mut wrong = pattern(1000);
    wrong[700] ^= 1;
    let sent = output.transfer_blocking(Buffer::from(wrong), DEADLINE);
    sent.into_result()?;
    // It may have taken another by the time it has looked.
    wait::until("the sink halts its endpoint", || {
        let sent = output.transfer_blocking(Buffer::from(pattern(10)), DEADLINE);
        (sent.status == Err(TransferError::Stall)).then_some(())
    })?;
    output.clear_halt()?;
    for length in [10, 4096, 10_000] {
        write(&mut output, length)?;
    }
    wait::until("the sink has looked at all of it", || {
        (rig.function.counters().bytes_out >= 100 + 1000 + 10 + 4096 + 10_000).then_some(())
    })?;
    let mismatches = rig.function.counters().mismatches;
    ensure!(mismatches == 1, "{mismatches} transfers were wrong");
    ensure!(rig.connected.running.failures().is_empty());
    Ok(())
}

fn halts(world: &World) -> Result<()> {
    let rig = Rig::new(world)?;
    let (mut output, mut input) = (rig.open::<Out>()?, rig.open::<In>()?);
    for _ in 0..5 {
        for address in [input.address(), output.address()] {
            let halt = SetupPacket::set_endpoint_halt(address);
            rig.interface.control_out_blocking(halt, &[], DEADLINE)?;
        }
        let stalled = input.transfer_blocking(Buffer::with_capacity(PACKET), DEADLINE);
        ensure!(stalled.status == Err(TransferError::Stall), "{stalled:?}");
        let stalled = output.transfer_blocking(Buffer::from(pattern(10)), DEADLINE);
        ensure!(stalled.status == Err(TransferError::Stall), "{stalled:?}");
        input.clear_halt()?;
        output.clear_halt()?;
        read(&mut input, 4096)?;
        write(&mut output, 4096)?;
    }
    rig.taken(5 * 4096)?;
    ensure!(rig.function.counters().mismatches == 0);
    Ok(())
}

fn setting(world: &World) -> Result<()> {
    let rig = Rig::new(world)?;
    for round in 1..=5 {
        let (mut output, mut input) = (rig.open::<Out>()?, rig.open::<In>()?);
        // Stops within one of the device's transfers.
        read(&mut input, 3 * PACKET)?;
        write(&mut output, 700)?;
        rig.taken(round * 700)?;
        drop((output, input));
        rig.interface.set_alternate_setting(0)?;
    }
    ensure!(rig.function.counters().mismatches == 0);
    ensure!(rig.connected.running.failures().is_empty());
    Ok(())
}

fn request(request: u8, direction: Direction, value: u16, length: usize) -> SetupPacket {
    use usbfs2_host::protocol::{Recipient, RequestKind, RequestType};
    SetupPacket {
        request_type: RequestType {
            direction,
            kind: RequestKind::Vendor,
            recipient: Recipient::Device,
        },
        request,
        value,
        index: 0,
        length: length as u16,
    }
}

fn control(world: &World) -> Result<()> {
    const WRITE: u8 = 0x5b;
    const READ: u8 = 0x5c;
    let rig = Rig::new(world)?;
    let device = &rig.connected.device;
    // gadgetfs carries no more than 256 bytes.
    let longest: &[usize] = match world {
        World::Kernel(_) => &[256],
        _ => &[256, 1000, 4096],
    };
    let lengths = [1, 2, 63, 64, 65, 200].iter().chain(longest);
    for (round, &length) in lengths.enumerate() {
        let data: Vec<u8> = (0..length).map(|byte| (byte + round) as u8).collect();
        let write = request(WRITE, Direction::Out, 0, length);
        device.control_out_blocking(write, &data, DEADLINE)?;
        // Another request between the two changes nothing.
        device.control_in_blocking(SetupPacket::get_device_status(), DEADLINE)?;
        let read = request(READ, Direction::In, 0, length);
        let back = device.control_in_blocking(read, DEADLINE)?;
        ensure!(back == data, "{length} bytes became {back:?}");
    }
    let wrong = [
        request(READ, Direction::In, 1, 8),
        request(0x5d, Direction::In, 0, 8),
    ];
    for setup in wrong {
        let refused = device.control_in_blocking(setup, DEADLINE);
        ensure!(
            matches!(refused, Err(TransferError::Stall)),
            "{setup}: {refused:?}"
        );
    }
    Ok(())
}

fn cable(world: &World) -> Result<()> {
    let mut rig = Rig::new(world)?;
    for _ in 0..2 {
        let (mut output, mut input) = (rig.open::<Out>()?, rig.open::<In>()?);
        input.submit_all((0..64).map(|_| Buffer::with_capacity(PACKET)));
        output.submit_all((0..64).map(|_| Buffer::from(pattern(PACKET))));
        input
            .wait(Some(DEADLINE))
            .context("silence")?
            .into_result()?;
        rig.connected.cable().pull()?;
        let (mut ends, mut is_gone) = (1, false);
        while let Some(done) = input.wait(Some(DEADLINE)) {
            ends += 1;
            match done.status {
                Ok(()) => ensure!(!is_gone && done.buffer[..] == pattern(PACKET)),
                Err(error) => {
                    ensure!(error == TransferError::Disconnected, "{error}");
                    is_gone = true;
                }
            }
        }
        ensure!(ends == 64, "{ends} of 64 reads ended");
        let mut ends = 0;
        while let Some(done) = output.wait(Some(DEADLINE)) {
            ends += 1;
            if let Err(error) = done.status {
                ensure!(error == TransferError::Disconnected, "{error}");
            }
        }
        ensure!(ends == 64, "{ends} of 64 writes ended");
        drop((output, input));
        rig.connected.plug()?;
        rig.interface = rig.connected.device.claim(0)?;
    }
    read(&mut rig.open::<In>()?, 4096)?;
    ensure!(rig.function.counters().mismatches == 0);
    ensure!(rig.connected.running.failures().is_empty());
    Ok(())
}

fn loopback(world: &World) -> Result<()> {
    let options = BulkOptions {
        transfer_length: 8192,
        queue: 8,
    };
    let function = Loopback::new(options)?;
    let gadget = World::gadget().function(function).build()?;
    let connected = world.connect(&gadget)?;
    let interface = connected.device.claim(0)?;
    let (mut output, mut input) = (open::<Out>(&interface)?, open::<In>(&interface)?);
    output.set_zero_packet(true);
    let lengths = [0, 1, 511, 512, 513, 1024, 4096, 8191];
    let message = |length: usize| super::pattern(length);
    for length in lengths {
        let sent = output.transfer_blocking(Buffer::from(message(length)), DEADLINE);
        sent.into_result()?;
        let back = input.transfer_blocking(Buffer::with_capacity(16_384), DEADLINE);
        let back = back.into_result()?;
        ensure!(back[..] == message(length), "{length} bytes: {back:?}");
    }
    // As many as it keeps, before the first is read; then all the others behind.
    input.submit_all((0..4).map(|_| Buffer::with_capacity(16_384)));
    output.submit_all((0..40).map(|number| Buffer::from(message(100 + number))));
    for number in 0..40 {
        let back = input.wait(Some(DEADLINE)).context("silence")?;
        ensure!(back.into_result()?[..] == message(100 + number), "{number}");
        input.submit(Buffer::with_capacity(16_384));
    }
    while output.pending() > 0 {
        let sent = output.wait(Some(DEADLINE)).context("silence")?;
        sent.into_result()?;
    }
    drop((output, input));
    ensure!(connected.running.failures().is_empty());
    Ok(())
}
