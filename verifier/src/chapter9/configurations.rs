//! Configurations (USB 2.0 9.1.1, 9.4.2 and 9.4.7).

use usbfs2_host::SetupPacket;

use crate::check::{Check, Group};
use crate::finding::{Checked, Finding, ensure, hex};
use crate::reading::Reading;
use crate::subject::{Answer, Subject};

const fn check(
    name: &'static str,
    section: &'static str,
    run: fn(&mut Subject<'_>) -> Checked,
) -> Check {
    Check::released(Group::Configurations, name, section, run)
}

pub(super) const CHECKS: &[Check] = &[
    check("GET_CONFIGURATION", "USB 2.0 9.4.2", |subject| {
        let value = subject.configuration()?;
        expect(subject, value)
    }),
    check(
        "a configuration that is none",
        "USB 2.0 9.4.7",
        no_configuration,
    ),
    check(
        "every configuration is selected",
        "USB 2.0 9.4.7",
        every_configuration,
    ),
    check(
        "not configured: descriptors and status",
        "USB 2.0 9.1.1.4",
        |subject| {
            without_configuration(subject, |subject| {
                let expected = subject.reading().device.clone()?;
                let seen = subject.read(SetupPacket::get_descriptor(1, 0, 0, 18))?;
                ensure(seen == expected, "the device descriptor", || hex(&seen))?;
                subject.accepts(SetupPacket::get_device_status())
            })
        },
    ),
    check(
        "not configured: GET_INTERFACE is refused",
        "USB 2.0 9.4.4",
        |subject| {
            without_configuration(subject, |subject| {
                subject.stalls(SetupPacket::get_interface(0))
            })
        },
    ),
    check(
        "not configured: SET_INTERFACE is refused",
        "USB 2.0 9.4.10",
        |subject| {
            without_configuration(subject, |subject| {
                subject.stalls(SetupPacket::set_interface(0, 0))
            })
        },
    ),
    check(
        "not configured: GET_STATUS of an interface is refused",
        "USB 2.0 9.4.5",
        |subject| {
            without_configuration(subject, |subject| {
                subject.stalls(SetupPacket::get_interface_status(0))
            })
        },
    ),
    check(
        "configured again and again",
        "USB 2.0 9.4.7",
        again_and_again,
    ),
];

fn expect(subject: &mut Subject<'_>, value: u8) -> Checked {
    let seen = subject.read(SetupPacket::get_configuration())?;
    ensure(seen == [value], format!("configuration {value}"), || {
        hex(&seen)
    })
}

fn values(reading: &Reading) -> Vec<u8> {
    let configurations = reading.configurations.iter().flatten();
    configurations
        .filter_map(|bytes| bytes.get(5).copied())
        .collect()
}

/// A configuration that is none is refused, and the one in force stays.
fn no_configuration(subject: &mut Subject<'_>) -> Checked {
    let active = subject.configuration()?;
    let known = values(subject.reading());
    let mut unknown = (1..=u8::MAX).rev().filter(|value| !known.contains(value));
    let unknown = unknown.next().unwrap_or(u8::MAX);
    let setup = SetupPacket::set_configuration(unknown);
    subject.may_ask()?;
    match subject.ask(setup) {
        Answer::Stall => expect(subject, active),
        Answer::Data(_) => {
            // The host does not know of it.
            let _ = subject.set_configuration(active);
            Err(Finding::failed(
                format!("a stall for {setup}"),
                "it accepted",
            ))
        }
        answer => Err(subject.unanswered(setup, &answer)),
    }
}

fn every_configuration(subject: &mut Subject<'_>) -> Checked {
    let active = subject.configuration()?;
    for value in values(subject.reading()).into_iter().chain([active]) {
        let checked = select(subject, value).and_then(|()| expect(subject, value));
        if checked.is_err() {
            // The reason is the one above.
            let _ = select(subject, active);
            return checked;
        }
    }
    Ok(())
}

/// Selects a configuration, for which no driver may have the device.
fn select(subject: &mut Subject<'_>, value: u8) -> Checked {
    let port = subject.port;
    let selected = port.unbind_drivers().map_err(Finding::from);
    let selected = selected.and_then(|()| subject.set_configuration(value));
    port.bind_drivers();
    selected
}

/// Runs a check while no configuration is selected.
fn without_configuration(
    subject: &mut Subject<'_>,
    check: impl FnOnce(&mut Subject<'_>) -> Checked,
) -> Checked {
    let active = subject.configuration()?;
    select(subject, 0)?;
    let checked = expect(subject, 0).and_then(|()| check(subject));
    let back = subject.set_configuration(active);
    checked.and(back)?;
    expect(subject, active)
}

/// The descriptors are the same each time.
fn again_and_again(subject: &mut Subject<'_>) -> Checked {
    for round in 1..=subject.options.rounds {
        let again = |finding: Finding| finding.of(format_args!("round {round}"));
        subject.begin_round(round).map_err(again)?;
        without_configuration(subject, |_| Ok(())).map_err(again)?;
        subject.reads_the_same().map_err(again)?;
    }
    Ok(())
}
