//! The requests of Intel's USB 2.0 compliance test device: write a buffer, read it back. usbtest's tests 14 and 21 are
//! made of them.

use usbfs2_protocol::{Direction, Recipient, RequestKind};

use crate::{ControlRequest, ControlResponse};

/// OUT: fills the buffer.
const WRITE: u8 = 0x5b;
/// IN: gives back what is in it.
const READ: u8 = 0x5c;

/// As f_sourcesink has (USB_COMP_EP0_BUFSIZ).
const SIZE: usize = 4096;

/// What the host has written. Other requests may come between.
#[derive(Debug)]
pub(super) struct ControlBuffer(Vec<u8>);

impl Default for ControlBuffer {
    fn default() -> Self {
        Self(vec![0; SIZE])
    }
}

impl ControlBuffer {
    pub(super) fn answer(&mut self, request: &ControlRequest) -> ControlResponse {
        let setup = &request.setup;
        let kind = setup.request_type;
        let for_us = kind.kind == RequestKind::Vendor
            && kind.recipient == Recipient::Device
            && setup.value == 0
            && setup.index == 0;
        let length = usize::from(setup.length);
        if !for_us || length > SIZE {
            return ControlResponse::Stall;
        }
        match (setup.request, setup.direction()) {
            (WRITE, Direction::Out) => match self.0.get_mut(..request.data.len()) {
                Some(room) => {
                    room.copy_from_slice(&request.data);
                    ControlResponse::Acknowledge
                }
                None => ControlResponse::Stall,
            },
            (READ, Direction::In) => ControlResponse::Data(self.0[..length].to_vec()),
            _ => ControlResponse::Stall,
        }
    }
}

#[cfg(test)]
mod tests {
    use usbfs2_protocol::{RequestType, SetupPacket};

    use super::*;
    use crate::ControlTarget;

    fn request(request: u8, direction: Direction, data: &[u8], length: u16) -> ControlRequest {
        ControlRequest {
            setup: SetupPacket {
                request_type: RequestType {
                    direction,
                    kind: RequestKind::Vendor,
                    recipient: Recipient::Device,
                },
                request,
                value: 0,
                index: 0,
                length,
            },
            data: data.to_vec(),
            target: ControlTarget::Device,
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut buffer = ControlBuffer::default();
        let longest: Vec<u8> = (0..SIZE).map(|offset| offset as u8).collect();
        for data in [&longest[..], b"a shorter one", b""] {
            let length = data.len() as u16;
            let write = request(WRITE, Direction::Out, data, length);
            assert_eq!(buffer.answer(&write), ControlResponse::Acknowledge);
            let read = request(READ, Direction::In, &[], length);
            assert_eq!(buffer.answer(&read), ControlResponse::Data(data.to_vec()));
        }
    }

    #[test]
    fn what_is_none_of_the_two_stalls() {
        let mut buffer = ControlBuffer::default();
        let mut stalls =
            |request: &ControlRequest| buffer.answer(request) == ControlResponse::Stall;
        assert!(stalls(&request(WRITE, Direction::In, &[], 8)));
        assert!(stalls(&request(READ, Direction::Out, &[0; 8], 8)));
        assert!(stalls(&request(0x5d, Direction::In, &[], 8)));
        assert!(stalls(&request(READ, Direction::In, &[], SIZE as u16 + 1)));
        let too_long = request(WRITE, Direction::Out, &[0; SIZE + 1], SIZE as u16 + 1);
        assert!(stalls(&too_long));

        let right = request(READ, Direction::In, &[], 8);
        for change in [
            |setup: &mut SetupPacket| setup.value = 1,
            |setup: &mut SetupPacket| setup.index = 1,
            |setup: &mut SetupPacket| setup.request_type.kind = RequestKind::Class,
            |setup: &mut SetupPacket| setup.request_type.recipient = Recipient::Interface,
        ] {
            let mut wrong = right.clone();
            change(&mut wrong.setup);
            assert!(stalls(&wrong), "{:?}", wrong.setup);
        }
        assert!(!stalls(&right));
    }
}
