//! GET_STATUS and the features of device and interfaces (USB 2.0 9.4.1, 9.4.5, 9.4.9).

use usbfs2_host::{EndpointAddress, SetupPacket, Speed};
use usbfs2_protocol::standard::{feature, request};

use super::raw;
use crate::check::{Check, Group};
use crate::finding::{Checked, Finding, ensure, hex};
use crate::subject::Subject;

const fn check(
    name: &'static str,
    section: &'static str,
    run: fn(&mut Subject<'_>) -> Checked,
) -> Check {
    Check::claimed(Group::StatusAndFeatures, name, section, run)
}

pub(super) const CHECKS: &[Check] = &[
    check("GET_STATUS of the device", "USB 2.0 9.4.5", device_status),
    check(
        "self-powered as the configuration says",
        "USB 2.0 9.4.5",
        self_powered,
    ),
    check(
        "GET_STATUS of each interface",
        "USB 2.0 9.4.5",
        interface_status,
    ),
    check("GET_STATUS of endpoint 0", "USB 2.0 9.4.5", |subject| {
        status(
            subject,
            SetupPacket::get_endpoint_status(EndpointAddress::CONTROL),
            0,
        )
    }),
    check(
        "remote wake-up is set and cleared",
        "USB 2.0 9.4.9",
        remote_wakeup,
    ),
    check(
        "remote wake-up is refused where there is none",
        "USB 2.0 9.4.9",
        no_remote_wakeup,
    ),
];

const SELF_POWERED: u16 = 1;
const REMOTE_WAKEUP: u16 = 2;

/// Reads a status of two bytes.
pub(super) fn read_status(subject: &mut Subject<'_>, setup: SetupPacket) -> Checked<u16> {
    let bytes = subject.read(setup)?;
    match bytes.as_slice() {
        &[low, high] => Ok(u16::from_le_bytes([low, high])),
        other => Err(Finding::failed(format!("2 bytes for {setup}"), hex(other))),
    }
}

/// Reads a status that must be this one.
pub(super) fn status(subject: &mut Subject<'_>, setup: SetupPacket, expected: u16) -> Checked {
    let seen = read_status(subject, setup)?;
    ensure(
        seen == expected,
        format!("status {expected:#06x} for {setup}"),
        || format!("{seen:#06x}"),
    )
}

fn device_status(subject: &mut Subject<'_>) -> Checked {
    let known = match subject.reading().speed()? {
        // U1, U2 and LTM (USB 3.2 9.4.5).
        Speed::Super | Speed::SuperPlus => 0x001f,
        _ => SELF_POWERED | REMOTE_WAKEUP,
    };
    let seen = read_status(subject, SetupPacket::get_device_status())?;
    ensure(seen & !known == 0, "no reserved bits", || {
        format!("{seen:#06x}")
    })
}

/// bmAttributes of the active configuration.
fn attributes(subject: &Subject<'_>) -> Checked<u8> {
    let value = subject.configuration()?;
    let mut configurations = subject.reading().configurations.iter().flatten();
    let active = configurations.find(|bytes| bytes.get(5) == Some(&value));
    let attributes = active.and_then(|bytes| bytes.get(7));
    attributes
        .copied()
        .ok_or_else(|| Finding::failed(format!("a configuration {value}"), "none"))
}

/// A device that says it can have power of its own may be on the bus's at the moment; not the reverse.
fn self_powered(subject: &mut Subject<'_>) -> Checked {
    let can_be = attributes(subject)? & 0x40 != 0;
    let status = read_status(subject, SetupPacket::get_device_status())?;
    ensure(
        can_be || status & SELF_POWERED == 0,
        "bus-powered, as bmAttributes says",
        || format!("self-powered, in status {status:#06x}"),
    )
}

fn interface_status(subject: &mut Subject<'_>) -> Checked {
    let is_super = subject.reading().speed()? >= Speed::Super;
    let numbers: Vec<u8> = subject.claims().iter().map(|one| one.number()).collect();
    for number in numbers {
        let seen = read_status(subject, SetupPacket::get_interface_status(number))?;
        // Whether the function can and may wake the host (USB 3.2 9.4.5).
        let known = if is_super { 3 } else { 0 };
        ensure(seen & !known == 0, "no reserved bits", || {
            format!("{seen:#06x} of interface {number}")
        })?;
    }
    Ok(())
}

const fn wakeup(code: u8) -> SetupPacket {
    raw(0x00, code, feature::DEVICE_REMOTE_WAKEUP, 0, 0)
}

fn remote_wakeup(subject: &mut Subject<'_>) -> Checked {
    if attributes(subject)? & 0x20 == 0 {
        return Err(Finding::not_applicable("the device has no remote wake-up"));
    }
    if subject.reading().speed()? >= Speed::Super {
        return Err(Finding::not_applicable(
            "at super speed functions wake up, not devices",
        ));
    }
    for (code, expected) in [
        (request::SET_FEATURE, REMOTE_WAKEUP),
        (request::CLEAR_FEATURE, 0),
    ] {
        let accepted = subject.accepts(wakeup(code));
        let seen = accepted.and_then(|()| read_status(subject, SetupPacket::get_device_status()));
        let checked = seen.and_then(|seen| {
            ensure(
                seen & REMOTE_WAKEUP == expected,
                format!("remote wake-up bit {expected} after {}", wakeup(code)),
                || format!("status {seen:#06x}"),
            )
        });
        if checked.is_err() {
            if subject.is_there().is_ok() {
                let _ = subject.ask(wakeup(request::CLEAR_FEATURE));
            }
            return checked;
        }
    }
    Ok(())
}

fn no_remote_wakeup(subject: &mut Subject<'_>) -> Checked {
    if attributes(subject)? & 0x20 != 0 {
        return Err(Finding::not_applicable("the device has remote wake-up"));
    }
    if subject.reading().speed()? >= Speed::Super {
        return Err(Finding::not_applicable(
            "at super speed functions wake up, not devices",
        ));
    }
    let refused = subject.stalls(wakeup(request::SET_FEATURE));
    if refused.is_err() && subject.is_there().is_ok() {
        // What it should not have taken is taken back.
        let _ = subject.ask(wakeup(request::CLEAR_FEATURE));
    }
    refused
}
