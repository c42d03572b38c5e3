//! The device and the driver of the tutorials in docs/.
//!
//! ```text
//! cargo run -p usbfs2-examples --bin thermometer                      both ends, on a bus inside this program
//! cargo run -p usbfs2-examples --bin thermometer -- --capture t.pcapng   the same, on record for Wireshark
//! cargo run -p usbfs2-examples --bin thermometer -- --gadgetfs        the device, on this board's controller
//! cargo run -p usbfs2-examples --bin thermometer -- --drive           the driver, for a device plugged in here
//! ```
//!
//! The last two need root.

use std::fs::File;
use std::io::BufWriter;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use usbfs2_capture::{LONGEST, Recording};
use usbfs2_examples::thermometer::device::{self, Thermometer};
use usbfs2_examples::thermometer::{Unit, driver};
use usbfs2_gadget::GadgetfsOptions;
use usbfs2_host::{Host, Speed};
use usbfs2_loopback::Bus;

/// The measurements of a device that has nothing new to say.
fn drive(host: &Host) -> Result<()> {
    let mut thermometer = driver::Thermometer::open(host)?;
    println!("{:.2} degrees Celsius", thermometer.read()?);
    thermometer.set_unit(Unit::Fahrenheit)?;
    // One report may have been under way.
    thermometer.read()?;
    println!("{:.2} degrees Fahrenheit", thermometer.read()?);
    thermometer.set_unit(Unit::Celsius)
}

fn main() -> Result<()> {
    let thermometer = Arc::new(Thermometer::default());
    thermometer.measure(2150);
    let gadget = device::gadget(thermometer)?;
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        None => {
            let bus = Bus::new();
            let _plugged = gadget.start_on(&bus, Speed::High)?;
            drive(&Host::on(&bus))
        }
        Some("--capture") => {
            let path = arguments.next().context("give --capture a file")?;
            let bus = Bus::new();
            let file = BufWriter::new(File::create(path)?);
            let recording = Recording::start(&bus, file, LONGEST)?;
            let plugged = gadget.start_on(&bus, Speed::High)?;
            drive(&Host::on(&bus))?;
            plugged.stop();
            println!("{} packets", recording.finish()?.packets);
            Ok(())
        }
        Some("--gadgetfs") => {
            let running = gadget.start_gadgetfs(&GadgetfsOptions::default())?;
            println!("on {}: Enter unplugs it", running.port_name());
            std::io::stdin().read_line(&mut String::new())?;
            running.stop();
            Ok(())
        }
        Some("--drive") => drive(&Host::system()?),
        Some(other) => {
            bail!(
                "`{other}` is not understood: give --capture FILE, --gadgetfs, --drive or nothing"
            )
        }
    }
}
