//! Lists a disk's FAT file system and prints a file of it, with nothing mounted.
//!
//! ```text
//! cargo run -p usbfs2-examples --bin disk_files -- 1-1 README.TXT    the disk at 1-1, which `list` shows
//! cargo run -p usbfs2-examples --bin disk_files -- --demo            a disk on a bus inside this program
//! ```
//!
//! The kernel's driver loses the disk while this runs, and has it back afterwards: unmount first. The
//! `usbfs2 disk` command does the same and more, partitions for instance.

use std::io::{self, Cursor, Read as _, Write as _};

use anyhow::{Result, bail};
use fatfs::{FileSystem, FormatVolumeOptions, FsOptions, format_volume};
use fscommon::BufStream;
use usbfs2_gadget::functions::Disk;
use usbfs2_gadget::functions::mass_storage::DiskOptions;
use usbfs2_gadget::scsi::MemoryMedium;
use usbfs2_gadget::{DeviceIds, Gadget, Speed};
use usbfs2_host::{Device, Host};
use usbfs2_loopback::Bus;
use usbfs2_mass_storage::{DiskCursor, MassStorage};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--demo"] => {
            let bus = Bus::new();
            let plugged = disk()?.start_on(&bus, Speed::High)?;
            show(
                &Host::on(&bus).open(&plugged.port_name().into())?,
                "README.TXT",
            )
        }
        [place, file] => show(&Host::system()?.open(&place.into())?, file),
        _ => {
            bail!("which disk and file? Give a place and a path, such as 1-1 README.TXT, or --demo")
        }
    }
}

fn show(device: &Device, file: &str) -> Result<()> {
    let disk = MassStorage::open_blocking(device)?.block_device_blocking(0)?;
    // A disk with a position is all that a library of file systems needs; a buffer saves it commands.
    let files = FileSystem::new(BufStream::new(DiskCursor::new(disk)), FsOptions::new())?;
    for entry in files.root_dir().iter() {
        let entry = entry?;
        println!("{:>8} {}", entry.len(), entry.file_name());
    }
    let mut content = Vec::new();
    files
        .root_dir()
        .open_file(file)?
        .read_to_end(&mut content)?;
    io::stdout().write_all(&content)?;
    Ok(())
}

/// A disk of 1 MiB with a file on it.
fn disk() -> Result<Gadget> {
    let mut image = Cursor::new(vec![0; 1 << 20]);
    format_volume(&mut image, FormatVolumeOptions::new())?;
    let files = FileSystem::new(&mut image, FsOptions::new())?;
    let mut readme = files.root_dir().create_file("README.TXT")?;
    readme.write_all(b"A file on a disk that is not there.\n")?;
    drop(readme);
    files.unmount()?;
    let medium = MemoryMedium::with_contents(image.get_ref());
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
