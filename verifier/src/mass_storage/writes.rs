//! What needs write commands (SBC-3 5.32, BOT 6.7). Every block that is written is put back.

use usbfs2_protocol::bot::CommandStatus;
use usbfs2_protocol::scsi::{Sense, SenseKey};

use super::cases::{expect_phase_error, expect_residue};
use super::check;
use super::commands::{fails, shape};
use super::wire::{Data, READ, WRITE, Wire, ten, with_wire};
use crate::check::Check;
use crate::finding::{Checked, Finding, ensure};
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
            fails(
                wire,
                &command,
                Data::Out(&place.content),
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

/// Runs a check on the last two blocks. Their content is what disagreements about data send, so that nothing is
/// lost, whatever the disk writes.
fn on_blocks(
    subject: &mut Subject<'_>,
    check: impl FnOnce(&mut Wire, &Place) -> Checked,
) -> Checked {
    if !subject.options.allow_writes {
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
        let done = wire.command(&place.write(2), Data::Out(&place.content))?;
        if done.status != CommandStatus::Passed {
            let sense = wire.sense()?;
            return Err(match sense.key {
                SenseKey::DataProtect => Finding::not_applicable("the disk is write-protected"),
                _ => Finding::failed("WRITE to pass", sense.to_string()),
            });
        }
        check(wire, &place)
    })
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

fn write_and_read(subject: &mut Subject<'_>) -> Checked {
    on_blocks(subject, |wire, place| {
        let other: Vec<u8> = place.content.iter().map(|byte| byte ^ 0x5a).collect();
        let written = wire.passes("WRITE of 2 blocks", &place.write(2), Data::Out(&other));
        let seen = written.and_then(|_| read(wire, place.block, place.size));
        let back = wire.passes(
            "WRITE of what was there",
            &place.write(2),
            Data::Out(&place.content),
        );
        let again = back.and_then(|_| read(wire, place.block, place.size));
        ensure(seen? == other, "what was written", || {
            "other bytes".to_owned()
        })?;
        ensure(again? == place.content, "what was there before", || {
            "other bytes".to_owned()
        })
    })
}
