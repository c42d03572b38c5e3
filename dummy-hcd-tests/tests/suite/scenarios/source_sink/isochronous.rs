//! Setting 1, with isochronous endpoints beside the bulk ones.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::wait::{self, DEADLINE};
use usbfs2_gadget::functions::source_sink::{
    IsochronousOptions, Pattern, SourceSink, SourceSinkOptions,
};
use usbfs2_host::{
    Buffer, EndpointDirection, In, Interface, IsochronousEndpoint, IsochronousTransfer, Out,
    PacketError, TransferType,
};

use super::{open, pattern, read, write};
use crate::scenarios::Scenario;
use crate::vendor;
use crate::world::{Connected, World};

pub(crate) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        ("source_sink::packets_in_are_of_the_pattern", packets_in),
        (
            "source_sink::packets_out_are_checked_and_counted",
            packets_out,
        ),
        (
            "source_sink::settings_change_with_packets_under_way",
            settings,
        ),
    ]
}

const PACKET: u16 = 192;
/// Packets of a request, and requests at a time.
const PACKETS: usize = 10;
const DEPTH: usize = 4;
/// Packets that have to move.
const ENOUGH: u64 = 100;

/// A source and sink of pattern 1, claimed, in setting 1.
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
            isochronous: Some(IsochronousOptions {
                packet: PACKET,
                interval: Duration::from_millis(1),
                queue: 32,
            }),
            ..SourceSinkOptions::default()
        })?;
        let gadget = World::gadget().function(function.clone()).build()?;
        let connected = world.connect(&gadget)?;
        let interface = connected.device.claim(0)?;
        interface.set_alternate_setting(1)?;
        Ok(Self {
            interface,
            connected,
            function,
        })
    }

    fn packets<D: EndpointDirection>(&self) -> Result<IsochronousEndpoint<D>> {
        let kind = TransferType::Isochronous;
        let address = vendor::address(&self.interface, D::DIRECTION, kind)?;
        Ok(self.interface.isochronous_endpoint(address)?)
    }
}

fn receive() -> IsochronousTransfer {
    IsochronousTransfer::receive(Buffer::new(), vec![PACKET.into(); PACKETS])
}

/// Receives until enough packets have come, all of them whole and right.
fn listen(input: &mut IsochronousEndpoint<In>) -> Result<()> {
    let whole = pattern(PACKET.into());
    let mut came = 0;
    input.submit_all((0..DEPTH).map(|_| receive()));
    while came < ENOUGH {
        let done = input.wait(Some(DEADLINE)).context("silence")?;
        done.status?;
        for payload in done.payloads() {
            match payload {
                Ok(bytes) => {
                    ensure!(bytes == whole, "{bytes:?}");
                    came += 1;
                }
                // The device was late.
                Err(PacketError::Missed) => {}
                Err(error) => anyhow::bail!("{error} after {came} packets"),
            }
        }
        input.submit(done.into_transfer());
    }
    Ok(())
}

/// Sends these packets, and returns how many of them went.
fn send(output: &mut IsochronousEndpoint<Out>, packets: &[Vec<u8>]) -> Result<u64> {
    let lengths = packets.iter().map(|packet| packet.len() as u32).collect();
    output.submit(IsochronousTransfer::send(packets.concat().into(), lengths));
    let done = output.wait(Some(DEADLINE)).context("silence")?;
    done.status?;
    let went = done.packets.iter().filter(|packet| packet.status.is_ok());
    Ok(went.count() as u64)
}

fn packets_in(world: &World) -> Result<()> {
    let rig = Rig::new(world)?;
    let mut input = rig.packets::<In>()?;
    ensure!(input.max_packet_size() == usize::from(PACKET));
    listen(&mut input)?;
    // The bulk endpoints are there as well.
    read(&mut open(&rig.interface)?, 4096)?;
    write(&mut open(&rig.interface)?, 4096)?;
    wait::until("the source has counted every packet", || {
        (rig.function.counters().packets_in >= ENOUGH).then_some(())
    })?;
    Ok(())
}

fn packets_out(world: &World) -> Result<()> {
    let rig = Rig::new(world)?;
    let mut output = rig.packets::<Out>()?;
    let counters = || rig.function.counters();
    let right: Vec<_> = [192, 1, 64, 0, 63, 100].map(pattern).into();
    let mut went = 0;
    while went < ENOUGH {
        went += send(&mut output, &right)?;
    }
    let all = |went| {
        wait::until("the sink has counted every packet", || {
            (counters().packets_out >= went).then_some(())
        })
    };
    all(went)?;
    ensure!(
        counters().packets_out == went && counters().mismatches == 0,
        "{:?} instead of {went} packets",
        counters()
    );
    // A wrong one is told apart from those around it, and halts nothing.
    let mut wrong = right.clone();
    wrong[2][10] ^= 1;
    while counters().mismatches == 0 {
        let now = send(&mut output, &wrong)?;
        went += now;
        all(went)?;
        ensure!(
            counters().mismatches == 1 || now < wrong.len() as u64,
            "a wrong packet went by: {:?}",
            counters()
        );
    }
    went += send(&mut output, &right)?;
    all(went)?;
    ensure!(counters().mismatches == 1, "{:?}", counters());
    ensure!(rig.connected.running.failures().is_empty());
    Ok(())
}

fn settings(world: &World) -> Result<()> {
    let rig = Rig::new(world)?;
    for _ in 0..5 {
        let mut input = rig.packets::<In>()?;
        let mut output = rig.packets::<Out>()?;
        input.submit_all((0..DEPTH).map(|_| receive()));
        send(&mut output, &[pattern(PACKET.into())])?;
        // Those that are pending are cancelled.
        drop((input, output));
        rig.interface.set_alternate_setting(0)?;
        ensure!(rig.packets::<In>().is_err(), "setting 0 has no packets");
        read(&mut open(&rig.interface)?, 4096)?;
        rig.interface.set_alternate_setting(1)?;
    }
    listen(&mut rig.packets()?)?;
    ensure!(rig.function.counters().mismatches == 0);
    ensure!(rig.connected.running.failures().is_empty());
    Ok(())
}
