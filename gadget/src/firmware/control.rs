//! Endpoint 0 as usb-device's control pipe sees it: a setup packet to read, packets of data to read or to write, and
//! a stall. Below it are whole requests with whole answers.

use usb_device::UsbError;
use usbfs2_protocol::Direction;

use super::request::{Outcome, Request};
use crate::function::ControlResponse;

/// The stages of one control request.
#[derive(Debug, Default)]
enum Stage {
    #[default]
    Idle,
    /// The setup packet is to be read.
    Setup(Request),
    /// The data of an OUT request is to be read, from `offset`.
    Out { request: Request, offset: usize },
    /// The firmware has seen everything, and answers before its next poll or not at all: a class cannot keep a
    /// request.
    Decide(Request),
    /// The firmware has written this much of its answer, in full packets, and goes on when told that they were sent.
    In { request: Request, data: Vec<u8> },
    /// The answer is given. The firmware is told that its last packet was sent.
    Sent,
}

/// What the firmware is to be told of endpoint 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ControlEvents {
    pub(super) setup: bool,
    pub(super) out: bool,
    pub(super) in_complete: bool,
}

#[derive(Debug)]
pub(super) struct ControlEndpoint {
    /// bMaxPacketSize0 as the firmware was built with.
    packet_size: usize,
    stage: Stage,
    /// The firmware has been told of what the stage holds, and has not acted on it.
    is_told: bool,
}

impl ControlEndpoint {
    pub(super) fn new(packet_size: usize) -> Self {
        Self {
            packet_size: packet_size.max(1),
            stage: Stage::Idle,
            is_told: false,
        }
    }

    /// Whether a request can be offered.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Idle)
    }

    /// Hands a request to an idle endpoint.
    pub(super) fn offer(&mut self, request: Request) {
        self.enter(Stage::Setup(request));
    }

    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.is_told = false;
    }

    /// Called at the beginning of each poll of the firmware's: what it was told in the last one and has not acted on
    /// will get no answer, which becomes a stall.
    pub(super) fn overdue(&mut self) -> Option<Outcome> {
        let is_overdue = match &self.stage {
            Stage::Idle | Stage::Sent => false,
            Stage::Decide(_) => true,
            Stage::Setup(_) | Stage::Out { .. } | Stage::In { .. } => self.is_told,
        };
        if !is_overdue {
            return None;
        }
        match std::mem::take(&mut self.stage) {
            Stage::Setup(request) | Stage::Out { request, .. } | Stage::Decide(request) => {
                Some(Outcome::unanswered(request))
            }
            // It wrote full packets, and no short one that would have ended them.
            Stage::In { request, data } => {
                Some(Outcome::answered(request, ControlResponse::Data(data)))
            }
            Stage::Idle | Stage::Sent => None,
        }
    }

    /// What to tell the firmware in this poll.
    pub(super) fn events(&mut self) -> ControlEvents {
        self.is_told = true;
        let mut events = ControlEvents::default();
        match self.stage {
            Stage::Idle | Stage::Decide(_) => {}
            Stage::Setup(_) => events.setup = true,
            Stage::Out { .. } => events.out = true,
            Stage::In { .. } => events.in_complete = true,
            Stage::Sent => {
                events.in_complete = true;
                self.stage = Stage::Idle;
            }
        }
        events
    }

    /// The firmware reads a packet.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, UsbError> {
        match std::mem::take(&mut self.stage) {
            Stage::Setup(request) => {
                let bytes = request.setup.to_bytes();
                let Some(start) = buffer.get_mut(..bytes.len()) else {
                    self.stage = Stage::Setup(request);
                    return Err(UsbError::BufferOverflow);
                };
                start.copy_from_slice(&bytes);
                let has_data = request.setup.direction() == Direction::Out;
                self.enter(if has_data && request.setup.length > 0 {
                    Stage::Out { request, offset: 0 }
                } else {
                    Stage::Decide(request)
                });
                Ok(bytes.len())
            }
            Stage::Out { request, offset } => {
                let rest = &request.data[offset..];
                let packet = &rest[..rest.len().min(self.packet_size)];
                let length = packet.len();
                let Some(start) = buffer.get_mut(..length) else {
                    self.stage = Stage::Out { request, offset };
                    return Err(UsbError::BufferOverflow);
                };
                start.copy_from_slice(packet);
                let offset = offset + length;
                self.enter(if offset < request.data.len() {
                    Stage::Out { request, offset }
                } else {
                    Stage::Decide(request)
                });
                Ok(length)
            }
            stage => {
                self.stage = stage;
                Err(UsbError::WouldBlock)
            }
        }
    }

    /// The firmware writes a packet: of an IN request's data, or as the status stage of an OUT request.
    pub(super) fn write(&mut self, packet: &[u8]) -> Result<Option<Outcome>, UsbError> {
        if packet.len() > self.packet_size {
            return Err(UsbError::BufferOverflow);
        }
        let (request, mut data) = match std::mem::take(&mut self.stage) {
            Stage::Decide(request) if request.setup.direction() == Direction::Out => {
                self.enter(Stage::Sent);
                let outcome = Outcome::answered(request, ControlResponse::Acknowledge);
                return Ok(Some(outcome));
            }
            Stage::Decide(request) => (request, Vec::new()),
            Stage::In { request, data } => (request, data),
            // Behind an answer whose length the host knew comes a packet that it does not ask for.
            Stage::Idle | Stage::Sent => {
                self.enter(Stage::Sent);
                return Ok(None);
            }
            stage @ (Stage::Setup(_) | Stage::Out { .. }) => {
                self.stage = stage;
                return Err(UsbError::InvalidState);
            }
        };
        data.extend_from_slice(packet);
        let is_everything = data.len() >= usize::from(request.setup.length);
        if packet.len() == self.packet_size && !is_everything {
            self.enter(Stage::In { request, data });
            return Ok(None);
        }
        self.enter(Stage::Sent);
        let outcome = Outcome::answered(request, ControlResponse::Data(data));
        Ok(Some(outcome))
    }

    /// The firmware stalls the request. It does so on both directions of the endpoint, one after the other.
    pub(super) fn stall(&mut self) -> Option<Outcome> {
        match std::mem::take(&mut self.stage) {
            Stage::Setup(request)
            | Stage::Out { request, .. }
            | Stage::Decide(request)
            | Stage::In { request, .. } => Some(Outcome::answered(request, ControlResponse::Stall)),
            stage @ (Stage::Idle | Stage::Sent) => {
                self.stage = stage;
                None
            }
        }
    }
}
