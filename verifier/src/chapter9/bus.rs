//! What the bus does to a device: suspend, and the cable (USB 2.0 9.1.1.6, 9.1.2).

use usbfs2_host::SetupPacket;

use crate::check::{Check, Group};
use crate::finding::{Checked, Finding, ensure, hex};
use crate::subject::Subject;

pub(super) const CHECKS: &[Check] = &[
    Check::released(
        Group::Configurations,
        "suspend and resume",
        "USB 2.0 9.1.1.6",
        suspend,
    ),
    Check::released(
        Group::Configurations,
        "suspended: the configuration is kept",
        "USB 2.0 9.1.1.6",
        keeps_configuration,
    ),
    Check::released(
        Group::Configurations,
        "unplugged and enumerated again and again",
        "USB 2.0 9.1.2",
        replug,
    ),
];

/// A suspended device wakes up, and is the one it was.
fn suspend(subject: &mut Subject<'_>) -> Checked {
    sleep(subject)?;
    subject.reads_the_same()
}

/// It keeps its configuration by itself.
fn keeps_configuration(subject: &mut Subject<'_>) -> Checked {
    let value = subject.configuration()?;
    if subject.port.configures_on_resume() {
        return Err(Finding::not_possible(
            "the system resets and configures a device that lost its configuration",
        ));
    }
    sleep(subject)?;
    let seen = subject.read(SetupPacket::get_configuration())?;
    ensure(
        seen == [value],
        format!("configuration {value} after a resume"),
        || hex(&seen),
    )
}

/// Suspends the device and wakes it up.
fn sleep(subject: &mut Subject<'_>) -> Checked {
    subject.configuration()?;
    subject.close();
    let port = subject.port;
    let slept = port.suspend(subject.options.deadline);
    let woken = slept.map_err(Finding::from).and_then(|()| {
        port.resume()
            .map_err(|error| Finding::failed("the device to wake up", error.to_string()))
    });
    let back = subject.reopen();
    woken.and(back)
}

/// The device is the same each time it is plugged in.
fn replug(subject: &mut Subject<'_>) -> Checked {
    for round in 1..=subject.options.rounds {
        let again = |finding: Finding| finding.of(format_args!("round {round}"));
        subject.begin_round(round).map_err(again)?;
        subject.close();
        let port = subject.port;
        if let Err(error) = port.unplug() {
            subject.reopen()?;
            return Err(error.into());
        }
        port.plug()?;
        subject.reopen().map_err(again)?;
        subject.reads_the_same().map_err(again)?;
    }
    Ok(())
}
