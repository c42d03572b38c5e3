//! One command on its way: its data and its status.

use std::sync::Arc;

use usbfs2_protocol::scsi::{Sense, SenseKey, Transfer};

use super::{extent::Extent, unit::LogicalUnit};

/// How a command ended (SAM-5 5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum Status {
    /// It did what it was asked.
    Good,
    /// It did not, or something happened that the host must know; REQUEST SENSE says what.
    CheckCondition,
}

/// A command being carried out.
///
/// The transport asks [`transfer`](Self::transfer) what is to be moved, moves it with
/// [`read`](Self::read) or [`write`](Self::write), lets the unit work with [`step`](Self::step), and
/// asks for the status with [`finish`](Self::finish). It may stop anywhere: dropping a task aborts the
/// command, and what was written stays written.
#[derive(Debug)]
#[must_use]
pub struct Task {
    unit: Option<Arc<LogicalUnit>>,
    work: Work,
    failure: Option<Sense>,
}

/// What a command has yet to do.
#[derive(Debug)]
pub(super) enum Work {
    /// Nothing.
    Done,
    /// Send the rest of an answer.
    Answer { bytes: Vec<u8>, sent: usize },
    /// Send blocks from the medium.
    Read(Extent),
    /// Store blocks on the medium, and have them safe there before the status if so asked.
    Write {
        extent: Extent,
        force_unit_access: bool,
    },
    /// Compare blocks with the medium's.
    Compare(Extent),
    /// Read blocks and drop them.
    Check(Extent),
}

/// The host ended the data before the command had all it wants (SPC-4 annex D).
const DATA_PHASE_ERROR: Sense = Sense::new(SenseKey::AbortedCommand, 0x4b, 0x00);

/// How much of the medium one [`Task::step`] reads.
const STEP_BYTES: usize = 256 * 1024;

impl Task {
    pub(super) fn new(unit: Option<Arc<LogicalUnit>>, work: Result<Work, Sense>) -> Self {
        let (work, failure) = match work {
            Ok(work) => (work, None),
            Err(sense) => (Work::Done, Some(sense)),
        };
        Self {
            unit,
            work,
            failure,
        }
    }

    /// The data the command has left to move, in bytes. A command that has failed has none.
    #[must_use]
    pub fn transfer(&self) -> Transfer {
        let (to_host, left) = match &self.work {
            Work::Done | Work::Check(_) => return Transfer::None,
            Work::Answer { bytes, sent } => (true, (bytes.len() - sent) as u64),
            Work::Read(extent) => (true, extent.left()),
            Work::Write { extent, .. } | Work::Compare(extent) => (false, extent.left()),
        };
        match (left, to_host) {
            (0, _) => Transfer::None,
            (left, true) => Transfer::In(left),
            (left, false) => Transfer::Out(left),
        }
    }

    /// Fills `buffer` with the next bytes for the host and returns how many there were.
    ///
    /// Fewer than there is room for: that was all, or the command has failed meanwhile. Either way no
    /// more will come.
    pub fn read(&mut self, buffer: &mut [u8]) -> usize {
        match &mut self.work {
            Work::Answer { bytes, sent } => {
                let count = buffer.len().min(bytes.len() - *sent);
                buffer[..count].copy_from_slice(&bytes[*sent..*sent + count]);
                *sent += count;
                count
            }
            Work::Read(extent) => {
                let (count, result) = extent.read(buffer);
                self.settle(result);
                count
            }
            Work::Done | Work::Write { .. } | Work::Compare(_) | Work::Check(_) => 0,
        }
    }

    /// Takes the next bytes from the host and returns how many were used.
    ///
    /// Give whole blocks: of a block in pieces nothing is used. Fewer than were given: the command has
    /// failed or has all it wants, and more is of no use.
    pub fn write(&mut self, data: &[u8]) -> usize {
        let (count, result) = match &mut self.work {
            Work::Write { extent, .. } => extent.write(data),
            Work::Compare(extent) => extent.compare(data),
            Work::Done | Work::Answer { .. } | Work::Read(_) | Work::Check(_) => (0, Ok(())),
        };
        self.settle(result);
        count
    }

    /// Does a bounded piece of the work that moves no data; returns whether there is more of it.
    ///
    /// A long VERIFY is done in many steps, so that the transport can look at other things meanwhile.
    pub fn step(&mut self) -> bool {
        let Work::Check(extent) = &mut self.work else {
            return false;
        };
        let result = extent.check(STEP_BYTES);
        let more = result.is_ok() && extent.left() > 0;
        self.settle(result);
        more
    }

    /// Ends the command and gives its status; sense data is kept for REQUEST SENSE.
    ///
    /// Work not [stepped](Self::step) through is done first, however long that takes. A command that has
    /// not been given all the data it wants fails.
    pub fn finish(mut self) -> Status {
        while self.step() {}
        let result = match &self.work {
            Work::Write { extent, .. } | Work::Compare(extent) if extent.left() > 0 => {
                Err(DATA_PHASE_ERROR)
            }
            Work::Write {
                extent,
                force_unit_access: true,
            } => extent.flush(),
            _ => Ok(()),
        };
        self.settle(result);
        match self.failure {
            None => Status::Good,
            Some(sense) => {
                if let Some(unit) = &self.unit {
                    unit.keep_sense(sense);
                }
                Status::CheckCondition
            }
        }
    }

    fn settle(&mut self, result: Result<(), Sense>) {
        if let Err(sense) = result {
            self.work = Work::Done;
            self.failure = Some(sense);
        }
    }
}
