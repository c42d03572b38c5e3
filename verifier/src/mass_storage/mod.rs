//! Checks of Bulk-Only Transport and of the commands every disk has (BOT 1.0, SPC-4, SBC-3).

mod cases;
mod commands;
mod transport;
mod wire;
mod writes;

use crate::check::{Check, Group};
use crate::finding::Checked;
use crate::subject::Subject;

/// Every check of mass storage.
pub(crate) fn checks() -> Vec<Check> {
    [
        transport::CHECKS,
        cases::CHECKS,
        commands::CHECKS,
        writes::CHECKS,
    ]
    .concat()
}

const fn check(
    name: &'static str,
    section: &'static str,
    run: fn(&mut Subject<'_>) -> Checked,
) -> Check {
    Check::claimed(Group::MassStorage, name, section, run)
}
