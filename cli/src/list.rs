//! `usbfs2 list`.

use std::io;

use anyhow::Result;
use serde::Serialize;
use usbfs2_host::{DeviceInfo, Host};
use usbfs2_protocol::TransferType;
use usbfs2_protocol::descriptor::{
    AlternateSetting, Configuration, Endpoint, SynchronizationType, UsageType,
};
use usbfs2_protocol::standard::class;

use crate::args::ListArgs;
use crate::output::{note, say};

/// Prints what is plugged in.
pub(crate) fn run(host: &Host, args: &ListArgs) -> Result<()> {
    let devices = host.devices()?;
    if args.output.json {
        let rows: Vec<Row> = devices.iter().map(Row::of).collect();
        say!("{}", serde_json::to_string_pretty(&rows)?)?;
        return Ok(());
    }
    if devices.is_empty() {
        note!("no device is plugged in ({})", host.reason());
    }
    for info in &devices {
        say!("{}", headline(info))?;
        if args.verbose {
            print_tree(info)?;
        }
    }
    Ok(())
}

/// Prints all there is to say of one device.
pub(crate) fn print_device(info: &DeviceInfo) -> io::Result<()> {
    say!("{}", headline(info))?;
    print_tree(info)
}

fn headline(info: &DeviceInfo) -> String {
    let identity = match info.device_descriptor() {
        Ok(device) => format!("{:04x}:{:04x}", device.vendor_id, device.product_id),
        Err(_) => "????:????".into(),
    };
    let speed = info
        .speed()
        .map_or_else(|| "unknown speed".into(), |speed| speed.to_string());
    let names: Vec<&str> = [info.manufacturer(), info.product()]
        .into_iter()
        .flatten()
        .collect();
    format!(
        "{:<8} {identity}  {speed:<16} {}",
        info.id(),
        names.join(" ")
    )
    .trim_end()
    .to_owned()
}

fn print_tree(info: &DeviceInfo) -> io::Result<()> {
    if let Err(error) = info.device_descriptor() {
        say!("  device descriptor: {error}")?;
    }
    if let Some(serial) = info.serial_number() {
        say!("  serial number {serial}")?;
    }
    for configuration in info.configurations() {
        match configuration {
            Ok(configuration) => print_configuration(info, configuration)?,
            Err(error) => say!("  configuration: {error}")?,
        }
    }
    Ok(())
}

fn print_configuration(info: &DeviceInfo, configuration: &Configuration) -> io::Result<()> {
    let active = info.active_configuration() == Some(configuration.value);
    say!(
        "  configuration {}{}{}{}",
        configuration.value,
        if active { ", active" } else { "" },
        if configuration.self_powered {
            ", self-powered"
        } else {
            ""
        },
        if configuration.remote_wakeup {
            ", remote wake-up"
        } else {
            ""
        },
    )?;
    for interface in &configuration.interfaces {
        let driver = if active {
            info.driver(interface.number)
        } else {
            None
        };
        for setting in &interface.alternate_settings {
            print_setting(setting, driver)?;
        }
    }
    Ok(())
}

fn print_setting(setting: &AlternateSetting, driver: Option<&str>) -> io::Result<()> {
    let driver = driver.map_or_else(String::new, |name| format!(", driver {name}"));
    say!(
        "    interface {} alternate {}: {} ({:02x}/{:02x}/{:02x}){driver}",
        setting.interface_number,
        setting.alternate_setting,
        class_in_words(setting),
        setting.class,
        setting.subclass,
        setting.protocol,
    )?;
    for endpoint in &setting.endpoints {
        say!(
            "      endpoint {} {} {}, {}{} bytes a packet, interval {}{}",
            endpoint.address,
            endpoint.transfer_type(),
            endpoint.address.direction(),
            transactions(endpoint),
            endpoint.max_packet_size(),
            endpoint.interval,
            synchronization(endpoint),
        )?;
    }
    Ok(())
}

fn class_in_words(setting: &AlternateSetting) -> &'static str {
    match (setting.class, setting.subclass) {
        (class::AUDIO, 1) => "audio control",
        (class::AUDIO, 2) => "audio streaming",
        (class::AUDIO, 3) => "MIDI streaming",
        (class, _) => class::name(class).unwrap_or("unknown class"),
    }
}

/// `3 x ` where a microframe has several packets.
fn transactions(endpoint: &Endpoint) -> String {
    match endpoint.transactions_per_microframe() {
        1 => String::new(),
        n => format!("{n} x "),
    }
}

/// What keeps an isochronous endpoint's clock and the host's together (USB 2.0 9.6.6).
fn synchronization(endpoint: &Endpoint) -> String {
    if endpoint.transfer_type() != TransferType::Isochronous {
        return String::new();
    }
    let usage = UsageType::from_attributes(endpoint.attributes);
    let synchronization = SynchronizationType::from_attributes(endpoint.attributes);
    match (usage, synchronization) {
        (UsageType::Data, SynchronizationType::None) => String::new(),
        (UsageType::Data, synchronization) => format!(", {synchronization}"),
        (UsageType::ImplicitFeedback, _) => format!(", {synchronization}, {usage}"),
        (usage, _) => format!(", {usage}"),
    }
}

/// A device for scripts.
#[derive(Serialize)]
struct Row {
    id: String,
    speed: Option<String>,
    vendor_id: Option<u16>,
    product_id: Option<u16>,
    manufacturer: Option<String>,
    product: Option<String>,
    serial_number: Option<String>,
    active_configuration: Option<u8>,
    configurations: Vec<ConfigurationRow>,
    /// What is wrong with its descriptors.
    errors: Vec<String>,
}

#[derive(Serialize)]
struct ConfigurationRow {
    value: u8,
    interfaces: Vec<InterfaceRow>,
}

#[derive(Serialize)]
struct InterfaceRow {
    number: u8,
    alternate_setting: u8,
    class: u8,
    subclass: u8,
    protocol: u8,
    driver: Option<String>,
    endpoints: Vec<EndpointRow>,
}

#[derive(Serialize)]
struct EndpointRow {
    address: u8,
    transfer_type: String,
    max_packet_size: u16,
    interval: u8,
}

impl Row {
    fn of(info: &DeviceInfo) -> Self {
        let device_error = info.device_descriptor().err().map(ToString::to_string);
        let configuration_errors = info
            .configurations()
            .iter()
            .filter_map(|configuration| Some(configuration.as_ref().err()?.to_string()));
        Self {
            id: info.id().to_string(),
            speed: info.speed().map(|speed| speed.to_string()),
            vendor_id: info.vendor_id(),
            product_id: info.product_id(),
            manufacturer: info.manufacturer().map(Into::into),
            product: info.product().map(Into::into),
            serial_number: info.serial_number().map(Into::into),
            active_configuration: info.active_configuration(),
            configurations: info
                .configurations()
                .iter()
                .flatten()
                .map(|configuration| ConfigurationRow::of(info, configuration))
                .collect(),
            errors: device_error
                .into_iter()
                .chain(configuration_errors)
                .collect(),
        }
    }
}

impl ConfigurationRow {
    fn of(info: &DeviceInfo, configuration: &Configuration) -> Self {
        let active = info.active_configuration() == Some(configuration.value);
        let interfaces = configuration.interfaces.iter().flat_map(|interface| {
            let driver = active.then(|| info.driver(interface.number)).flatten();
            interface
                .alternate_settings
                .iter()
                .map(move |setting| InterfaceRow::of(setting, driver))
        });
        Self {
            value: configuration.value,
            interfaces: interfaces.collect(),
        }
    }
}

impl InterfaceRow {
    fn of(setting: &AlternateSetting, driver: Option<&str>) -> Self {
        Self {
            number: setting.interface_number,
            alternate_setting: setting.alternate_setting,
            class: setting.class,
            subclass: setting.subclass,
            protocol: setting.protocol,
            driver: driver.map(Into::into),
            endpoints: setting
                .endpoints
                .iter()
                .map(|endpoint| EndpointRow {
                    address: endpoint.address.into(),
                    transfer_type: endpoint.transfer_type().to_string(),
                    max_packet_size: endpoint.max_packet_size(),
                    interval: endpoint.interval,
                })
                .collect(),
        }
    }
}
