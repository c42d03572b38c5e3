//! Configurations and the interfaces in them (USB 2.0 9.6.3 and 9.6.5).

use std::collections::{BTreeMap, BTreeSet};

use usbfs2_host::Speed;
use usbfs2_protocol::descriptor::Descriptors;
use usbfs2_protocol::standard::descriptor_type;

use super::Model;
use crate::check::Check;
use crate::finding::{Checked, Finding, ensure, hex};
use crate::reading::Reading;

pub(crate) const CHECKS: &[Check] = &[
    Check::of_descriptors(
        "configuration: length and type",
        "USB 2.0 9.6.3",
        |reading| {
            let unread = reading
                .configurations
                .iter()
                .find_map(|one| one.as_ref().err());
            unread.map_or(Ok(()), |finding| Err(finding.clone()))?;
            reading.each_configuration(|model| header(model, descriptor_type::CONFIGURATION))
        },
    ),
    Check::of_descriptors("configuration: total length", "USB 2.0 9.6.3", |reading| {
        reading.each_configuration(total_length)
    }),
    Check::of_descriptors(
        "configuration: lengths of descriptors",
        "USB 2.0 9.5",
        |reading| reading.each_configuration(lengths),
    ),
    Check::of_descriptors("configuration: values differ", "USB 2.0 9.6.3", values),
    Check::of_descriptors("configuration: attributes", "USB 2.0 9.6.3", |reading| {
        reading.each_configuration(attributes)
    }),
    Check::of_descriptors("configuration: power", "USB 2.0 7.2.1", power),
    Check::of_descriptors("interfaces: numbers", "USB 2.0 9.6.5", |reading| {
        reading.each_configuration(interface_numbers)
    }),
    Check::of_descriptors(
        "interfaces: alternate settings",
        "USB 2.0 9.6.5",
        |reading| reading.each_configuration(alternate_settings),
    ),
    Check::of_descriptors("interfaces: endpoint counts", "USB 2.0 9.6.5", |reading| {
        reading.each_configuration(endpoint_counts)
    }),
    Check::of_descriptors("interfaces: class codes", "USB 2.0 9.6.5", |reading| {
        reading.each_configuration(class_codes)
    }),
    Check::of_descriptors("interfaces: associations", "IAD ECN 9.6.4", |reading| {
        reading.each_configuration(associations)
    }),
];

fn whole<'a>(model: &Model<'a>) -> Checked<&'a [u8; 9]> {
    model.header().ok_or_else(|| {
        Finding::failed(
            "a configuration descriptor of 9 bytes",
            format!("{} bytes", model.bytes.len()),
        )
    })
}

pub(super) fn header(model: &Model<'_>, kind: u8) -> Checked {
    let header = whole(model)?;
    ensure(
        header[..2] == [9, kind],
        format!("bLength 9 and bDescriptorType {kind}"),
        || hex(&header[..2]),
    )
}

pub(super) fn total_length(model: &Model<'_>) -> Checked {
    let header = whole(model)?;
    let total = u16::from_le_bytes([header[2], header[3]]);
    ensure(
        usize::from(total) == model.bytes.len(),
        format!("the {total} bytes of wTotalLength"),
        || format!("{} bytes", model.bytes.len()),
    )
}

/// Descriptors follow each other to the end, each at least as long as its type.
pub(super) fn lengths(model: &Model<'_>) -> Checked {
    for descriptor in Descriptors::new(model.bytes) {
        let descriptor = descriptor.map_err(|error| {
            Finding::failed("descriptors one after the other", error.to_string())
        })?;
        let shortest = match descriptor.descriptor_type {
            descriptor_type::CONFIGURATION | descriptor_type::INTERFACE => 9,
            descriptor_type::ENDPOINT => 7,
            descriptor_type::INTERFACE_ASSOCIATION => 8,
            descriptor_type::SUPERSPEED_ENDPOINT_COMPANION => 6,
            _ => 2,
        };
        ensure(
            descriptor.bytes.len() >= shortest,
            format!(
                "at least {shortest} bytes of type {:#04x}",
                descriptor.descriptor_type
            ),
            || format!("{} at offset {}", descriptor.bytes.len(), descriptor.offset),
        )?;
    }
    Ok(())
}

fn values(reading: &Reading) -> Checked {
    let mut seen = BTreeSet::new();
    reading.each_configuration(|model| {
        let value = whole(model)?[5];
        ensure(value != 0, "a bConfigurationValue other than 0", || {
            "0".to_owned()
        })
    })?;
    for value in reading
        .configurations
        .iter()
        .flatten()
        .filter_map(|one| one.get(5))
    {
        ensure(seen.insert(*value), "bConfigurationValue only once", || {
            format!("{value} twice")
        })?;
    }
    Ok(())
}

fn attributes(model: &Model<'_>) -> Checked {
    let attributes = whole(model)?[7];
    ensure(
        attributes & 0x9f == 0x80,
        "bit 7 one and bits 4 to 0 zero in bmAttributes",
        || format!("{attributes:#04x}"),
    )
}

fn power(reading: &Reading) -> Checked {
    let (unit, most) = match reading.speed()? {
        Speed::Super => (8, 900),
        // USB 3.2 11.4: what two lanes may draw; the host does not say how many there are.
        Speed::SuperPlus => (8, 1500),
        _ => (2, 500),
    };
    reading.each_configuration(|model| {
        let milliamperes = u16::from(whole(model)?[8]) * unit;
        ensure(milliamperes <= most, format!("at most {most} mA"), || {
            format!("{milliamperes} mA")
        })
    })
}

pub(super) fn interface_numbers(model: &Model<'_>) -> Checked {
    let count = whole(model)?[4];
    let numbers: BTreeSet<u8> = model.settings.iter().map(|one| one.number()).collect();
    ensure(
        numbers.iter().copied().eq(0..count),
        format!("the {count} interfaces of bNumInterfaces, numbered from 0"),
        || format!("{numbers:?}"),
    )
}

pub(super) fn alternate_settings(model: &Model<'_>) -> Checked {
    let mut interfaces: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    for setting in &model.settings {
        let alternates = interfaces.entry(setting.number()).or_default();
        alternates.push(setting.alternate());
    }
    for (number, alternates) in interfaces {
        ensure(
            alternates
                .iter()
                .enumerate()
                .all(|(at, &one)| at == usize::from(one)),
            format!("settings of interface {number} numbered from 0, each once"),
            || format!("{alternates:?}"),
        )?;
    }
    Ok(())
}

pub(super) fn endpoint_counts(model: &Model<'_>) -> Checked {
    for setting in &model.settings {
        ensure(
            setting.endpoints.len() == usize::from(setting.endpoint_count()),
            format!(
                "the {} endpoints that {} says it has",
                setting.endpoint_count(),
                setting.name()
            ),
            || setting.endpoints.len().to_string(),
        )?;
    }
    Ok(())
}

fn class_codes(model: &Model<'_>) -> Checked {
    for setting in &model.settings {
        ensure(
            setting.class() != 0 || setting.subclass() == 0,
            format!("bInterfaceSubClass 0 with class 0 of {}", setting.name()),
            || hex(&setting.bytes[5..8]),
        )?;
    }
    Ok(())
}

fn associations(model: &Model<'_>) -> Checked {
    if model.associations.is_empty() {
        return Err(Finding::not_applicable("no interface association"));
    }
    let numbers: BTreeSet<u8> = model.settings.iter().map(|one| one.number()).collect();
    let mut taken = BTreeSet::new();
    for association in &model.associations {
        let (first, count) = (association[2], association[3]);
        ensure(count > 0, "an association of interfaces", || {
            "one of none".to_owned()
        })?;
        let last = u16::from(first) + u16::from(count) - 1;
        for number in u16::from(first)..=last {
            let exists = u8::try_from(number).is_ok_and(|number| numbers.contains(&number));
            ensure(exists, "associations of interfaces there are", || {
                format!("interface {number} in one")
            })?;
            ensure(
                taken.insert(number),
                "each interface in one association",
                || format!("interface {number} in two"),
            )?;
        }
    }
    Ok(())
}
