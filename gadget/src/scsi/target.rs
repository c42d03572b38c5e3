//! A target: logical units behind one address.

use std::sync::Arc;

use usbfs2_protocol::scsi::{Command, InvalidCommand, LogicalUnits, Sense, operation_code};

use super::{
    answers,
    commands::answer,
    task::{Task, Work},
    unit::LogicalUnit,
};

/// The logical units a transport gives commands to.
#[derive(Debug)]
pub struct Target {
    units: Vec<Arc<LogicalUnit>>,
}

impl Target {
    /// A target with these units; the first is LUN 0. Units beyond the 256th cannot be addressed.
    #[must_use]
    pub fn new(units: impl IntoIterator<Item = Arc<LogicalUnit>>) -> Self {
        Self {
            units: units.into_iter().collect(),
        }
    }

    /// The units, by their numbers.
    #[must_use]
    pub fn units(&self) -> &[Arc<LogicalUnit>] {
        &self.units
    }

    /// The highest unit's number; 0 also when there is none.
    #[must_use]
    pub fn highest_lun(&self) -> u8 {
        u8::try_from(self.units.len().saturating_sub(1)).unwrap_or(u8::MAX)
    }

    /// Tells every unit that the transport was reset: what the host has locked or stopped is as at the
    /// start, and the next command learns of it (SAM-5 6.3.1).
    pub fn reset(&self) {
        for unit in &self.units {
            unit.reset();
        }
    }

    /// Begins a command. Whatever its bytes are, the task ends with a status.
    pub fn start(&self, lun: u8, command: &[u8]) -> Task {
        let decoded = Command::decode(command);
        let unit = self.units.get(usize::from(lun));
        let work = match unit {
            Some(unit) => self.begin(unit, command, decoded),
            None => self.begin_without_unit(decoded),
        };
        if let Err(sense) = &work {
            log::debug!("unit {lun}, command {command:02x?}: {sense}");
        }
        Task::new(unit.cloned(), work)
    }

    fn begin(
        &self,
        unit: &Arc<LogicalUnit>,
        command: &[u8],
        decoded: Result<Command, InvalidCommand>,
    ) -> Result<Work, Sense> {
        // What these three do is not for a condition to hold up, and they do not clear it (SAM-5 5.14).
        let regardless = [
            operation_code::INQUIRY,
            operation_code::REPORT_LUNS,
            operation_code::REQUEST_SENSE,
        ];
        let operation = command.first().copied().unwrap_or_default();
        if operation != operation_code::REQUEST_SENSE {
            unit.clear_sense();
        }
        if !regardless.contains(&operation)
            && let Some(attention) = unit.take_attention()
        {
            return Err(attention);
        }
        match decoded.map_err(|error| error.sense())? {
            Command::ReportLuns {
                select_report,
                allocation_length,
            } => self.report_luns(select_report, allocation_length),
            command => unit.begin(command),
        }
    }

    /// The few commands that a unit which is not there answers (SPC-4 4.2.5.5, 6.6.2, 6.33, 6.39).
    fn begin_without_unit(&self, decoded: Result<Command, InvalidCommand>) -> Result<Work, Sense> {
        match decoded {
            Ok(Command::Inquiry {
                page: None,
                allocation_length,
            }) => Ok(answer(answers::absent_inquiry(), allocation_length.into())),
            Ok(Command::ReportLuns {
                select_report,
                allocation_length,
            }) => self.report_luns(select_report, allocation_length),
            Ok(Command::RequestSense {
                descriptor_format,
                allocation_length,
            }) => {
                let sense =
                    answers::sense(Some(Sense::LOGICAL_UNIT_NOT_SUPPORTED), descriptor_format);
                Ok(answer(sense, allocation_length.into()))
            }
            _ => Err(Sense::LOGICAL_UNIT_NOT_SUPPORTED),
        }
    }

    fn report_luns(&self, select_report: u8, allocation_length: u32) -> Result<Work, Sense> {
        /// Room for the header and one unit, the least a host may offer (SPC-4 6.33).
        const LEAST_ALLOCATION: u32 = 16;
        if allocation_length < LEAST_ALLOCATION {
            return Err(Sense::INVALID_FIELD_IN_COMMAND);
        }
        let units = match select_report {
            // All the units, with the well-known ones or without: there are none of those.
            0 | 2 => LogicalUnits::up_to(self.highest_lun()),
            1 => LogicalUnits(Vec::new()),
            _ => return Err(Sense::INVALID_FIELD_IN_COMMAND),
        };
        Ok(answer(units.to_bytes(), allocation_length))
    }
}
