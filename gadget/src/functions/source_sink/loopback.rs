//! Gives back what it takes, as f_loopback does.

use std::sync::Arc;
use std::time::Duration;

use super::{BulkOptions, SourceSinkOptionsError};
use crate::{
    Buffer, Completion, Direction, Endpoint, EndpointError, EndpointRequest, Endpoints, Function,
    FunctionBuilder, FunctionError, InterfaceClass,
};

/// Sends to the host what came from it: the same bytes, in transfers that end where the host's did.
///
/// A transfer of the host's is one of the device's if it is no longer than [`BulkOptions::transfer_length`], and several
/// else. [`BulkOptions::queue`] of them wait for the host to collect them; then it takes no more.
#[derive(Debug)]
pub struct Loopback {
    options: BulkOptions,
}

impl Loopback {
    /// A loopback of these options.
    ///
    /// # Errors
    /// [`SourceSinkOptionsError`] says what to change.
    pub fn new(options: BulkOptions) -> Result<Arc<Self>, SourceSinkOptionsError> {
        options.check()?;
        Ok(Arc::new(Self { options }))
    }
}

impl Function for Loopback {
    fn name(&self) -> &str {
        "loopback"
    }

    fn describe(&self, builder: &mut FunctionBuilder<'_>) {
        let mut interface = builder.interface(InterfaceClass::VENDOR);
        interface.name("loop input to output");
        interface.endpoint(EndpointRequest::bulk(Direction::In));
        interface.endpoint(EndpointRequest::bulk(Direction::Out));
    }

    fn run(&self, mut endpoints: Endpoints) -> Result<(), FunctionError> {
        let mut pipes = Pipes {
            input: endpoints.take(0)?,
            output: endpoints.take(1)?,
        };
        for _ in 0..self.options.queue {
            let room = Buffer::with_capacity(self.options.transfer_length);
            pipes.output.submit(room);
        }
        loop {
            pipes.give_back()?;
        }
    }
}

struct Pipes {
    input: Endpoint,
    output: Endpoint,
}

impl Pipes {
    /// Gives back the next transfer of the host's.
    fn give_back(&mut self) -> Result<(), EndpointError> {
        while let Some(collected) = self.input.wait(Some(Duration::ZERO)) {
            self.make_room(collected)?;
        }
        while self.output.pending() == 0 {
            let collected = self.input.wait(None).ok_or(EndpointError::Disabled)?;
            self.make_room(collected)?;
        }
        let taken = self.output.wait(None).ok_or(EndpointError::Disabled)?;
        taken.status?;
        let length = taken.buffer.len();
        let is_whole = length > 0 && length.is_multiple_of(self.output.max_packet_size());
        let is_short = length < taken.buffer.requested_length();
        self.input.submit(taken.buffer);
        // The host ended it by a zero-length packet.
        if is_whole && is_short {
            self.input.submit(Buffer::new());
        }
        Ok(())
    }

    /// Has the buffer of a transfer that the host has collected take another.
    fn make_room(&mut self, collected: Completion) -> Result<(), EndpointError> {
        collected.status?;
        // Zero-length packets have none.
        if collected.buffer.capacity() > 0 {
            self.output.submit(collected.buffer);
        }
        Ok(())
    }
}
