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

#[cfg(test)]
mod tests {
    use usbfs2_protocol::{RequestKind, SetupPacket};

    use super::super::request::Origin;
    use super::*;

    fn offered(setup: SetupPacket, data: &[u8]) -> ControlEndpoint {
        let mut control = ControlEndpoint::new(8);
        control.offer(Request {
            data: data.to_vec(),
            ..Request::new(Origin::Host, setup)
        });
        assert!(control.overdue().is_none());
        assert!(control.events().setup);
        let mut bytes = [0; 64];
        assert_eq!(control.read(&mut bytes), Ok(8));
        assert_eq!(bytes[..8], setup.to_bytes());
        control
    }

    fn ask(length: u16) -> ControlEndpoint {
        offered(
            SetupPacket::device_in(RequestKind::Vendor, 1, 0, 0, length),
            &[],
        )
    }

    fn data(outcome: Option<Outcome>) -> usize {
        match outcome.unwrap().response {
            ControlResponse::Data(bytes) => bytes.len(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_is_gathered_until_a_short_packet_or_everything_asked_for() {
        let mut control = ask(64);
        for _ in 0..2 {
            assert!(control.write(&[0; 8]).unwrap().is_none());
            assert!(control.overdue().is_none());
            assert!(control.events().in_complete);
        }
        assert_eq!(data(control.write(&[0; 3]).unwrap()), 19);
        let mut control = ask(8);
        assert_eq!(data(control.write(&[0; 8]).unwrap()), 8);
        // The packet of no bytes behind it goes nowhere.
        assert!(control.events().in_complete);
        assert!(control.write(&[]).unwrap().is_none());
        assert!(control.events().in_complete);
        assert!(control.is_idle());
        assert_eq!(
            control.write(&[0; 9]).unwrap_err(),
            UsbError::BufferOverflow
        );
    }

    #[test]
    fn data_is_read_in_packets_and_then_acknowledged() {
        let setup = SetupPacket::device_out(RequestKind::Vendor, 1, 0, 0, 11);
        let mut control = offered(setup, b"eleven byte");
        let mut bytes = [0; 8];
        assert!(control.overdue().is_none());
        assert!(control.events().out);
        assert_eq!(control.read(&mut bytes), Ok(8));
        assert!(control.overdue().is_none());
        assert!(control.events().out);
        assert_eq!(control.read(&mut []), Err(UsbError::BufferOverflow));
        assert_eq!(control.read(&mut bytes), Ok(3));
        let outcome = control.write(&[]).unwrap().unwrap();
        assert_eq!(outcome.response, ControlResponse::Acknowledge);
        assert!(control.stall().is_none());
    }

    #[test]
    fn a_request_without_an_answer_is_overdue_at_the_next_poll() {
        let outcome = ask(8).overdue().unwrap();
        assert!(outcome.is_unanswered);
        assert_eq!(outcome.response, ControlResponse::Stall);
        // Data that is announced and not read is no different.
        let setup = SetupPacket::device_out(RequestKind::Vendor, 1, 0, 0, 1);
        let mut control = offered(setup, b"1");
        assert!(control.overdue().is_none());
        assert!(control.events().out);
        assert!(control.overdue().unwrap().is_unanswered);
        // An answer of full packets that nothing follows is what was written.
        let mut control = ask(64);
        assert!(control.write(&[0; 8]).unwrap().is_none());
        assert!(control.events().in_complete);
        assert_eq!(data(control.overdue()), 8);
    }

    #[test]
    fn a_stall_of_both_directions_is_one() {
        let mut control = ask(8);
        assert_eq!(control.stall().unwrap().response, ControlResponse::Stall);
        assert!(control.stall().is_none());
        assert!(control.is_idle());
    }
}
