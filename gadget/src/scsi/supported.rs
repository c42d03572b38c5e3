//! REPORT SUPPORTED OPERATION CODES: which commands a unit knows, and which of their bits (SPC-4 6.35).

use usbfs2_protocol::scsi::{Sense, operation_code as op};

/// A command. Each byte of `usage` has the bits the unit looks at; the first is the operation code.
struct Supported {
    usage: &'static [u8],
    service_action: Option<u16>,
}

const fn command(usage: &'static [u8]) -> Supported {
    Supported {
        usage,
        service_action: None,
    }
}

/// One that shares its operation code with others.
const fn action(usage: &'static [u8], service_action: u16) -> Supported {
    Supported {
        usage,
        service_action: Some(service_action),
    }
}

/// NACA is looked at, to be refused.
const CONTROL: u8 = 0x04;
/// A byte of which all bits count.
const ALL: u8 = 0xff;
/// RDPROTECT or WRPROTECT, DPO and FUA.
const ACCESS: u8 = 0xf8;
/// VRPROTECT, DPO and BYTCHK.
const CHECK: u8 = 0xf6;

#[rustfmt::skip]
const COMMANDS: &[Supported] = &[
    command(&[op::TEST_UNIT_READY, 0, 0, 0, 0, CONTROL]),
    command(&[op::REQUEST_SENSE, 1, 0, 0, ALL, CONTROL]),
    command(&[op::READ_6, 0x1f, ALL, ALL, ALL, CONTROL]),
    command(&[op::WRITE_6, 0x1f, ALL, ALL, ALL, CONTROL]),
    command(&[op::INQUIRY, 1, ALL, ALL, ALL, CONTROL]),
    command(&[op::MODE_SENSE_6, 0x08, ALL, ALL, ALL, CONTROL]),
    command(&[op::START_STOP_UNIT, 1, 0, 0, 0xf3, CONTROL]),
    command(&[op::SEND_DIAGNOSTIC, 0xe4, 0, ALL, ALL, CONTROL]),
    command(&[op::PREVENT_ALLOW_MEDIUM_REMOVAL, 0, 0, 0, 3, CONTROL]),
    command(&[op::READ_FORMAT_CAPACITIES, 0, 0, 0, 0, 0, 0, ALL, ALL, CONTROL]),
    command(&[op::READ_CAPACITY_10, 0, 0, 0, 0, 0, 0, 0, 1, CONTROL]),
    command(&[op::READ_10, ACCESS, ALL, ALL, ALL, ALL, 0, ALL, ALL, CONTROL]),
    command(&[op::WRITE_10, ACCESS, ALL, ALL, ALL, ALL, 0, ALL, ALL, CONTROL]),
    command(&[op::VERIFY_10, CHECK, ALL, ALL, ALL, ALL, 0, ALL, ALL, CONTROL]),
    command(&[op::SYNCHRONIZE_CACHE_10, 2, ALL, ALL, ALL, ALL, 0, ALL, ALL, CONTROL]),
    command(&[op::MODE_SENSE_10, 0x08, ALL, ALL, 0, 0, 0, ALL, ALL, CONTROL]),
    command(&[op::READ_16, ACCESS, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, 0, CONTROL]),
    command(&[op::WRITE_16, ACCESS, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, 0, CONTROL]),
    command(&[op::VERIFY_16, CHECK, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, 0, CONTROL]),
    command(&[op::SYNCHRONIZE_CACHE_16, 2, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, 0, CONTROL]),
    action(&[op::SERVICE_ACTION_IN_16, 0x1f, 0, 0, 0, 0, 0, 0, 0, 0, ALL, ALL, ALL, ALL, 0, CONTROL], 0x10),
    command(&[op::REPORT_LUNS, 0, ALL, 0, 0, 0, ALL, ALL, ALL, ALL, 0, CONTROL]),
    action(&[op::MAINTENANCE_IN, 0x1f, 0x87, ALL, ALL, ALL, ALL, ALL, ALL, ALL, 0, CONTROL], 0x0c),
    command(&[op::READ_12, ACCESS, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, 0, CONTROL]),
    command(&[op::WRITE_12, ACCESS, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, 0, CONTROL]),
    command(&[op::VERIFY_12, CHECK, ALL, ALL, ALL, ALL, ALL, ALL, ALL, ALL, 0, CONTROL]),
];

/// Which commands a host asks about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted {
    All,
    One {
        operation_code: u8,
        /// `None` where the host says that the command has none.
        service_action: Option<u16>,
    },
}

impl Wanted {
    /// What the fields of the command mean.
    pub(super) fn of(options: u8, operation_code: u8, service_action: u16) -> Result<Self, Sense> {
        let known = COMMANDS.iter().find(|it| it.usage[0] == operation_code);
        let has_actions = known.is_some_and(|it| it.service_action.is_some());
        let service_action = match (options, has_actions) {
            (0, _) => return Ok(Self::All),
            (1, false) => None,
            (2, true) => Some(service_action),
            // The host is wrong about the service action (SPC-4 table 308).
            (1, true) | (2, false) => return Err(Sense::INVALID_FIELD_IN_COMMAND),
            (3, has_actions) => has_actions.then_some(service_action),
            _ => return Err(Sense::INVALID_FIELD_IN_COMMAND),
        };
        Ok(Self::One {
            operation_code,
            service_action,
        })
    }
}

/// The answer, with time-outs if so asked.
pub(super) fn report(wanted: Wanted, timeouts: bool, removable: bool) -> Vec<u8> {
    // A fixed medium cannot be locked.
    let mut known = COMMANDS
        .iter()
        .filter(|it| removable || it.usage[0] != op::PREVENT_ALLOW_MEDIUM_REMOVAL);
    match wanted {
        Wanted::All => list(known, timeouts),
        Wanted::One {
            operation_code,
            service_action,
        } => one(
            known.find(|it| it.usage[0] == operation_code && it.service_action == service_action),
            timeouts,
        ),
    }
}

/// SPC-4 table 309: a length, and 8 bytes a command.
fn list<'a>(commands: impl Iterator<Item = &'a Supported>, timeouts: bool) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    for command in commands {
        let [s0, s1] = command.service_action.unwrap_or_default().to_be_bytes();
        let [l0, l1] = length(command);
        let flags = u8::from(timeouts) << 1 | u8::from(command.service_action.is_some());
        bytes.extend([command.usage[0], 0, s0, s1, 0, flags, l0, l1]);
        if timeouts {
            bytes.extend(NO_TIMEOUTS);
        }
    }
    let stated = u32::try_from(bytes.len() - 4).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(&stated.to_be_bytes());
    bytes
}

/// SPC-4 table 312.
fn one(command: Option<&Supported>, timeouts: bool) -> Vec<u8> {
    const NOT_SUPPORTED: u8 = 1;
    const AS_THE_STANDARD_SAYS: u8 = 3;
    let Some(command) = command else {
        return vec![0, NOT_SUPPORTED, 0, 0];
    };
    let [l0, l1] = length(command);
    let support = u8::from(timeouts) << 7 | AS_THE_STANDARD_SAYS;
    let mut bytes = vec![0, support, l0, l1];
    bytes.extend(command.usage);
    // Of the byte with the service action in it, that is the value, as the operation code is.
    if let Some(&[action, _]) = command.service_action.map(u16::to_le_bytes).as_ref() {
        bytes[5] = bytes[5] & 0xe0 | action;
    }
    if timeouts {
        bytes.extend(NO_TIMEOUTS);
    }
    bytes
}

/// A command timeouts descriptor that names none: how long the medium takes is not known (SPC-4 table 313).
const NO_TIMEOUTS: [u8; 12] = [0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn length(command: &Supported) -> [u8; 2] {
    u16::try_from(command.usage.len())
        .unwrap_or(u16::MAX)
        .to_be_bytes()
}
