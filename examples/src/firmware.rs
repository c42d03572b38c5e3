//! What is around a microcontroller: a bus to be on, and somebody who turns knobs. The firmware in `firmware_*.rs` is
//! what it would be on one, with one line more.

use std::io::{BufRead as _, Read as _, Write as _, stdin};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use fatfs::{FileSystem, FormatVolumeOptions, FsOptions, format_volume};
use fscommon::BufStream;
use usb_device::bus::UsbBusAllocator;
use usbfs2_gadget::firmware::{FirmwareBus, FirmwareHandle};
use usbfs2_gadget::{GadgetfsOptions, Keeper, KnownUdc, Speed, State, Udc};
use usbfs2_host::{
    Buffer, Bulk, Device, Direction, EndpointAddress, Host, HotplugEvent, In, Interface, Out,
    TransferType,
};
use usbfs2_loopback::Bus;
use usbfs2_mass_storage::{BlockDevice, DiskCursor};

/// How long a host's end waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Firmware from its first line to the end of its main loop.
pub type Firmware = fn(&UsbBusAllocator<FirmwareBus>, Outside) -> Result<()>;

/// A host's end: drives the device, and turns the knobs of the firmware meanwhile.
pub type HostEnd = fn(&Device, &Knobs) -> Result<()>;

/// Runs `firmware` where the arguments say: with none on this board's controller, the knobs being lines of the
/// standard input, whose end unplugs the device; with `--demo` on a bus inside this program, with `host` at its
/// other end; with `--check dwc2` nowhere: whether it would fit on that controller.
///
/// # Errors
/// Other arguments, a controller that is missing, busy or does not have what the firmware asks for, or an end that
/// does not do what the other one waits for.
pub fn run(firmware: Firmware, host: HostEnd) -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => {
            let options = GadgetfsOptions {
                keeper: Keeper::from_environment()?,
                ..GadgetfsOptions::default()
            };
            let allocator = FirmwareBus::gadgetfs(&options)?;
            firmware(&allocator, Outside(Box::new(standard_input)))
        }
        ["--demo"] => {
            let bus = Bus::new();
            let allocator = FirmwareBus::on(&bus, Speed::Full);
            let turn = move |knobs: &Knobs| host(&plugged(&Host::on(&bus))?, knobs);
            firmware(&allocator, Outside(Box::new(turn)))
        }
        ["--check", controller] => {
            let names = || {
                KnownUdc::ALL
                    .iter()
                    .map(|one| one.name())
                    .collect::<Vec<_>>()
            };
            let udc = Udc::known(controller).with_context(|| {
                format!("nothing is known of `{controller}`: {:?} are", names())
            })?;
            let allocator = FirmwareBus::check(&udc);
            let rehearsed =
                |knobs: &Knobs| Ok(knobs.handle.wait_for_state(State::Stopped, PATIENCE)?);
            firmware(&allocator, Outside(Box::new(rehearsed)))?;
            println!("fits gadgetfs on {controller}");
            Ok(())
        }
        [other, ..] => bail!(
            "`{other}` is not understood: give --demo, --check with a controller's name, or nothing to be on this \
             board's controller"
        ),
    }
}

/// The device, as soon as the host has it.
fn plugged(host: &Host) -> Result<Device> {
    let mut watch = host.watch()?;
    loop {
        let event = watch.next_timeout(PATIENCE)?;
        if let HotplugEvent::Arrived(info) = event.context("no device was plugged in")? {
            return Ok(host.open(info.id())?);
        }
    }
}

fn standard_input(knobs: &Knobs) -> Result<()> {
    for line in stdin().lock().lines() {
        knobs.turn(&line?);
    }
    Ok(())
}

type Work = dyn FnOnce(&Knobs) -> Result<()> + Send;

/// Whoever turns the knobs, not yet at work.
pub struct Outside(Box<Work>);

impl std::fmt::Debug for Outside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Outside")
    }
}

impl Outside {
    /// Has them begin, in a thread of their own.
    #[must_use]
    pub fn begin(self, handle: FirmwareHandle) -> Inputs {
        let (sender, lines) = channel();
        let knobs = Knobs { sender, handle };
        let thread = thread::spawn(move || {
            let result = (self.0)(&knobs);
            knobs.handle.stop();
            result
        });
        Inputs { lines, thread }
    }
}

/// What turns the knobs.
#[derive(Debug)]
pub struct Knobs {
    sender: Sender<String>,
    handle: FirmwareHandle,
}

impl Knobs {
    /// Turns one: the firmware's `wait` returns, as it would for an interrupt of the pin.
    pub fn turn(&self, line: &str) {
        // Firmware that has ended needs no more of them.
        let _ = self.sender.send(line.to_owned());
        self.handle.wake();
    }

    /// The firmware's handle.
    #[must_use]
    pub fn handle(&self) -> &FirmwareHandle {
        &self.handle
    }
}

/// The knobs, as firmware reads them.
#[derive(Debug)]
pub struct Inputs {
    lines: Receiver<String>,
    thread: JoinHandle<Result<()>>,
}

impl Inputs {
    /// What was turned since, if anything.
    pub fn next(&self) -> Option<String> {
        self.lines.try_recv().ok()
    }

    /// What became of whoever turned them, once the firmware was stopped.
    ///
    /// # Errors
    /// Theirs.
    pub fn end(self) -> Result<()> {
        let thread = self.thread.join();
        thread.map_err(|_| anyhow!("the other end panicked"))?
    }
}

/// The address of the interface's bulk endpoint of this direction.
///
/// # Errors
/// It has none.
pub fn bulk(interface: &Interface, direction: Direction) -> Result<EndpointAddress> {
    let setting = interface.alternate_setting()?;
    let endpoint = setting.find_endpoint(TransferType::Bulk, direction);
    let endpoint = endpoint.context("no such endpoint")?;
    Ok(endpoint.address)
}

/// Begins to read from the disk behind a Bulk-Only interface, and gives up in the middle, as a host does whose program
/// is killed.
///
/// # Errors
/// The disk's.
pub fn give_up_reading(device: &Device) -> Result<()> {
    let interface = device.claim(0)?;
    let mut output = interface.endpoint::<Bulk, Out>(bulk(&interface, Direction::Out)?)?;
    let mut input = interface.endpoint::<Bulk, In>(bulk(&interface, Direction::In)?)?;
    // A command block wrapper (BOT 5.1) for READ(10) of 64 blocks.
    let command = b"USBCgone\0\x80\0\0\x80\0\x0a\x28\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0";
    output
        .transfer_blocking(Buffer::from(command.as_slice()), PATIENCE)
        .into_result()?;
    input
        .transfer_blocking(Buffer::with_capacity(64), PATIENCE)
        .into_result()?;
    Ok(())
}

/// Makes a file system on a disk, and a file in it; reads the file and returns its length.
///
/// # Errors
/// The disk's, or the file came back changed.
pub fn keep_a_file(disk: BlockDevice) -> Result<usize> {
    let mut disk = BufStream::new(DiskCursor::new(disk));
    format_volume(&mut disk, FormatVolumeOptions::new())?;
    let files = FileSystem::new(disk, FsOptions::new())?;
    let content: Vec<u8> = (0..1_u32 << 16).flat_map(u32::to_le_bytes).collect();
    let mut read = Vec::new();
    {
        let root = files.root_dir();
        root.create_file("NUMBERS")?.write_all(&content)?;
        root.open_file("NUMBERS")?.read_to_end(&mut read)?;
    }
    ensure!(read == content, "the file came back changed");
    files.unmount()?;
    Ok(read.len())
}
