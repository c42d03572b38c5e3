//! An in-process USB bus with a host port and device ports.

mod bus;
mod bus_device;
mod cable;
mod claim;
mod clock;
mod completion_queue;
mod control;
mod counters;
mod device_port;
mod endpoint_spec;
mod enumerate;
mod error;
mod exchange;
mod fault;
mod mailbox;
mod pipe;
mod port;
mod schedule;
mod state;
mod traffic;
mod transfer;
mod watch;

pub use bus::{Bus, BusFull, PortOptions};
pub use bus_device::{BusDevice, PlugId, Target};
pub use cable::Cable;
pub use claim::{Claim, ClaimError};
pub use completion_queue::CompletionQueue;
pub use counters::EndpointCounters;
pub use device_port::{ControlResponse, DeviceEvent, DevicePort, HaltError, RespondError};
pub use endpoint_spec::{EnableError, EndpointSpec};
pub use enumerate::{EnumerateError, Enumerated};
pub use error::{BusError, UnknownPort};
pub use fault::{Fault, FaultError, Faults};
pub use transfer::{Completed, Transfer, TransferId};
pub use watch::{BusWatch, WatchEvent};
