//! What a device says of the other of full and high speed (USB 2.0 9.6.2 and 9.6.4).

use usbfs2_host::Speed;
use usbfs2_protocol::standard::descriptor_type;

use super::{Model, configuration, endpoints};
use crate::check::Check;
use crate::finding::{Checked, Finding, ensure, hex};
use crate::reading::Reading;

pub(crate) const CHECKS: &[Check] = &[
    Check::of_descriptors("device qualifier: fields", "USB 2.0 9.6.2", qualifier),
    Check::of_descriptors(
        "other speed: one for each configuration",
        "USB 2.0 9.6.4",
        count,
    ),
    Check::of_descriptors("other speed: lengths", "USB 2.0 9.6.4", |reading| {
        reading.each_other_speed(|model| {
            configuration::header(model, descriptor_type::OTHER_SPEED_CONFIGURATION)?;
            configuration::total_length(model)?;
            configuration::lengths(model)
        })
    }),
    Check::of_descriptors("other speed: interfaces", "USB 2.0 9.6.4", interfaces),
    Check::of_descriptors("other speed: endpoints", "USB 2.0 9.6.4", |reading| {
        let speed = reading.other_speed()?;
        reading.each_other_speed(|model| {
            endpoints::addresses(model)?;
            endpoints::packet_sizes(model, speed)?;
            endpoints::intervals(model, speed)
        })
    }),
];

fn qualifier(reading: &Reading) -> Checked {
    reading.other_speed()?;
    let bytes = match (&reading.qualifier, reading.speed()?) {
        (Ok(bytes), _) => bytes,
        // A full-speed device that is no high-speed one refuses the request.
        (Err(Finding::Failed { seen, .. }), Speed::Full) if seen == "a stall" => {
            return Err(Finding::not_applicable("a full-speed device"));
        }
        (Err(finding), _) => return Err(finding.clone()),
    };
    ensure(
        bytes.len() == 10 && bytes[..2] == [10, descriptor_type::DEVICE_QUALIFIER] && bytes[9] == 0,
        "10 bytes, bDescriptorType 6, bReserved 0",
        || hex(bytes),
    )?;
    let version = u16::from_le_bytes([bytes[2], bytes[3]]);
    ensure(version >= 0x0200, "bcdUSB 2.00 or later", || {
        format!("{version:#06x}")
    })?;
    let sizes: &[u8] = match reading.other_speed()? {
        Speed::High => &[64],
        _ => &[8, 16, 32, 64],
    };
    ensure(
        sizes.contains(&bytes[7]) && bytes[8] > 0,
        "a control packet size of the other speed, and configurations",
        || hex(bytes),
    )
}

fn count(reading: &Reading) -> Checked {
    let unread = reading
        .other_speed
        .iter()
        .find_map(|one| one.as_ref().err());
    unread.map_or(Ok(()), |finding| Err(finding.clone()))?;
    reading.each_other_speed(|_| Ok(()))?;
    let wanted = reading.qualifier.as_ref().ok().and_then(|one| one.get(8));
    let found = reading.other_speed.len();
    ensure(
        wanted.is_none_or(|&wanted| usize::from(wanted) >= found) && found > 0,
        format!("{found} configurations in the qualifier"),
        || format!("{wanted:?}"),
    )
}

/// The interfaces are those of the present speed.
fn interfaces(reading: &Reading) -> Checked {
    reading.each_other_speed(|model| {
        configuration::interface_numbers(model)?;
        configuration::alternate_settings(model)?;
        configuration::endpoint_counts(model)
    })?;
    for (other, here) in reading.other_speed.iter().zip(&reading.configurations) {
        if let (Ok(other), Ok(here)) = (other, here) {
            let [other, here] = [other, here].map(|bytes| shape(&Model::of(bytes)));
            ensure(other == here, "the interfaces of the present speed", || {
                format!("{other:02x?} beside {here:02x?}")
            })?;
        }
    }
    Ok(())
}

/// Number, alternate setting, class, subclass and protocol of each setting.
fn shape(model: &Model<'_>) -> Vec<[u8; 5]> {
    let settings = model.settings.iter();
    settings
        .map(|one| {
            let [_, _, number, alternate, _, class, subclass, protocol, _] = *one.bytes;
            [number, alternate, class, subclass, protocol]
        })
        .collect()
}
