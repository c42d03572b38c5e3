//! Bulk-Only Transport, device side: command, data, status (BOT 5 and 6).
//!
//! ```text
//! command ── valid? ──no── halt bulk-in, discard bulk-out, until a Bulk-Only Reset
//!    │ yes
//! start the SCSI task: it says what data it wants to move (D)
//!    │
//! fits what the host expects (H)? ──no── move nothing, phase error
//!    │ yes
//! move D, several buffers in flight
//!    │
//! D < H: halt the data endpoint, so that the host's transfer ends
//!    │
//! status: residue = H - moved
//! ```
//!
//! In terms of BOT 6.7 that makes cases 1, 6 and 12 plain; 4, 5, 9 and 11 a halt and a residue; 2, 3, 7, 8, 10
//! and 13 a phase error with nothing moved, and a halt where the host expects data.

use std::{convert::Infallible, time::Duration};

use aio_rs::Buffer;
use usbfs2_protocol::{
    Direction,
    bot::{CommandBlockWrapper, CommandStatus, CommandStatusWrapper, InvalidCbw},
    scsi::Transfer,
};

use super::reset_gate::ResetGate;
use crate::{
    Completion, Endpoint, EndpointError, Endpoints, Session,
    scsi::{Status, Target, Task},
};

/// Bytes of one transfer: large enough that the cost per transfer is lost in the copying, and a multiple
/// of every block and packet size.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces in flight: one on the wire, one behind it, and two for the medium to work on meanwhile.
const PIECES_IN_FLIGHT: usize = 4;
/// How long an endpoint that is to stay halted may be without its halt after the host has cleared it.
const HALT_AGAIN: Duration = Duration::from_millis(10);

/// The bulk endpoints of one run, and the target behind them.
pub(super) struct Transport<'disk> {
    target: &'disk Target,
    reset: &'disk ResetGate,
    session: Session,
    bulk_in: Endpoint,
    bulk_out: Endpoint,
    /// Buffers of [`PIECE_BYTES`] that are not in flight.
    spare: Vec<Buffer>,
}

/// Why a command was left in the middle.
enum Interruption {
    /// The host sent a Bulk-Only Reset.
    Reset,
    /// An endpoint failed, as a rule since the host is gone.
    Endpoint(EndpointError),
}

impl From<EndpointError> for Interruption {
    fn from(error: EndpointError) -> Self {
        Self::Endpoint(error)
    }
}

impl<'disk> Transport<'disk> {
    pub(super) fn new(
        target: &'disk Target,
        reset: &'disk ResetGate,
        mut endpoints: Endpoints,
    ) -> Result<Self, EndpointError> {
        let (bulk_in, bulk_out) = (endpoints.take(0)?, endpoints.take(1)?);
        reset.begin(vec![bulk_in.canceller(), bulk_out.canceller()]);
        Ok(Self {
            target,
            reset,
            session: endpoints.session(),
            bulk_in,
            bulk_out,
            spare: Vec::with_capacity(PIECES_IN_FLIGHT),
        })
    }

    /// Serves commands until an endpoint fails.
    pub(super) fn run(mut self) -> Result<(), EndpointError> {
        loop {
            match self.serve_command() {
                Ok(()) => {}
                Err(Interruption::Reset) => self.abandon()?,
                Err(Interruption::Endpoint(error)) => return Err(error),
            }
        }
    }

    fn serve_command(&mut self) -> Result<(), Interruption> {
        let command = match self.receive_command()? {
            Ok(command) => command,
            Err(error) => {
                log::warn!("the host sent no command: {error}; waiting for its reset recovery");
                match self.refuse_until_reset()? {}
            }
        };
        let mut task = self.target.start(command.lun, command.command.as_bytes());
        let (moved, status) = if agrees(task.transfer(), &command) {
            let moved = match task.transfer() {
                Transfer::None => Moved::default(),
                Transfer::In(length) => self.send(&mut task, length)?,
                Transfer::Out(length) => self.receive(&mut task, length)?,
            };
            while task.step() {
                self.check_for_reset()?;
            }
            let status = match task.finish() {
                Status::Good => CommandStatus::Passed,
                Status::CheckCondition => CommandStatus::Failed,
            };
            (moved, status)
        } else {
            (Moved::default(), CommandStatus::PhaseError)
        };
        if moved.wire < u64::from(command.data_transfer_length) && !moved.ended_by_host {
            self.end_data_stage(command.direction, moved)?;
        }
        // Before the status, so that the host's next command finds a buffer.
        self.expect_command();
        let used = u32::try_from(moved.used).unwrap_or(u32::MAX);
        let csw = CommandStatusWrapper {
            tag: command.tag,
            data_residue: command.data_transfer_length.saturating_sub(used),
            status,
        };
        self.bulk_in.submit(Buffer::from(csw.to_bytes().as_slice()));
        Ok(())
    }

    fn receive_command(&mut self) -> Result<Result<CommandBlockWrapper, InvalidCbw>, Interruption> {
        self.expect_command();
        let completion = self.wait_out()?;
        // The last status has been collected, else there would be no command.
        while let Some(sent) = self.bulk_in.wait(Some(Duration::ZERO)) {
            self.keep(sent)?;
        }
        match completion.status {
            Ok(()) => Ok(CommandBlockWrapper::parse(&completion.buffer)),
            Err(EndpointError::Overflow) => Ok(Err(InvalidCbw::Length(completion.actual_length))),
            Err(error) => Err(error.into()),
        }
    }

    /// Has a buffer ready for a command. A whole packet: a longer transfer shows as one.
    fn expect_command(&mut self) {
        if self.bulk_out.pending() == 0 {
            self.bulk_out
                .submit(Buffer::with_capacity(self.bulk_out.max_packet_size()));
        }
    }

    /// Data to the host: the medium is read while earlier pieces are on the wire.
    fn send(&mut self, task: &mut Task, length: u64) -> Result<Moved, Interruption> {
        let mut sent = 0;
        while sent < length {
            while self.bulk_in.pending() >= PIECES_IN_FLIGHT {
                self.wait_in()?;
            }
            self.check_for_reset()?;
            let mut buffer = self.piece();
            let wanted = piece_length(length - sent);
            let count = task.read(&mut buffer.whole_mut()[..wanted]);
            sent += count as u64;
            buffer.set_len(count);
            if count == 0 {
                self.spare.push(buffer);
            } else {
                self.bulk_in.submit(buffer);
            }
            if count < wanted {
                break;
            }
        }
        Ok(Moved {
            wire: sent,
            used: sent,
            ended_by_host: false,
        })
    }

    /// Data from the host: later pieces are on the wire while the medium is written.
    fn receive(&mut self, task: &mut Task, length: u64) -> Result<Moved, Interruption> {
        let mut moved = Moved::default();
        let mut requested = 0;
        while moved.wire < length {
            while requested < length && self.bulk_out.pending() < PIECES_IN_FLIGHT {
                let wanted = piece_length(length - requested);
                let mut buffer = self.piece();
                // A controller fills requests with whole packets.
                buffer
                    .set_requested_length(wanted.next_multiple_of(self.bulk_out.max_packet_size()));
                self.bulk_out.submit(buffer);
                requested += wanted as u64;
            }
            let completion = self.wait_out()?;
            let arrived = moved.count(&completion, length);
            if completion.status.is_ok() {
                moved.used += task.write(&completion.buffer[..arrived]) as u64;
            }
            self.keep(completion)?;
            if moved.used < moved.wire || moved.ended_by_host {
                break;
            }
        }
        self.bulk_out.cancel_all();
        while let Some(completion) = self.bulk_out.wait(None) {
            // What was faster than the cancelling is of no use, but the host need not send it again.
            moved.count(&completion, length);
            self.keep(completion)?;
        }
        Ok(moved)
    }

    /// Ends the host's data transfer where less was moved than it expects.
    fn end_data_stage(&mut self, direction: Direction, moved: Moved) -> Result<(), Interruption> {
        match direction {
            Direction::Out => self.bulk_out.set_halt()?,
            Direction::In => {
                // The short packet that BOT 6.7.2 allows before the halt: controllers that accept a packet
                // ahead of the host may refuse a halt while they hold it.
                if moved.wire > 0
                    && moved
                        .wire
                        .is_multiple_of(self.bulk_in.max_packet_size() as u64)
                {
                    self.bulk_in.submit(Buffer::new());
                }
                while self.bulk_in.pending() > 0 {
                    self.wait_in()?;
                }
                self.bulk_in.set_halt()?;
            }
        }
        Ok(())
    }

    /// Keeps bulk-in halted and drops what comes, as BOT 6.6.1 asks, however often the host clears the
    /// halt: controllers clear it without telling.
    fn refuse_until_reset(&mut self) -> Result<Infallible, Interruption> {
        while self.bulk_in.pending() > 0 {
            self.wait_in()?;
        }
        loop {
            self.bulk_in.set_halt()?;
            self.check_for_reset()?;
            if self.bulk_out.pending() == 0 {
                let mut buffer = self.piece();
                buffer.set_requested_length(PIECE_BYTES);
                self.bulk_out.submit(buffer);
            }
            if let Some(completion) = self.bulk_out.wait(Some(HALT_AGAIN)) {
                self.keep(completion)?;
            }
        }
    }

    /// Takes back everything in flight, and is ready for a command then. Halts stay (BOT 3.1).
    fn abandon(&mut self) -> Result<(), EndpointError> {
        self.bulk_in.cancel_all();
        self.bulk_out.cancel_all();
        while let Some(completion) = self.bulk_in.wait(None) {
            self.keep(completion)?;
        }
        while let Some(completion) = self.bulk_out.wait(None) {
            self.keep(completion)?;
        }
        // Before the reset is answered: the host's next command finds a buffer.
        self.expect_command();
        self.reset.abandoned();
        Ok(())
    }

    fn wait_in(&mut self) -> Result<(), Interruption> {
        self.check_for_reset()?;
        let completion = self.bulk_in.wait(None).ok_or(EndpointError::Disabled)?;
        self.check_for_reset()?;
        Ok(self.keep(completion)?)
    }

    fn wait_out(&mut self) -> Result<Completion, Interruption> {
        self.check_for_reset()?;
        let completion = self.bulk_out.wait(None).ok_or(EndpointError::Disabled)?;
        self.check_for_reset()?;
        Ok(completion)
    }

    /// Leaves the command in the middle when it is to be abandoned or the host is gone.
    fn check_for_reset(&self) -> Result<(), Interruption> {
        if self.session.is_disabled() {
            return Err(EndpointError::Disabled.into());
        }
        if self.reset.is_requested() {
            return Err(Interruption::Reset);
        }
        Ok(())
    }

    fn piece(&mut self) -> Buffer {
        self.spare
            .pop()
            .unwrap_or_else(|| Buffer::with_capacity(PIECE_BYTES))
    }

    /// Keeps a transfer's buffer for the next one.
    fn keep(&mut self, completion: Completion) -> Result<(), EndpointError> {
        let Completion { buffer, status, .. } = completion;
        if buffer.capacity() == PIECE_BYTES && self.spare.len() < PIECES_IN_FLIGHT {
            self.spare.push(buffer);
        }
        match status {
            // What was taken back was taken back on purpose.
            Ok(()) | Err(EndpointError::Cancelled) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// What a data stage moved, in bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Moved {
    /// Over the wire.
    wire: u64,
    /// Sent, or taken by the target.
    used: u64,
    /// The host ended its transfer before it was complete.
    ended_by_host: bool,
}

impl Moved {
    /// Counts what arrived of the data's next piece, and returns how much that is.
    fn count(&mut self, piece: &Completion, length: u64) -> usize {
        let wanted = piece_length(length - self.wire);
        let arrived = piece.buffer.len().min(wanted);
        self.wire += arrived as u64;
        self.ended_by_host |= piece.status.is_ok() && arrived < wanted;
        arrived
    }
}

/// Whether the device's data fit into what the host expects (BOT 6.7, all but the phase errors).
fn agrees(wanted: Transfer, command: &CommandBlockWrapper) -> bool {
    let expected = u64::from(command.data_transfer_length);
    match wanted {
        Transfer::None => true,
        Transfer::In(length) => length <= expected && command.direction == Direction::In,
        Transfer::Out(length) => length <= expected && command.direction == Direction::Out,
    }
}

fn piece_length(left: u64) -> usize {
    usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES))
}
