//! Lists devices, their interfaces and endpoints, without opening any.
//!
//! ```text
//! cargo run -p usbfs2-examples --bin list              the devices of this machine
//! cargo run -p usbfs2-examples --bin list -- --demo    a disk on a bus inside this program
//! ```

use anyhow::{Result, bail};
use usbfs2_gadget::functions::Disk;
use usbfs2_gadget::functions::mass_storage::DiskOptions;
use usbfs2_gadget::scsi::MemoryMedium;
use usbfs2_gadget::{DeviceIds, Gadget, Speed};
use usbfs2_host::protocol::descriptor::Configuration;
use usbfs2_host::{DeviceInfo, Host};
use usbfs2_loopback::Bus;

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        None => list(&Host::system()?),
        Some("--demo") => {
            let bus = Bus::new();
            let _plugged = disk()?.start_on(&bus, Speed::High)?;
            list(&Host::on(&bus))
        }
        Some(other) => bail!("`{other}` is not understood: give --demo, or nothing"),
    }
}

fn list(host: &Host) -> Result<()> {
    println!("through {}: {}", host.backend(), host.reason());
    for info in host.devices()? {
        print_device(&info);
    }
    Ok(())
}

fn print_device(info: &DeviceInfo) {
    // A device may say anything of itself: what breaks the rules is an error to show, not a reason to
    // hide the device.
    match info.device_descriptor() {
        Ok(device) => println!(
            "{} {:04x}:{:04x} {} {}",
            info.id(),
            device.vendor_id,
            device.product_id,
            info.manufacturer().unwrap_or("(no manufacturer)"),
            info.product().unwrap_or("(no product)"),
        ),
        Err(error) => println!("{} {error}", info.id()),
    }
    for configuration in info.configurations() {
        match configuration {
            Ok(configuration) => print_configuration(info, configuration),
            Err(error) => println!("  configuration: {error}"),
        }
    }
}

fn print_configuration(info: &DeviceInfo, configuration: &Configuration) {
    println!("  configuration {}", configuration.value);
    for setting in configuration.alternate_settings() {
        println!(
            "    interface {} alternate {} class {:02x}/{:02x}/{:02x}, driver {}",
            setting.interface_number,
            setting.alternate_setting,
            setting.class,
            setting.subclass,
            setting.protocol,
            info.driver(setting.interface_number).unwrap_or("none"),
        );
        for endpoint in &setting.endpoints {
            println!(
                "      {} {} {}, {} bytes a packet",
                endpoint.address,
                endpoint.transfer_type(),
                endpoint.address.direction(),
                endpoint.max_packet_size(),
            );
        }
    }
}

/// Something to list.
fn disk() -> Result<Gadget> {
    let disk = Disk::new(MemoryMedium::new(1 << 20), DiskOptions::default())?;
    let ids = DeviceIds {
        vendor: 0x1209,
        product: 0x0002,
        release: 0x0100,
    };
    Ok(Gadget::builder(ids)
        .manufacturer("usbfs2")
        .product("Example disk")
        .serial_number("000000000001")
        .function(disk)
        .build()?)
}
