//! Our host and class drivers on the kernel's own gadget functions.

use std::fs::{self, OpenOptions};
use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::composite::KernelFunction;
use dummy_hcd_tests::usbfs2;
use dummy_hcd_tests::wait::{self, DEADLINE};
use usbfs2_hid::HidDevice;
use usbfs2_host::{Buffer, Bulk, Device, Host, In, Out};
use usbfs2_mass_storage::MassStorage;

use crate::runner::Test;
use crate::setup::{self, Plugged};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new(
            "kernel_functions::a_queue_of_transfers_on_source_sink",
            a_queue_of_transfers,
        ),
        Test::new(
            "kernel_functions::our_disk_driver_on_f_mass_storage",
            our_disk_driver,
        ),
        Test::new("kernel_functions::our_hid_driver_on_f_hid", our_hid_driver),
    ]
}

fn open(plugged: &Plugged) -> Result<Device> {
    let host = Host::usbfs2(usbfs2::MOUNT.as_ref())?;
    let devices = host.devices()?;
    let info = devices
        .iter()
        .find(|info| info.id().as_str() == plugged.device.name());
    let info = info.with_context(|| format!("{} is not listed", plugged.device.name()))?;
    Ok(host.open(info.id())?)
}

fn a_queue_of_transfers() -> Result<()> {
    let plugged = setup::zeros()?;
    let interface = open(&plugged)?.claim(0)?;
    let address = |direction_in| -> Result<u8> {
        let path = plugged.interface.endpoint(direction_in)?;
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Ok(u8::from_str_radix(name.trim_start_matches("ep"), 16)?)
    };
    let mut input = interface.endpoint::<Bulk, In>(address(true)?)?;
    let mut out = interface.endpoint::<Bulk, Out>(address(false)?)?;
    for _ in 0..32 {
        input.submit(Buffer::with_capacity(4096));
        out.submit(Buffer::from(vec![0; 4096]));
    }
    for _ in 0..32 {
        let received = input
            .wait(Some(DEADLINE))
            .context("no IN completion")?
            .into_result()?;
        ensure!(
            received[..] == [0; 4096],
            "{} bytes, not 4096 zeros",
            received.len()
        );
        let sent = out.wait(Some(DEADLINE)).context("no OUT completion")?;
        sent.status?;
        ensure!(
            sent.actual_length == 4096,
            "{} of 4096 bytes were sent",
            sent.actual_length
        );
    }
    Ok(())
}

fn our_disk_driver() -> Result<()> {
    let (plugged, image) = setup::disk(8)?;
    let storage = MassStorage::open_blocking(&open(&plugged)?)?;
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

fn our_hid_driver() -> Result<()> {
    let descriptor = usbfs2_protocol::hid::BOOT_KEYBOARD_REPORT_DESCRIPTOR;
    let plugged = setup::with_driver(KernelFunction::keyboard(&descriptor), "usbhid")?;
    let hid = HidDevice::open_blocking(&open(&plugged)?)?;
    ensure!(
        hid.report_descriptor_bytes() == descriptor,
        "another report descriptor came"
    );
    let mut keys = hid.keys()?;
    let mut gadget = wait::until("the gadget's report file opens", || {
        OpenOptions::new().write(true).open("/dev/hidg0").ok()
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
    drop((keys, hid));
    plugged.device.wait_driver(0, "usbhid")?;
    Ok(())
}
