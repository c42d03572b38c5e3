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

use usbfs2_protocol::{
    Direction,
    bot::{CommandBlockWrapper, CommandStatus, CommandStatusWrapper},
    scsi::Transfer,
};

use super::pipes::{Interruption, PIECE_BYTES, PIECES_IN_FLIGHT, Pipes};
use crate::{
    Completion,
    scsi::{Status, Target, Task},
};

impl Pipes<'_> {
    /// Serves one command as the standard says.
    pub(super) fn serve_command(&mut self, target: &Target) -> Result<(), Interruption> {
        let received = self.receive_command()?;
        let command = match received.and_then(|bytes| CommandBlockWrapper::parse(&bytes)) {
            Ok(command) => command,
            Err(error) => {
                log::warn!("the host sent no command: {error}; waiting for its reset recovery");
                match self.refuse_until_reset()? {}
            }
        };
        let status = self.carry_out(target, &command, &mut |_| {})?;
        // Before the status, so that the host's next command finds a buffer.
        self.expect_command();
        self.bulk_in
            .submit(aio_rs::Buffer::from(status.to_bytes().as_slice()));
        Ok(())
    }

    /// Carries a command out with its data stage, and returns the status, which is not sent yet. `alter`
    /// may change what goes to the host.
    pub(super) fn carry_out(
        &mut self,
        target: &Target,
        command: &CommandBlockWrapper,
        alter: &mut dyn FnMut(&mut [u8]),
    ) -> Result<CommandStatusWrapper, Interruption> {
        let mut task = target.start(command.lun, command.command.as_bytes());
        let (moved, status) = if agrees(task.transfer(), command) {
            let moved = match task.transfer() {
                Transfer::None => Moved::default(),
                Transfer::In(length) => self.send_data(&mut task, length, alter)?,
                Transfer::Out(length) => self.receive_data(&mut task, length)?,
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
            self.end_data_stage(command.direction, moved.wire)?;
        }
        let used = u32::try_from(moved.used).unwrap_or(u32::MAX);
        Ok(CommandStatusWrapper {
            tag: command.tag,
            data_residue: command.data_transfer_length.saturating_sub(used),
            status,
        })
    }

    /// Data to the host: the medium is read while earlier pieces are on the wire.
    fn send_data(
        &mut self,
        task: &mut Task,
        length: u64,
        alter: &mut dyn FnMut(&mut [u8]),
    ) -> Result<Moved, Interruption> {
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
            alter(&mut buffer.whole_mut()[..count]);
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
    fn receive_data(&mut self, task: &mut Task, length: u64) -> Result<Moved, Interruption> {
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
        let wanted = piece_length(length.saturating_sub(self.wire));
        let arrived = piece.buffer.len().min(wanted);
        // The last packet may carry more than is wanted: the host has sent that, and waits for no halt to end it.
        self.wire += piece.buffer.len() as u64;
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
