//! Endpoint descriptors (USB 2.0 9.6.6, USB 3.2 9.6.6 and 9.6.7).

use std::collections::BTreeMap;

use usbfs2_host::{Speed, TransferType};
use usbfs2_protocol::standard::{class, descriptor_type};

use super::Model;
use super::model::{Endpoint, Setting};
use crate::check::Check;
use crate::finding::{Checked, ensure};

pub(crate) const CHECKS: &[Check] = &[
    Check::of_descriptors("endpoints: addresses", "USB 2.0 9.6.6", |reading| {
        reading.each_configuration(addresses)
    }),
    Check::of_descriptors("endpoints: attributes", "USB 2.0 9.6.6", |reading| {
        let speed = reading.speed()?;
        reading.each_configuration(|model| attributes(model, speed))
    }),
    Check::of_descriptors("endpoints: packet sizes", "USB 2.0 9.6.6", |reading| {
        let speed = reading.speed()?;
        reading.each_configuration(|model| packet_sizes(model, speed))
    }),
    Check::of_descriptors("endpoints: intervals", "USB 2.0 9.6.6", |reading| {
        let speed = reading.speed()?;
        reading.each_configuration(|model| intervals(model, speed))
    }),
    Check::of_descriptors(
        "endpoints: bandwidth of default settings",
        "USB 2.0 5.6.3",
        |reading| {
            let speed = reading.speed()?;
            reading.each_configuration(|model| default_bandwidth(model, speed))
        },
    ),
    Check::of_descriptors("endpoints: companions", "USB 3.2 9.6.7", |reading| {
        let speed = reading.speed()?;
        reading.each_configuration(|model| companions(model, speed))
    }),
];

/// Each address is legal, once in its setting, and of one interface alone.
pub(super) fn addresses(model: &Model<'_>) -> Checked {
    let mut owners: BTreeMap<u8, (u8, u8)> = BTreeMap::new();
    for (setting, endpoint) in model.endpoints() {
        let address = endpoint.address();
        ensure(
            address & 0x70 == 0 && address & 0x0f != 0,
            "an endpoint number from 1 to 15",
            || format!("{:#04x} in {}", address, setting.name()),
        )?;
        let here = (setting.number(), setting.alternate());
        if let Some(owner) = owners.insert(address, here) {
            ensure(
                owner.0 == here.0 && owner.1 != here.1,
                format!("{} once", endpoint.name()),
                || {
                    format!(
                        "it in interface {} alternate {} and in {}",
                        owner.0,
                        owner.1,
                        setting.name()
                    )
                },
            )?;
        }
    }
    Ok(())
}

fn attributes(model: &Model<'_>, speed: Speed) -> Checked {
    for (setting, endpoint) in model.endpoints() {
        let attributes = endpoint.attributes();
        let allowed = match endpoint.transfer_type() {
            TransferType::Isochronous => 0x3f,
            // USB 3.2 table 9-26: the usage of an interrupt endpoint.
            TransferType::Interrupt if speed >= Speed::Super => 0x33,
            _ => 0x03,
        };
        let usage = attributes >> 4 & 3;
        ensure(
            attributes & !allowed == 0 && usage != 3,
            format!("no reserved bits in bmAttributes of {}", endpoint.name()),
            || format!("{attributes:#04x} in {}", setting.name()),
        )?;
        let audio = setting.class() == class::AUDIO;
        ensure(
            endpoint.bytes.len() == 7 || audio && endpoint.bytes.len() == 9,
            format!("7 bytes of {}", endpoint.name()),
            || format!("{} in {}", endpoint.bytes.len(), setting.name()),
        )?;
    }
    Ok(())
}

pub(super) fn packet_sizes(model: &Model<'_>, speed: Speed) -> Checked {
    for (setting, endpoint) in model.endpoints() {
        let expected = wrong_packet_size(endpoint, speed);
        ensure(
            expected.is_none(),
            format!(
                "{} for {} {} at {speed}",
                expected.unwrap_or_default(),
                endpoint.transfer_type(),
                endpoint.name()
            ),
            || {
                format!(
                    "wMaxPacketSize {:#06x} in {}",
                    endpoint.max_packet(),
                    setting.name()
                )
            },
        )?;
    }
    Ok(())
}

/// What the size should be, where it is not.
fn wrong_packet_size(endpoint: &Endpoint<'_>, speed: Speed) -> Option<&'static str> {
    use TransferType::{Bulk, Control, Interrupt, Isochronous};
    let (raw, size, more) = (
        endpoint.max_packet(),
        endpoint.packet_size(),
        endpoint.additional_packets(),
    );
    let kind = endpoint.transfer_type();
    let periodic = matches!(kind, Interrupt | Isochronous);
    if raw & 0xe000 != 0 {
        return Some("no reserved bits");
    }
    if more != 0 && !(periodic && speed == Speed::High) {
        return Some("one packet a frame");
    }
    let (fits, expected) = match (kind, speed) {
        (Bulk | Isochronous, Speed::Low) => (false, "no such endpoint"),
        (Control, _) => (true, ""),
        (Bulk, Speed::Full) => (matches!(size, 8 | 16 | 32 | 64), "8, 16, 32 or 64 bytes"),
        (Bulk, Speed::High) => (size == 512, "512 bytes"),
        (Bulk, _) => (size == 1024, "1024 bytes"),
        (Interrupt, Speed::Low) => (size <= 8, "at most 8 bytes"),
        (Interrupt, Speed::Full) => (size <= 64, "at most 64 bytes"),
        (Isochronous, Speed::Full) => (size <= 1023, "at most 1023 bytes"),
        // Table 9-14: so large that fewer packets would not do.
        (_, Speed::High) => (
            match more {
                0 => size <= 1024,
                1 => (513..=1024).contains(&size),
                2 => (683..=1024).contains(&size),
                _ => false,
            },
            "at most 1024 bytes, and above 512 or 682 with two or three packets",
        ),
        (_, _) => (size <= 1024, "at most 1024 bytes"),
    };
    (!fits).then_some(expected)
}

pub(super) fn intervals(model: &Model<'_>, speed: Speed) -> Checked {
    for (setting, endpoint) in model.endpoints() {
        let range = match (endpoint.transfer_type(), speed) {
            // Not in 9.6.6, which has one range for both speeds, but in USB 2.0 5.7.4.
            (TransferType::Interrupt, Speed::Low) => 10..=255,
            (TransferType::Interrupt, Speed::Full) => 1..=255,
            (TransferType::Interrupt | TransferType::Isochronous, _) => 1..=16,
            _ => 0..=255,
        };
        let section = match speed {
            Speed::Low => " (USB 2.0 5.7.4)",
            _ => "",
        };
        ensure(
            range.contains(&endpoint.interval()),
            format!(
                "bInterval from {} to {} of {} at {speed}{section}",
                range.start(),
                range.end(),
                endpoint.name()
            ),
            || format!("{} in {}", endpoint.interval(), setting.name()),
        )?;
    }
    Ok(())
}

/// Setting 0 takes no isochronous bandwidth, and at high speed little for interrupts (USB 2.0 5.6.3, 5.7.3).
fn default_bandwidth(model: &Model<'_>, speed: Speed) -> Checked {
    let defaults = |(setting, _): &(&Setting<'_>, &Endpoint<'_>)| setting.alternate() == 0;
    for (setting, endpoint) in model.endpoints().filter(defaults) {
        let most = match endpoint.transfer_type() {
            TransferType::Isochronous => 0,
            TransferType::Interrupt if speed == Speed::High => 64,
            _ => continue,
        };
        ensure(
            endpoint.packet_size() <= most,
            format!(
                "at most {most} bytes for {} {}",
                endpoint.transfer_type(),
                endpoint.name()
            ),
            || format!("{} in {}", endpoint.packet_size(), setting.name()),
        )?;
    }
    Ok(())
}

fn companions(model: &Model<'_>, speed: Speed) -> Checked {
    for (setting, endpoint) in model.endpoints() {
        let first = endpoint.followed_by.first();
        let companion = first
            .filter(|one| one.descriptor_type == descriptor_type::SUPERSPEED_ENDPOINT_COMPANION);
        if speed < Speed::Super {
            ensure(
                companion.is_none(),
                format!("no companion at {speed}"),
                || format!("one of {} in {}", endpoint.name(), setting.name()),
            )?;
            continue;
        }
        let bytes = companion.map(|one| one.bytes).unwrap_or_default();
        ensure(
            bytes.len() == 6,
            format!("a companion of 6 bytes behind {}", endpoint.name()),
            || format!("{} bytes in {}", bytes.len(), setting.name()),
        )?;
        ensure(
            bytes.get(2).is_some_and(|&burst| burst <= 15),
            format!("bMaxBurst of {} at most 15", endpoint.name()),
            || format!("{:?}", bytes.get(2)),
        )?;
    }
    Ok(())
}
