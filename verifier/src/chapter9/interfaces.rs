//! Alternate settings (USB 2.0 9.4.4 and 9.4.10).

use usbfs2_host::SetupPacket;

use crate::check::{Check, Group};
use crate::finding::{Checked, Finding, ensure, hex};
use crate::subject::{Answer, Subject};

pub(super) const CHECKS: &[Check] = &[
    Check::claimed(
        Group::Interfaces,
        "GET_INTERFACE of each interface",
        "USB 2.0 9.4.4",
        |subject| {
            for (number, _) in interfaces(subject) {
                expect(subject, number, 0)?;
            }
            Ok(())
        },
    ),
    Check::claimed(
        Group::Interfaces,
        "every alternate setting is selected",
        "USB 2.0 9.4.10",
        every_setting,
    ),
    Check::claimed(
        Group::Interfaces,
        "an alternate setting that is none",
        "USB 2.0 9.4.10",
        no_setting,
    ),
];

/// Numbers and settings of the interfaces.
fn interfaces(subject: &Subject<'_>) -> Vec<(u8, Vec<u8>)> {
    let claims = subject.claims().iter();
    claims
        .map(|claim| {
            let settings = claim.descriptor().alternate_settings.iter();
            let settings = settings.map(|setting| setting.alternate_setting);
            (claim.number(), settings.collect())
        })
        .collect()
}

fn expect(subject: &mut Subject<'_>, interface: u8, setting: u8) -> Checked {
    let seen = subject.read(SetupPacket::get_interface(interface))?;
    ensure(
        seen == [setting],
        format!("setting {setting} of interface {interface}"),
        || hex(&seen),
    )
}

/// A device may refuse to select the only setting an interface has.
fn every_setting(subject: &mut Subject<'_>) -> Checked {
    let mut several = false;
    for (number, settings) in interfaces(subject) {
        if settings.len() < 2 {
            continue;
        }
        several = true;
        for &setting in settings.iter().chain(settings.iter().rev()) {
            let selected = subject.set_alternate(number, setting);
            let checked = selected.and_then(|()| expect(subject, number, setting));
            if checked.is_err() {
                // The reason is the one above.
                let _ = subject.set_alternate(number, 0);
                return checked;
            }
        }
    }
    if several {
        return Ok(());
    }
    Err(Finding::not_applicable(
        "every interface has one setting alone",
    ))
}

fn no_setting(subject: &mut Subject<'_>) -> Checked {
    for (number, settings) in interfaces(subject) {
        let mut unknown = (0..=u8::MAX).filter(|setting| !settings.contains(setting));
        let Some(setting) = unknown.next() else {
            continue;
        };
        let setup = SetupPacket::set_interface(number, setting);
        subject.may_ask()?;
        match subject.ask(setup) {
            Answer::Stall => {}
            Answer::Data(_) => {
                // The host does not know of it, so it is told at once.
                let _ = subject.set_alternate(number, 0);
                return Err(Finding::failed(
                    format!("a stall for {setup}"),
                    "it accepted",
                ));
            }
            answer => return Err(subject.unanswered(setup, &answer)),
        }
        expect(subject, number, 0)?;
    }
    Ok(())
}
