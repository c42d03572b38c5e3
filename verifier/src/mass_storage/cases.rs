//! The thirteen ways in which host and device agree or disagree about the data (BOT 6.7), those that write apart.

use usbfs2_protocol::bot::CommandStatus;

use super::check;
use super::wire::{Data, Done, INQUIRY, INQUIRY_BYTES, TEST_UNIT_READY, Wire, with_wire};
use crate::check::Check;
use crate::finding::{Checked, Finding, ensure};
use crate::subject::Subject;

pub(super) const CHECKS: &[Check] = &[
    check("case 1: no data, Hn = Dn", "BOT 6.7.1", |subject| {
        agreed(subject, &TEST_UNIT_READY, Data::Nothing, 0)
    }),
    check(
        "case 2: host expects no data, device sends, Hn < Di",
        "BOT 6.7.1",
        |subject| phase_error(subject, &INQUIRY, Data::Nothing),
    ),
    check(
        "case 4: host expects data, device has none, Hi > Dn",
        "BOT 6.7.2",
        |subject| agreed(subject, &TEST_UNIT_READY, Data::In(64), 64),
    ),
    check(
        "case 5: host expects more than device sends, Hi > Di",
        "BOT 6.7.2",
        |subject| agreed(subject, &INQUIRY, Data::In(128), 128 - INQUIRY_BYTES),
    ),
    check(
        "case 6: host expects what device sends, Hi = Di",
        "BOT 6.7.2",
        |subject| agreed(subject, &INQUIRY, Data::In(INQUIRY_BYTES), 0),
    ),
    check(
        "case 7: host expects less than device sends, Hi < Di",
        "BOT 6.7.2",
        |subject| phase_error(subject, &INQUIRY, Data::In(INQUIRY_BYTES / 2)),
    ),
    check(
        "case 9: host sends, device wants nothing, Ho > Dn",
        "BOT 6.7.3",
        |subject| agreed(subject, &TEST_UNIT_READY, Data::Out(&[0; 64]), 64),
    ),
    check(
        "case 10: host sends, device sends, Ho <> Di",
        "BOT 6.7.3",
        |subject| phase_error(subject, &INQUIRY, Data::Out(&[0; INQUIRY_BYTES])),
    ),
];

/// The command ends, passed or failed, with this residue.
fn agreed(subject: &mut Subject<'_>, command: &[u8], data: Data<'_>, residue: usize) -> Checked {
    with_wire(subject, |wire| {
        let done = wire.command(command, data)?;
        expect_residue(&done, residue)
    })
}

pub(super) fn expect_residue(done: &Done, residue: usize) -> Checked {
    if done.status == CommandStatus::PhaseError {
        return Err(Finding::failed(
            "the command to pass or to fail",
            "a phase error",
        ));
    }
    ensure(
        done.residue == residue,
        format!("a residue of {residue}"),
        || done.residue.to_string(),
    )
}

fn phase_error(subject: &mut Subject<'_>, command: &[u8], data: Data<'_>) -> Checked {
    with_wire(subject, |wire| expect_phase_error(wire, command, data))
}

/// The command ends with a phase error, and the disk works after reset recovery.
pub(super) fn expect_phase_error(wire: &mut Wire, command: &[u8], data: Data<'_>) -> Checked {
    let done = wire.command(command, data)?;
    ensure(
        done.status == CommandStatus::PhaseError,
        "a phase error",
        || {
            format!(
                "{}, {} bytes, residue {}",
                done.status,
                done.data.len(),
                done.residue
            )
        },
    )?;
    wire.reset_recovery()?;
    wire.command(&TEST_UNIT_READY, Data::Nothing).map(drop)
}
