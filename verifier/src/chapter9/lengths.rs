//! Descriptors asked for at every wLength (USB 2.0 9.4.3): as many bytes as asked for, and never more than there are.

use usbfs2_host::SetupPacket;
use usbfs2_protocol::standard::{class, descriptor_type};

use crate::check::{Check, Group};
use crate::finding::{Checked, Finding, hex};
use crate::reading::Bytes;
use crate::subject::Subject;

const fn check(name: &'static str, run: fn(&mut Subject<'_>) -> Checked) -> Check {
    Check::claimed(Group::Lengths, name, "USB 2.0 9.4.3", run)
}

pub(super) const CHECKS: &[Check] = &[
    check("device descriptor at every length", |subject| {
        let whole = subject.reading().device.clone();
        of(subject, descriptor_type::DEVICE, &[whole])
    }),
    check("configurations at every length", |subject| {
        let all = subject.reading().configurations.clone();
        of(subject, descriptor_type::CONFIGURATION, &all)
    }),
    check("device qualifier at every length", |subject| {
        let whole = or_not_applicable(subject.reading().qualifier.clone(), "no qualifier");
        of(subject, descriptor_type::DEVICE_QUALIFIER, &[whole])
    }),
    check("other-speed configurations at every length", |subject| {
        let all = subject.reading().other_speed.clone();
        if all.is_empty() {
            return Err(Finding::not_applicable("no other speed"));
        }
        of(subject, descriptor_type::OTHER_SPEED_CONFIGURATION, &all)
    }),
    check("object store at every length", |subject| {
        let whole = subject.reading().object_store.clone();
        of(subject, descriptor_type::BOS, &[whole])
    }),
    check("languages at every length", |subject| {
        let whole = subject.reading().languages.clone();
        of(subject, descriptor_type::STRING, &[whole])
    }),
    check("strings at every length", strings),
    check("HID descriptors at every length", |subject| {
        hid(subject, descriptor_type::HID)
    }),
    check("report descriptors at every length", |subject| {
        hid(subject, descriptor_type::HID_REPORT)
    }),
];

/// Strings that are asked for at every length: their device has one way to cut them all.
const MOST_STRINGS: usize = 16;
/// Lengths up to here are tried one by one.
const ONE_BY_ONE: usize = 512;
const STEP: usize = 64;

/// The lengths to ask for a descriptor of `full` bytes.
fn lengths(full: usize) -> Vec<u16> {
    let mut lengths: Vec<usize> = (0..=full.min(ONE_BY_ONE)).collect();
    // At the ends of packets of every size.
    let steps = (ONE_BY_ONE..full).step_by(STEP);
    lengths.extend(steps.flat_map(|at| [at - 1, at, at + 1]));
    lengths.extend([full.saturating_sub(1), full, full + 1, full + STEP, 4096]);
    lengths.sort_unstable();
    lengths.dedup();
    lengths
        .into_iter()
        .filter_map(|length| u16::try_from(length).ok())
        .collect()
}

fn or_not_applicable(bytes: Bytes, why: &str) -> Bytes {
    bytes.map_err(|finding| match finding {
        Finding::Failed { .. } => Finding::not_applicable(why),
        other => other,
    })
}

fn of(subject: &mut Subject<'_>, kind: u8, all: &[Bytes]) -> Checked {
    for (index, whole) in (0..).zip(all) {
        let whole = whole.as_ref().map_err(Finding::unread)?;
        at_every_length(subject, whole, |length| {
            SetupPacket::get_descriptor(kind, index, 0, length)
        })?;
    }
    Ok(())
}

fn strings(subject: &mut Subject<'_>) -> Checked {
    let all = subject.reading().strings.clone();
    if all.is_empty() {
        return Err(Finding::not_applicable("no descriptor names a string"));
    }
    for ((index, language), whole) in all.into_iter().take(MOST_STRINGS) {
        let whole = whole.map_err(|finding| finding.unread())?;
        at_every_length(subject, &whole, |length| {
            SetupPacket::get_descriptor(descriptor_type::STRING, index, language, length)
        })?;
    }
    Ok(())
}

/// The descriptors a HID interface gives on request (HID 1.11 7.1.1), as long and as they are in the configuration.
fn hid(subject: &mut Subject<'_>, kind: u8) -> Checked {
    let mut found = Vec::new();
    for claim in subject.claims() {
        let hid = claim
            .descriptor()
            .default_setting()
            .filter(|one| one.class == class::HID);
        if let Some(hid) = hid.and_then(|setting| setting.hid()) {
            found.push((claim.number(), hid));
        }
    }
    if found.is_empty() {
        return Err(Finding::not_applicable("no HID interface"));
    }
    for (interface, hid) in found {
        let own = hid.to_bytes();
        let request = |length| SetupPacket::get_interface_descriptor(kind, 0, interface, length);
        let whole = match (kind, hid.report_descriptor_length()) {
            (descriptor_type::HID, _) => own,
            (_, Some(length)) => {
                let whole = subject.read(request(length))?;
                if whole.len() != usize::from(length) {
                    return Err(Finding::failed(
                        format!("the {length} bytes of the HID descriptor's wDescriptorLength"),
                        hex(&whole),
                    ));
                }
                whole
            }
            (_, None) => return Err(Finding::failed("a report descriptor", "none")),
        };
        at_every_length(subject, &whole, request)?;
    }
    Ok(())
}

fn at_every_length(
    subject: &mut Subject<'_>,
    whole: &[u8],
    request: impl Fn(u16) -> SetupPacket,
) -> Checked {
    for length in lengths(whole.len()) {
        let setup = request(length);
        let expected = &whole[..whole.len().min(usize::from(length))];
        let seen = subject.read(setup)?;
        if seen != expected {
            return Err(Finding::failed(
                format!("{} for {setup}", hex(expected)),
                hex(&seen),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_descriptors_are_asked_for_at_every_length_and_beyond() {
        let all = lengths(18);
        assert!((0..=18).all(|length| all.contains(&length)));
        assert!(all.contains(&19) && all.contains(&4096));
    }

    #[test]
    fn the_longest_descriptor_there_can_be_does_not_take_for_ever() {
        let all = lengths(usize::from(u16::MAX));
        assert!(all.len() < 4000 && all.contains(&u16::MAX));
    }
}
