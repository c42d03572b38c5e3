//! Control requests on their way through the firmware.

use usbfs2_protocol::{EndpointAddress, SetupPacket};

use super::endpoint0::Active;
use crate::function::ControlResponse;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The host: endpoint 0's thread waits for the answer.
    Host,
    /// This bus, for a descriptor, before the device is connected.
    Learning,
    /// This bus, in place of a request that the controller keeps to itself. Nobody waits for the answer.
    Controller,
    /// This bus, to configure a firmware that it has reset because of this interface. The host waits: see
    /// [`super::quirk`].
    Recovery(u8),
}

/// A request for the firmware.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) setup: SetupPacket,
    /// Of an OUT request.
    pub(super) data: Vec<u8>,
    pub(super) origin: Origin,
    /// The endpoints that the request brings with it, if the firmware accepts it.
    pub(super) pipes: Vec<Active>,
    /// The endpoints that are enabled already, and begin afresh if the firmware accepts it.
    pub(super) restarts: Vec<EndpointAddress>,
}

impl Request {
    pub(super) fn new(origin: Origin, setup: SetupPacket) -> Self {
        Self {
            setup,
            data: Vec::new(),
            origin,
            pipes: Vec::new(),
            restarts: Vec::new(),
        }
    }
}

/// What became of a request.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) setup: SetupPacket,
    pub(super) origin: Origin,
    pub(super) response: ControlResponse,
    /// The firmware neither answered nor stalled it; the response is a stall.
    pub(super) is_unanswered: bool,
}

impl Outcome {
    pub(super) fn answered(request: Request, response: ControlResponse) -> Self {
        Self {
            setup: request.setup,
            origin: request.origin,
            response,
            is_unanswered: false,
        }
    }

    pub(super) fn unanswered(request: Request) -> Self {
        Self {
            is_unanswered: true,
            ..Self::answered(request, ControlResponse::Stall)
        }
    }
}
