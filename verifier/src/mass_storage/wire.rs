//! A host of Bulk-Only Transport that keeps the rules and looks closely (BOT 5 and 6).

use std::time::Duration;

use usbfs2_host::{Buffer, Bulk, Direction, Endpoint, In, Interface, Out, TransferError};
use usbfs2_protocol::bot::{
    self, CommandBlockWrapper, CommandStatus, CommandStatusWrapper, PROTOCOL_BULK_ONLY,
    SUBCLASS_SCSI,
};
use usbfs2_protocol::scsi::{Capacity, CommandBlock, Sense, SenseKey};
use usbfs2_protocol::standard::class;

use crate::finding::{Checked, Finding, hex};
use crate::limit::Limit;
use crate::subject::Subject;

/// The data a command moves, as the host tells the device.
#[derive(Debug, Clone, Copy)]
pub(super) enum Data<'a> {
    Nothing,
    In(usize),
    Out(&'a [u8]),
}

/// A command that came to its status.
#[derive(Debug)]
pub(super) struct Done {
    /// What came.
    pub(super) data: Vec<u8>,
    pub(super) status: CommandStatus,
    pub(super) residue: usize,
}

/// A disk's two endpoints.
pub(super) struct Wire {
    pub(super) interface: Interface,
    pub(super) input: Endpoint<Bulk, In>,
    pub(super) output: Endpoint<Bulk, Out>,
    deadline: Duration,
    /// No command is sent beyond it.
    pub(super) limit: Limit,
    pub(super) tag: u32,
}

/// The claimed interface with Bulk-Only Transport.
pub(super) fn interface(subject: &Subject<'_>) -> Checked<Interface> {
    let is_disk = |claim: &&Interface| {
        let setting = claim.alternate_setting();
        setting.is_ok_and(|setting| {
            [setting.class, setting.subclass, setting.protocol]
                == [class::MASS_STORAGE, SUBCLASS_SCSI, PROTOCOL_BULK_ONLY]
        })
    };
    let found = subject.claims().iter().find(is_disk);
    found
        .cloned()
        .ok_or_else(|| Finding::not_applicable("no interface with Bulk-Only Transport"))
}

/// Runs a check on the disk, which is ready for a command before and after it.
pub(super) fn with_wire(
    subject: &mut Subject<'_>,
    check: impl FnOnce(&mut Wire) -> Checked,
) -> Checked {
    let mut wire = Wire::open(subject)?;
    let checked = wire.settle().and_then(|()| check(&mut wire));
    if checked.is_err() {
        // Its error would say no more than the one that is told.
        let _ = wire.reset_recovery();
    }
    checked
}

impl Wire {
    pub(super) fn open(subject: &Subject<'_>) -> Checked<Self> {
        let interface = interface(subject)?;
        let setting = interface.alternate_setting();
        let endpoints = setting.map(|one| one.endpoints.clone()).unwrap_or_default();
        let address = |direction| {
            let mut addresses = endpoints.iter().map(|endpoint| endpoint.address);
            let found = addresses.find(|address| address.direction() == direction);
            found
                .map(|address| address.to_byte())
                .ok_or_else(|| Finding::failed(format!("a bulk endpoint {direction}"), "none"))
        };
        let unopened =
            |error| Finding::not_possible(format!("an endpoint cannot be opened: {error}"));
        Ok(Self {
            input: interface
                .endpoint(address(Direction::In)?)
                .map_err(unopened)?,
            output: interface
                .endpoint(address(Direction::Out)?)
                .map_err(unopened)?,
            interface,
            deadline: subject.options.deadline,
            limit: subject.limit().clone(),
            tag: 0x7570_0000,
        })
    }

    /// Reads one transfer.
    pub(super) fn receive(&mut self, length: usize) -> Result<Vec<u8>, TransferError> {
        let completion = self
            .input
            .transfer_blocking(Buffer::with_capacity(length), self.deadline);
        completion.into_result().map(Buffer::into_vec)
    }

    /// Sends one transfer, and returns how much of it went.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<usize, TransferError> {
        let completion = self
            .output
            .transfer_blocking(Buffer::from(bytes.to_vec()), self.deadline);
        completion.status.map(|()| completion.actual_length)
    }

    pub(super) fn clear_input(&mut self) -> Checked {
        self.input
            .clear_halt()
            .map_err(|error| unanswered("the halt of bulk-in to be cleared", error))
    }

    pub(super) fn clear_output(&mut self) -> Checked {
        self.output
            .clear_halt()
            .map_err(|error| unanswered("the halt of bulk-out to be cleared", error))
    }

    pub(super) fn bulk_only_reset(&mut self) -> Checked {
        let setup = bot::bulk_only_reset(self.interface.number());
        let result = self
            .interface
            .control_out_blocking(setup, &[], self.deadline);
        result.map_err(|error| unanswered("a Bulk-Only Reset to be accepted", error))
    }

    /// Bulk-Only Reset, then both halts (BOT 5.3.4).
    pub(super) fn reset_recovery(&mut self) -> Checked {
        self.bulk_only_reset()?;
        self.clear_input()?;
        self.clear_output()
    }

    /// A wrapper with the next tag.
    pub(super) fn wrapper(
        &mut self,
        command: &[u8],
        data: Data<'_>,
    ) -> Checked<CommandBlockWrapper> {
        self.tag = self.tag.wrapping_add(1);
        let (length, direction) = match data {
            Data::Nothing => (0, Direction::Out),
            Data::In(length) => (length, Direction::In),
            Data::Out(bytes) => (bytes.len(), Direction::Out),
        };
        Ok(CommandBlockWrapper {
            tag: self.tag,
            data_transfer_length: u32::try_from(length).unwrap_or(u32::MAX),
            direction,
            lun: 0,
            command: CommandBlock::new(command)
                .map_err(|error| Finding::not_possible(error.to_string()))?,
        })
    }

    /// Runs a command to its status, whatever that is, clearing halts as BOT 5.3.3 says.
    pub(super) fn command(&mut self, command: &[u8], data: Data<'_>) -> Checked<Done> {
        let wrapper = self.wrapper(command, data)?;
        self.carry_out(&wrapper, data)
    }

    pub(super) fn carry_out(
        &mut self,
        wrapper: &CommandBlockWrapper,
        data: Data<'_>,
    ) -> Checked<Done> {
        self.limit.check()?;
        let sent = self.send(&wrapper.to_bytes());
        let sent = sent.map_err(|error| unanswered("a command to be taken", error))?;
        if sent != CommandBlockWrapper::LENGTH {
            return Err(Finding::failed(
                "a command of 31 bytes to be taken",
                format!("{sent} bytes taken"),
            ));
        }
        let received = match data {
            Data::Nothing => Vec::new(),
            Data::In(length) => match self.receive(length) {
                Ok(bytes) if is_status(&bytes) && length != bytes.len() => {
                    return Err(Finding::failed(
                        "data, a short packet or a stall before the status",
                        "the status in place of data",
                    ));
                }
                Ok(bytes) => bytes,
                Err(TransferError::Stall) => {
                    self.clear_input()?;
                    Vec::new()
                }
                Err(error) => return Err(unanswered("data or a stall", error)),
            },
            Data::Out(bytes) => {
                match self.send(bytes) {
                    Ok(taken) if taken == bytes.len() => {}
                    Ok(_) | Err(TransferError::Stall) => self.clear_output()?,
                    Err(error) => return Err(unanswered("data to be taken, or a stall", error)),
                }
                Vec::new()
            }
        };
        let status = self.status()?;
        status.check(wrapper).map_err(|error| {
            Finding::failed("a status that answers the command", error.to_string())
        })?;
        Ok(Done {
            data: received,
            status: status.status,
            residue: usize::try_from(status.data_residue).unwrap_or(usize::MAX),
        })
    }

    /// Reads the status, after a stall once more (BOT 5.3.3).
    fn status(&mut self) -> Checked<CommandStatusWrapper> {
        let room = self.input.max_packet_size();
        let mut bytes = self.receive(room);
        if bytes == Err(TransferError::Stall) {
            self.clear_input()?;
            bytes = self.receive(room);
        }
        let bytes = bytes.map_err(|error| unanswered("a status", error))?;
        CommandStatusWrapper::parse(&bytes).map_err(|error| {
            Finding::failed("a status of 13 bytes", format!("{} ({error})", hex(&bytes)))
        })
    }

    /// A command that must pass, and what it brought.
    pub(super) fn passes(&mut self, what: &str, command: &[u8], data: Data<'_>) -> Checked<Done> {
        let done = self.command(command, data)?;
        if done.status == CommandStatus::Passed {
            return Ok(done);
        }
        let sense = self.sense()?;
        Err(Finding::failed(
            format!("{what} to pass"),
            format!("{}, {sense}", done.status),
        ))
    }

    /// Why the last command failed (SPC-4 6.39).
    pub(super) fn sense(&mut self) -> Checked<Sense> {
        let done = self.command(&REQUEST_SENSE, Data::In(18))?;
        Sense::parse(&done.data).map_err(|error| {
            Finding::failed("sense data", format!("{} ({error})", hex(&done.data)))
        })
    }

    /// Takes what the disk has to tell about resets and changed media, so that commands pass.
    pub(super) fn settle(&mut self) -> Checked {
        for _ in 0..4 {
            let done = self.command(&TEST_UNIT_READY, Data::Nothing)?;
            if done.status == CommandStatus::Passed {
                return Ok(());
            }
            if self.sense()?.key != SenseKey::UnitAttention {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The size of the medium, where there is one.
    pub(super) fn capacity(&mut self) -> Checked<Capacity> {
        let ready = self.command(&TEST_UNIT_READY, Data::Nothing)?;
        if ready.status != CommandStatus::Passed {
            let sense = self.sense()?;
            return Err(Finding::not_applicable(format!(
                "the disk is not ready: {sense}"
            )));
        }
        let done = self.passes(
            "READ CAPACITY (10)",
            &READ_CAPACITY,
            Data::In(Capacity::LENGTH_10),
        )?;
        match Capacity::parse_10(&done.data) {
            Ok(Some(capacity)) => Ok(capacity),
            Ok(None) => Err(Finding::not_applicable(
                "the disk is larger than READ CAPACITY (10) can say",
            )),
            Err(error) => Err(Finding::failed(
                "a capacity",
                format!("{} ({error})", hex(&done.data)),
            )),
        }
    }
}

pub(super) const TEST_UNIT_READY: [u8; 6] = [0; 6];
pub(super) const REQUEST_SENSE: [u8; 6] = [3, 0, 0, 0, 18, 0];
pub(super) const INQUIRY: [u8; 6] = [0x12, 0, 0, 0, INQUIRY_BYTES as u8, 0];
pub(super) const INQUIRY_BYTES: usize = 36;
pub(super) const READ_CAPACITY: [u8; 10] = [0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0];
pub(super) const READ: u8 = 0x28;
pub(super) const WRITE: u8 = 0x2a;
pub(super) const VERIFY: u8 = 0x2f;

/// A command of ten bytes about blocks.
pub(super) fn ten(code: u8, block: u32, blocks: u16) -> [u8; 10] {
    let [b0, b1, b2, b3] = block.to_be_bytes();
    let [high, low] = blocks.to_be_bytes();
    [code, 0, b0, b1, b2, b3, 0, high, low, 0]
}

fn is_status(bytes: &[u8]) -> bool {
    bytes.len() == CommandStatusWrapper::LENGTH
        && bytes[..4] == CommandStatusWrapper::SIGNATURE.to_le_bytes()
}

/// What an error of a transfer means for a check.
pub(super) fn unanswered(expected: &str, error: TransferError) -> Finding {
    Finding::failed(expected, error.to_string())
}
