//! Reads the first sectors of a disk and prints them, through the mass-storage driver.
//!
//! ```text
//! cargo run -p usbfs2-examples --bin disk_read -- 1-1       the disk at 1-1, which `list` shows
//! cargo run -p usbfs2-examples --bin disk_read -- --demo    a disk on a bus inside this program
//! ```
//!
//! The kernel's driver loses the disk while this runs, and has it back afterwards: unmount first.

use anyhow::{Result, bail};
use usbfs2_gadget::functions::Disk;
use usbfs2_gadget::functions::mass_storage::DiskOptions;
use usbfs2_gadget::scsi::MemoryMedium;
use usbfs2_gadget::{DeviceIds, Gadget, Speed};
use usbfs2_host::{Device, Host};
use usbfs2_loopback::Bus;
use usbfs2_mass_storage::MassStorage;

const SECTORS: usize = 2;
const BYTES_A_LINE: usize = 16;

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("--demo") => {
            let bus = Bus::new();
            let plugged = disk(b"The first sector of a disk that is not there.")?
                .start_on(&bus, Speed::High)?;
            read(&Host::on(&bus).open(&plugged.port_name().into())?)
        }
        Some(place) => read(&Host::system()?.open(&place.into())?),
        None => bail!("which disk? Give its place, such as 1-1, or --demo"),
    }
}

fn read(device: &Device) -> Result<()> {
    let storage = MassStorage::open_blocking(device)?;
    let mut disk = storage.block_device_blocking(0)?;
    println!(
        "{} {}: {} blocks of {} bytes{}",
        disk.inquiry().vendor,
        disk.inquiry().product,
        disk.block_count(),
        disk.block_size(),
        if disk.read_only() { ", read-only" } else { "" },
    );
    let mut bytes = vec![0; SECTORS * usize::try_from(disk.block_size())?];
    disk.read_at_blocking(0, &mut bytes)?;
    dump(&bytes);
    Ok(())
}

/// Prints every line that holds something.
fn dump(bytes: &[u8]) {
    for (index, line) in bytes.chunks(BYTES_A_LINE).enumerate() {
        if line.iter().all(|&byte| byte == 0) {
            continue;
        }
        let digits: String = line.iter().map(|byte| format!("{byte:02x} ")).collect();
        let text: String = line
            .iter()
            .map(|&byte| match byte {
                b' '..=b'~' => char::from(byte),
                _ => '.',
            })
            .collect();
        println!("{:08x}  {digits} {text}", index * BYTES_A_LINE);
    }
}

/// A disk of 1 MiB that begins with `text`.
fn disk(text: &[u8]) -> Result<Gadget> {
    let mut contents = vec![0; 1 << 20];
    contents[..text.len()].copy_from_slice(text);
    let medium = MemoryMedium::with_contents(&contents);
    let ids = DeviceIds {
        vendor: 0x1209,
        product: 0x0002,
        release: 0x0100,
    };
    Ok(Gadget::builder(ids)
        .serial_number("000000000001")
        .function(Disk::new(medium, DiskOptions::default())?)
        .build()?)
}
