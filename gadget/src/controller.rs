//! What a backend provides for endpoint 0.

use std::sync::Arc;

use usbfs2_protocol::{SetupPacket, Speed};

use crate::describe::EndpointRequest;
use crate::function::ControlResponse;
use crate::keeper::Mark;
use crate::layout::Assigned;
use crate::pipe::Pipe;
use crate::running::Stopper;

/// What happens on the bus.
#[derive(Debug)]
pub(crate) enum Event {
    /// A host is there, or has reset the device.
    Reset,
    /// The process before this one was killed while somebody kept the gadget, and this one goes on in its place. By
    /// function: whether it had something in hand. What the host had done follows, as if it did it again.
    Restored {
        in_hand: Vec<bool>,
    },
    /// A control request, with the data stage of an OUT request.
    Setup {
        setup: SetupPacket,
        data: Vec<u8>,
    },
    /// The kernel, which answers for the device, has configured it.
    Configured,
    Suspend,
    Resume,
    /// The host is gone.
    Disconnect,
    /// `Stopper::stop` was called.
    Stop,
    /// The controller is of no use any more, for this reason.
    Failed(String),
}

/// The device's side of a bus, owned by the thread of endpoint 0. Dropping it takes the device off.
pub(crate) trait Controller: Send + 'static {
    /// Called first, on the thread that will serve endpoint 0.
    fn prepare_thread(&self) {}
    /// Whether the kernel puts the device together and answers for it: what comes here is for the functions.
    fn is_composed(&self) -> bool {
        false
    }
    /// The speed of the current connection.
    fn speed(&self) -> Speed;
    /// Where a function notes whether it has something in hand.
    fn mark(&self, function: usize) -> Option<Mark> {
        let _ = function;
        None
    }
    /// Waits for the next event. Returns `Stop` for ever once stopped.
    fn next_event(&mut self) -> Event;
    /// Answers the last setup event. A request that the host gave up is not an error.
    fn respond(&mut self, setup: &SetupPacket, response: ControlResponse);
    /// Enables an endpoint, or says why it cannot.
    fn enable(
        &mut self,
        assigned: &Assigned,
        request: &EndpointRequest,
    ) -> Result<Arc<dyn Pipe>, NotEnabled>;
}

/// Why an endpoint was not enabled.
#[derive(Debug)]
pub(crate) enum NotEnabled {
    /// The cable was pulled meanwhile, as an event will tell: nobody's failure.
    Unplugged,
    Failed(String),
}

impl From<String> for NotEnabled {
    fn from(message: String) -> Self {
        Self::Failed(message)
    }
}

/// A device that has just been put on a bus.
pub(crate) struct Plugged {
    pub(crate) controller: Box<dyn Controller>,
    /// Makes the controller tell `Event::Stop`.
    pub(crate) stopper: Box<dyn Stopper>,
    /// Where it is.
    pub(crate) place: String,
}
