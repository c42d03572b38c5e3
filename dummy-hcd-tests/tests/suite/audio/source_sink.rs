//! Our host on the isochronous endpoints of the kernel's SourceSink, in its alternate setting 1: a packet of 192
//! bytes each millisecond both ways, each byte its offset in its packet modulo 63.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::composite::KernelFunction;
use dummy_hcd_tests::wait::{self, DEADLINE};
use usbfs2_host::{
    AlternateSettingError, Buffer, Bulk, Direction, EndpointAddress, EndpointDirection,
    EndpointError, In, Interface, IsochronousCompletion, IsochronousEndpoint, IsochronousTransfer,
    Out, PacketError, TransferError, TransferType,
};

use crate::runner::Test;
use crate::setup::{self, Plugged};
use crate::world::KernelHost;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "audio::source_sink::every_packet_is_whole",
            every_packet_is_whole,
        ),
        Test::new("audio::source_sink::any_lengths_go_out", any_lengths_go_out),
        Test::new(
            "audio::source_sink::a_request_starts_where_it_is_told",
            starts_where_told,
        ),
        Test::new(
            "audio::source_sink::a_cancel_delivers_what_was_done",
            cancel_delivers,
        ),
        Test::new(
            "audio::source_sink::a_dropped_endpoint_opens_again",
            drop_and_open,
        ),
        Test::new(
            "audio::source_sink::a_cable_that_goes_ends_all_once",
            cable_goes,
        ),
        Test::new(
            "audio::source_sink::what_is_wrong_is_refused",
            wrong_is_refused,
        ),
        Test::new(
            "audio::source_sink::usbfs_says_what_is_missing",
            usbfs_refuses,
        ),
    ]
}

const PACKET: usize = 192;

/// SourceSink, claimed and in the setting with isochronous endpoints.
struct Rig {
    // The host lets go before the gadget goes.
    interface: Interface,
    plugged: Plugged,
}

impl Rig {
    fn plug(host: KernelHost) -> Result<Self> {
        let function = KernelFunction::source_sink(1, 4096, 16)
            .with("isoc_interval", "4")
            .with("isoc_maxpacket", PACKET.to_string());
        let plugged = setup::plug(function)?;
        let host = host.connect()?;
        let name = plugged.device.name();
        let device = wait::until("the host can open the gadget", || {
            let devices = host.devices().ok()?;
            let info = devices.iter().find(|info| info.id().as_str() == name)?;
            host.open(info.id()).ok()
        })?;
        let interface = device.claim(0)?;
        interface.set_alternate_setting(1)?;
        Ok(Self { interface, plugged })
    }

    fn address(&self, direction: Direction) -> Result<EndpointAddress> {
        let setting = self.interface.alternate_setting()?;
        let found = setting.find_endpoint(TransferType::Isochronous, direction);
        Ok(found.context("no isochronous endpoint")?.address)
    }

    fn open<D: EndpointDirection>(&self) -> Result<IsochronousEndpoint<D>> {
        let address = self.address(D::DIRECTION)?;
        Ok(self.interface.isochronous_endpoint(address)?)
    }
}

fn pattern(length: usize) -> impl Iterator<Item = u8> {
    (0..length).map(|offset| (offset % 63).to_le_bytes()[0])
}

fn receive(packets: usize) -> IsochronousTransfer {
    IsochronousTransfer::receive(Buffer::new(), vec![PACKET as u32; packets])
}

fn send(lengths: &[usize]) -> IsochronousTransfer {
    let bytes: Vec<u8> = lengths.iter().copied().flat_map(pattern).collect();
    let lengths = lengths.iter().map(|&length| length as u32).collect();
    IsochronousTransfer::send(Buffer::from(bytes), lengths)
}

fn next<D: EndpointDirection>(
    endpoint: &mut IsochronousEndpoint<D>,
) -> Result<IsochronousCompletion> {
    endpoint.wait(Some(DEADLINE)).context("silence")
}

/// Fails unless the packets that are Ok stand first and the others all say `rest`.
fn ends_with(done: &IsochronousCompletion, rest: PacketError) -> Result<usize> {
    let good = done.payloads().take_while(Result::is_ok).count();
    let mut left = done.payloads().skip(good);
    ensure!(
        left.all(|payload| payload == Err(rest)),
        "{:?} instead of {good} good ones and then {rest:?}",
        done.packets
    );
    Ok(good)
}

fn every_packet_is_whole() -> Result<()> {
    /// A second, in requests of up to the most packets there can be.
    const SIZES: [usize; 4] = [1, 8, 100, IsochronousTransfer::MAX_PACKETS];
    let rig = Rig::plug(KernelHost::Usbfs2)?;
    let mut input = rig.open::<In>()?;
    ensure!(input.max_packet_size() == PACKET);
    ensure!(input.service_interval() == Duration::from_millis(1));
    let expected: Vec<u8> = pattern(PACKET).collect();
    for packets in SIZES {
        let rounds = (1000 / packets).max(3);
        input.submit_all((0..4).map(|_| receive(packets)));
        let mut follows = None;
        for round in 0..rounds + 4 {
            let done = next(&mut input)?;
            done.status?;
            let start = done.start_frame.context("no start frame")?;
            if let Some(frame) = follows {
                ensure!(start == frame, "a gap: {start} instead of {frame}");
            }
            for (number, payload) in done.payloads().enumerate() {
                // The source may come an interval late to the first.
                if round == 0 && number == 0 && payload == Err(PacketError::Missed) {
                    continue;
                }
                let payload = payload.with_context(|| format!("packet {number} of {round}"))?;
                ensure!(
                    payload == expected,
                    "packet {number} of {round}: {payload:?}"
                );
            }
            follows = Some(start + interval_frames(&input) * packets as u32);
            if round < rounds {
                input.submit(done.into_transfer());
            }
        }
        ensure!(input.pending() == 0);
    }
    Ok(())
}

/// A service interval in the host controller's frames, which are microframes at this speed.
fn interval_frames<D: EndpointDirection>(endpoint: &IsochronousEndpoint<D>) -> u32 {
    (endpoint.service_interval().as_micros() / 125) as u32
}

fn any_lengths_go_out() -> Result<()> {
    let rig = Rig::plug(KernelHost::Usbfs2)?;
    let mut output = rig.open::<Out>()?;
    let lengths = [192, 0, 1, 63, 64, 191, 100, 0, 192];
    output.submit_all((0..32).map(|_| send(&lengths)));
    for round in 0..200 {
        let done = next(&mut output)?;
        done.status?;
        for (number, packet) in done.packets.iter().enumerate() {
            if round == 0 && packet.status == Err(PacketError::Missed) {
                continue;
            }
            ensure!(
                packet.status.is_ok() && packet.actual_length == lengths[number],
                "packet {number} of {round}: {packet:?}"
            );
        }
        if round < 168 {
            output.submit(done.into_transfer());
        }
    }
    // The sink complains of what is not the pattern, and halts; it has not.
    let only_empty = send(&[0, 0, 0]);
    output.submit(only_empty);
    let done = next(&mut output)?;
    done.status?;
    ensure!(done.packets.iter().all(|packet| packet.status.is_ok()));
    Ok(())
}

fn starts_where_told() -> Result<()> {
    let rig = Rig::plug(KernelHost::Usbfs2)?;
    let mut input = rig.open::<In>()?;
    input.submit(receive(4));
    let first = next(&mut input)?;
    let start = first.start_frame.context("no start frame")?;
    let later = start + 100 * interval_frames(&input);
    input.submit(receive(4).start_frame(later));
    let second = next(&mut input)?;
    second.status?;
    ensure!(
        second.start_frame == Some(later),
        "{:?} instead of {later}",
        second.start_frame
    );
    Ok(())
}

fn cancel_delivers() -> Result<()> {
    let rig = Rig::plug(KernelHost::Usbfs2)?;
    let mut input = rig.open::<In>()?;
    input.submit_all((0..8).map(|_| receive(1000)));
    ensure!(input.wait(Some(Duration::from_millis(100))).is_none());
    input.cancel_all();
    let mut total = 0;
    let mut failed = 0;
    while let Some(done) = input.wait(Some(DEADLINE)) {
        match done.status {
            Ok(()) => {
                let skipped = usize::from(done.packets[0].status == Err(PacketError::Missed));
                let mut rest = done
                    .packets
                    .iter()
                    .skip(skipped)
                    .map(|packet| packet.status);
                let good = rest.by_ref().take_while(Result::is_ok).count();
                ensure!(
                    rest.all(|status| status == Err(PacketError::Cancelled)),
                    "{:?}",
                    done.packets
                );
                total += good;
            }
            Err(error) => {
                ensure!(error == TransferError::Cancelled, "{error}");
                ends_with(&done, PacketError::Cancelled)?;
                failed += 1;
            }
        }
    }
    ensure!(
        failed == 7,
        "{failed} of 8 were cancelled before their first packet"
    );
    ensure!((50..1000).contains(&total), "{total} packets in 100 ms");
    // It goes on without a recovery.
    input.submit(receive(10));
    let done = next(&mut input)?;
    done.status?;
    ensure!(done.payloads().last() == Some(Ok(&pattern(PACKET).collect::<Vec<_>>()[..])));
    Ok(())
}

fn drop_and_open() -> Result<()> {
    let rig = Rig::plug(KernelHost::Usbfs2)?;
    for _ in 0..20 {
        let mut input = rig.open::<In>()?;
        let mut output = rig.open::<Out>()?;
        input.submit_all((0..80).map(|_| receive(8)));
        output.submit_all((0..80).map(|_| send(&[10; 8])));
        next(&mut input)?.status?;
        next(&mut output)?.status?;
        let held = rig.interface.set_alternate_setting(0);
        ensure!(matches!(held, Err(AlternateSettingError::EndpointsOpen(_))));
        drop((input, output));
        rig.interface.set_alternate_setting(0)?;
        rig.interface.set_alternate_setting(1)?;
    }
    Ok(())
}

fn cable_goes() -> Result<()> {
    let rig = Rig::plug(KernelHost::Usbfs2)?;
    let mut input = rig.open::<In>()?;
    let mut output = rig.open::<Out>()?;
    input.submit_all((0..100).map(|_| receive(100)));
    output.submit_all((0..100).map(|_| send(&[20; 100])));
    next(&mut input)?.status?;
    next(&mut output)?.status?;
    rig.plugged.pull()?;
    let mut count = 0;
    while let Some(done) = input.wait(Some(DEADLINE)) {
        count += 1;
        if let Err(error) = done.status {
            ensure!(error == TransferError::Disconnected, "{error}");
        }
    }
    while let Some(done) = output.wait(Some(DEADLINE)) {
        count += 1;
        if let Err(error) = done.status {
            ensure!(error == TransferError::Disconnected, "{error}");
        }
    }
    ensure!(count == 198, "{count} of 198 completed");
    input.submit(receive(1));
    let late = next(&mut input)?;
    ensure!(late.status == Err(TransferError::Disconnected));
    Ok(())
}

fn wrong_is_refused() -> Result<()> {
    let rig = Rig::plug(KernelHost::Usbfs2)?;
    let mut input = rig.open::<In>()?;
    let too_long = IsochronousTransfer::receive(Buffer::new(), vec![PACKET as u32 + 1]);
    input.submit_all([
        too_long,
        receive(0),
        receive(IsochronousTransfer::MAX_PACKETS + 1),
    ]);
    for _ in 0..3 {
        ensure!(next(&mut input)?.status == Err(TransferError::InvalidRequest));
    }
    let address = rig.address(Direction::Out)?;
    let bulk = rig.interface.endpoint::<Bulk, Out>(address);
    ensure!(matches!(bulk, Err(EndpointError::WrongTransferType { .. })));
    Ok(())
}

fn usbfs_refuses() -> Result<()> {
    let rig = Rig::plug(KernelHost::Usbfs)?;
    let address = rig.address(Direction::In)?;
    let Err(error) = rig.interface.isochronous_endpoint::<In>(address) else {
        anyhow::bail!("usbfs has isochronous endpoints");
    };
    ensure!(
        matches!(error, EndpointError::NoIsochronous { .. }),
        "{error}"
    );
    ensure!(error.to_string().contains("modprobe usbfs2"), "{error}");
    Ok(())
}
