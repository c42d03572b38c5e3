//! A Bulk-Only device whose every transfer a program chooses, for tests of hosts.

use std::{fmt, sync::Arc};

use aio_rs::Buffer;
use usbfs2_protocol::{
    Direction,
    bot::{CommandBlockWrapper, CommandStatusWrapper, InvalidCbw},
};

use super::{
    ClassRequest, Interruption, bulk_only_reset, class_request, describe, pipes::Pipes,
    reset_gate::ResetGate,
};
use crate::{
    ControlRequest, ControlResponse, EndpointError, Endpoints, Function, FunctionBuilder,
    FunctionError, scsi::Target,
};

/// What a [`ScriptedDisk`] does. A function that takes a [`Wire`] and a command's bytes is one.
pub trait Script: Send + Sync {
    /// Answers what the host sent as a command, with whatever transfers.
    ///
    /// # Errors
    /// Those of the [`Wire`]'s methods, passed on with `?`.
    fn command(&self, wire: &mut Wire<'_, '_>, bytes: &[u8]) -> Result<(), Interruption>;

    /// The answer to Get Max LUN (BOT 3.2); `None` stalls it.
    fn max_lun(&self) -> Option<u8> {
        None
    }

    /// The host has reset the transport, or the device.
    fn reset(&self) {}
}

impl<F> Script for F
where
    F: Fn(&mut Wire<'_, '_>, &[u8]) -> Result<(), Interruption> + Send + Sync,
{
    fn command(&self, wire: &mut Wire<'_, '_>, bytes: &[u8]) -> Result<(), Interruption> {
        self(wire, bytes)
    }
}

/// A Bulk-Only device that does as a [`Script`] says, right or wrong.
///
/// It answers Bulk-Only Reset, whatever the script is at: the script's transfer ends with
/// [`Interruption::Reset`].
///
/// ```
/// use usbfs2_gadget::functions::mass_storage::{ScriptedDisk, Wire};
///
/// // A device that answers every command with a status of nobody's.
/// let disk = ScriptedDisk::new(|wire: &mut Wire<'_, '_>, _: &[u8]| wire.send(b"no status of mine"));
/// ```
pub struct ScriptedDisk {
    script: Box<dyn Script>,
    reset: ResetGate,
}

impl ScriptedDisk {
    /// A device that does as `script` says.
    #[must_use]
    pub fn new(script: impl Script + 'static) -> Arc<Self> {
        Arc::new(Self {
            script: Box::new(script),
            reset: ResetGate::default(),
        })
    }

    fn serve_command(&self, pipes: &mut Pipes<'_>) -> Result<(), Interruption> {
        let mut wire = Wire { pipes };
        match wire.pipes.receive_command()? {
            Ok(bytes) => self.script.command(&mut wire, &bytes),
            Err(error) => match wire.refuse_until_reset(error)? {},
        }
    }
}

impl fmt::Debug for ScriptedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedDisk").finish_non_exhaustive()
    }
}

impl Function for ScriptedDisk {
    fn name(&self) -> &str {
        "scripted disk"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        describe(builder);
    }

    fn control(&self, request: &ControlRequest) -> ControlResponse {
        match class_request(request) {
            Some(ClassRequest::GetMaxLun) => match self.script.max_lun() {
                Some(lun) => ControlResponse::Data(vec![lun]),
                None => ControlResponse::Stall,
            },
            Some(ClassRequest::BulkOnlyReset) => {
                bulk_only_reset(&self.reset, || self.script.reset())
            }
            None => ControlResponse::Stall,
        }
    }

    fn run(&self, endpoints: Endpoints) -> Result<(), FunctionError> {
        let result = Pipes::new(&self.reset, endpoints)
            .and_then(|pipes| pipes.serve(|pipes| self.serve_command(pipes)));
        self.reset.end();
        Ok(result?)
    }

    fn reset(&self) {
        self.script.reset();
    }
}

/// The device's end of the two bulk pipes, for a [`Script`].
///
/// # Errors of its methods
/// [`Interruption`] when the host resets the transport or goes away meanwhile; pass it on.
pub struct Wire<'pipes, 'disk> {
    pipes: &'pipes mut Pipes<'disk>,
}

impl Wire<'_, '_> {
    /// Sends bytes on bulk-in as one transfer, and waits until they are gone. A length that fills its
    /// packets does not end the host's transfer; no bytes are an empty packet.
    ///
    /// # Errors
    /// See [`Wire`].
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Interruption> {
        self.pipes.bulk_in.submit(Buffer::from(bytes));
        while self.pipes.bulk_in.pending() > 0 {
            self.pipes.wait_in()?;
        }
        Ok(())
    }

    /// Receives one transfer of up to `length` bytes on bulk-out.
    ///
    /// # Errors
    /// See [`Wire`].
    pub fn receive(&mut self, length: usize) -> Result<Vec<u8>, Interruption> {
        let whole_packets = length.next_multiple_of(self.pipes.bulk_out.max_packet_size());
        self.pipes
            .bulk_out
            .submit(Buffer::with_capacity(whole_packets));
        let completion = self.pipes.wait_out()?;
        match completion.status {
            Ok(()) | Err(EndpointError::Overflow) => {}
            Err(error) => return Err(error.into()),
        }
        let received = &completion.buffer;
        Ok(received[..received.len().min(length)].to_vec())
    }

    /// Halts a pipe, so that the host's transfers on it stall until it clears the halt.
    ///
    /// # Errors
    /// See [`Wire`].
    pub fn halt(&mut self, direction: Direction) -> Result<(), Interruption> {
        match direction {
            Direction::In => self.pipes.bulk_in.set_halt()?,
            Direction::Out => self.pipes.bulk_out.set_halt()?,
        }
        Ok(())
    }

    /// Answers nothing and takes nothing until the host resets the transport.
    ///
    /// # Errors
    /// See [`Wire`]; there is no other way out.
    pub fn keep_silent(&mut self) -> Result<std::convert::Infallible, Interruption> {
        self.pipes.keep_silent()
    }

    /// Refuses what is no command as the standard says: bulk-in stays halted until the host resets the
    /// transport (BOT 6.6.1).
    ///
    /// # Errors
    /// See [`Wire`]; there is no other way out.
    pub fn refuse_until_reset(
        &mut self,
        reason: InvalidCbw,
    ) -> Result<std::convert::Infallible, Interruption> {
        log::warn!("the host sent no command: {reason}; waiting for its reset recovery");
        self.pipes.refuse_until_reset()
    }

    /// Has `target` carry out a command, data stage included, as the standard says, but for what `alter`
    /// makes of the bytes on their way to the host: it sees them in pieces of 64 KiB. Returns the status,
    /// which is the script's to [`send`](Self::send).
    ///
    /// # Errors
    /// See [`Wire`].
    pub fn carry_out(
        &mut self,
        target: &Target,
        command: &CommandBlockWrapper,
        mut alter: impl FnMut(&mut [u8]),
    ) -> Result<CommandStatusWrapper, Interruption> {
        self.pipes.carry_out(target, command, &mut alter)
    }
}

impl fmt::Debug for Wire<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}
