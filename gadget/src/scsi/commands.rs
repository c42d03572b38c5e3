//! What a unit does with each command.

use std::sync::Arc;

use usbfs2_protocol::scsi::{ByteCheck, Command, Sense, blocks_6};

use super::{
    answers,
    extent::Extent,
    supported::{self, Wanted},
    task::Work,
    unit::{EjectError, LogicalUnit},
};

/// What START STOP UNIT asks for.
#[derive(Debug, Clone, Copy)]
struct StartStop {
    load_eject: bool,
    start: bool,
    power_condition: u8,
}

impl LogicalUnit {
    /// Begins a command: checks it, and carries it out as far as no data has to be moved.
    pub(super) fn begin(self: &Arc<Self>, command: Command) -> Result<Work, Sense> {
        match command {
            Command::TestUnitReady => self.ready().map(|_| Work::Done),
            Command::RequestSense {
                descriptor_format,
                allocation_length,
            } => Ok(answer(
                answers::sense(self.take_sense(), descriptor_format),
                allocation_length.into(),
            )),
            Command::Inquiry {
                page,
                allocation_length,
            } => Ok(answer(
                answers::inquiry(self.options(), page)?,
                allocation_length.into(),
            )),
            Command::ModeSense6 {
                page_control,
                page,
                subpage,
                allocation_length,
                ..
            } => {
                let parameters = answers::mode_parameters(self, page_control, page, subpage)?;
                Ok(answer(parameters.to_bytes_6(), allocation_length.into()))
            }
            Command::ModeSense10 {
                page_control,
                page,
                subpage,
                allocation_length,
                ..
            } => {
                let parameters = answers::mode_parameters(self, page_control, page, subpage)?;
                Ok(answer(parameters.to_bytes_10(), allocation_length.into()))
            }
            Command::StartStopUnit {
                load_eject,
                start,
                power_condition,
                ..
            } => self.start_stop(StartStop {
                load_eject,
                start,
                power_condition,
            }),
            Command::PreventAllowMediumRemoval { prevent } => self.prevent_removal(prevent),
            Command::ReadFormatCapacities { allocation_length } => {
                let capacity = self.loaded().map(|loaded| loaded.capacity);
                let bytes = answers::format_capacities(capacity, self.options().block_size);
                Ok(answer(bytes, allocation_length.into()))
            }
            Command::ReadCapacity10 => {
                let bytes = self.ready()?.capacity.to_bytes_10().to_vec();
                Ok(answer(bytes, u32::MAX))
            }
            Command::ReadCapacity16 { allocation_length } => Ok(answer(
                self.ready()?.capacity.to_bytes_16().to_vec(),
                allocation_length,
            )),
            Command::Read6 { lba, blocks } => self.read(lba.into(), blocks_6(blocks)),
            Command::Read12 { lba, blocks, .. } => self.read(lba.into(), blocks),
            Command::Read10 { lba, blocks, .. } => self.read(lba.into(), blocks.into()),
            Command::Read16 { lba, blocks, .. } => self.read(lba, blocks),
            Command::Write6 { lba, blocks } => self.write(lba.into(), blocks_6(blocks), false),
            Command::Write12 {
                lba,
                blocks,
                force_unit_access,
            } => self.write(lba.into(), blocks, force_unit_access),
            Command::Write10 {
                lba,
                blocks,
                force_unit_access,
            } => self.write(lba.into(), blocks.into(), force_unit_access),
            Command::Write16 {
                lba,
                blocks,
                force_unit_access,
            } => self.write(lba, blocks, force_unit_access),
            Command::Verify12 {
                lba,
                blocks,
                byte_check,
            } => self.verify(lba.into(), blocks, byte_check),
            Command::Verify10 {
                lba,
                blocks,
                byte_check,
            } => self.verify(lba.into(), blocks.into(), byte_check),
            Command::Verify16 {
                lba,
                blocks,
                byte_check,
            } => self.verify(lba, blocks, byte_check),
            Command::SynchronizeCache10 { lba, blocks, .. } => {
                self.synchronize(lba.into(), blocks.into())
            }
            Command::SynchronizeCache16 { lba, blocks, .. } => self.synchronize(lba, blocks),
            Command::SendDiagnostic {
                self_test_code,
                parameter_list_length,
                ..
            } => match (self_test_code, parameter_list_length) {
                // The default test: there is nothing in software that could be broken.
                (0, 0) => Ok(Work::Done),
                _ => Err(Sense::INVALID_FIELD_IN_COMMAND),
            },
            Command::ReportSupportedOperationCodes {
                timeouts,
                reporting_options,
                operation_code,
                service_action,
                allocation_length,
            } => {
                let wanted = Wanted::of(reporting_options, operation_code, service_action)?;
                let removable = self.options().removable;
                let bytes = supported::report(wanted, timeouts, removable);
                Ok(answer(bytes, allocation_length))
            }
            // MODE SELECT: nothing can be changed. The rest is the target's or not a disk's.
            _ => Err(Sense::INVALID_COMMAND_OPERATION_CODE),
        }
    }

    fn extent(self: &Arc<Self>, lba: u64, blocks: u32) -> Result<Extent, Sense> {
        Extent::new(Arc::clone(self), self.ready()?, lba, blocks.into())
    }

    fn read(self: &Arc<Self>, lba: u64, blocks: u32) -> Result<Work, Sense> {
        // The medium is always read: there is no cache of ours to bypass.
        self.extent(lba, blocks).map(Work::Read)
    }

    fn write(
        self: &Arc<Self>,
        lba: u64,
        blocks: u32,
        force_unit_access: bool,
    ) -> Result<Work, Sense> {
        let extent = self.extent(lba, blocks)?;
        if self.is_write_protected() {
            return Err(Sense::WRITE_PROTECTED);
        }
        Ok(Work::Write {
            extent,
            force_unit_access,
        })
    }

    fn verify(
        self: &Arc<Self>,
        lba: u64,
        blocks: u32,
        byte_check: ByteCheck,
    ) -> Result<Work, Sense> {
        match byte_check {
            ByteCheck::MediumOnly => self.extent(lba, blocks).map(Work::Check),
            ByteCheck::EachBlock => self.extent(lba, blocks).map(Work::Compare),
            ByteCheck::OneBlock => Err(Sense::INVALID_FIELD_IN_COMMAND),
        }
    }

    /// The whole medium is flushed, whichever blocks are asked for: that includes them.
    fn synchronize(self: &Arc<Self>, lba: u64, blocks: u32) -> Result<Work, Sense> {
        self.extent(lba, blocks)?.flush().map(|()| Work::Done)
    }

    fn start_stop(&self, action: StartStop) -> Result<Work, Sense> {
        match action {
            StartStop {
                power_condition: 1..,
                ..
            } => return Err(Sense::INVALID_FIELD_IN_COMMAND),
            StartStop {
                load_eject: true, ..
            } if !self.options().removable => {
                return Err(Sense::INVALID_FIELD_IN_COMMAND);
            }
            StartStop {
                load_eject: true,
                start: false,
                ..
            } => {
                self.eject().map_err(|error| {
                    log::warn!("the host cannot eject: {error}");
                    match error {
                        EjectError::Locked => Sense::MEDIUM_REMOVAL_PREVENTED,
                        EjectError::Fixed => Sense::INVALID_FIELD_IN_COMMAND,
                        EjectError::Flush(_) => Sense::WRITE_ERROR,
                    }
                })?;
            }
            StartStop { start, .. } => {
                // What the host ejected is its owner's, who may be writing to it: the host cannot load it again.
                if self.loaded().is_none() {
                    return Err(Sense::MEDIUM_NOT_PRESENT);
                }
                self.set_stopped(!start);
            }
        }
        Ok(Work::Done)
    }

    fn prevent_removal(&self, prevent: bool) -> Result<Work, Sense> {
        if !self.options().removable {
            return Err(Sense::INVALID_COMMAND_OPERATION_CODE);
        }
        if self.loaded().is_none() {
            return Err(Sense::MEDIUM_NOT_PRESENT);
        }
        self.set_locked(prevent);
        Ok(Work::Done)
    }
}

/// An answer, cut to what the host has room for; that is no error (SPC-4 4.2.5.6).
pub(super) fn answer(mut bytes: Vec<u8>, allocation_length: u32) -> Work {
    bytes.truncate(usize::try_from(allocation_length).unwrap_or(usize::MAX));
    Work::Answer { bytes, sent: 0 }
}
