//! Halts of endpoints (USB 2.0 9.4.5, 5.8.5).

use std::time::Duration;

use usbfs2_host::{
    Buffer, Bulk, Direction, Endpoint, EndpointAddress, EndpointType, In, Interface, Interrupt,
    SetupPacket, TransferError, TransferType,
};

use super::status::status;
use crate::check::{Check, Group};
use crate::finding::{Checked, Finding};
use crate::subject::Subject;

const fn check(name: &'static str, run: fn(&mut Subject<'_>) -> Checked) -> Check {
    Check::claimed(Group::StatusAndFeatures, name, "USB 2.0 9.4.5", run)
}

pub(super) const CHECKS: &[Check] = &[
    check("endpoints are not halted at first", |subject| {
        each(subject, |subject, one| {
            status(subject, SetupPacket::get_endpoint_status(one.address), 0)
        })
    }),
    check("endpoints are halted and cleared", |subject| {
        each(subject, halt_and_clear)
    }),
    check("halted IN endpoints stall", |subject| {
        each(subject, halted_stalls)
    }),
    check("clearing a halt where there is none", |subject| {
        each(subject, |subject, one| {
            subject.accepts(SetupPacket::clear_endpoint_halt(one.address))?;
            status(subject, SetupPacket::get_endpoint_status(one.address), 0)
        })
    }),
    check("SET_INTERFACE ends halts", |subject| {
        // A device may refuse to select the only setting an interface has (USB 2.0 9.4.10).
        let several = subject.claims().iter().filter(has_several_settings);
        let haltable = several.flat_map(haltable).collect();
        each_of(
            subject,
            haltable,
            "no bulk or interrupt endpoint in an interface with several settings",
            set_interface_clears,
        )
    }),
];

/// An endpoint of the setting in force, which can be halted.
#[derive(Debug, Clone, Copy)]
struct Haltable {
    address: EndpointAddress,
    transfer_type: TransferType,
    interface: u8,
    setting: u8,
}

fn has_several_settings(claim: &&Interface) -> bool {
    claim.descriptor().alternate_settings.len() > 1
}

/// The bulk and interrupt endpoints of every alternate setting.
fn haltable(claim: &Interface) -> Vec<Haltable> {
    let mut all = Vec::new();
    for setting in &claim.descriptor().alternate_settings {
        let endpoints = setting.endpoints.iter().map(|endpoint| Haltable {
            address: endpoint.address,
            transfer_type: endpoint.transfer_type(),
            interface: claim.number(),
            setting: setting.alternate_setting,
        });
        all.extend(endpoints.filter(|one| {
            matches!(
                one.transfer_type,
                TransferType::Bulk | TransferType::Interrupt
            )
        }));
    }
    all
}

type OfEndpoint = fn(&mut Subject<'_>, Haltable) -> Checked;

/// Runs a check on every bulk and interrupt endpoint of every alternate setting.
fn each(subject: &mut Subject<'_>, check: OfEndpoint) -> Checked {
    let all = subject.claims().iter().flat_map(haltable).collect();
    each_of(subject, all, "no bulk or interrupt endpoint", check)
}

fn each_of(
    subject: &mut Subject<'_>,
    all: Vec<Haltable>,
    none: &str,
    check: OfEndpoint,
) -> Checked {
    if all.is_empty() {
        return Err(Finding::not_applicable(none));
    }
    for one in all {
        let elsewhere = one.setting != 0;
        if elsewhere {
            subject.set_alternate(one.interface, one.setting)?;
        }
        let checked = check(subject, one);
        // However it went, the next endpoint begins where this one did.
        if checked.is_err() && subject.is_there().is_ok() {
            let _ = subject.ask(SetupPacket::clear_endpoint_halt(one.address));
        }
        if elsewhere {
            let back = subject.set_alternate(one.interface, 0);
            checked.and(back)?;
        } else {
            checked?;
        }
    }
    Ok(())
}

fn halt(subject: &mut Subject<'_>, one: Haltable) -> Checked {
    subject.accepts(SetupPacket::set_endpoint_halt(one.address))?;
    status(subject, SetupPacket::get_endpoint_status(one.address), 1)
}

fn halt_and_clear(subject: &mut Subject<'_>, one: Haltable) -> Checked {
    halt(subject, one)?;
    subject.accepts(SetupPacket::clear_endpoint_halt(one.address))?;
    status(subject, SetupPacket::get_endpoint_status(one.address), 0)
}

/// What is sent to an OUT endpoint that does not stall would mean something to the device, so only IN is tried.
fn halted_stalls(subject: &mut Subject<'_>, one: Haltable) -> Checked {
    if one.address.direction() == Direction::Out {
        return Ok(());
    }
    halt(subject, one)?;
    let deadline = subject.options.deadline;
    let claims = subject.claims().iter();
    let claim = claims.clone().find(|claim| claim.number() == one.interface);
    let claim = claim.ok_or_else(|| Finding::not_possible("the interface is not claimed"))?;
    let seen = match one.transfer_type {
        TransferType::Bulk => read::<Bulk>(claim, one.address, deadline),
        _ => read::<Interrupt>(claim, one.address, deadline),
    }?;
    if seen != Err(TransferError::Stall) {
        let seen = match seen {
            Ok(bytes) => format!("{bytes} bytes"),
            Err(error) => error.to_string(),
        };
        let expected = format!("a stall of the halted endpoint {}", one.address);
        return Err(Finding::failed(expected, seen));
    }
    status(subject, SetupPacket::get_endpoint_status(one.address), 0)
}

/// Reads once, and clears the halt at both ends. The outer error: the endpoint could not be opened.
fn read<T: EndpointType>(
    claim: &Interface,
    address: EndpointAddress,
    deadline: Duration,
) -> Checked<Result<usize, TransferError>> {
    let mut endpoint: Endpoint<T, In> = claim.endpoint(address.to_byte()).map_err(|error| {
        Finding::not_possible(format!("endpoint {address} cannot be opened: {error}"))
    })?;
    let buffer = Buffer::with_capacity(endpoint.max_packet_size());
    let completion = endpoint.transfer_blocking(buffer, deadline);
    let seen = completion.status.map(|()| completion.actual_length);
    endpoint.clear_halt().map_err(|error| {
        Finding::failed(
            format!("CLEAR_FEATURE of {address} to be accepted"),
            error.to_string(),
        )
    })?;
    Ok(seen)
}

/// Selecting a setting, be it the same again, ends halts (USB 2.0 9.4.5).
fn set_interface_clears(subject: &mut Subject<'_>, one: Haltable) -> Checked {
    halt(subject, one)?;
    subject.set_alternate(one.interface, one.setting)?;
    status(subject, SetupPacket::get_endpoint_status(one.address), 0)
}
