//! `usbfs2 hid`.

mod descriptor;
mod info;
mod list;
mod monitor;
mod names;
mod send;

use anyhow::Result;
use usbfs2_hid::HidDevice;
use usbfs2_host::Host;
use usbfs2_protocol::standard::class;

use crate::args::{HidCommand, HidDeviceArgs};
use crate::select;

/// Runs one of the HID commands.
pub(crate) fn run(host: &Host, command: &HidCommand) -> Result<()> {
    match command {
        HidCommand::List(args) => list::run(host, args),
        HidCommand::Info(args) => info::run(host, args),
        HidCommand::Monitor(args) => monitor::run(host, args),
        HidCommand::Send(args) => send::run(host, args),
    }
}

fn open(host: &Host, args: &HidDeviceArgs) -> Result<HidDevice> {
    let info = match &args.device {
        Some(name) => select::device(host, name)?,
        None => select::first_of_class(host, class::HID, "HID device")?,
    };
    let device = host.open(info.id())?;
    Ok(match args.interface {
        Some(number) => HidDevice::open_interface_blocking(&device, number)?,
        None => HidDevice::open_blocking(&device)?,
    })
}
