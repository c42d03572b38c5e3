//! `usbfs2 hid list`.

use anyhow::Result;
use serde::Serialize;
use usbfs2_host::{DeviceInfo, Host};
use usbfs2_protocol::descriptor::AlternateSetting;
use usbfs2_protocol::hid::{PROTOCOL_KEYBOARD, PROTOCOL_MOUSE, SUBCLASS_BOOT};
use usbfs2_protocol::standard::class;

use crate::args::JsonArgs;
use crate::output::{note, say};

/// A HID interface.
#[derive(Debug, Serialize)]
struct Row {
    device: String,
    interface: u8,
    vendor_id: Option<u16>,
    product_id: Option<u16>,
    name: String,
    /// The boot protocol, where it has one.
    boot: Option<&'static str>,
    driver: Option<String>,
}

/// Prints the HID interfaces, without opening any.
pub(super) fn run(host: &Host, args: &JsonArgs) -> Result<()> {
    let devices = host.devices()?;
    let rows: Vec<Row> = devices.iter().flat_map(rows).collect();
    if args.json {
        say!("{}", serde_json::to_string_pretty(&rows)?)?;
        return Ok(());
    }
    if rows.is_empty() {
        note!("no HID device is plugged in ({})", host.reason());
    }
    for row in rows {
        let id = |id: Option<u16>| id.map_or_else(|| "????".into(), |id| format!("{id:04x}"));
        let boot = row
            .boot
            .map_or_else(String::new, |boot| format!(", boot {boot}"));
        let driver = row
            .driver
            .map_or_else(String::new, |driver| format!(", driver {driver}"));
        say!(
            "{:<8} interface {}  {}:{}  {}{boot}{driver}",
            row.device,
            row.interface,
            id(row.vendor_id),
            id(row.product_id),
            row.name,
        )?;
    }
    Ok(())
}

fn rows(info: &DeviceInfo) -> Vec<Row> {
    let configurations = info.configurations().iter().flatten();
    let active = configurations
        .filter(|configuration| Some(configuration.value) == info.active_configuration());
    let interfaces = active.flat_map(|configuration| &configuration.interfaces);
    let settings =
        interfaces.filter_map(|interface| interface.alternate_settings.iter().find(is_hid));
    settings.map(|setting| row(info, setting)).collect()
}

fn is_hid(setting: &&AlternateSetting) -> bool {
    setting.class == class::HID
}

fn row(info: &DeviceInfo, setting: &AlternateSetting) -> Row {
    let names: Vec<&str> = [info.manufacturer(), info.product()]
        .into_iter()
        .flatten()
        .collect();
    Row {
        device: info.id().to_string(),
        interface: setting.interface_number,
        vendor_id: info.vendor_id(),
        product_id: info.product_id(),
        name: names.join(" "),
        boot: match (setting.subclass, setting.protocol) {
            (SUBCLASS_BOOT, PROTOCOL_KEYBOARD) => Some("keyboard"),
            (SUBCLASS_BOOT, PROTOCOL_MOUSE) => Some("mouse"),
            _ => None,
        },
        driver: info.driver(setting.interface_number).map(Into::into),
    }
}
