//! Requests a device must refuse by a stall (USB 2.0 9.2.7).

use usbfs2_host::SetupPacket;
use usbfs2_protocol::standard::{descriptor_type, request};

use super::raw;
use crate::check::{Check, Group};
use crate::finding::{Checked, Finding, hex};
use crate::subject::{Answer, Subject};

const fn check(
    name: &'static str,
    section: &'static str,
    run: fn(&mut Subject<'_>) -> Checked,
) -> Check {
    Check::claimed(Group::InvalidRequests, name, section, run)
}

pub(super) const CHECKS: &[Check] = &[
    check("unknown descriptor types", "USB 2.0 9.4.3", |subject| {
        stalls(
            subject,
            [0x00, 0x0e, 0x7f].map(|kind| SetupPacket::get_descriptor(kind, 0, 0, 64)),
        )
    }),
    check(
        "interface and endpoint descriptors alone",
        "USB 2.0 9.4.3",
        |subject| {
            let kinds = [descriptor_type::INTERFACE, descriptor_type::ENDPOINT];
            stalls(
                subject,
                kinds.map(|kind| SetupPacket::get_descriptor(kind, 0, 0, 64)),
            )
        },
    ),
    check(
        "a configuration index that is none",
        "USB 2.0 9.4.3",
        |subject| {
            let count = subject.reading().device()?[17];
            let kind = descriptor_type::CONFIGURATION;
            stalls(
                subject,
                [count, u8::MAX].map(|index| SetupPacket::get_descriptor(kind, index, 0, 64)),
            )
        },
    ),
    check("a string index that is none", "USB 2.0 9.4.3", string_index),
    check("a language that is none", "USB 2.0 9.6.7", language),
    check(
        "a device qualifier where there is no other speed",
        "USB 2.0 9.6.2",
        qualifier,
    ),
    check(
        "unknown standard requests to the device",
        "USB 2.0 9.4",
        |subject| {
            stalls(
                subject,
                [
                    raw(0x80, 0x02, 0, 0, 1),
                    raw(0x80, 0x7f, 0, 0, 1),
                    raw(0x00, 0x7f, 0, 0, 0),
                ],
            )
        },
    ),
    check(
        "unknown standard requests to an interface",
        "USB 2.0 9.4",
        |subject| {
            let interface = u16::from(first_interface(subject)?);
            stalls(
                subject,
                [
                    raw(0x81, 0x7f, 0, interface, 1),
                    raw(0x01, 0x7f, 0, interface, 0),
                ],
            )
        },
    ),
    check(
        "requests in the wrong direction",
        "USB 2.0 9.4",
        |subject| {
            let wrong_out = raw(0x00, request::GET_CONFIGURATION, 0, 0, 0);
            stalls(
                subject,
                [wrong_out, raw(0x80, request::SET_FEATURE, 0xff, 0, 0)],
            )
        },
    ),
    check(
        "requests of the reserved kind",
        "USB 2.0 9.3.1",
        |subject| stalls(subject, [raw(0xe0, 0, 0, 0, 1), raw(0x60, 0, 0, 0, 0)]),
    ),
    check(
        "requests to reserved recipients",
        "USB 2.0 9.3.1",
        |subject| {
            stalls(
                subject,
                [
                    raw(0x84, request::GET_STATUS, 0, 0, 2),
                    raw(0x9f, request::GET_STATUS, 0, 0, 2),
                ],
            )
        },
    ),
    check(
        "unknown features of the device",
        "USB 2.0 9.4.9",
        |subject| features(subject, 0x00, 0),
    ),
    check(
        "unknown features of an interface",
        "USB 2.0 9.4.9",
        |subject| {
            let interface = first_interface(subject)?;
            features(subject, 0x01, interface)
        },
    ),
    check(
        "unknown features of an endpoint",
        "USB 2.0 9.4.9",
        |subject| {
            let endpoint = first_endpoint(subject)?;
            let refused = features(subject, 0x02, endpoint);
            if refused.is_err() && subject.is_there().is_ok() {
                // Controllers are known that take every feature for the halt.
                let clear = raw(0x02, request::CLEAR_FEATURE, 0, endpoint.into(), 0);
                let _ = subject.ask(clear);
            }
            refused
        },
    ),
    check(
        "GET_STATUS of an interface that is none",
        "USB 2.0 9.4.5",
        |subject| {
            let interface = unknown_interface(subject)?;
            subject.stalls(SetupPacket::get_interface_status(interface))
        },
    ),
    check(
        "GET_STATUS of an endpoint that is none",
        "USB 2.0 9.4.5",
        |subject| {
            let endpoint = unknown_endpoint(subject)?;
            subject.stalls(raw(0x82, request::GET_STATUS, 0, endpoint.into(), 2))
        },
    ),
    check(
        "halting an endpoint that is none",
        "USB 2.0 9.4.9",
        |subject| {
            let endpoint = unknown_endpoint(subject)?;
            subject.stalls(raw(0x02, request::SET_FEATURE, 0, endpoint.into(), 0))
        },
    ),
    check(
        "GET_INTERFACE of an interface that is none",
        "USB 2.0 9.4.4",
        |subject| {
            let interface = unknown_interface(subject)?;
            subject.stalls(SetupPacket::get_interface(interface))
        },
    ),
    check(
        "SET_INTERFACE of an interface that is none",
        "USB 2.0 9.4.10",
        |subject| {
            let interface = unknown_interface(subject)?;
            subject.stalls(SetupPacket::set_interface(interface, 0))
        },
    ),
    check(
        "a request after refused ones",
        "USB 2.0 8.5.3.4",
        |subject| {
            let expected = subject.reading().device()?.to_vec();
            let seen = subject.read(SetupPacket::get_descriptor(
                descriptor_type::DEVICE,
                0,
                0,
                18,
            ))?;
            crate::finding::ensure(seen == expected, "the device descriptor", || hex(&seen))
        },
    ),
];

fn stalls<const N: usize>(subject: &mut Subject<'_>, requests: [SetupPacket; N]) -> Checked {
    for setup in requests {
        subject.stalls(setup)?;
    }
    Ok(())
}

/// A feature selector nobody has given out, set and cleared.
fn features(subject: &mut Subject<'_>, request_type: u8, index: u8) -> Checked {
    const UNKNOWN: u16 = 0x00fe;
    let both = [request::SET_FEATURE, request::CLEAR_FEATURE];
    stalls(
        subject,
        both.map(|code| raw(request_type, code, UNKNOWN, index.into(), 0)),
    )
}

/// No descriptor names this index; but a device may have more strings than it names.
fn string_index(subject: &mut Subject<'_>) -> Checked {
    let named = subject.reading().string_indices();
    let mut unnamed = (1..=254).rev().filter(|index| !named.contains(index));
    let index = unnamed.next().unwrap_or(254);
    let language = subject
        .reading()
        .language_ids()
        .first()
        .copied()
        .unwrap_or(0x0409);
    let setup = SetupPacket::get_descriptor(descriptor_type::STRING, index, language, 255);
    subject.may_ask()?;
    match subject.ask(setup) {
        Answer::Stall => Ok(()),
        Answer::Data(bytes) if bytes.get(1) == Some(&descriptor_type::STRING) => {
            Err(Finding::not_applicable(format!(
                "the device has a string {index}, which no descriptor names"
            )))
        }
        Answer::Data(bytes) => Err(Finding::failed(format!("a stall for {setup}"), hex(&bytes))),
        answer => Err(subject.unanswered(setup, &answer)),
    }
}

/// USB 2.0 9.6.7 has strings in the languages of the list; devices often answer in any.
fn language(subject: &mut Subject<'_>) -> Checked {
    let Some(&index) = subject.reading().string_indices().first() else {
        return Err(Finding::not_applicable("no descriptor names a string"));
    };
    let listed = subject.reading().language_ids();
    let unlisted = [0x0407, 0x040c, 0x0411]
        .into_iter()
        .find(|one| !listed.contains(one));
    let language = unlisted.unwrap_or(0xfeff);
    let setup = SetupPacket::get_descriptor(descriptor_type::STRING, index, language, 255);
    subject.stalls(setup)
}

fn qualifier(subject: &mut Subject<'_>) -> Checked {
    let reading = subject.reading();
    if reading.other_speed().is_ok() && !reading.other_speed.is_empty() {
        return Err(Finding::not_applicable("the device has another speed"));
    }
    if reading.other_speed().is_ok() && reading.speed()? == usbfs2_host::Speed::High {
        return Err(Finding::not_applicable(
            "at high speed there is a qualifier",
        ));
    }
    if reading.other_speed().is_err() {
        return Err(Finding::not_applicable("neither at full nor at high speed"));
    }
    stalls(
        subject,
        [
            SetupPacket::get_descriptor(descriptor_type::DEVICE_QUALIFIER, 0, 0, 10),
            SetupPacket::get_descriptor(descriptor_type::OTHER_SPEED_CONFIGURATION, 0, 0, 9),
        ],
    )
}

fn first_interface(subject: &Subject<'_>) -> Checked<u8> {
    let first = subject.claims().first();
    first
        .map(usbfs2_host::Interface::number)
        .ok_or_else(|| Finding::not_applicable("no interface"))
}

fn first_endpoint(subject: &Subject<'_>) -> Checked<u8> {
    let settings = subject
        .claims()
        .iter()
        .flat_map(|one| one.alternate_setting().ok());
    let mut endpoints = settings.flat_map(|setting| &setting.endpoints);
    endpoints
        .next()
        .map(|endpoint| endpoint.address.to_byte())
        .ok_or_else(|| Finding::not_applicable("no endpoint but 0"))
}

fn unknown_interface(subject: &Subject<'_>) -> Checked<u8> {
    let known: Vec<u8> = subject
        .claims()
        .iter()
        .map(usbfs2_host::Interface::number)
        .collect();
    let mut unknown = (0..=u8::MAX).filter(|number| !known.contains(number));
    unknown
        .next()
        .ok_or_else(|| Finding::not_applicable("it has every interface there can be"))
}

/// An address that no setting of any interface has.
fn unknown_endpoint(subject: &Subject<'_>) -> Checked<u8> {
    let interfaces = subject.claims().iter();
    let settings = interfaces.flat_map(|one| &one.descriptor().alternate_settings);
    let known: Vec<u8> = settings
        .flat_map(|setting| &setting.endpoints)
        .map(|endpoint| endpoint.address.to_byte())
        .collect();
    let mut unknown = (1..=15).rev().flat_map(|number| [number, number | 0x80]);
    unknown
        .find(|address| !known.contains(address) && !known.contains(&(address ^ 0x80)))
        .ok_or_else(|| Finding::not_applicable("it has every endpoint there can be"))
}
