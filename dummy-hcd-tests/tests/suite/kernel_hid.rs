//! The kernel's usbhid on our HID gadgets: evdev tells what was done, and hidapi reads over hidraw what our
//! driver reads.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::device::SysfsDevice;
use dummy_hcd_tests::wait::{self, DEADLINE};
use hidapi::HidApi;
use usbfs2_gadget::functions::consumer_control::usage as media;
use usbfs2_gadget::functions::gamepad::{GamepadInput, Hat};
use usbfs2_gadget::functions::keyboard::{KeyboardOptions, Leds};
use usbfs2_gadget::functions::mouse::Button;
use usbfs2_gadget::functions::{ConsumerControl, Gamepad, Keyboard, Mouse, Tablet};
use usbfs2_gadget::{Function, GadgetfsOptions, Running};
use usbfs2_hid::HidDevice;
use usbfs2_host::Host;

use crate::runner::Test;
use crate::world::{IDS, World};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("kernel_hid::evdev_tells_what_our_mouse_did", mouse),
        Test::new("kernel_hid::evdev_tells_where_our_tablet_is", tablet),
        Test::new("kernel_hid::evdev_tells_what_our_gamepad_did", gamepad),
        Test::new(
            "kernel_hid::evdev_tells_what_our_media_keys_did",
            media_keys,
        ),
        Test::new(
            "kernel_hid::hidapi_reads_what_our_driver_reads",
            hidapi_reads_what_our_driver_reads,
        ),
    ]
}

/// A gadget that the kernel's usbhid drives.
struct Desk {
    device: SysfsDevice,
    _running: Running,
}

impl Desk {
    fn new(function: Arc<dyn Function>) -> Result<Self> {
        let gadget = World::gadget().function(function).build()?;
        let running = gadget.start_gadgetfs(&GadgetfsOptions::default())?;
        let device = SysfsDevice::wait(0)?;
        device.wait_driver(0, "usbhid")?;
        Ok(Self {
            device,
            _running: running,
        })
    }

    /// The device's node of a class, such as `input`, whose name begins like this.
    fn node(&self, class: &str, name: &str, directory: &str) -> Result<PathBuf> {
        let find = || {
            let entries = fs::read_dir(Path::new("/sys/class").join(class)).ok()?;
            entries.flatten().find_map(|entry| {
                let target = fs::read_link(entry.path()).ok()?;
                let mut parts = target.components();
                let is_ours = parts.any(|part| part.as_os_str() == self.device.name());
                let node = Path::new(directory).join(entry.file_name());
                let is_wanted = entry.file_name().to_string_lossy().starts_with(name);
                (is_ours && is_wanted && node.exists()).then_some(node)
            })
        };
        Ok(wait::until(&format!("the device has a {name} node"), find)?)
    }

    fn events(&self) -> Result<Events> {
        let node = self.node("input", "event", "/dev/input")?;
        Ok(Events(File::open(node)?))
    }
}

/// Type, code and value (input-event-codes.h).
pub(crate) type Event = (u16, u16, i32);

pub(crate) const EV_KEY: u16 = 1;
pub(crate) const EV_REL: u16 = 2;
const EV_ABS: u16 = 3;

/// What the kernel says happened.
pub(crate) struct Events(pub(crate) File);

impl Events {
    /// The next `count` events of keys and axes. Left out is what the kernel derives from them: the ends of
    /// reports, scan codes, and wheels in finer steps.
    fn take(&mut self, count: usize) -> Result<Vec<Event>> {
        /// `struct input_event` where a long has 64 bits: 16 bytes of time, then these.
        const BYTES: usize = 24;
        const FINE_WHEELS: [u16; 2] = [0x0b, 0x0c];
        let mut events = Vec::new();
        // A read waits for the kernel; the test's own deadline ends one that waits in vain.
        while events.len() < count {
            let mut event = [0; BYTES];
            self.0.read_exact(&mut event)?;
            let word = |at: usize| u16::from_ne_bytes([event[at], event[at + 1]]);
            let value = i32::from_ne_bytes([event[20], event[21], event[22], event[23]]);
            let (kind, code) = (word(16), word(18));
            let is_fine_wheel = kind == EV_REL && FINE_WHEELS.contains(&code);
            if matches!(kind, EV_KEY | EV_REL | EV_ABS) && !is_fine_wheel {
                events.push((kind, code, value));
            }
        }
        Ok(events)
    }

    pub(crate) fn are(&mut self, expected: &[Event]) -> Result<()> {
        let events = self.take(expected.len())?;
        ensure!(events == expected, "{events:?} instead of {expected:?}");
        Ok(())
    }
}

fn mouse() -> Result<()> {
    const REL_X: u16 = 0;
    const REL_Y: u16 = 1;
    const REL_HWHEEL: u16 = 6;
    const REL_WHEEL: u16 = 8;
    const BTN_MIDDLE: u16 = 0x112;
    let mouse = Mouse::new();
    let desk = Desk::new(mouse.clone())?;
    let mut events = desk.events()?;
    mouse.move_by(130, -7);
    mouse.click(Button::Middle);
    mouse.scroll(-3, 2);
    events.are(&[
        (EV_REL, REL_X, 127),
        (EV_REL, REL_Y, -7),
        (EV_REL, REL_X, 3),
        (EV_KEY, BTN_MIDDLE, 1),
        (EV_KEY, BTN_MIDDLE, 0),
        (EV_REL, REL_WHEEL, -3),
        (EV_REL, REL_HWHEEL, 2),
    ])
}

fn tablet() -> Result<()> {
    const ABS_X: u16 = 0;
    const ABS_Y: u16 = 1;
    const BTN_LEFT: u16 = 0x110;
    let tablet = Tablet::new();
    let desk = Desk::new(tablet.clone())?;
    let mut events = desk.events()?;
    tablet.move_to(16_384, 32_767);
    tablet.press(Button::Left);
    tablet.move_to(5, 32_767);
    tablet.release(Button::Left);
    events.are(&[
        (EV_ABS, ABS_X, 16_384),
        (EV_ABS, ABS_Y, 32_767),
        (EV_KEY, BTN_LEFT, 1),
        (EV_ABS, ABS_X, 5),
        (EV_KEY, BTN_LEFT, 0),
    ])
}

fn gamepad() -> Result<()> {
    const ABS_X: u16 = 0;
    const ABS_Y: u16 = 1;
    const ABS_Z: u16 = 2;
    const ABS_RZ: u16 = 5;
    const ABS_GAS: u16 = 0x09;
    const ABS_BRAKE: u16 = 0x0a;
    const ABS_HAT0X: u16 = 0x10;
    const ABS_HAT0Y: u16 = 0x11;
    const BTN_GAMEPAD: u16 = 0x130;
    let gamepad = Gamepad::new();
    let desk = Desk::new(gamepad.clone())?;
    let mut events = desk.events()?;
    gamepad.set(GamepadInput {
        left: (-32_768, 32_767),
        right: (16_000, -16_000),
        triggers: (255, 200),
        hat: Some(Hat::UpRight),
        buttons: 0b1000_0000_0001,
    });
    gamepad.set(GamepadInput::default());
    for at in [1, 0] {
        let mut told = events.take(10)?;
        // The kernel has an order of its own, which is not the report's.
        told.sort_unstable();
        let expected = [
            (EV_KEY, BTN_GAMEPAD, at),
            (EV_KEY, BTN_GAMEPAD + 11, at),
            (EV_ABS, ABS_X, -32_768 * at),
            (EV_ABS, ABS_Y, 32_767 * at),
            (EV_ABS, ABS_Z, 16_000 * at),
            (EV_ABS, ABS_RZ, -16_000 * at),
            (EV_ABS, ABS_GAS, 200 * at),
            (EV_ABS, ABS_BRAKE, 255 * at),
            (EV_ABS, ABS_HAT0X, at),
            (EV_ABS, ABS_HAT0Y, -at),
        ];
        ensure!(told == expected, "{told:?} instead of {expected:?}");
    }
    Ok(())
}

fn media_keys() -> Result<()> {
    const KEY_MUTE: u16 = 113;
    const KEY_VOLUMEUP: u16 = 115;
    const KEY_PLAYPAUSE: u16 = 164;
    const KEY_A: u16 = 30;
    let keys = ConsumerControl::new();
    let desk = Desk::new(keys.clone())?;
    let mut events = desk.events()?;
    keys.press(media::VOLUME_UP)?;
    keys.tap(media::PLAY_PAUSE)?;
    keys.release(media::VOLUME_UP)?;
    events.are(&[
        (EV_KEY, KEY_VOLUMEUP, 1),
        (EV_KEY, KEY_PLAYPAUSE, 1),
        (EV_KEY, KEY_PLAYPAUSE, 0),
        (EV_KEY, KEY_VOLUMEUP, 0),
    ])?;
    drop(desk);

    // Beside keys in one interface, by report IDs.
    let keyboard = Keyboard::with_options(KeyboardOptions {
        media_keys: true,
        ..KeyboardOptions::default()
    });
    let desk = Desk::new(keyboard.clone())?;
    let mut events = desk.events()?;
    keyboard.press_media(media::MUTE)?;
    keyboard.type_text("a")?;
    keyboard.release_media(media::MUTE)?;
    events.are(&[
        (EV_KEY, KEY_MUTE, 1),
        (EV_KEY, KEY_A, 1),
        (EV_KEY, KEY_A, 0),
        (EV_KEY, KEY_MUTE, 0),
    ])
}

fn hidapi_reads_what_our_driver_reads() -> Result<()> {
    // Hidraw keeps 64 reports and drops what comes after; each character takes two.
    const TEXT: &str = "The same, byte for byte!\n";
    let keyboard = Keyboard::new();
    let desk = Desk::new(keyboard.clone())?;
    let by_hidapi = {
        let node = desk.node("hidraw", "hidraw", "/dev")?;
        let node = CString::new(node.into_os_string().into_encoded_bytes())?;
        // The VM has no udev to ask.
        HidApi::disable_device_discovery();
        let hid = HidApi::new()?.open_path(&node)?;
        let reads = |buffer: &mut [u8]| {
            let milliseconds = i32::try_from(DEADLINE.as_millis())?;
            Ok(hid.read_timeout(buffer, milliseconds)?)
        };
        let writes = |report: &[u8]| Ok(hid.write(report)?);
        session(&keyboard, TEXT, reads, writes, |buffer| {
            Ok(hid.get_report_descriptor(buffer)?)
        })?
    };
    let host = Host::usbfs2(dummy_hcd_tests::usbfs2::MOUNT.as_ref())?;
    let devices = host.devices()?;
    let ours = |info: &&usbfs2_host::DeviceInfo| info.product_id() == Some(IDS.product);
    let info = devices.iter().find(ours).context("the gadget is gone")?;
    let hid = usbfs2_hid::hidapi::HidDevice::open(&host.open(info.id())?)?;
    let by_ours = session(
        &keyboard,
        TEXT,
        |buffer| Ok(hid.read_timeout(buffer, Some(DEADLINE))?),
        |report| Ok(hid.write(report)?),
        |buffer| Ok(hid.get_report_descriptor(buffer)),
    )?;
    ensure!(
        by_hidapi == by_ours,
        "hidapi: {by_hidapi:02x?}, ours: {by_ours:02x?}"
    );
    drop(hid);
    // The typed interface is the same device.
    let hid = HidDevice::open_blocking(&host.open(info.id())?)?;
    ensure!(
        by_ours.first().map(Vec::as_slice) == Some(hid.report_descriptor_bytes()),
        "the report descriptor changed"
    );
    Ok(())
}

/// What a reader gets: the report descriptor, and each report of a text; lights are set meanwhile.
fn session(
    keyboard: &Keyboard,
    text: &str,
    read: impl Fn(&mut [u8]) -> Result<usize>,
    write: impl Fn(&[u8]) -> Result<usize>,
    descriptor: impl Fn(&mut [u8]) -> Result<usize>,
) -> Result<Vec<Vec<u8>>> {
    let mut buffer = [0; 4096];
    let length = descriptor(&mut buffer)?;
    let mut got = vec![buffer[..length].to_vec()];
    for leds in [Leds::CAPS_LOCK, Leds::empty()] {
        let written = write(&[0, leds.bits()])?;
        ensure!(written == 2, "{written} bytes written");
        keyboard
            .wait_for_leds(Some(DEADLINE), |now| now == leds)
            .with_context(|| format!("the keyboard shows {:?}", keyboard.leds()))?;
    }
    keyboard.type_text(text)?;
    keyboard.press(usbfs2_gadget::functions::keyboard::usage::ESCAPE)?;
    keyboard.release_all();
    // Shifted characters have a report more each way, so the end is what tells.
    let escape = [0, 0, 0x29, 0, 0, 0, 0, 0];
    while got.last().map(Vec::as_slice) != Some(&escape) {
        let length = read(&mut buffer)?;
        ensure!(length > 0, "silence after {} reports", got.len());
        got.push(buffer[..length].to_vec());
    }
    let length = read(&mut buffer)?;
    got.push(buffer[..length].to_vec());
    Ok(got)
}
