//! What a function is: the part of a device that does one job, such as a keyboard.

use usbfs2_protocol::SetupPacket;

use crate::describe::{EndpointHandle, FunctionBuilder, InterfaceHandle};
use crate::endpoint::{EndpointError, Endpoints};

/// One job of a device: its interfaces, its control requests and its data.
///
/// A function knows nothing of the backend. The gadget calls it from two threads: `control`, `disabled`
/// and `reset` from the thread that serves endpoint 0, `run` from a thread of the function's own. State
/// they share belongs behind a lock of the function's.
pub trait Function: Send + Sync + 'static {
    /// A short name for messages, such as `keyboard`.
    fn name(&self) -> &str;

    /// Declares the function's interfaces, endpoints, descriptors and strings. Called once, when the
    /// gadget is built.
    fn describe(&self, builder: &mut FunctionBuilder<'_>);

    /// Answers a class or vendor request to one of the function's interfaces or endpoints, or to the
    /// device where no other function took it (a function that stalls it passes it on).
    ///
    /// Called after the data stage of an OUT request, and before that of an IN request. Answer at once:
    /// the host waits, and on gadgetfs a request that outlives the host's patience (5 s on Linux) spoils
    /// the one after it. Data beyond `wLength` is cut off.
    ///
    /// gadgetfs and FunctionFS acknowledge OUT requests with data before they get here. So `Stall` only ends in a
    /// log line then, and on gadgetfs the kernel drops a request that the host follows up with another before endpoint 0's
    /// thread could read it: where that would hurt, have the host read back what it wrote.
    fn control(&self, request: &ControlRequest) -> ControlResponse {
        let _ = request;
        ControlResponse::Stall
    }

    /// Readies the endpoints of a run before the host may use them: called on endpoint 0's thread, before the request that
    /// selects the configuration or the setting is acknowledged, and perhaps while the run before has yet to end. What an
    /// isochronous OUT endpoint has submitted here takes the host's first packets, which nobody sends again.
    fn prepare(&self, endpoints: &mut Endpoints) {
        let _ = endpoints;
    }

    /// Moves the function's data. Called after each SET_CONFIGURATION, and after each SET_INTERFACE of
    /// one of the function's interfaces, with the endpoints of the current alternate settings. A run
    /// whose endpoints are disabled again before it could start is left out.
    ///
    /// With [independent interfaces](FunctionBuilder::independent_interfaces) each has runs of its own, on threads
    /// of their own, and SET_INTERFACE ends and starts that interface's alone.
    ///
    /// Returns when the endpoints report [`EndpointError::Disabled`], which ends the run without being
    /// a failure: `?` on every endpoint call is right. A function without endpoints returns at once, or
    /// waits until [`disabled`](Function::disabled).
    ///
    /// # Errors
    /// Any other error, and a panic, is reported by [`Running::failures`](crate::Running::failures) and
    /// in the log. The function's endpoints are disabled until the host configures the device anew; the
    /// gadget's other functions carry on.
    fn run(&self, endpoints: Endpoints) -> Result<(), FunctionError>;

    /// The endpoints have just been disabled: the host is gone, reset the device, or deconfigured it.
    ///
    /// Endpoint calls wake by themselves; this is for a function whose `run` sleeps on something of its
    /// own, such as a condition variable. Set what it waits for, notify it, and return. With independent
    /// interfaces it is called for each run, which [`Endpoints::session`] tells apart.
    fn disabled(&self) {}

    /// The bus was reset or unplugged: forget state that the specification ties to it, such as HID's
    /// boot protocol. Called before [`disabled`](Function::disabled).
    fn reset(&self) {}

    /// The process that was this gadget before was killed while somebody kept it ([`Keeper`](crate::Keeper)), and this one
    /// goes on in its place: called once, before the first run. `in_hand` is what that process noted last
    /// ([`Mark::set`](crate::Mark::set)), false if it noted nothing.
    ///
    /// The host has noticed nothing so far. What it had set is set again, by the requests it used. A transfer that was
    /// with the controller has been taken back; bytes that it had moved already are lost.
    fn restored(&self, in_hand: bool) {
        let _ = in_hand;
    }
}

/// Why a function's `run` ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FunctionError {
    /// An endpoint call failed. [`EndpointError::Disabled`] is the ordinary end of a run.
    #[error("endpoint: {0}")]
    Endpoint(#[from] EndpointError),
    /// The function's own trouble.
    #[error("{0}")]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl FunctionError {
    /// An error of the function's own.
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }
}

/// A control request on its way to a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlRequest {
    /// The setup packet as the host sent it.
    pub setup: SetupPacket,
    /// The data stage of an OUT request; empty for IN.
    pub data: Vec<u8>,
    /// Which part of this function the request is for.
    pub target: ControlTarget,
}

/// The part of a function that a control request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ControlTarget {
    /// The whole device, or a recipient that is neither interface nor endpoint.
    Device,
    /// One of the function's interfaces.
    Interface(InterfaceHandle),
    /// One of the function's endpoints.
    Endpoint(EndpointHandle),
}

/// The answer to a control request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlResponse {
    /// The data stage of an IN request. May be shorter than `wLength`, or empty.
    Data(Vec<u8>),
    /// An OUT request has been carried out.
    Acknowledge,
    /// The request is not supported, or not now (USB 2.0 9.2.7).
    Stall,
}
