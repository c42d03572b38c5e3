//! Our keyboard, our disk and a vendor function in one composite, beside the kernel's serial port.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::modprobe;
use dummy_hcd_tests::wait;
use usb_gadget::function::serial::{Serial, SerialClass};
use usbfs2_gadget::functions::mass_storage::DiskOptions;
use usbfs2_gadget::functions::{Disk, Keyboard};
use usbfs2_hid::HidDevice;
use usbfs2_mass_storage::MassStorage;

use super::echo::{EchoHost, echo};
use crate::composition::Composition;
use crate::kernel_drivers;
use crate::scenarios::Scenario;
use crate::scenarios::disk::{Probe, pattern};
use crate::scenarios::keyboard::read_text;
use crate::world::World;

pub(super) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![(
        "beside::keyboard_disk_and_vendor_function_beside_a_serial_port",
        beside_a_serial_port,
    )]
}

const SIZE: usize = 16 << 20;
/// The first two are the serial port's.
const KEYBOARD: u8 = 2;
const DISK: u8 = 3;

fn beside_a_serial_port(world: &World) -> Result<()> {
    modprobe::load("cdc_acm")?;
    let (port, serial) = Serial::new(SerialClass::Acm);
    let keyboard = Keyboard::new();
    let probe = Probe::new(SIZE);
    let gadget = World::gadget()
        .function(keyboard.clone())
        .function(Disk::new(probe.clone(), DiskOptions::default())?)
        .function(echo())
        .build()?;
    let connected = world.connect_in(Composition::register([serial])?, &gadget)?;
    let device = SysfsDevice::wait(0)?;

    // The kernel drives the serial port, the keyboard and the disk.
    for (number, driver) in [(0, "cdc_acm"), (KEYBOARD, "usbhid"), (DISK, "usb-storage")] {
        device.wait_driver(number, driver)?;
    }
    let terminal = Path::new("/dev/ttyACM0");
    talk(&port.tty()?, terminal)?;
    let path = wait::until("the keyboard has an event device", || {
        kernel_drivers::event_device(&device)
    })?;
    kernel_drivers::types_a_letter(&keyboard, &path)?;
    let block = wait::until("the disk has a block device", || {
        kernel_drivers::block_device(&device)
    })?;
    let directory = tempfile::tempdir_in("/dev/shm")?;
    kernel_drivers::keep_a_file_system(&block, directory.path())?;

    // Our drivers take keyboard and disk, the vendor function was free; the serial port stays the kernel's.
    let hid = HidDevice::open_blocking(&connected.device)?;
    let mut keys = hid.keys()?;
    let mut unit = MassStorage::open_blocking(&connected.device)?.block_device_blocking(0)?;
    let mut echo = EchoHost::claim(&connected.device)?;
    let content = pattern(1 << 20);
    unit.write_at_blocking(0, &content)?;
    let mut read = vec![0; content.len()];
    unit.read_at_blocking(0, &mut read)?;
    ensure!(read == content, "what was read is not what was written");
    ensure!(
        probe.contents()?[..content.len()] == content,
        "the medium holds something else"
    );
    keyboard.type_text("and ours")?;
    let text = read_text(&mut keys, 8)?;
    ensure!(text == "and ours", "{text:?} came");
    echo.exchange()?;
    talk(&port.tty()?, terminal)?;
    let failures = connected.running.failures();
    ensure!(failures.is_empty(), "{failures:?}");
    Ok(())
}

/// Sends a line each way between the ends of the serial port.
fn talk(gadget: &Path, host: &Path) -> Result<()> {
    for terminal in [gadget, host] {
        let raw = ["-F", &terminal.display().to_string(), "raw", "-echo"].map(str::to_owned);
        kernel_drivers::succeed("stty", &raw)?;
    }
    let open = |path: &Path| -> Result<File> {
        let file = OpenOptions::new().read(true).write(true).open(path);
        file.with_context(|| format!("open {}", path.display()))
    };
    let ends = (open(gadget)?, open(host)?);
    for (mut from, mut to) in [(&ends.0, &ends.1), (&ends.1, &ends.0)] {
        let line = *b"through the kernel's serial port\n";
        from.write_all(&line)?;
        let mut read = [0; 33];
        to.read_exact(&mut read)?;
        ensure!(read == line, "{read:?} came");
    }
    Ok(())
}
