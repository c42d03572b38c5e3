//! The two bulk endpoints of a disk, and what interrupts whoever waits on them.

use std::{convert::Infallible, time::Duration};

use aio_rs::Buffer;
use usbfs2_protocol::{Direction, bot::InvalidCbw};

use super::reset_gate::ResetGate;
use crate::{Completion, Endpoint, EndpointError, Endpoints, Session};

/// Bytes of one transfer: large enough that the cost per transfer is lost in the copying, and a multiple
/// of every block and packet size.
pub(super) const PIECE_BYTES: usize = 64 * 1024;
/// Pieces in flight: one on the wire, one behind it, and two for the medium to work on meanwhile.
pub(super) const PIECES_IN_FLIGHT: usize = 4;
/// How long an endpoint that is to stay halted may be without its halt after the host has cleared it.
const HALT_AGAIN: Duration = Duration::from_millis(10);

/// The bulk endpoints of one run. Every wait ends when the host resets the transport.
pub(super) struct Pipes<'disk> {
    reset: &'disk ResetGate,
    session: Session,
    pub(super) bulk_in: Endpoint,
    pub(super) bulk_out: Endpoint,
    /// Buffers of [`PIECE_BYTES`] that are not in flight.
    pub(super) spare: Vec<Buffer>,
}

/// Why a command was left in the middle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Interruption {
    /// The host sent a Bulk-Only Reset (BOT 3.1).
    #[error("the host sent a Bulk-Only Reset")]
    Reset,
    /// An endpoint failed, as a rule since the host is gone.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
}

impl<'disk> Pipes<'disk> {
    pub(super) fn new(
        reset: &'disk ResetGate,
        mut endpoints: Endpoints,
    ) -> Result<Self, EndpointError> {
        let (bulk_in, bulk_out) = (endpoints.take(0)?, endpoints.take(1)?);
        reset.begin(vec![bulk_in.canceller(), bulk_out.canceller()]);
        Ok(Self {
            reset,
            session: endpoints.session(),
            bulk_in,
            bulk_out,
            spare: Vec::with_capacity(PIECES_IN_FLIGHT),
        })
    }

    /// Serves commands until an endpoint fails.
    pub(super) fn serve(
        mut self,
        mut command: impl FnMut(&mut Self) -> Result<(), Interruption>,
    ) -> Result<(), EndpointError> {
        loop {
            match command(&mut self) {
                Ok(()) => {}
                Err(Interruption::Reset) => self.abandon()?,
                Err(Interruption::Endpoint(error)) => return Err(error),
            }
        }
    }

    /// Waits for what the host sends as a command; more than a packet is none.
    pub(super) fn receive_command(&mut self) -> Result<Result<Buffer, InvalidCbw>, Interruption> {
        self.expect_command();
        let completion = self.wait_out()?;
        // The last status has been collected, else there would be no command.
        while let Some(sent) = self.bulk_in.wait(Some(Duration::ZERO)) {
            self.keep(sent)?;
        }
        match completion.status {
            Ok(()) => Ok(Ok(completion.buffer)),
            Err(EndpointError::Overflow) => Ok(Err(InvalidCbw::Length(completion.actual_length))),
            Err(error) => Err(error.into()),
        }
    }

    /// Has a buffer ready for a command. A whole packet: a longer transfer shows as one.
    pub(super) fn expect_command(&mut self) {
        if self.bulk_out.pending() == 0 {
            self.bulk_out
                .submit(Buffer::with_capacity(self.bulk_out.max_packet_size()));
        }
    }

    /// Ends the host's data transfer where less than it expects, `moved` bytes, went over the wire.
    pub(super) fn end_data_stage(
        &mut self,
        direction: Direction,
        moved: u64,
    ) -> Result<(), Interruption> {
        match direction {
            Direction::Out => self.bulk_out.set_halt()?,
            Direction::In => {
                // The short packet that BOT 6.7.2 allows before the halt: controllers that accept a packet
                // ahead of the host may refuse a halt while they hold it.
                if moved > 0 && moved.is_multiple_of(self.bulk_in.max_packet_size() as u64) {
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
    pub(super) fn refuse_until_reset(&mut self) -> Result<Infallible, Interruption> {
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

    /// Answers nothing and takes nothing until a Bulk-Only Reset.
    pub(super) fn keep_silent(&mut self) -> Result<Infallible, Interruption> {
        loop {
            self.check_for_reset()?;
            self.reset.wait_for_request(HALT_AGAIN);
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

    pub(super) fn wait_in(&mut self) -> Result<(), Interruption> {
        self.check_for_reset()?;
        let completion = self.bulk_in.wait(None).ok_or(EndpointError::Disabled)?;
        self.check_for_reset()?;
        Ok(self.keep(completion)?)
    }

    pub(super) fn wait_out(&mut self) -> Result<Completion, Interruption> {
        self.check_for_reset()?;
        let completion = self.bulk_out.wait(None).ok_or(EndpointError::Disabled)?;
        self.check_for_reset()?;
        Ok(completion)
    }

    /// Leaves the command in the middle when it is to be abandoned or the host is gone.
    pub(super) fn check_for_reset(&self) -> Result<(), Interruption> {
        if self.session.is_disabled() {
            return Err(EndpointError::Disabled.into());
        }
        if self.reset.is_requested() {
            return Err(Interruption::Reset);
        }
        Ok(())
    }

    pub(super) fn piece(&mut self) -> Buffer {
        self.spare
            .pop()
            .unwrap_or_else(|| Buffer::with_capacity(PIECE_BYTES))
    }

    /// Keeps a transfer's buffer for the next one.
    pub(super) fn keep(&mut self, completion: Completion) -> Result<(), EndpointError> {
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
