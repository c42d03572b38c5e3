//! What needs write commands (SBC-3 5.32, BOT 6.7). Every block that is written is put back.

use usbfs2_protocol::bot::CommandStatus;
use usbfs2_protocol::scsi::{Sense, SenseKey};

use super::cases::{expect_phase_error, expect_residue};
use super::check;
use super::commands::{fails, shape};
use super::wire::{Data, READ, WRITE, Wire, ten, with_wire};
use crate::check::Check;
use crate::finding::{Checked, Finding, Outcome, ensure};
use crate::limit::Limit;
use crate::subject::Subject;

pub(super) const CHECKS: &[Check] = &[
    check(
        "case 3: no data, device wants some, Hn < Do",
        "BOT 6.7.1",
        |subject| {
            on_blocks(subject, |wire, place| {
                expect_phase_error(wire, &place.write(1), Data::Nothing)
            })
        },
    ),
    check(
        "case 8: host expects data, device wants some, Hi <> Do",
        "BOT 6.7.2",
        |subject| {
            on_blocks(subject, |wire, place| {
                expect_phase_error(wire, &place.write(1), Data::In(place.size))
            })
        },
    ),
    check(
        "case 11: host sends more than device wants, Ho > Do",
        "BOT 6.7.3",
        |subject| {
            on_blocks(subject, |wire, place| {
                let done = wire.command(&place.write(1), Data::Out(&place.content))?;
                expect_residue(&done, place.size)
            })
        },
    ),
    check(
        "case 12: host sends what device wants, Ho = Do",
        "BOT 6.7.3",
        |subject| {
            on_blocks(subject, |wire, place| {
                let done = wire.command(&place.write(2), Data::Out(&place.content))?;
                expect_residue(&done, 0)
            })
        },
    ),
    check(
        "case 13: host sends less than device wants, Ho < Do",
        "BOT 6.7.3",
        |subject| {
            on_blocks(subject, |wire, place| {
                let half = &place.content[..place.size];
                expect_phase_error(wire, &place.write(2), Data::Out(half))
            })
        },
    ),
    check(
        "WRITE: what is written is read",
        "SBC-3 5.32",
        write_and_read,
    ),
    check("WRITE: beyond the end", "SBC-3 5.32", |subject| {
        on_blocks(subject, |wire, place| {
            let command = ten(WRITE, place.block + 1, 2);
            // A disk that writes what fits writes what is there.
            let (first, last) = place.content.split_at(place.size);
            fails(
                wire,
                &command,
                Data::Out(&[last, first].concat()),
                Sense::LOGICAL_BLOCK_ADDRESS_OUT_OF_RANGE,
            )
        })
    }),
];

/// The last two blocks of a disk, and what is in them.
struct Place {
    block: u32,
    size: usize,
    content: Vec<u8>,
}

impl Place {
    fn write(&self, blocks: u16) -> [u8; 10] {
        ten(WRITE, self.block, blocks)
    }
}

/// Runs a check on the last two blocks. Their content is what disagreements about data send, so that little is lost
/// where the disk goes away meanwhile; whatever it wrote, they are put back at the end.
fn on_blocks(
    subject: &mut Subject<'_>,
    check: impl FnOnce(&mut Wire, &Place) -> Checked,
) -> Checked {
    let options = subject.options;
    if !options.allow_writes {
        return Err(Finding::not_possible("write commands are not allowed"));
    }
    with_wire(subject, |wire| {
        let (last, size) = shape(wire)?;
        let block = last - 1;
        let content = read(wire, block, size)?;
        let place = Place {
            block,
            size,
            content,
        };
        let checked = is_writable(wire, &place).and_then(|()| check(wire, &place));
        wire.limit = Limit::of_restoring(options);
        let ready = if checked.is_err() {
            recover(wire)
        } else {
            wire.settle()
        };
        let restored = ready.and_then(|()| put_back(wire, &place));
        // Once more, for the disk may have been in the middle of something.
        let restored = restored.or_else(|_| recover(wire).and_then(|()| put_back(wire, &place)));
        restored.map_err(|finding| not_put_back(&place, &finding, &checked))?;
        checked
    })
}

fn is_writable(wire: &mut Wire, place: &Place) -> Checked {
    let done = wire.command(&place.write(2), Data::Out(&place.content))?;
    if done.status == CommandStatus::Passed {
        return Ok(());
    }
    let sense = wire.sense()?;
    Err(match sense.key {
        SenseKey::DataProtect => Finding::not_applicable("the disk is write-protected"),
        _ => Finding::failed("WRITE to pass", sense.to_string()),
    })
}

fn recover(wire: &mut Wire) -> Checked {
    wire.reset_recovery()?;
    wire.settle()
}

/// Writes what was there, where something else is.
fn put_back(wire: &mut Wire, place: &Place) -> Checked {
    match read(wire, place.block, place.size) {
        Ok(seen) if seen == place.content => return Ok(()),
        Ok(_) => {}
        // What cannot be read may still be written.
        Err(_) => recover(wire)?,
    }
    let command = place.write(2);
    wire.passes(
        "WRITE of what was there",
        &command,
        Data::Out(&place.content),
    )?;
    let seen = read(wire, place.block, place.size)?;
    ensure(seen == place.content, "what was there before", || {
        "other bytes".to_owned()
    })
}

/// The finding about a disk whose blocks are not as they were, with the one that came before.
fn not_put_back(place: &Place, finding: &Finding, checked: &Checked) -> Finding {
    let (first, last) = (place.block, place.block + 1);
    let why = Outcome::from(Err(finding.clone()));
    let before = Outcome::from(checked.clone());
    Finding::failed(
        format!("blocks {first} and {last} to be put back"),
        format!("other bytes may be in them ({why}); the check before: {before}"),
    )
}

fn read(wire: &mut Wire, block: u32, size: usize) -> Checked<Vec<u8>> {
    let done = wire.passes("READ of 2 blocks", &ten(READ, block, 2), Data::In(2 * size))?;
    ensure(
        done.data.len() == 2 * size,
        format!("{} bytes", 2 * size),
        || format!("{} bytes", done.data.len()),
    )?;
    Ok(done.data)
}

/// What was there is written and read likewise when it is put back.
fn write_and_read(subject: &mut Subject<'_>) -> Checked {
    on_blocks(subject, |wire, place| {
        let other: Vec<u8> = place.content.iter().map(|byte| byte ^ 0x5a).collect();
        wire.passes("WRITE of 2 blocks", &place.write(2), Data::Out(&other))?;
        let seen = read(wire, place.block, place.size)?;
        ensure(seen == other, "what was written", || {
            "other bytes".to_owned()
        })
    })
}
