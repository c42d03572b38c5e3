//! The thirteen ways in which host and device can agree or disagree about the data (BOT 6.7), provoked by
//! a device: ended as the standard says, and otherwise.
//!
//! Each happens once, and the command passes all the same; then every time, and the driver says what was
//! wrong; then no more, and the disk works.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use usbfs2_gadget::functions::mass_storage::{Interruption, Wire};
use usbfs2_gadget::scsi::Target;
use usbfs2_host::TransferError;
use usbfs2_mass_storage::{DiskError, TransportFault};
use usbfs2_protocol::Direction::{In, Out};
use usbfs2_protocol::bot::{CommandBlockWrapper, CommandStatus, CommandStatusWrapper};
use usbfs2_protocol::scsi::operation_code::{READ_10, SYNCHRONIZE_CACHE_10, WRITE_10};

use super::Scenario;
use super::deviant::{Deed, Deviant, SIZE};
use crate::world::World;

pub(super) fn scenarios() -> Vec<(&'static str, Scenario)> {
    vec![
        (
            "disk::cases_1_to_3_of_bot_6_7_where_the_host_expects_no_data",
            |world| provoke(world, Operation::Flush, &NO_DATA),
        ),
        (
            "disk::cases_4_to_8_of_bot_6_7_where_the_host_expects_data",
            |world| provoke(world, Operation::Read, &DATA_IN),
        ),
        (
            "disk::cases_9_to_13_of_bot_6_7_where_the_host_sends_data",
            |world| provoke(world, Operation::Write, &DATA_OUT),
        ),
    ]
}

/// Long enough for a device that does answer, in a guest that is emulated.
const COMMAND_TIMEOUT: Duration = Duration::from_millis(500);

/// Half of what the host expects, in whole packets of every speed.
const HALF: usize = SIZE / 2;
const PACKET: usize = 512;

#[derive(Debug, Clone, Copy)]
enum Operation {
    Flush,
    Read,
    Write,
}

impl Operation {
    fn code(self) -> u8 {
        match self {
            Self::Flush => SYNCHRONIZE_CACHE_10,
            Self::Read => READ_10,
            Self::Write => WRITE_10,
        }
    }

    fn run(self, deviant: &mut Deviant) -> Result<Result<(), DiskError>> {
        let content = vec![0x5a; SIZE];
        Ok(match self {
            Self::Flush => deviant.unit.flush_blocking(),
            Self::Write => deviant.unit.write_at_blocking(0, &content),
            Self::Read => {
                deviant.unit.write_at_blocking(0, &content)?;
                let mut read = vec![0xee; SIZE];
                let result = deviant.unit.read_at_blocking(0, &mut read);
                if result.is_ok() {
                    ensure!(read == content, "what was read was never written");
                }
                result
            }
        })
    }
}

/// How the device ends a command.
type Ending = fn(&mut Wire<'_, '_>, &CommandBlockWrapper) -> Result<(), Interruption>;

/// One of the cases, and how the device ends it.
struct Case {
    number: u32,
    ending: &'static str,
    /// `None`: as an honest disk.
    end: Option<Ending>,
    /// What the driver says when it happens every time; a device that agrees has no fault.
    fault: fn(TransportFault) -> bool,
}

const fn case(
    number: u32,
    ending: &'static str,
    end: Ending,
    fault: fn(TransportFault) -> bool,
) -> Case {
    Case {
        number,
        ending,
        end: Some(end),
        fault,
    }
}

const fn agreement(number: u32) -> Case {
    Case {
        number,
        ending: "host and device agree",
        end: None,
        fault: |_| false,
    }
}

fn phase(fault: TransportFault) -> bool {
    fault == TransportFault::Phase
}

fn timed_out(fault: TransportFault) -> bool {
    fault == TransportFault::Transfer(TransferError::TimedOut)
}

fn overflow(fault: TransportFault) -> bool {
    fault == TransportFault::Transfer(TransferError::Overflow)
}

fn nothing_moved(fault: TransportFault) -> bool {
    is_unfinished(fault, 0)
}

fn half_moved(fault: TransportFault) -> bool {
    is_unfinished(fault, HALF)
}

fn is_unfinished(fault: TransportFault, bytes: usize) -> bool {
    fault
        == TransportFault::Unfinished {
            moved: bytes,
            expected: SIZE,
        }
}

fn end_with(
    wire: &mut Wire<'_, '_>,
    command: &CommandBlockWrapper,
    status: CommandStatus,
    residue: usize,
) -> Result<(), Interruption> {
    let wrapper = CommandStatusWrapper {
        tag: command.tag,
        data_residue: u32::try_from(residue).unwrap_or(u32::MAX),
        status,
    };
    wire.send(&wrapper.to_bytes())
}

fn pass(
    wire: &mut Wire<'_, '_>,
    command: &CommandBlockWrapper,
    residue: usize,
) -> Result<(), Interruption> {
    end_with(wire, command, CommandStatus::Passed, residue)
}

fn phase_error(wire: &mut Wire<'_, '_>, command: &CommandBlockWrapper) -> Result<(), Interruption> {
    end_with(wire, command, CommandStatus::PhaseError, 0)
}

/// Waits for data the host does not mean to send.
fn wait_for_data(wire: &mut Wire<'_, '_>) -> Result<(), Interruption> {
    wire.receive(PACKET)?;
    match wire.keep_silent()? {}
}

/// Half of the data, ended by an empty packet since it fills its packets.
fn send_half(wire: &mut Wire<'_, '_>) -> Result<(), Interruption> {
    wire.send(&[0xa5; HALF])?;
    wire.send(&[])
}

const NO_DATA: [Case; 5] = [
    agreement(1),
    case(2, "a phase error", phase_error, phase),
    case(
        2,
        "the data all the same",
        |wire, _| wire.send(&[0xa5; PACKET]),
        overflow,
    ),
    case(3, "a phase error", phase_error, phase),
    case(
        3,
        "waiting for the data",
        |wire, _| wait_for_data(wire),
        timed_out,
    ),
];

const DATA_IN: [Case; 12] = [
    case(
        4,
        "a halt and a residue",
        |wire, command| {
            wire.halt(In)?;
            pass(wire, command, SIZE)
        },
        nothing_moved,
    ),
    case(
        4,
        "a status in place of the data",
        |wire, command| pass(wire, command, SIZE),
        nothing_moved,
    ),
    case(
        4,
        "an empty packet, and no residue",
        |wire, command| {
            wire.send(&[])?;
            pass(wire, command, 0)
        },
        nothing_moved,
    ),
    case(
        5,
        "a short packet and a residue",
        |wire, command| {
            send_half(wire)?;
            pass(wire, command, SIZE - HALF)
        },
        half_moved,
    ),
    case(
        5,
        "a short packet, and no residue",
        |wire, command| {
            send_half(wire)?;
            pass(wire, command, 0)
        },
        half_moved,
    ),
    case(
        5,
        "a short packet, a halt and a residue",
        |wire, command| {
            send_half(wire)?;
            wire.halt(In)?;
            pass(wire, command, SIZE - HALF)
        },
        half_moved,
    ),
    case(
        5,
        "padding and a residue",
        |wire, command| {
            wire.send(&[0xa5; SIZE])?;
            pass(wire, command, SIZE - HALF)
        },
        half_moved,
    ),
    agreement(6),
    case(
        7,
        "the data asked for, and a phase error",
        |wire, command| {
            wire.send(&[0xa5; SIZE])?;
            phase_error(wire, command)
        },
        phase,
    ),
    case(
        7,
        "all of its data",
        |wire, _| wire.send(&[0xa5; SIZE + PACKET]),
        overflow,
    ),
    case(
        8,
        "a halt and a phase error",
        |wire, command| {
            wire.halt(In)?;
            phase_error(wire, command)
        },
        phase,
    ),
    case(
        8,
        "waiting for data",
        |wire, _| wait_for_data(wire),
        timed_out,
    ),
];

const DATA_OUT: [Case; 9] = [
    case(
        9,
        "a halt and a residue",
        |wire, command| {
            wire.halt(Out)?;
            pass(wire, command, SIZE)
        },
        nothing_moved,
    ),
    case(
        9,
        "the data taken and dropped, and a residue",
        |wire, command| {
            wire.receive(SIZE)?;
            pass(wire, command, SIZE)
        },
        nothing_moved,
    ),
    case(
        10,
        "a halt and a phase error",
        |wire, command| {
            wire.halt(Out)?;
            phase_error(wire, command)
        },
        phase,
    ),
    case(
        10,
        "data of its own",
        |wire, _| wire.send(&[0xa5; PACKET]),
        overflow,
    ),
    case(
        11,
        "half of the data taken, a halt and a residue",
        |wire, command| {
            wire.receive(HALF)?;
            wire.halt(Out)?;
            pass(wire, command, SIZE - HALF)
        },
        half_moved,
    ),
    case(
        11,
        "half of the data used, and a residue",
        |wire, command| {
            wire.receive(SIZE)?;
            pass(wire, command, SIZE - HALF)
        },
        half_moved,
    ),
    agreement(12),
    case(
        13,
        "the data taken, and a phase error",
        |wire, command| {
            wire.receive(SIZE)?;
            phase_error(wire, command)
        },
        phase,
    ),
    case(
        13,
        "waiting for more",
        |wire, _| {
            wire.receive(SIZE)?;
            wait_for_data(wire)
        },
        timed_out,
    ),
];

/// Has the device end the next `times` commands of this kind like this.
fn deed(operation: Operation, end: Ending, mut times: u32) -> Deed {
    Box::new(
        move |wire: &mut Wire<'_, '_>, _: &Target, command: &CommandBlockWrapper| {
            let is_meant = command.command.as_bytes().first() == Some(&operation.code());
            if !is_meant || times == 0 {
                return Ok(false);
            }
            times -= 1;
            end(wire, command)?;
            Ok(true)
        },
    )
}

fn provoke(world: &World, operation: Operation, cases: &[Case]) -> Result<()> {
    let mut deviant = Deviant::new(world, COMMAND_TIMEOUT)?;
    for case in cases {
        let what = || format!("case {}, ended with {}", case.number, case.ending);
        let before = deviant.statistics();
        let Some(end) = case.end else {
            operation.run(&mut deviant)?.with_context(what)?;
            let after = deviant.statistics();
            ensure!(
                after.failures == before.failures,
                "{}: {after:?} after {before:?}",
                what()
            );
            continue;
        };
        deviant.set(Some(deed(operation, end, 1)));
        operation.run(&mut deviant)?.with_context(what)?;
        let failures = deviant.statistics().failures - before.failures;
        ensure!(failures == 1, "{}: {failures} failures", what());

        deviant.set(Some(deed(operation, end, u32::MAX)));
        match operation.run(&mut deviant)? {
            Err(DiskError::Transport {
                fault, attempts: 3, ..
            }) if (case.fault)(fault) => {}
            other => bail!("{}, always: {other:?}", what()),
        }
        deviant.set(None);
        deviant.check().with_context(what)?;
    }
    Ok(())
}
