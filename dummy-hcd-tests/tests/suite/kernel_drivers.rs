//! The kernel's own drivers on our gadgets, over gadgetfs.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::wait::{self, DEADLINE};
use usbfs2_gadget::functions::keyboard::Leds;
use usbfs2_gadget::functions::mass_storage::DiskOptions;
use usbfs2_gadget::functions::{Disk, Keyboard};
use usbfs2_gadget::scsi::FileMedium;
use usbfs2_gadget::{GadgetfsOptions, Running};

use crate::runner::Test;
use crate::world::World;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::long(
            "kernel_drivers::usb_storage_keeps_a_file_system_on_our_disk",
            usb_storage_on_our_disk,
        ),
        Test::new(
            "kernel_drivers::usbhid_gets_events_from_our_keyboard",
            usbhid_on_our_keyboard,
        ),
        Test::new(
            "kernel_drivers::usbhid_lights_our_keyboard",
            usbhid_lights_our_keyboard,
        ),
    ]
}

pub(crate) fn start(
    gadget: &usbfs2_gadget::Gadget,
    driver: &str,
) -> Result<(Running, SysfsDevice)> {
    let running = gadget.start_gadgetfs(&GadgetfsOptions::default())?;
    let device = SysfsDevice::wait(0)?;
    device.wait_driver(0, driver)?;
    Ok((running, device))
}

pub(crate) fn succeed<A: AsRef<OsStr>>(program: &str, arguments: &[A]) -> Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("run {program}"))?;
    ensure!(
        output.status.success(),
        "{program}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

fn usb_storage_on_our_disk() -> Result<()> {
    let directory = tempfile::tempdir_in("/dev/shm")?;
    let image = directory.path().join("image");
    let medium = FileMedium::create(&image, 16 << 20)?;
    let disk: Arc<Disk> = Disk::new(medium, DiskOptions::default())?;
    let (running, device) = start(&World::gadget().function(disk).build()?, "usb-storage")?;
    let block = wait::until("the disk has a block device", || block_device(&device))?;

    keep_a_file_system(&block, directory.path())?;
    running.stop();

    // What the kernel wrote through the gadget is on the medium, readable without it.
    succeed("fsck.vfat", &[Path::new("-n"), &image])
}

/// Makes a file system on the disk, mounts it in `directory`, and expects a file to survive.
pub(crate) fn keep_a_file_system(block: &Path, directory: &Path) -> Result<()> {
    succeed("mkfs.vfat", &[block])?;
    let mounted = directory.join("mounted");
    fs::create_dir(&mounted)?;
    succeed("mount", &[block, &mounted])?;
    let content = (0..1_u32 << 18)
        .flat_map(|word| word.wrapping_mul(0x9e37_79b9).to_le_bytes())
        .collect::<Vec<_>>();
    fs::write(mounted.join("file"), &content)?;
    succeed("umount", &[&mounted])?;
    succeed("fsck.vfat", &[Path::new("-n"), block])?;
    fs::write("/proc/sys/vm/drop_caches", "3")?;
    succeed("mount", &[block, &mounted])?;
    let read = fs::read(mounted.join("file"));
    succeed("umount", &[&mounted])?;
    ensure!(read? == content, "the file came back changed");
    Ok(())
}

pub(crate) fn block_device(device: &SysfsDevice) -> Option<PathBuf> {
    fs::read_dir("/sys/block")
        .ok()?
        .flatten()
        .find_map(|entry| {
            let target = fs::read_link(entry.path()).ok()?;
            let ours = target
                .components()
                .any(|part| part.as_os_str() == device.name());
            let node = Path::new("/dev").join(entry.file_name());
            (ours && node.exists()).then_some(node)
        })
}

/// `struct input_event` of linux/input.h where a long has 64 bits: 16 bytes of time, then these.
const EVENT_BYTES: usize = 24;
const EV_KEY: u16 = 1;
const KEY_A: u16 = 30;

fn usbhid_on_our_keyboard() -> Result<()> {
    let keyboard = Keyboard::new();
    let gadget = World::gadget().function(keyboard.clone()).build()?;
    let (_running, device) = start(&gadget, "usbhid")?;
    let path = wait::until("the keyboard has an event device", || event_device(&device))?;
    types_a_letter(&keyboard, &path)
}

/// Types a letter and expects its events.
pub(crate) fn types_a_letter(keyboard: &Keyboard, events: &Path) -> Result<()> {
    let mut events = File::open(events)?;
    keyboard.type_text("a")?;
    let mut values = Vec::new();
    // A read waits for the kernel; the test's own deadline ends one that waits in vain.
    while values.len() < 2 {
        let mut event = [0; EVENT_BYTES];
        events.read_exact(&mut event)?;
        let word = |at: usize| u16::from_ne_bytes([event[at], event[at + 1]]);
        if word(16) == EV_KEY {
            ensure!(word(18) == KEY_A, "key {} for an a", word(18));
            values.push(word(20));
        }
    }
    ensure!(values == [1, 0], "an a went {values:?}, not down and up");
    Ok(())
}

fn usbhid_lights_our_keyboard() -> Result<()> {
    const EV_LED: u16 = 0x11;
    const LED_NUML: u16 = 0;
    const LED_CAPSL: u16 = 1;
    let keyboard = Keyboard::new();
    let gadget = World::gadget().function(keyboard.clone()).build()?;
    let (_running, device) = start(&gadget, "usbhid")?;
    let path = wait::until("the keyboard has an event device", || event_device(&device))?;
    let mut events = OpenOptions::new().write(true).open(path)?;
    for (code, value, leds) in [
        (LED_CAPSL, 1, Leds::CAPS_LOCK),
        (LED_NUML, 1, Leds::CAPS_LOCK | Leds::NUM_LOCK),
        (LED_CAPSL, 0, Leds::NUM_LOCK),
    ] {
        let mut event = [0; EVENT_BYTES];
        event[16..18].copy_from_slice(&EV_LED.to_ne_bytes());
        event[18..20].copy_from_slice(&code.to_ne_bytes());
        event[20..24].copy_from_slice(&i32::to_ne_bytes(value));
        events.write_all(&event)?;
        keyboard
            .wait_for_leds(Some(DEADLINE), |now| now == leds)
            .with_context(|| format!("the keyboard shows {:?}, not {leds:?}", keyboard.leds()))?;
    }
    Ok(())
}

pub(crate) fn event_device(device: &SysfsDevice) -> Option<PathBuf> {
    fs::read_dir("/sys/class/input")
        .ok()?
        .flatten()
        .find_map(|entry| {
            let name = entry.file_name();
            let target = fs::read_link(entry.path()).ok()?;
            let ours = target
                .components()
                .any(|part| part.as_os_str() == device.name());
            let node = Path::new("/dev/input").join(&name);
            (ours && name.to_string_lossy().starts_with("event") && node.exists()).then_some(node)
        })
}
