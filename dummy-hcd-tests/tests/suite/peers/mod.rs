//! Programs on libusb (rusb) and on nusb drive our gadgets, and get what programs on our host get.

mod class;
mod nusb;
mod ours;
mod rusb;
mod vendor;

use std::fmt::Debug;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::device::SysfsDevice;
use usbfs2_host::{EndpointAddress, SetupPacket, TransferType};

use crate::runner::Test;
use crate::world::KernelHost;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "peers::rusb_and_nusb_get_what_we_get_of_our_vendor_function",
            || all_get_the_same(vendor::drive),
        ),
        Test::new(
            "peers::rusb_and_nusb_get_what_we_get_of_our_keyboard",
            || all_get_the_same(class::drive_keyboard),
        ),
        Test::new("peers::rusb_and_nusb_get_what_we_get_of_our_disk", || {
            all_get_the_same(class::drive_disk)
        }),
    ]
}

/// Why a call of any of them failed, in words they share.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Trouble {
    Stall,
    TimedOut,
    Other(String),
}

impl Trouble {
    fn other(error: impl Debug) -> Self {
        Self::Other(format!("{error:?}"))
    }
}

type Answer<T> = Result<T, Trouble>;

/// What each of them can do with interface 0 of a device.
trait Peer {
    fn control_in(&mut self, setup: SetupPacket) -> Answer<Vec<u8>>;
    fn control_out(&mut self, setup: SetupPacket, data: &[u8]) -> Answer<()>;
    /// One transfer; the bytes that went.
    fn write(&mut self, endpoint: EndpointAddress, bytes: &[u8]) -> Answer<usize>;
    /// One transfer of up to `room` bytes, a number of whole packets.
    fn read(&mut self, from: Source, room: usize, within: Duration) -> Answer<Vec<u8>>;
    fn clear_halt(&mut self, endpoint: EndpointAddress) -> Answer<()>;
    fn select(&mut self, setting: u8) -> Answer<()>;
    /// In the first language the device lists.
    fn string(&mut self, index: u8) -> Answer<String>;
}

/// An IN endpoint.
#[derive(Debug, Clone, Copy)]
struct Source {
    address: EndpointAddress,
    kind: TransferType,
}

/// Opens the one device of these numbers and claims its interface 0.
type Open = fn(u16, u16) -> Result<Box<dyn Peer>>;

/// Plugs a device in, drives it by what `Open` gives, and says what came of each step.
type Script = fn(Open) -> Result<Vec<String>>;

fn all_get_the_same(script: Script) -> Result<()> {
    let expected = script(|vendor, product| ours::open(KernelHost::Usbfs2, vendor, product))?;
    let others: [(&str, Open); 3] = [
        ("our host on usbfs", |vendor, product| {
            ours::open(KernelHost::Usbfs, vendor, product)
        }),
        ("rusb", rusb::open),
        ("nusb", nusb::open),
    ];
    for (name, open) in others {
        // Each drives a device of its own.
        SysfsDevice::wait_gone(0)?;
        let found = script(open).with_context(|| name.to_owned())?;
        for (found, expected) in found.iter().zip(&expected) {
            ensure!(found == expected, "{name}: {found:?}, we: {expected:?}");
        }
        ensure!(
            found.len() == expected.len(),
            "{name} took {} steps, we {}",
            found.len(),
            expected.len()
        );
    }
    Ok(())
}
