//! Descriptors, class requests, and what is no command (BOT 3, 4 and 6.2 to 6.6).

use usbfs2_host::{Direction, SetupPacket, TransferError, TransferType};
use usbfs2_protocol::bot::{self, CommandBlockWrapper};

use super::check;
use super::wire::{Data, TEST_UNIT_READY, Wire, interface, with_wire};
use crate::check::Check;
use crate::finding::{Checked, Finding, ensure, hex};
use crate::subject::{Answer, Subject};

pub(super) const CHECKS: &[Check] = &[
    check("bulk endpoints, one each way", "BOT 4.4", endpoints),
    check("serial number of 12 digits", "BOT 4.1.1", serial_number),
    check("GET_MAX_LUN", "BOT 3.2", max_lun),
    check("Bulk-Only Reset", "BOT 3.1", |subject| {
        with_wire(subject, |wire| {
            wire.bulk_only_reset()?;
            works(wire)
        })
    }),
    check("Bulk-Only Reset keeps halts", "BOT 3.1", reset_keeps_halts),
    check("reset recovery", "BOT 5.3.4", |subject| {
        with_wire(subject, |wire| {
            wire.reset_recovery()?;
            works(wire)
        })
    }),
    check("tags come back", "BOT 5.2", tags),
    check(
        "clearing a halt resets the data toggle",
        "USB 2.0 9.4.5",
        toggles,
    ),
    check(
        "a command of 30 bytes is no command",
        "BOT 6.2.1",
        |subject| refused(subject, |bytes| bytes.truncate(30)),
    ),
    check(
        "a command of 32 bytes is no command",
        "BOT 6.2.1",
        |subject| refused(subject, |bytes| bytes.push(0)),
    ),
    check("a wrong signature is no command", "BOT 6.2.1", |subject| {
        refused(subject, |bytes| bytes[0] ^= 0xff)
    }),
];

fn endpoints(subject: &mut Subject<'_>) -> Checked {
    let interface = interface(subject)?;
    let Ok(setting) = interface.alternate_setting() else {
        return Err(Finding::failed(
            "a setting in force",
            "one that is not described",
        ));
    };
    for direction in [Direction::In, Direction::Out] {
        let endpoints = setting.endpoints.iter();
        let bulk = endpoints.filter(|one| {
            one.transfer_type() == TransferType::Bulk && one.address.direction() == direction
        });
        let count = bulk.count();
        ensure(count == 1, format!("one bulk endpoint {direction}"), || {
            count.to_string()
        })?;
    }
    Ok(())
}

/// At least twelve hexadecimal digits, which tell the device from others of its kind.
fn serial_number(subject: &mut Subject<'_>) -> Checked {
    interface(subject)?;
    let index = subject.reading().device()?[16];
    ensure(index != 0, "a serial number", || "none".to_owned())?;
    let strings = subject.reading().strings.iter();
    let mut found = strings.filter(|((one, _), _)| *one == index);
    let Some((_, Ok(bytes))) = found.next() else {
        return Err(Finding::failed("a serial number", "none that can be read"));
    };
    let units = bytes.get(2..).unwrap_or_default().chunks_exact(2);
    let text: Vec<u16> = units
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let text = String::from_utf16_lossy(&text);
    let digits = text
        .chars()
        .filter(|one| matches!(one, '0'..='9' | 'A'..='F'))
        .count();
    ensure(
        digits >= 12 && digits == text.chars().count(),
        "at least 12 digits 0 to 9 and A to F",
        || format!("{text:?}"),
    )
}

/// A device with one unit may refuse.
fn max_lun(subject: &mut Subject<'_>) -> Checked {
    let number = interface(subject)?.number();
    let setup = bot::get_max_lun(number);
    subject.may_ask()?;
    match subject.ask(setup) {
        Answer::Stall => Ok(()),
        Answer::Data(bytes) => ensure(
            bytes.len() == 1 && bytes[0] <= CommandBlockWrapper::MAX_LUN,
            "a byte from 0 to 15",
            || hex(&bytes),
        ),
        answer => Err(subject.unanswered(setup, &answer)),
    }
}

fn works(wire: &mut Wire) -> Checked {
    wire.command(&TEST_UNIT_READY, Data::Nothing).map(drop)
}

/// The halt is the host's to end.
fn reset_keeps_halts(subject: &mut Subject<'_>) -> Checked {
    let number = interface(subject)?.number();
    let address = {
        let wire = Wire::open(subject)?;
        wire.input.address()
    };
    let status = SetupPacket::get_endpoint_status(address);
    subject.accepts(SetupPacket::set_endpoint_halt(address))?;
    let checked = subject
        .accepts(bot::bulk_only_reset(number))
        .and_then(|()| subject.read(status));
    let clear = SetupPacket::clear_endpoint_halt(address);
    if let Err(finding) = subject.accepts(clear) {
        if subject.is_there().is_ok() {
            let _ = subject.ask(clear);
        }
        return checked.and(Err(finding));
    }
    let seen = checked?;
    ensure(
        seen == [1, 0],
        format!("{address} halted after the reset"),
        || hex(&seen),
    )?;
    with_wire(subject, works)
}

fn tags(subject: &mut Subject<'_>) -> Checked {
    with_wire(subject, |wire| {
        for tag in [0, 1, 0x5342_5355, 0x7fff_ffff, u32::MAX] {
            let mut wrapper = wire.wrapper(&TEST_UNIT_READY, Data::Nothing)?;
            wrapper.tag = tag;
            // The status is held to the tag.
            wire.carry_out(&wrapper, Data::Nothing)?;
        }
        Ok(())
    })
}

/// After an odd and an even number of packets; a toggle that stayed would lose a packet.
fn toggles(subject: &mut Subject<'_>) -> Checked {
    with_wire(subject, |wire| {
        for _ in 0..3 {
            wire.clear_input()?;
            wire.clear_output()?;
            works(wire)?;
        }
        Ok(())
    })
}

/// Bulk-in stalls, and stalls again, until reset recovery; bulk-out stalls or takes what comes (BOT 6.6.1).
fn refused(subject: &mut Subject<'_>, alter: fn(&mut Vec<u8>)) -> Checked {
    with_wire(subject, |wire| {
        let mut bytes = wire
            .wrapper(&TEST_UNIT_READY, Data::Nothing)?
            .to_bytes()
            .to_vec();
        alter(&mut bytes);
        let good = wire.wrapper(&TEST_UNIT_READY, Data::Nothing)?.to_bytes();
        for (attempt, bytes) in [bytes.as_slice(), &good].into_iter().enumerate() {
            match wire.send(bytes) {
                Ok(_) => {}
                Err(TransferError::Stall) => wire.clear_output()?,
                Err(error) => {
                    return Err(super::wire::unanswered(
                        "what is sent to be taken, or a stall",
                        error,
                    ));
                }
            }
            match wire.receive(64) {
                Err(TransferError::Stall) => wire.clear_input()?,
                Ok(seen) => {
                    let when = ["", " until reset recovery"][attempt];
                    return Err(Finding::failed(
                        format!("bulk-in to stall{when}"),
                        hex(&seen),
                    ));
                }
                Err(error) => return Err(super::wire::unanswered("bulk-in to stall", error)),
            }
        }
        wire.reset_recovery()?;
        works(wire)
    })
}
