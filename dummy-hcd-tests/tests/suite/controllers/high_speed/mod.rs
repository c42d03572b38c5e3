//! Isochronous packets at high speed, to and from a gadget at the other end of a redirection: every packet is the
//! one that was sent, whole and in its place, whatever the controller does with its schedule.

mod gadget;
mod listener;
mod tally;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::wait::{self, DEADLINE};
use usbfs2_gadget::Gadget;
use usbfs2_host::{
    Direction, In, Interface, IsochronousEndpoint, IsochronousTransfer, Out, PacketError,
    TransferError, TransferType,
};
use usbfs2_loopback::PacketFault;

use self::gadget::{EVERY_MICROFRAME, EVERY_MILLISECOND, Shape, Streams, THREE_TRANSACTIONS};
use self::listener::Listener;
use self::tally::Tally;
use super::redirection::Redirected;
use super::{Bench, Case};
use crate::world::IDS;

pub(super) fn cases_of_files() -> Vec<(&'static str, Case)> {
    vec![
        ("high_speed::every_microframe_out", |bench| {
            out(bench, EVERY_MICROFRAME)
        }),
        ("high_speed::every_microframe_in", |bench| {
            into_host(bench, EVERY_MICROFRAME)
        }),
        ("high_speed::three_transactions_out", |bench| {
            out(bench, THREE_TRANSACTIONS)
        }),
        ("high_speed::three_transactions_in", |bench| {
            into_host(bench, THREE_TRANSACTIONS)
        }),
        ("high_speed::a_bad_packet_is_its_own", bad_packets),
        ("high_speed::a_cancel_delivers_what_was_done", cancelled),
        ("high_speed::unplug_with_requests_in_flight", unplugged),
    ]
}

/// The gadget, seen from the host with its streams open.
struct Rig<'a> {
    // The host lets go before the gadget goes.
    interface: Interface,
    redirected: Redirected<'a>,
    streams: Arc<Streams>,
    shape: Shape,
}

fn open(redirected: &Redirected<'_>) -> Result<Interface> {
    let interface = redirected.plugged.open()?.claim(0)?;
    interface.set_alternate_setting(1)?;
    Ok(interface)
}

impl<'a> Rig<'a> {
    fn new(bench: &'a Bench, shape: Shape) -> Result<Self> {
        let streams = Arc::new(Streams::new(shape));
        let gadget = Gadget::builder(IDS).serial_number(bench.serial("1"));
        let gadget = gadget.function(streams.clone()).build()?;
        let redirected = Redirected::plug(bench, &gadget)?;
        let interface = open(&redirected)?;
        Ok(Self {
            interface,
            redirected,
            streams,
            shape,
        })
    }

    fn address(&self, direction: Direction) -> Result<u8> {
        let setting = self.interface.alternate_setting()?;
        let endpoint = setting.find_endpoint(TransferType::Isochronous, direction);
        let endpoint = endpoint.context("the setting lacks an endpoint")?;
        Ok(endpoint.address.into())
    }

    fn input(&self) -> Result<IsochronousEndpoint<In>> {
        let address = self.address(Direction::In)?;
        Ok(self.interface.isochronous_endpoint(address)?)
    }

    fn output(&self) -> Result<IsochronousEndpoint<Out>> {
        let address = self.address(Direction::Out)?;
        Ok(self.interface.isochronous_endpoint(address)?)
    }
}

/// Packets a request, and requests at a time.
const PACKETS: usize = 32;
const DEPTH: usize = 6;

fn out(bench: &Bench, shape: Shape) -> Result<()> {
    let rig = Rig::new(bench, shape)?;
    let mut output = rig.output()?;
    ensure!(output.max_packet_size() == shape.longest);
    let mut numbers = 0..;
    let mut request = || {
        let packets: Vec<_> = numbers
            .by_ref()
            .take(PACKETS)
            .map(|number| shape.packet(number))
            .collect();
        let lengths = packets.iter().map(|packet| packet.len() as u32).collect();
        IsochronousTransfer::send(packets.concat().into(), lengths)
    };
    output.submit_all((0..DEPTH).map(|_| request()));
    let mut gone = Vec::new();
    let mut tally = Tally::new();
    while output.pending() > 0 {
        tally.check_time()?;
        let done = output.wait(Some(DEADLINE)).context("silence")?;
        done.status?;
        for packet in &done.packets {
            tally.packets += 1;
            let bytes = &done.buffer[packet.offset..][..packet.length];
            match packet.status {
                Ok(()) if packet.actual_length == packet.length => gone.push(bytes.to_vec()),
                Err(PacketError::Missed) => tally.missed += 1,
                _ => bail!("{packet:?} after {} packets", gone.len()),
            }
        }
        if gone.len() < shape.packets as usize {
            output.submit(request());
        }
    }
    wait::until("the device has taken every packet", || {
        (rig.streams.taken().len() >= gone.len()).then_some(())
    })?;
    rig.redirected.check()?;
    let taken = rig.streams.taken();
    let differs = taken
        .iter()
        .zip(&gone)
        .position(|(one, other)| one != other);
    ensure!(
        differs.is_none() && taken.len() == gone.len(),
        "{} packets went and {} were taken; they differ at {differs:?}",
        gone.len(),
        taken.len()
    );
    tally.finish()
}

fn into_host(bench: &Bench, shape: Shape) -> Result<()> {
    let rig = Rig::new(bench, shape)?;
    listen(&rig, shape.packets)
}

/// Receives that many packets from the first of a stream on.
fn listen(rig: &Rig<'_>, packets: u32) -> Result<()> {
    let shape = rig.shape;
    let mut listener = Listener::new(rig)?;
    // All of them together are half of what QEMU holds.
    let length = PACKETS.min(listener.ahead as usize / (2 * DEPTH));
    let requests: Vec<_> = (0..DEPTH).map(|_| shape.receive(length)).collect();
    listener.input.submit_all(requests);
    while listener.come < packets.into() {
        let done = listener.next(|number| Ok(shape.packet(number as u32)))?;
        listener.input.submit(done.into_transfer());
    }
    rig.redirected.check()?;
    listener.tally.finish()
}

fn bad_packets(bench: &Bench) -> Result<()> {
    let shape = EVERY_MICROFRAME;
    const LOST: [u64; 4] = [1000, 1001, 1002, 1500];
    const BABBLED: [u64; 3] = [1100, 1600, 1601];
    let rig = Rig::new(bench, shape)?;
    let faults = rig.redirected.faults()?;
    let address = rig.address(Direction::In)?.try_into()?;
    for (packets, fault) in [
        (&LOST[..], PacketFault::Lost),
        (&BABBLED[..], PacketFault::Babble),
    ] {
        for packet in packets {
            faults.inject_packet(address, *packet, fault)?;
        }
    }
    let mut listener = Listener::new(&rig)?;
    let requests: Vec<_> = (0..DEPTH).map(|_| shape.receive(PACKETS)).collect();
    listener.input.submit_all(requests);
    let mut errors = 0;
    while listener.come < 2_000 {
        let done = listener.next(|number| {
            if LOST.contains(&number) {
                Err(PacketError::BusError)
            } else if BABBLED.contains(&number) {
                Err(PacketError::Overflow)
            } else {
                Ok(shape.packet(number as u32))
            }
        })?;
        errors += done
            .packets
            .iter()
            .filter(|packet| !matches!(packet.status, Ok(()) | Err(PacketError::Missed)))
            .count();
        listener.input.submit(done.into_transfer());
    }
    ensure!(faults.pending() == 0, "a fault did not happen");
    ensure!(
        errors == LOST.len() + BABBLED.len(),
        "{errors} packets failed"
    );
    rig.redirected.check()?;
    listener.tally.finish()
}

/// Puts 6 s in flight, and returns once packets of the stream have come.
fn start_long<'a>(rig: &'a Rig<'a>) -> Result<Listener<'a>> {
    let mut listener = Listener::new(rig)?;
    let shape = rig.shape;
    // QEMU opens the stream when the first is asked for.
    listener.input.submit(shape.receive(8));
    while listener.come == 0 {
        let done = listener.next(|number| Ok(shape.packet(number as u32)))?;
        if listener.come == 0 {
            listener.input.submit(done.into_transfer());
        }
    }
    let requests: Vec<_> = (0..DEPTH).map(|_| shape.receive(1000)).collect();
    listener.input.submit_all(requests);
    Ok(listener)
}

fn cancelled(bench: &Bench) -> Result<()> {
    let rig = Rig::new(bench, EVERY_MILLISECOND)?;
    for moment in 0..4 {
        let mut listener = start_long(&rig)?;
        // Another one each time: between two URBs, or within one.
        thread::sleep(Duration::from_millis(moment * 13));
        listener.input.cancel_all();
        listener.expect_ended(TransferError::Cancelled)?;
        drop(listener);
        // The next stream begins with its first packet.
        rig.interface.set_alternate_setting(0)?;
        rig.interface.set_alternate_setting(1)?;
    }
    listen(&rig, 500)
}

fn unplugged(bench: &Bench) -> Result<()> {
    let mut rig = Rig::new(bench, EVERY_MILLISECOND)?;
    for moment in 0..4 {
        let mut listener = start_long(&rig)?;
        // Another one each time: between two URBs, or within one.
        thread::sleep(Duration::from_millis(moment * 13));
        rig.redirected.pull_remotely()?;
        listener.expect_ended(TransferError::Disconnected)?;
        listener.input.submit(rig.shape.receive(1));
        let late = listener.input.wait(Some(DEADLINE)).context("silence")?;
        let status = late.status;
        ensure!(
            status == Err(TransferError::Disconnected),
            "{status:?} of what is gone"
        );
        drop(listener);
        rig.redirected.plugged.sysfs()?.wait_unplugged()?;
        rig.redirected.plug_remotely()?;
        rig.interface = open(&rig.redirected)?;
    }
    listen(&rig, 500)
}
