//! Firmware for the `usbd-storage` crate, as it is: a disk in memory.
//!
//! ```text
//! cargo run -p usbfs2-examples --bin firmware_disk              on this board's controller, as root
//! cargo run -p usbfs2-examples --bin firmware_disk -- --demo    both ends, on a bus inside this program
//! ```
//!
//! Without hardware: `modprobe dummy_hcd`. The end of the standard input unplugs the disk, and what is on it is gone.

use anyhow::{Result, anyhow};
use usb_device::bus::UsbBusAllocator;
use usb_device::device::{StringDescriptors, UsbDeviceBuilder, UsbDeviceState, UsbVidPid};
use usbd_storage::subclass::Command;
use usbd_storage::subclass::scsi::{Scsi, ScsiCommand};
use usbd_storage::transport::bbb::BulkOnly;
use usbfs2_examples::firmware::{self, Knobs, Outside};
use usbfs2_gadget::firmware::{FirmwareBus, Wait};
use usbfs2_host::Device;
use usbfs2_mass_storage::MassStorage;

fn main() -> Result<()> {
    firmware::run(run, drive)
}

/// The firmware.
fn run(allocator: &UsbBusAllocator<FirmwareBus>, outside: Outside) -> Result<()> {
    let scsi = Scsi::new(allocator, 64, 0, [0; 4096]);
    let mut scsi = scsi.map_err(|error| anyhow!("the class: {error:?}"))?;
    // pid.codes gives these numbers out for tests: a product needs its own.
    let mut device = UsbDeviceBuilder::new(allocator, UsbVidPid(0x1209, 0x0009))
        .strings(&[StringDescriptors::default()
            .product("Disk")
            .serial_number("0123456789AB")])
        .map_err(|error| anyhow!("{error:?}"))?
        .build();
    let outside = outside.begin(device.bus().handle());
    let mut disk = Disk {
        bytes: vec![0; BLOCK * BLOCKS],
        done: 0,
        sense: [0; 2],
    };
    // The one line that a microcontroller does not need.
    while device.bus().wait(None)? != Wait::Stopped {
        device.poll(&mut [&mut scsi]);
        if device.state() != UsbDeviceState::Configured {
            disk.done = 0;
        }
        // What cannot go on now is told by a poll when it can.
        let _ = scsi.poll(|command| disk.go_on(command));
    }
    outside.end()
}

const BLOCK: usize = 512;
const BLOCKS: usize = 16 << 11;
// SPC-4, annex D.
const INVALID_COMMAND: [u8; 2] = [5, 0x20];
const OUT_OF_RANGE: [u8; 2] = [5, 0x21];
type Scs<'c, 'a> = Command<'c, ScsiCommand, Scsi<BulkOnly<'a, FirmwareBus, [u8; 4096]>>>;

struct Disk {
    bytes: Vec<u8>,
    /// Bytes of the command in progress.
    done: usize,
    /// The last failure's sense key and additional code.
    sense: [u8; 2],
}

impl Disk {
    /// Does what can be done of a command now.
    fn go_on(&mut self, command: Scs<'_, '_>) {
        match command.kind {
            ScsiCommand::TestUnitReady => command.pass(),
            ScsiCommand::Inquiry {
                evpd: false,
                alloc_len,
                ..
            } => {
                let head = [0, 0, 4, 2, 31, 0, 0, 0];
                reply(
                    command,
                    &[&head, &b"usbfs2  Firmware disk   1.00"[..]].concat(),
                    alloc_len,
                );
            }
            ScsiCommand::RequestSense { alloc_len, .. } => {
                let [key, code] = std::mem::take(&mut self.sense);
                let sense = [
                    0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, code, 0, 0, 0, 0, 0,
                ];
                reply(command, &sense, alloc_len.into());
            }
            ScsiCommand::ReadCapacity10 => {
                let numbers = [BLOCKS as u32 - 1, BLOCK as u32].map(u32::to_be_bytes);
                reply(command, numbers.as_flattened(), 8);
            }
            ScsiCommand::ModeSense6 { alloc_len, .. } => {
                reply(command, &[3, 0, 0, 0], alloc_len.into())
            }
            ScsiCommand::Read { lba, len } | ScsiCommand::Write { lba, len } => {
                self.transfer(command, lba as usize, len.into());
            }
            _ => self.fail(command, INVALID_COMMAND),
        }
    }

    fn transfer(&mut self, mut command: Scs<'_, '_>, first: usize, count: usize) {
        if first + count > BLOCKS {
            return self.fail(command, OUT_OF_RANGE);
        }
        let rest = &mut self.bytes[BLOCK * first..][self.done..BLOCK * count];
        let done = match command.kind {
            ScsiCommand::Read { .. } => command.write_data(rest),
            _ => command.read_data(rest),
        };
        self.done += done.unwrap_or(0);
        if self.done == BLOCK * count {
            self.done = 0;
            command.pass();
        }
    }

    fn fail(&mut self, command: Scs<'_, '_>, sense: [u8; 2]) {
        self.sense = sense;
        command.fail();
    }
}

/// Answers with as much as the host allows.
fn reply(mut command: Scs<'_, '_>, bytes: &[u8], at_most: u16) {
    let length = bytes.len().min(at_most.into());
    match command.write_data(&bytes[..length]) {
        Ok(_) => command.pass(),
        // The host wanted no data, or to send some.
        Err(_) => command.fail_phase(),
    }
}

/// The host's end.
fn drive(device: &Device, _knobs: &Knobs) -> Result<()> {
    firmware::give_up_reading(device)?;
    let storage = MassStorage::open_blocking(device)?;
    let disk = storage.block_device_blocking(0)?;
    println!("{} bytes", disk.size());
    let bytes = firmware::keep_a_file(disk)?;
    println!("a file of {bytes} bytes came back as it was");
    println!("{} reset", storage.statistics_blocking().resets);
    Ok(())
}
