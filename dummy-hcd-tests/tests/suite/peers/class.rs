//! The keyboard and the disk, driven by their protocols as class drivers do.

use anyhow::{Context as _, Result, ensure};
use dummy_hcd_tests::wait::DEADLINE;
use usbfs2_gadget::functions::keyboard::Leds;
use usbfs2_gadget::functions::mass_storage::DiskOptions;
use usbfs2_gadget::functions::{Disk, Keyboard};
use usbfs2_host::{Direction, EndpointAddress, SetupPacket, TransferType};
use usbfs2_protocol::bot::{CommandBlockWrapper, CommandStatusWrapper};
use usbfs2_protocol::hid;
use usbfs2_protocol::scsi::CommandBlock;

use super::{Open, Peer, Source};
use crate::scenarios::{Probe, pattern};
use crate::vendor;
use crate::world::{Connected, IDS, KernelHost, World};

/// An endpoint of interface 0, whose address is the controller's choice.
fn address(
    connected: &Connected,
    direction: Direction,
    kind: TransferType,
) -> Result<EndpointAddress> {
    vendor::address(&connected.device.claim(0)?, direction, kind)
}

pub(super) fn drive_keyboard(open: Open) -> Result<Vec<String>> {
    let keyboard = Keyboard::new();
    let gadget = World::gadget().function(keyboard.clone()).build()?;
    let world = World::Kernel(KernelHost::Usbfs2);
    let connected = world.connect(&gadget)?;
    world.wait_for_kernel_driver(0, "usbhid")?;
    let reports = Source {
        address: address(&connected, Direction::In, TransferType::Interrupt)?,
        kind: TransferType::Interrupt,
    };
    world.wait_for_kernel_driver(0, "usbhid")?;
    let mut peer = open(IDS.vendor, IDS.product)?;
    let mut steps = Vec::new();

    // GET_DESCRIPTOR of the report descriptor, type 0x22 (HID 1.11 7.1.1).
    let setup = SetupPacket::get_interface_descriptor(0x22, 0, 0, 255);
    let descriptor = peer.control_in(setup);
    ensure!(
        descriptor.as_deref() == Ok(&hid::BOOT_KEYBOARD_REPORT_DESCRIPTOR[..]),
        "{descriptor:?} is not the report descriptor"
    );
    steps.push(format!("{descriptor:?}"));
    keyboard.type_text("aB")?;
    // A down, up; shift down, B down, up, shift up: as many reports as the keyboard makes of it.
    let mut down = false;
    loop {
        // A report is a whole packet: more room would wait for more of them.
        let report = peer.read(reports, 8, DEADLINE);
        steps.push(format!("{report:?}"));
        let report = report.map_err(|trouble| anyhow::anyhow!("{trouble:?} for a report"))?;
        down |= report.get(2) == Some(&(hid::usage::A + 1));
        if down && report == [0; 8] {
            break;
        }
    }
    // SET_REPORT of the output report (HID 1.11 7.2.2).
    let leds = SetupPacket::class_interface_out(0x09, 0x0200, 0, 1);
    let lit = peer.control_out(leds, &[Leds::CAPS_LOCK.bits()]);
    steps.push(format!("{lit:?}"));
    keyboard
        .wait_for_leds(Some(DEADLINE), |leds| leds == Leds::CAPS_LOCK)
        .context("the light stayed off")?;
    Ok(steps)
}

pub(super) fn drive_disk(open: Open) -> Result<Vec<String>> {
    const BLOCK: usize = 512;
    const BLOCKS: u8 = 100;
    let probe = Probe::new(2 << 20);
    let disk = Disk::new(probe.clone(), DiskOptions::default())?;
    let gadget = World::gadget().function(disk).build()?;
    let world = World::Kernel(KernelHost::Usbfs2);
    let connected = world.connect(&gadget)?;
    world.wait_for_kernel_driver(0, "usb-storage")?;
    let output = address(&connected, Direction::Out, TransferType::Bulk)?;
    let input = Source {
        address: address(&connected, Direction::In, TransferType::Bulk)?,
        kind: TransferType::Bulk,
    };
    world.wait_for_kernel_driver(0, "usb-storage")?;
    let mut bot = Bot {
        peer: open(IDS.vendor, IDS.product)?,
        output,
        input,
        tag: 0,
    };
    let mut steps = Vec::new();
    // The operation codes of SPC-4 and SBC-3, fixed fields and all.
    steps.push(bot.read("INQUIRY", &[0x12, 0, 0, 0, 36, 0], 36)?.0);
    for _ in 0..2 {
        // The first may tell of the reset at plug time, as UNIT ATTENTION.
        steps.push(bot.read("REQUEST SENSE", &[0x03, 0, 0, 0, 18, 0], 18)?.0);
    }
    steps.push(
        bot.read("READ CAPACITY (10)", &[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0], 8)?
            .0,
    );
    let content = pattern(BLOCK * usize::from(BLOCKS));
    let write = [0x2a, 0, 0, 0, 0, 7, 0, 0, BLOCKS, 0];
    steps.push(bot.write("WRITE (10)", &write, &content)?);
    let read = [0x28, 0, 0, 0, 0, 7, 0, 0, BLOCKS, 0];
    let (step, data) = bot.read("READ (10)", &read, BLOCK * usize::from(BLOCKS))?;
    ensure!(data == content, "what was read is not what was written");
    steps.push(step);
    ensure!(
        probe.contents()?[7 * BLOCK..][..content.len()] == content,
        "the medium holds something else"
    );
    // Beyond the end: the data stage stalls, and CHECK CONDITION follows (BOT 6.7.2).
    let beyond = [0x28, 0, 0x7f, 0, 0, 0, 0, 0, 1, 0];
    steps.push(bot.read("READ (10) beyond the end", &beyond, BLOCK)?.0);
    steps.push(bot.read("REQUEST SENSE", &[0x03, 0, 0, 0, 18, 0], 18)?.0);
    Ok(steps)
}

/// Bulk-Only Transport (BOT 5), as far as a device without faults needs it.
struct Bot {
    peer: Box<dyn Peer>,
    output: EndpointAddress,
    input: Source,
    tag: u32,
}

impl Bot {
    fn command(&mut self, command: &[u8], length: usize, direction: Direction) -> Result<()> {
        self.tag += 1;
        let wrapper = CommandBlockWrapper {
            tag: self.tag,
            data_transfer_length: u32::try_from(length)?,
            direction,
            lun: 0,
            command: CommandBlock::new(command)?,
        };
        let sent = self.peer.write(self.output, &wrapper.to_bytes());
        ensure!(
            sent == Ok(CommandBlockWrapper::LENGTH),
            "{sent:?} of a command"
        );
        Ok(())
    }

    fn status(&mut self) -> Result<CommandStatusWrapper> {
        let status = self.peer.read(self.input, 512, DEADLINE);
        let status = status.map_err(|trouble| anyhow::anyhow!("{trouble:?} for a status"))?;
        let status = CommandStatusWrapper::parse(&status)?;
        ensure!(status.tag == self.tag, "the status of another command");
        Ok(status)
    }

    fn read(&mut self, name: &str, command: &[u8], length: usize) -> Result<(String, Vec<u8>)> {
        self.command(command, length, Direction::In)?;
        let room = length.next_multiple_of(512);
        let data = self.peer.read(self.input, room, DEADLINE);
        if data.is_err() {
            let cleared = self.peer.clear_halt(self.input.address);
            ensure!(cleared.is_ok(), "{cleared:?}");
        }
        let status = self.status()?;
        let step = format!(
            "{name}: {data:?}, {:?}, {}",
            status.status, status.data_residue
        );
        Ok((step, data.unwrap_or_default()))
    }

    fn write(&mut self, name: &str, command: &[u8], data: &[u8]) -> Result<String> {
        self.command(command, data.len(), Direction::Out)?;
        let sent = self.peer.write(self.output, data);
        let status = self.status()?;
        Ok(format!(
            "{name}: {sent:?}, {:?}, {}",
            status.status, status.data_residue
        ))
    }
}
