//! As many devices as `dummy_hcd` has buses.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::composite::{KernelFunction, KernelGadget};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::modprobe;
use dummy_hcd_tests::usbfs2::DeviceFiles;
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_host::{Buffer, Bulk, Direction, Endpoint, In, Out, TransferType};

use crate::runner::Test;
use crate::vendor;
use crate::world::{KernelHost, World};

/// The most it has.
const DEVICES: u8 = 32;

/// A vendor-specific product no driver knows.
const IDS: (u16, u16) = (0x1d6b, 0x0106);

pub(crate) fn tests() -> Vec<Test> {
    vec![Test::long(
        "many_devices::thirty_two_are_listed_opened_claimed_and_move_data_at_once",
        thirty_two,
    )]
}

fn thirty_two() -> Result<()> {
    let _buses = Buses::have(DEVICES)?;
    let bind = |bus| KernelGadget::bind(bus, IDS, &[KernelFunction::loopback()]);
    let _gadgets = (0..DEVICES).map(bind).collect::<Result<Vec<_>, _>>()?;
    for bus in 0..DEVICES {
        DeviceFiles::wait(SysfsDevice::wait(bus)?.name())?;
    }
    for host in KernelHost::ALL {
        all_at_once(&World::Kernel(host)).with_context(|| host.name().to_owned())?;
    }
    Ok(())
}

/// `dummy_hcd` with another number of buses than the guest began with.
struct Buses {
    before: u8,
}

impl Buses {
    fn have(number: u8) -> Result<Self> {
        let before = fs::read_to_string("/sys/module/dummy_hcd/parameters/num")?;
        let before = before.trim().parse()?;
        reload(number)?;
        Ok(Self { before })
    }
}

impl Drop for Buses {
    fn drop(&mut self) {
        if let Err(error) = reload(self.before) {
            eprintln!("{error:#}");
        }
    }
}

fn reload(buses: u8) -> Result<()> {
    let parameter = |name: &str| -> Result<String> {
        let value = fs::read_to_string(format!("/sys/module/dummy_hcd/parameters/{name}"))?;
        Ok(format!("{name}={}", value.trim()))
    };
    let speeds = [parameter("is_super_speed")?, parameter("is_high_speed")?];
    modprobe::run(&["-r", "dummy_hcd"])?;
    modprobe::run(&["dummy_hcd", &format!("num={buses}"), &speeds[0], &speeds[1]])
}

struct Line {
    input: Endpoint<Bulk, In>,
    output: Endpoint<Bulk, Out>,
}

fn all_at_once(world: &World) -> Result<()> {
    const ROUNDS: u8 = 5;
    let host = world.host()?;
    let devices = host.devices()?;
    let ours = devices
        .iter()
        .filter(|info| (info.vendor_id(), info.product_id()) == (Some(IDS.0), Some(IDS.1)));
    let mut lines = Vec::new();
    for info in ours {
        let interface = host.open(info.id())?.claim(0)?;
        let address = |direction| vendor::address(&interface, direction, TransferType::Bulk);
        lines.push(Line {
            input: interface.endpoint(address(Direction::In)?)?,
            output: interface.endpoint(address(Direction::Out)?)?,
        });
    }
    ensure!(
        lines.len() == usize::from(DEVICES),
        "{} devices are listed",
        lines.len()
    );
    for round in 0..ROUNDS {
        for line in &mut lines {
            line.input.submit(Buffer::with_capacity(1024));
        }
        for (number, line) in (0..).zip(&mut lines) {
            line.output.submit(Buffer::from(vec![number ^ round; 700]));
        }
        for (number, line) in (0..).zip(&mut lines) {
            let sent = line.output.wait(Some(DEADLINE)).context("silence")?;
            sent.into_result()?;
            let received = line.input.wait(Some(DEADLINE)).context("silence")?;
            ensure!(
                received.into_result()?[..] == [number ^ round; 700],
                "device {number} gave back what another was sent"
            );
        }
    }
    Ok(())
}
