//! A composite gadget: the kernel's serial port, and beside it a keyboard and a disk of this program's.
//!
//! ```text
//! cargo run -p usbfs2-examples --bin composite_gadget -- run       on this board's controller, as root
//! ```
//!
//! The `usb-gadget` crate says in configfs what the device is and what is in it; this project is given a directory
//! where FunctionFS is mounted, and is two of the functions. Lines of the standard input are typed on the
//! keyboard; the end of the input unplugs the device. Without hardware: `modprobe dummy_hcd`.

use std::io::{BufRead as _, stdin};

use anyhow::{Context, Result, bail};
use usb_gadget::function::custom::Custom;
use usb_gadget::function::serial::{Serial, SerialClass};
use usb_gadget::{Class, Config, Id, Strings};
use usbfs2_gadget::functions::mass_storage::DiskOptions;
use usbfs2_gadget::functions::{Disk, Keyboard};
use usbfs2_gadget::scsi::MemoryMedium;
use usbfs2_gadget::{DeviceIds, FunctionfsOptions, Gadget};

// pid.codes gives these numbers out for tests: a product needs its own.
const IDS: DeviceIds = DeviceIds {
    vendor: 0x1209,
    product: 0x0004,
    release: 0x0100,
};
const DISK_BYTES: u64 = 16 << 20;

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("run") => run(),
        _ => bail!("give `run` to become a composite gadget on this board's controller"),
    }
}

fn run() -> Result<()> {
    // The place for our functions. Their descriptors, strings and files are left to us.
    let mut place = Custom::builder();
    place.ffs_no_init = true;
    let (mut place, ours) = place.build();
    let (port, serial) = Serial::new(SerialClass::Acm);
    let configuration = Config::new("serial port, keyboard and disk")
        .with_function(serial)
        .with_function(ours);
    let composite = usb_gadget::Gadget::new(
        Class::MISCELLANEOUS_IAD, // a serial port is two interfaces that belong together
        Id::new(IDS.vendor, IDS.product),
        Strings::new("usbfs2", "Example composite", "0123456789AB"),
    )
    .with_config(configuration)
    .register()
    .context("compose a gadget in configfs")?;

    let keyboard = Keyboard::new();
    let disk = Disk::new(MemoryMedium::new(DISK_BYTES), DiskOptions::default())?;
    let functions = Gadget::builder(IDS)
        .function(keyboard.clone())
        .function(disk)
        .build()?;
    // From here on the composite is complete, and can be put on a controller.
    let running = functions.start_functionfs(&FunctionfsOptions::new(place.ffs_dir()?))?;
    let controller = usb_gadget::default_udc()?;
    composite.bind(Some(&controller))?;
    println!(
        "on {}, with the serial port {}: type",
        controller.name().display(),
        port.tty()?.display()
    );
    for line in stdin().lock().lines() {
        keyboard.type_text(&format!("{}\n", line?))?;
    }
    // The functions first: this takes the composite off the controller. Then the composite goes.
    running.stop();
    composite.remove()?;
    Ok(())
}
