//! Several devices at once on one thread: a keyboard's keys as a stream while a disk is being read, on the
//! `futures` crate's executor and then on tokio. The drivers need no particular runtime.
//!
//! ```text
//! cargo run -p usbfs2-examples --bin asynchronous -- 1-1 1-2    a keyboard and a disk of this machine
//! cargo run -p usbfs2-examples --bin asynchronous -- --demo     both on a bus inside this program
//! ```

use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::TryStreamExt;
use usbfs2_gadget::functions::mass_storage::DiskOptions;
use usbfs2_gadget::functions::{Disk, Keyboard};
use usbfs2_gadget::scsi::MemoryMedium;
use usbfs2_gadget::{DeviceIds, Gadget, Speed};
use usbfs2_hid::{HidDevice, Keys};
use usbfs2_host::{Device, Host};
use usbfs2_loopback::Bus;
use usbfs2_mass_storage::{BlockDevice, MassStorage};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--demo"] => demo(),
        [keyboard, disk] => {
            let host = Host::system()?;
            both_executors(&host.open(&keyboard.into())?, &host.open(&disk.into())?)
        }
        _ => {
            bail!("which devices? Give a keyboard's place and a disk's, such as 1-1 1-2, or --demo")
        }
    }
}

fn both_executors(keyboard: &Device, disk: &Device) -> Result<()> {
    let opened = async { futures::try_join!(open_keyboard(keyboard), open_disk(disk)) };
    let (mut keys, mut disk) = futures::executor::block_on(opened)?;

    println!("on futures, press Enter to end a line");
    let both = async { futures::try_join!(read_line(&mut keys), read_all(&mut disk)) };
    let (line, bytes) = futures::executor::block_on(both)?;
    println!("{line:?} came while {bytes} bytes were read");

    println!("on tokio, within a minute");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let both = async { tokio::try_join!(read_line(&mut keys), read_all(&mut disk)) };
    let in_time = async { tokio::time::timeout(Duration::from_secs(60), both).await };
    let (line, bytes) = runtime
        .block_on(in_time)
        .context("nobody pressed Enter")??;
    println!("{line:?} came while {bytes} bytes were read");
    Ok(())
}

async fn open_keyboard(device: &Device) -> Result<Keys> {
    Ok(HidDevice::open(device).await?.keys()?)
}

async fn open_disk(device: &Device) -> Result<BlockDevice> {
    Ok(MassStorage::open(device).await?.block_device(0).await?)
}

async fn read_line(keys: &mut Keys) -> Result<String> {
    let mut line = String::new();
    while let Some(event) = keys.try_next().await? {
        match event.text {
            Some('\n') => break,
            Some(text) => line.push(text),
            None => {}
        }
    }
    Ok(line)
}

/// Reads the disk, or its first 16 MiB.
async fn read_all(disk: &mut BlockDevice) -> Result<u64> {
    let mut piece = vec![0; 64 * 1024];
    let bytes = disk.size().min(16 << 20);
    let mut done = 0;
    while done < bytes {
        let length =
            usize::try_from(bytes - done).map_or(piece.len(), |left| left.min(piece.len()));
        disk.read_at(done, &mut piece[..length]).await?;
        done += length as u64;
    }
    Ok(done)
}

fn demo() -> Result<()> {
    let bus = Bus::new();
    let ids = |product| DeviceIds {
        vendor: 0x1209,
        product,
        release: 0x0100,
    };
    let keyboard = Keyboard::new();
    let keyboard_gadget = Gadget::builder(ids(0x0001))
        .function(keyboard.clone())
        .build()?;
    let keyboard_plugged = keyboard_gadget.start_on(&bus, Speed::Full)?;
    let disk = Disk::new(MemoryMedium::new(4 << 20), DiskOptions::default())?;
    let disk_gadget = Gadget::builder(ids(0x0002))
        .serial_number("000000000001")
        .function(disk)
        .build()?;
    let disk_plugged = disk_gadget.start_on(&bus, Speed::High)?;

    let host = Host::on(&bus);
    keyboard.type_text("both at once\nand once more\n")?;
    both_executors(
        &host.open(&keyboard_plugged.port_name().into())?,
        &host.open(&disk_plugged.port_name().into())?,
    )
}
