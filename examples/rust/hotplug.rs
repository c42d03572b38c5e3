//! Tells which devices come and go, beginning with those that are there.
//!
//! ```text
//! cargo run -p usbfs2-examples --bin hotplug              this machine's devices, until Ctrl-C
//! cargo run -p usbfs2-examples --bin hotplug -- --demo    a cable inside this program, pulled and plugged
//! ```

use std::time::Duration;

use anyhow::{Context, Result, bail};
use usbfs2_gadget::functions::Keyboard;
use usbfs2_gadget::{DeviceIds, Gadget, Speed};
use usbfs2_host::{Host, HotplugEvent};
use usbfs2_loopback::Bus;

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        None => {
            for event in Host::system()?.watch()? {
                print(&event?);
            }
            Ok(())
        }
        Some("--demo") => demo(),
        Some(other) => bail!("`{other}` is not understood: give --demo, or nothing"),
    }
}

fn print(event: &HotplugEvent) {
    match event {
        HotplugEvent::Arrived(info) => println!(
            "{} is here: {}",
            info.id(),
            info.product().unwrap_or("a device without a name")
        ),
        HotplugEvent::Left(id) => println!("{id} is gone"),
        // More kinds of event may come with later versions.
        other => println!("{other:?}"),
    }
}

fn demo() -> Result<()> {
    let ids = DeviceIds {
        vendor: 0x1209,
        product: 0x0001,
        release: 0x0100,
    };
    let gadget = Gadget::builder(ids)
        .product("Example keyboard")
        .function(Keyboard::new())
        .build()?;
    let bus = Bus::new();
    let mut watch = Host::on(&bus).watch()?;
    let mut print_next = || -> Result<()> {
        let event = watch.next_timeout(Duration::from_secs(5))?;
        print(&event.context("nothing happened")?);
        Ok(())
    };

    let running = gadget.start_on(&bus, Speed::High)?;
    print_next()?;
    let cable = bus.cable(running.port_name())?;
    cable.pull();
    print_next()?;
    cable.plug();
    print_next()?;
    running.stop();
    print_next()
}
