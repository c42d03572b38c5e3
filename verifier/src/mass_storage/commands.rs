//! The commands every disk has (SPC-4, SBC-3).

use usbfs2_protocol::bot::CommandStatus;
use usbfs2_protocol::scsi::{Sense, SenseKey};

use super::check;
use super::wire::{
    Data, INQUIRY, INQUIRY_BYTES, READ, REQUEST_SENSE, TEST_UNIT_READY, VERIFY, Wire, ten,
    with_wire,
};
use crate::check::Check;
use crate::finding::{Checked, Finding, ensure, hex};
use crate::subject::Subject;

pub(super) const CHECKS: &[Check] = &[
    check("INQUIRY", "SPC-4 6.4.2", inquiry),
    check("TEST UNIT READY", "SPC-4 6.47", |subject| {
        with_wire(subject, |wire| {
            let done = wire.command(&TEST_UNIT_READY, Data::Nothing)?;
            ensure(done.residue == 0, "a residue of 0", || {
                done.residue.to_string()
            })
        })
    }),
    check("REQUEST SENSE", "SPC-4 6.39", request_sense),
    check("READ CAPACITY", "SBC-3 5.15", |subject| {
        with_wire(subject, |wire| {
            let capacity = wire.capacity()?;
            let size = capacity.block_size();
            ensure(
                size.is_power_of_two() && size >= 512,
                "blocks of 512 bytes or more",
                || format!("{size} bytes"),
            )
        })
    }),
    check("MODE SENSE", "SPC-4 6.11", mode_sense),
    check("an unknown command fails", "SPC-4 4.5.6", |subject| {
        with_wire(subject, |wire| {
            fails(
                wire,
                &[0x1f, 0, 0, 0, 0, 0],
                Data::Nothing,
                Sense::INVALID_COMMAND_OPERATION_CODE,
            )
        })
    }),
    check("READ: first, last and several blocks", "SBC-3 5.11", reads),
    check("READ: no block", "SBC-3 5.11", |subject| {
        with_wire(subject, |wire| {
            wire.capacity()?;
            wire.passes("READ of no block", &ten(READ, 0, 0), Data::Nothing)
                .map(drop)
        })
    }),
    check("READ: beyond the end", "SBC-3 5.11", |subject| {
        with_wire(subject, |wire| {
            let (last, size) = shape(wire)?;
            let data = Data::In(2 * size);
            fails(
                wire,
                &ten(READ, last, 2),
                data,
                Sense::LOGICAL_BLOCK_ADDRESS_OUT_OF_RANGE,
            )
        })
    }),
    check("VERIFY", "SBC-3 5.29", verify),
];

/// The last block and the size of one, on a disk that commands of ten bytes reach the end of.
pub(super) fn shape(wire: &mut Wire) -> Checked<(u32, usize)> {
    let capacity = wire.capacity()?;
    let last = u32::try_from(capacity.last_block());
    let size = usize::try_from(capacity.block_size());
    match (last, size) {
        (Ok(last), Ok(size)) if last >= 8 && size <= 1 << 16 => Ok((last, size)),
        _ => Err(Finding::not_applicable(
            "the disk is too small, or its blocks too large",
        )),
    }
}

/// The command fails for this reason, and all data are residue.
pub(super) fn fails(wire: &mut Wire, command: &[u8], data: Data<'_>, why: Sense) -> Checked {
    let done = wire.command(command, data)?;
    let sense = wire.sense()?;
    ensure(
        done.status == CommandStatus::Failed,
        format!("the command to fail: {why}"),
        || format!("{}, {sense}", done.status),
    )?;
    ensure(
        (sense.key, sense.code) == (why.key, why.code),
        why.to_string(),
        || sense.to_string(),
    )?;
    let length = match data {
        Data::Nothing => 0,
        Data::In(length) => length,
        Data::Out(bytes) => bytes.len(),
    };
    ensure(
        done.residue + done.data.len() == length || done.residue == length,
        "a residue of what did not move",
        || {
            format!(
                "{} of {length}, with {} bytes moved",
                done.residue,
                done.data.len()
            )
        },
    )
}

fn inquiry(subject: &mut Subject<'_>) -> Checked {
    with_wire(subject, |wire| {
        let done = wire.passes("INQUIRY", &INQUIRY, Data::In(INQUIRY_BYTES))?;
        let data = done.data;
        ensure(data.len() == INQUIRY_BYTES, "36 bytes", || hex(&data))?;
        ensure(data[0] >> 5 == 0, "a peripheral that is there", || {
            hex(&data)
        })?;
        ensure(data[3] & 0xf == 2, "response data format 2", || hex(&data))?;
        ensure(data[4] >= 31, "an additional length of 31 or more", || {
            hex(&data)
        })?;
        let text = &data[8..];
        ensure(
            text.iter()
                .all(|&byte| byte == b' ' || byte.is_ascii_graphic()),
            "vendor, product and revision in ASCII",
            || hex(text),
        )
    })
}

fn request_sense(subject: &mut Subject<'_>) -> Checked {
    with_wire(subject, |wire| {
        let done = wire.passes("REQUEST SENSE", &REQUEST_SENSE, Data::In(18))?;
        let data = done.data;
        ensure(
            data.len() == 18 && matches!(data[0] & 0x7f, 0x70 | 0x71) && data[7] >= 10,
            "fixed sense data of 18 bytes",
            || hex(&data),
        )
    })
}

fn mode_sense(subject: &mut Subject<'_>) -> Checked {
    with_wire(subject, |wire| {
        let done = wire.command(&[0x1a, 0, 0x3f, 0, 192, 0], Data::In(192))?;
        if done.status == CommandStatus::Failed {
            let sense = wire.sense()?;
            return match sense.key {
                SenseKey::IllegalRequest => Err(Finding::not_applicable(sense.to_string())),
                _ => Err(Finding::failed(
                    "mode pages, or an illegal request",
                    sense.to_string(),
                )),
            };
        }
        let data = done.data;
        let length = data.first().map(|&length| usize::from(length) + 1);
        ensure(
            data.len() >= 4 && length >= Some(data.len().min(192)),
            "a header of 4 bytes, and the length in it",
            || hex(&data),
        )
    })
}

fn reads(subject: &mut Subject<'_>) -> Checked {
    with_wire(subject, |wire| {
        let (last, size) = shape(wire)?;
        let mut read = |block: u32, blocks: u16| {
            let length = usize::from(blocks) * size;
            let what = format!("READ of {blocks} from block {block}");
            let done = wire.passes(&what, &ten(READ, block, blocks), Data::In(length))?;
            ensure(
                done.data.len() == length && done.residue == 0,
                format!("{length} bytes"),
                || format!("{} bytes, residue {}", done.data.len(), done.residue),
            )?;
            Ok::<_, Finding>(done.data)
        };
        let several = read(0, 8)?;
        ensure(
            read(0, 1)? == several[..size],
            "the same block twice",
            || "two".to_owned(),
        )?;
        read(last, 1)?;
        read(last - 7, 8)?;
        Ok(())
    })
}

fn verify(subject: &mut Subject<'_>) -> Checked {
    with_wire(subject, |wire| {
        let (last, _) = shape(wire)?;
        let done = wire.command(&ten(VERIFY, last, 1), Data::Nothing)?;
        if done.status == CommandStatus::Passed {
            return Ok(());
        }
        let sense = wire.sense()?;
        match sense.key {
            SenseKey::IllegalRequest => Err(Finding::not_applicable(sense.to_string())),
            _ => Err(Finding::failed("VERIFY to pass", sense.to_string())),
        }
    })
}
