//! The device end of USB in user space: gadgets made of functions.

mod check;
mod control;
mod controller;
mod describe;
mod descriptors;
mod device;
mod endpoint;
mod function;
pub mod functions;
mod gadget;
mod gadgetfs;
mod layout;
mod loopback;
mod pipe;
mod running;
pub mod scsi;
mod start;
mod udc;
mod worker;

pub use aio_rs::Buffer;
pub use usbfs2_protocol::{
    Direction, EndpointAddress, Recipient, RequestKind, RequestType, SetupPacket, Speed,
    TransferType,
};

pub use check::{DescriptorProblems, Place, Problem, ProblemKind, Target};
pub use describe::{
    EndpointHandle, EndpointRequest, FunctionBuilder, InterfaceBuilder, InterfaceClass,
    InterfaceHandle, PerSpeed,
};
pub use endpoint::{Canceller, Completion, Endpoint, EndpointError, Endpoints, Session};
pub use function::{ControlRequest, ControlResponse, ControlTarget, Function, FunctionError};
pub use gadget::{DeviceIds, Gadget, GadgetBuilder};
pub use running::{Failure, Running, State, StateTimeout};
pub use start::{GadgetfsOptions, StartError, learn_udc};
pub use udc::{Udc, UdcEndpoint};
