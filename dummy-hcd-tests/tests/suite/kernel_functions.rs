//! Our host and class drivers on the kernel's own gadget functions.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};

use anyhow::{Context as _, Result, bail, ensure};
use dummy_hcd_tests::composite::KernelFunction;
use dummy_hcd_tests::wait::{self, DEADLINE};
use usbfs2_hid::{HidDevice, Leds};
use usbfs2_host::{Buffer, Bulk, Device, Direction, Endpoint, In, Interface, Out, TransferError};
use usbfs2_mass_storage::MassStorage;

use crate::runner::Test;
use crate::scenarios::Scenario;
use crate::setup::{self, Plugged};
use crate::world::{KernelHost, World};

pub(crate) fn tests() -> Vec<Test> {
    let at_high_speed: Scenario = our_hid_driver;
    let at_high_speed = ("kernel_functions::our_hid_driver_on_f_hid", at_high_speed);
    [at_every_speed(), on_every_host(&[at_high_speed])].concat()
}

/// Without f_hid, which leaves a control request in dummy_hcd when it goes at super speed, so that the kernel warns.
pub(crate) fn at_every_speed() -> Vec<Test> {
    on_every_host(&[
        (
            "kernel_functions::sixteen_transfers_in_flight_keep_the_pattern_of_source_sink",
            sixteen_transfers_in_flight,
        ),
        (
            "kernel_functions::a_stalled_endpoint_goes_on_after_recovery",
            a_stalled_endpoint_goes_on,
        ),
        (
            "kernel_functions::cancelled_reads_complete_once_and_the_next_one_works",
            cancelled_reads_complete_once,
        ),
        (
            "kernel_functions::our_disk_driver_on_f_mass_storage",
            our_disk_driver,
        ),
    ])
}

fn on_every_host(scenarios: &[(&str, Scenario)]) -> Vec<Test> {
    let on = |host| {
        scenarios
            .iter()
            .map(move |&(name, run)| Test::scenario(host, name, run))
    };
    KernelHost::ALL.into_iter().flat_map(on).collect()
}

fn open(world: &World, plugged: &Plugged) -> Result<Device> {
    let host = world.host()?;
    let name = plugged.device.name();
    Ok(wait::until("the host can open the gadget", || {
        let devices = host.devices().ok()?;
        let info = devices.iter().find(|info| info.id().as_str() == name)?;
        host.open(info.id()).ok()
    })?)
}

/// The one bulk endpoint of each direction.
struct Bulks {
    input: Endpoint<Bulk, In>,
    output: Endpoint<Bulk, Out>,
}

impl Bulks {
    fn claim(world: &World, plugged: &Plugged) -> Result<Self> {
        let interface = open(world, plugged)?.claim(0)?;
        Ok(Self {
            input: interface.endpoint(address(&interface, Direction::In)?)?,
            output: interface.endpoint(address(&interface, Direction::Out)?)?,
        })
    }

    /// Sends `bytes` and fails unless all of them went.
    fn send(&mut self, bytes: &[u8]) -> Result<(), TransferError> {
        let buffer = Buffer::from(bytes.to_vec());
        self.output
            .transfer_blocking(buffer, DEADLINE)
            .into_result()
            .map(drop)
    }
}

fn address(interface: &Interface, direction: Direction) -> Result<usbfs2_host::EndpointAddress> {
    let endpoints = &interface.alternate_setting()?.endpoints;
    let mut addresses = endpoints.iter().map(|endpoint| endpoint.address);
    addresses
        .find(|address| address.direction() == direction)
        .with_context(|| format!("no {direction} endpoint"))
}

/// Bytes of a transfer: several packets, and no multiple of the pattern's period.
const LENGTH: usize = 4096;

/// What SourceSink sends and expects with pattern 1: each byte its offset in its packet modulo 63.
fn packets(endpoint: &Endpoint<Bulk, In>) -> Vec<u8> {
    let packet = (0..endpoint.max_packet_size()).map(|offset| (offset % 63).to_le_bytes()[0]);
    packet.cycle().take(LENGTH).collect()
}

fn sixteen_transfers_in_flight(world: &World) -> Result<()> {
    const DEPTH: usize = 16;
    const COUNT: usize = 20 * DEPTH;
    let plugged = setup::source_sink()?;
    let Bulks {
        mut input,
        mut output,
    } = Bulks::claim(world, &plugged)?;
    let expected = packets(&input);
    input.submit_all((0..DEPTH).map(|_| Buffer::with_capacity(LENGTH)));
    output.submit_all((0..DEPTH).map(|_| Buffer::from(expected.clone())));
    for done in 0..COUNT {
        let goes_on = done + DEPTH < COUNT;
        let received = input.wait(Some(DEADLINE)).context("no IN completion")?;
        let mut buffer = received.into_result()?;
        ensure!(buffer[..] == expected, "IN transfer {done} differs");
        let sent = output.wait(Some(DEADLINE)).context("no OUT completion")?;
        ensure!(
            sent.actual_length == LENGTH,
            "{} of {LENGTH} bytes were sent",
            sent.actual_length
        );
        let content = sent.into_result()?;
        if goes_on {
            buffer.clear();
            input.submit(buffer);
            output.submit(content);
        }
    }
    ensure!(
        (input.pending(), output.pending()) == (0, 0),
        "more completions than submissions"
    );
    Ok(())
}

fn a_stalled_endpoint_goes_on(world: &World) -> Result<()> {
    let plugged = setup::source_sink()?;
    let mut bulks = Bulks::claim(world, &plugged)?;
    let good = packets(&bulks.input);
    let mut bad = good.clone();
    bad[700] ^= 1;
    bulks.send(&good)?;
    // SourceSink halts the endpoint when it finds a wrong byte, which is after it took the transfer.
    bulks.send(&bad)?;
    let stalled = wait::until("the endpoint stalls", || bulks.send(&good).err())?;
    ensure!(
        stalled == TransferError::Stall,
        "{stalled:?} instead of a stall"
    );
    match bulks.send(&good) {
        Err(TransferError::Stall) => {}
        other => bail!("{other:?} from an endpoint nobody recovered"),
    }
    bulks.output.clear_halt()?;
    for _ in 0..20 {
        bulks.send(&good)?;
    }
    Ok(())
}

fn cancelled_reads_complete_once(world: &World) -> Result<()> {
    const DEPTH: usize = 16;
    let plugged = setup::loopback_with_driver()?;
    let mut bulks = Bulks::claim(world, &plugged)?;
    for round in 0..10_u8 {
        let buffers = (0..DEPTH).map(|_| Buffer::with_capacity(LENGTH));
        bulks.input.submit_all(buffers);
        bulks.input.cancel_all();
        for _ in 0..DEPTH {
            let completion = bulks.input.wait(Some(DEADLINE)).context("no completion")?;
            ensure!(
                completion.status == Err(TransferError::Cancelled),
                "{:?} with {} bytes from a device that sends nothing",
                completion.status,
                completion.actual_length
            );
        }
        ensure!(
            bulks.input.wait(Some(std::time::Duration::ZERO)).is_none(),
            "a read completed twice"
        );
        let written = [round; 100];
        bulks.send(&written)?;
        let read = bulks
            .input
            .transfer_blocking(Buffer::with_capacity(LENGTH), DEADLINE);
        ensure!(
            read.into_result()?[..] == written,
            "what came back is not what was sent"
        );
    }
    drop(bulks);
    plugged.device.wait_driver(0, "usbtest")?;
    Ok(())
}

fn our_disk_driver(world: &World) -> Result<()> {
    let (plugged, image) = setup::disk(8)?;
    let storage = MassStorage::open_blocking(&open(world, &plugged)?)?;
    let mut unit = storage.block_device_blocking(0)?;
    ensure!(unit.size() == 8 << 20, "the disk has {} bytes", unit.size());
    let mut start = [0; 16];
    unit.read_at_blocking(0, &mut start)?;
    ensure!(
        &start == b"usbfs2 test disk",
        "the disk begins with {start:?}"
    );
    let written = (0..1_u32 << 18)
        .flat_map(u32::to_le_bytes)
        .collect::<Vec<_>>();
    unit.write_at_blocking(4096, &written)?;
    unit.flush_blocking()?;
    let mut read = vec![0; written.len()];
    unit.read_at_blocking(4096, &mut read)?;
    ensure!(read == written, "what was read is not what was written");
    let on_medium = fs::read(image.path())?;
    ensure!(
        on_medium[4096..4096 + written.len()] == written[..],
        "the image holds something else"
    );
    drop((unit, storage));
    plugged.device.wait_driver(0, "usb-storage")?;
    Ok(())
}

fn our_hid_driver(world: &World) -> Result<()> {
    let descriptor = usbfs2_protocol::hid::BOOT_KEYBOARD_REPORT_DESCRIPTOR;
    let plugged = setup::with_driver(KernelFunction::keyboard(&descriptor), "usbhid")?;
    let hid = HidDevice::open_blocking(&open(world, &plugged)?)?;
    ensure!(
        hid.report_descriptor_bytes() == descriptor,
        "another report descriptor came"
    );
    let mut keys = hid.keys()?;
    let mut gadget = wait::until("the gadget's report file opens", || {
        let mut options = OpenOptions::new();
        options.read(true).write(true).open("/dev/hidg0").ok()
    })?;
    gadget.write_all(&[0, 0, usbfs2_protocol::hid::usage::A, 0, 0, 0, 0, 0])?;
    let event = keys.next_timeout(DEADLINE)?.context("no key event")?;
    ensure!(
        event.pressed && event.text == Some('a'),
        "{event:?} for A pressed"
    );
    gadget.write_all(&[0; 8])?;
    let event = keys.next_timeout(DEADLINE)?.context("no key event")?;
    ensure!(!event.pressed, "{event:?} for A released");
    let leds = Leds::CAPS_LOCK | Leds::SCROLL_LOCK;
    hid.set_leds_blocking(leds)?;
    // The kernel's driver may have set the lights before.
    let mut lights = [0];
    while lights != [leds.bits()] {
        gadget.read_exact(&mut lights)?;
    }
    drop((keys, hid));
    plugged.device.wait_driver(0, "usbhid")?;
    Ok(())
}
