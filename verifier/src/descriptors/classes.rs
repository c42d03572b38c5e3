//! Class descriptors, which a device controller or a kernel between may lose (HID 1.11 6.2.1, UAC1 4.3.2, UAC2 4.7.2).

use usbfs2_protocol::descriptor::RawDescriptor;
use usbfs2_protocol::standard::{class, descriptor_type};

use super::Model;
use super::model::Setting;
use crate::check::Check;
use crate::finding::{Checked, Finding, ensure, hex};

pub(crate) const CHECKS: &[Check] = &[
    Check::of_descriptors("class descriptors: HID", "HID 1.11 6.2.1", |reading| {
        reading.each_configuration(hid)
    }),
    Check::of_descriptors(
        "class descriptors: audio control",
        "UAC1 4.3.2",
        |reading| reading.each_configuration(audio_control),
    ),
];

const AUDIO_CONTROL: u8 = 1;
const HEADER: u8 = 1;
/// bInterfaceProtocol of Audio 2.0.
const AUDIO_2: u8 = 0x20;

/// The settings of this class, if there are any.
fn of_class<'m, 'a>(model: &'m Model<'a>, class: u8) -> Checked<Vec<&'m Setting<'a>>> {
    let settings = model.settings.iter();
    let found: Vec<_> = settings.filter(|one| one.class() == class).collect();
    if found.is_empty() {
        return Err(Finding::not_applicable("no interface of the class"));
    }
    Ok(found)
}

fn hid(model: &Model<'_>) -> Checked {
    for setting in of_class(model, class::HID)? {
        let mut found = setting.class_descriptors.iter();
        let found = found.find(|one| one.descriptor_type == descriptor_type::HID);
        let bytes = found.map(|one| one.bytes).unwrap_or_default();
        ensure(
            bytes.len() >= 9 && bytes.len() == 6 + 3 * usize::from(bytes[5]),
            format!("a HID descriptor with its list in {}", setting.name()),
            || hex(bytes),
        )?;
        let mut reports = bytes[6..].chunks_exact(3);
        ensure(
            reports.any(|one| one[0] == descriptor_type::HID_REPORT && one[1..] != [0, 0]),
            format!("a report descriptor of {}", setting.name()),
            || hex(bytes),
        )?;
    }
    Ok(())
}

/// The header says how long all class descriptors of the interface are together.
fn audio_control(model: &Model<'_>) -> Checked {
    let settings = of_class(model, class::AUDIO)?.into_iter();
    for setting in settings.filter(|one| one.subclass() == AUDIO_CONTROL) {
        let is_ours =
            |one: &&RawDescriptor<'_>| one.descriptor_type == descriptor_type::CS_INTERFACE;
        let all: Vec<_> = setting.class_descriptors.iter().filter(is_ours).collect();
        let header = all.first().map(|one| one.bytes).unwrap_or_default();
        let at = if setting.protocol() == AUDIO_2 { 6 } else { 5 };
        let Some(total) = header.get(at..at + 2).filter(|_| header[2] == HEADER) else {
            return Err(Finding::failed(
                format!("an audio control header first in {}", setting.name()),
                hex(header),
            ));
        };
        let total = usize::from(u16::from_le_bytes([total[0], total[1]]));
        let found: usize = all.iter().map(|one| one.bytes.len()).sum();
        ensure(
            total == found,
            format!("the {total} bytes of wTotalLength in {}", setting.name()),
            || format!("{found} bytes"),
        )?;
    }
    Ok(())
}
