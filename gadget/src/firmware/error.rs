//! Why a firmware does not run.

use usbfs2_protocol::descriptor::DescriptorError;
use usbfs2_protocol::{Direction, EndpointAddress, SetupPacket, Speed, TransferType};

use super::CONTROL_BUFFER;
use crate::check::ProblemKind;
use crate::start::StartError;

/// Why a firmware was not connected, or is no longer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FirmwareError {
    /// The bus could not be had.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A class asked for more endpoints than the controller has.
    #[error(
        "{udc} has {suitable} {transfer_type} {direction} endpoints for packets of {packet_size} bytes, and all are taken: \
         give the device fewer classes, or use another controller"
    )]
    EndpointOverflow {
        /// The controller.
        udc: String,
        /// The endpoint's direction.
        direction: Direction,
        /// Its type.
        transfer_type: TransferType,
        /// Its largest packet, in bytes.
        packet_size: u16,
        /// How many of the controller's endpoints suit at all.
        suitable: usize,
    },
    /// The firmware gave no descriptor when asked for it.
    #[error(
        "the firmware did not answer {setup}: descriptors are built in usb-device's control buffer of \
         {CONTROL_BUFFER} bytes, so use fewer classes or shorter class-specific descriptors"
    )]
    NotAnswered {
        /// The request.
        setup: SetupPacket,
    },
    /// The configuration descriptor is none.
    #[error("the firmware's configuration descriptor: {0}")]
    Descriptor(#[source] DescriptorError),
    /// The configuration has an endpoint that no class has allocated.
    #[error("the firmware describes {address}, which it has not allocated: allocate it first")]
    UnknownEndpoint {
        /// The endpoint.
        address: EndpointAddress,
    },
    /// An endpoint is not one that the speed has.
    #[error("{address}: {kind}")]
    Endpoint {
        /// The endpoint.
        address: EndpointAddress,
        /// The rule that is broken.
        kind: ProblemKind,
    },
    /// gadgetfs refuses the attribute.
    #[error(
        "gadgetfs refuses remote wake-up: remove supports_remote_wakeup(true) from the device's builder"
    )]
    RemoteWakeup,
    /// gadgetfs sends no more than its buffer for endpoint 0 holds.
    #[error(
        "the configuration has {length} bytes, gadgetfs can send {limit}: use fewer classes or shorter \
         class-specific descriptors"
    )]
    ConfigurationTooLong {
        /// Its length.
        length: usize,
        /// The most.
        limit: usize,
    },
    /// The controller gives each IN endpoint a part of its memory, and has none of the size left.
    #[error(
        "{udc} has no transmit FIFO of {packet_size} bytes left for {address}: give the device fewer classes, or smaller \
         packets"
    )]
    NoFifo {
        /// The controller.
        udc: String,
        /// The endpoint.
        address: EndpointAddress,
        /// Its largest packet, in bytes.
        packet_size: u16,
    },
    /// The packets are those of a speed that the controller does not run at.
    #[error(
        "{udc} runs at {fastest} at most, and the firmware's bulk packets are of high speed: use 64 bytes"
    )]
    TooFast {
        /// The controller.
        udc: String,
        /// The fastest it runs at.
        fastest: Speed,
    },
    /// The controller failed while the device ran.
    #[error("{0}")]
    Failed(String),
}
