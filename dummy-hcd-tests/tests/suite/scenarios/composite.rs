//! Two functions in one device.

use std::thread;

use anyhow::{Context as _, Result, ensure};
use usbfs2_gadget::functions::mass_storage::DiskOptions;
use usbfs2_gadget::functions::{Disk, Keyboard};
use usbfs2_hid::HidDevice;
use usbfs2_mass_storage::MassStorage;

use super::Scenario;
use super::disk::{Probe, pattern};
use super::keyboard::read_text;
use crate::world::World;

pub(crate) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![(
        "composite::a_keyboard_and_a_disk_in_one_device_work_at_once",
        a_keyboard_and_a_disk,
    )]
}

const SIZE: usize = 2 << 20;
const TEXT: &str = "typed while the disk is busy, ";

fn a_keyboard_and_a_disk(world: &World) -> Result<()> {
    let keyboard = Keyboard::new();
    let probe = Probe::new(SIZE);
    let disk = Disk::new(probe.clone(), DiskOptions::default())?;
    let gadget = World::gadget()
        .function(keyboard.clone())
        .function(disk)
        .build()?;
    let connected = world.connect(&gadget)?;
    let hid = HidDevice::open_blocking(&connected.device)?;
    let mut keys = hid.keys()?;
    let mut unit = MassStorage::open_blocking(&connected.device)?.block_device_blocking(0)?;
    let content = pattern(SIZE);

    let (read_text, read_bytes) = thread::scope(|scope| {
        let copying = scope.spawn(|| -> Result<Vec<u8>> {
            unit.write_at_blocking(0, &content)?;
            let mut read = vec![0; SIZE];
            unit.read_at_blocking(0, &mut read)?;
            Ok(read)
        });
        let typing = scope.spawn(|| -> Result<String> {
            let mut read = String::new();
            for _ in 0..5 {
                keyboard.type_text(TEXT)?;
                read.push_str(&read_text(&mut keys, TEXT.len())?);
            }
            Ok(read)
        });
        (typing.join(), copying.join())
    });
    let text = read_text.ok().context("the typing panicked")??;
    let bytes = read_bytes.ok().context("the copying panicked")??;
    ensure!(text == TEXT.repeat(5), "{text:?} came");
    ensure!(bytes == content, "what was read is not what was written");
    ensure!(
        probe.contents()? == content,
        "the medium holds something else"
    );
    Ok(())
}
